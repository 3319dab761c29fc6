"""A trained network as an ONNX file: patches in, probability of the lesion out."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from uptake.io.files import write_bytes_whole
from uptake.segment.networks import build
from uptake.segment.recipes import Recipe

OPSET = 17
INPUT, OUTPUT = "image", "probability"


def write_onnx(recipe: Recipe, weights: dict[str, Any], path: Path) -> None:
    """Write the network with `weights`, whole or not at all: (n, channels, p, p, p) -> (n, p, p, p), any n."""
    write_bytes_whole(path, onnx_bytes(recipe, weights))


def onnx_bytes(recipe: Recipe, weights: dict[str, Any]) -> bytes:
    """The network as ONNX, the softmax inside. Equal weights give equal bytes."""
    import torch

    network = probability_network(recipe, weights)
    patch = torch.zeros(1, recipe.inputs, *(recipe.patch,) * 3)
    packed = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is called old
        torch.onnx.export(
            network,
            (patch,),
            packed,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
        )
    return packed.getvalue()


def probability_network(recipe: Recipe, weights: dict[str, Any]) -> Any:  # noqa: ANN401 (a module of PyTorch)
    """The network with its softmax, in inference: probability of the lesion per voxel."""
    import torch
    from torch import nn

    class Probability(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = build(recipe)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.network(image), dim=1)[:, 1]

    made = Probability().eval()
    made.network.load_state_dict(weights)
    return made
