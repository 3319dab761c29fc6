"""The networks: GaNDLF 0.0.14's residual U-Net block by block, and MONAI's.

Every one takes (batch, channels, i, j, k) and gives two logits per voxel, background and lesion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uptake.segment.recipes import DOWN_SAMPLINGS, Recipe

if TYPE_CHECKING:
    from torch import nn

CLASSES = 2
SLOPE = 0.01


def build(recipe: Recipe) -> nn.Module:
    """The untrained network of a recipe, with PyTorch's default initial weights."""
    if recipe.network == "resunet":
        return resunet(recipe.inputs, recipe.filters, recipe.norm, recipe.dropout)
    return _monai(recipe)


def parameters(network: nn.Module) -> int:
    """Number of weights that training moves."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def resunet(inputs: int, filters: int, norm: str = "batch", dropout: float = 0.5) -> nn.Module:
    """GaNDLF 0.0.14's `resunet`: five levels, pre-activation residual blocks, trilinear up-sampling.

    8.35, 29.33 and 33.37 million parameters for 16, 30 and 32 filters, three inputs and two classes.
    """
    from torch import nn

    width = [filters * 2**k for k in range(DOWN_SAMPLINGS + 1)]
    narrow, wide = width[:DOWN_SAMPLINGS], [2 * filters, *width[1:DOWN_SAMPLINGS]]
    blocks = _Blocks(norm)
    parts: dict[str, nn.Module] = {
        "first": blocks.conv(inputs, filters),
        "encoders": nn.ModuleList(blocks.encoder(n, dropout) for n in width),
        "downs": nn.ModuleList(nn.Sequential(blocks.conv(n, 2 * n, 2), *blocks.ready(2 * n)) for n in narrow),
        "ups": nn.ModuleList(nn.Conv3d(2 * n, n, 1) for n in narrow),
        "heads": nn.ModuleList(nn.Sequential(*blocks.step(2 * n, m)) for n, m in zip(narrow, wide, strict=True)),
        "tails": nn.ModuleList(nn.Sequential(*blocks.step(m, m), *blocks.step(m, m)) for m in wide),
        "last": nn.Sequential(*blocks.step(2 * filters, CLASSES)),
    }
    return _resunet_of(parts)


@dataclass(frozen=True)
class _Blocks:
    """What `resunet` is made of: convolutions of 3 x 3 x 3, each behind a normalisation and a leaky ReLU."""

    norm: str

    def conv(self, n: int, m: int, stride: int = 1) -> nn.Module:
        from torch import nn

        return nn.Conv3d(n, m, 3, stride, padding=1)

    def ready(self, n: int) -> list[nn.Module]:
        from torch import nn

        normed = {"batch": nn.BatchNorm3d, "instance": _instance}[self.norm]
        return [normed(n), nn.LeakyReLU(SLOPE)]

    def step(self, n: int, m: int) -> list[nn.Module]:
        return [*self.ready(n), self.conv(n, m)]

    def encoder(self, n: int, dropout: float) -> nn.Module:
        from torch import nn

        dropped: list[nn.Module] = [nn.Dropout3d(dropout)] if dropout else []
        return nn.Sequential(*self.step(n, n), *dropped, *self.step(n, n))


def _resunet_of(parts: Mapping[str, nn.Module]) -> nn.Module:
    """The blocks put together: every encoder and every decoder's tail adds to what it is given."""
    import torch
    from torch import nn

    class ResUNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.first(x)
            y = h + self.encoders[0](h)
            skips = []
            for down, encoder in zip(self.downs, list(self.encoders)[1:], strict=True):
                skips.append(y)
                y = down(y)
                y = y + encoder(y)
            for k in reversed(range(DOWN_SAMPLINGS)):
                y = nn.functional.interpolate(y, scale_factor=2.0, mode="trilinear", align_corners=True)
                y = torch.cat([self.ups[k](y), skips[k]], dim=1)
                h = self.heads[k](y)
                y = h + self.tails[k](h)
            return self.last(y)

    return ResUNet()


def _instance(channels: int) -> nn.Module:
    from torch import nn

    return nn.InstanceNorm3d(channels, affine=True)


def _monai(recipe: Recipe) -> nn.Module:
    """MONAI's networks at the size of the recipe."""
    from monai.networks import nets

    norm: Any = ("INSTANCE", {"affine": True}) if recipe.norm == "instance" else "BATCH"
    width = [min(recipe.filters * 2**k, 320) for k in range(DOWN_SAMPLINGS + 1)]
    if recipe.network == "unet":
        return nets.UNet(
            spatial_dims=3,
            in_channels=recipe.inputs,
            out_channels=CLASSES,
            channels=width,
            strides=(2,) * DOWN_SAMPLINGS,
            num_res_units=2,
            norm=norm,
            dropout=recipe.dropout,
        )
    if recipe.network == "segresnet":
        return nets.SegResNet(
            spatial_dims=3,
            init_filters=recipe.filters,
            in_channels=recipe.inputs,
            out_channels=CLASSES,
            dropout_prob=recipe.dropout or None,
            norm=norm,
        )
    return nets.DynUNet(
        spatial_dims=3,
        in_channels=recipe.inputs,
        out_channels=CLASSES,
        kernel_size=[3] * (DOWN_SAMPLINGS + 1),
        strides=[1] + [2] * DOWN_SAMPLINGS,
        upsample_kernel_size=[2] * DOWN_SAMPLINGS,
        filters=width,
        norm_name=norm,
        res_block=True,
    )
