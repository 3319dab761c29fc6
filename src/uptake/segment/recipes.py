"""What a network is and how it is trained: the paper's recipe and ours, as values.

The paper's follows GaNDLF 0.0.14 as far as paper and code say it: residual U-Net, three phases as channels,
multi-class Dice loss, SGD 0.01 with momentum 0.9, a triangular rate down to 1e-3 of it, ghosting, blur and noise.
What they leave open (base filters, normalisation, patch, period, probabilities, epochs) is a setting with its default
here. Normalisation is by instance: with GaNDLF's default, by batch, trainings on two patches a step have ended with no
lesion found anywhere, and did not come back.
Source: Chitalia et al., Scientific Data 2022;9:440; github.com/mlcommons/GaNDLF, tag 0.0.14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from uptake.segment.channels import Channels
from uptake.study import SettingsError, require

RecipeName = Literal["ours", "paper"]
Network = Literal["resunet", "unet", "segresnet", "dynunet"]
Loss = Literal["dice", "dice-log", "dice-ce"]
Schedule = Literal["triangle", "triangle-modified", "triangular", "polynomial", "constant"]
DOWN_SAMPLINGS = 4
LEAST_PATCH = 32
"""voxels: at half of it the deepest level is one voxel, of which no normalisation can be made."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training makes of given cases and folds."""

    channels: Annotated[Channels, "what the network sees: the three phases, or two of them and their differences"] = (
        "kinetic"
    )
    prompt: Annotated[
        bool, "a further channel with the VOI that the study or a user gives; ones where there is none"
    ] = False
    spacing_mm: Annotated[
        float, "mm; voxels finer than this are averaged in blocks for the network; 0: images as they were harmonised"
    ] = 0.0
    network: Annotated[Network, "GaNDLF's residual U-Net, or MONAI's U-Net, SegResNet or DynUNet"] = "unet"
    filters: Annotated[int, "channels after the first convolution; doubled at every level"] = 16
    norm: Annotated[Literal["instance", "batch"], "normalisation between convolutions"] = "instance"
    dropout: Annotated[float, "share of channels dropped in the encoder while training"] = 0.0
    loss: Annotated[Loss, "multi-class Dice, its logarithm, or Dice with cross-entropy"] = "dice-ce"
    weighted: Annotated[bool, "weigh the classes of the Dice loss by the inverse of their voxels"] = False
    optimiser: Annotated[Literal["sgd", "adamw"], "how weights are moved"] = "adamw"
    rate: Annotated[float, "learning rate at its highest"] = 1e-3
    momentum: Annotated[float, "of SGD; with Nesterov's correction if nesterov"] = 0.9
    weight_decay: Annotated[float, "of AdamW"] = 1e-2
    schedule: Annotated[Schedule, "how the rate changes from epoch to epoch"] = "polynomial"
    step_size: Annotated[float, "epochs from the highest to the lowest rate of a triangle; half its period"] = 25.0
    lowest: Annotated[float, "the lowest rate of a triangle, as a share of the highest"] = 1e-3
    patch: Annotated[int, "voxels; edge of the cubes that are cut out, a multiple of 16"] = 64
    batch: Annotated[int, "patches per step"] = 2
    patches_per_case: Annotated[int, "patches of every case in an epoch"] = 4
    foreground: Annotated[float, "share of patches that are centred on a voxel of the lesion; the others anywhere"] = (
        0.5
    )
    augment_on: Annotated[
        Literal["patch", "volume"],
        "patches on the training device (flip, affine, intensity, blur, noise), or whole volumes with TorchIO before "
        "patches are cut (ghosting, blur, noise)",
    ] = "patch"
    flip: Annotated[float, "probability of mirroring, for each axis"] = 0.5
    affine: Annotated[float, "probability of a random rotation, scaling and shift of the patch"] = 0.3
    rotation_deg: Annotated[float, "degrees; largest rotation about each axis"] = 20.0
    scaling: Annotated[float, "largest relative change of size"] = 0.2
    intensity: Annotated[float, "probability of each of: brightness, contrast, a smooth field of gain"] = 0.3
    ghosting: Annotated[float, "probability of ghosts or a spike in k-space, each half of the times"] = 0.0
    blur: Annotated[float, "probability of a Gaussian blur"] = 0.1
    noise: Annotated[float, "probability of Gaussian noise"] = 0.15
    noise_std: Annotated[float, "z-score units; largest standard deviation of the noise"] = 0.25
    validate_on: Annotated[
        Literal["patches", "volume"], "validation on the same patches after every epoch, or on whole volumes"
    ] = "patches"
    epochs: Annotated[int, "most epochs"] = 200
    patience: Annotated[int, "epochs without a lower validation loss after which a fold ends"] = 50
    overlap: Annotated[float, "share of a patch that neighbouring windows have in common at inference"] = 0.5
    weighting: Annotated[Literal["gaussian", "constant"], "how overlapping windows are averaged"] = "gaussian"
    amp: Annotated[bool, "mixed precision where there is a GPU"] = True
    seed: Annotated[int, "of weights, patches and augmentation"] = 0

    def __post_init__(self) -> None:
        fits = self.patch >= LEAST_PATCH and self.patch % 2**DOWN_SAMPLINGS == 0
        self._check("patch", fits, f"a multiple of {2**DOWN_SAMPLINGS}, {LEAST_PATCH} at least")
        for name in ("filters", "batch", "patches_per_case", "epochs", "patience"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in ("dropout", "foreground", "flip", "affine", "intensity", "ghosting", "blur", "noise"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a probability in [0, 1]")
        for name in ("rate", "step_size", "lowest"):
            self._check(name, getattr(self, name) > 0, "positive")
        for name in ("flip", "affine", "intensity") if self.augment_on == "volume" else ("ghosting",):
            self._check(name, not getattr(self, name), f"0 where recipe.augment_on is {self.augment_on!r}")
        self._check("prompt", not (self.prompt and self.augment_on == "volume"), "off where augment_on is 'volume'")
        self._check("spacing_mm", 0 <= self.spacing_mm <= 10, "in [0, 10]")
        self._check("overlap", 0 <= self.overlap < 1, "in [0, 1)")

    def _check(self, name: str, fits: bool, allowed: str) -> None:
        require(fits, f"recipe.{name}", allowed, getattr(self, name))

    @property
    def inputs(self) -> int:
        """Number of channels that the network sees."""
        return (3 if self.channels == "phases" else 4) + self.prompt


PAPER = Recipe(
    channels="phases",
    network="resunet",
    filters=30,
    norm="instance",
    dropout=0.5,
    loss="dice",
    optimiser="sgd",
    rate=0.01,
    schedule="triangle",
    patches_per_case=10,
    batch=1,
    foreground=0.0,
    augment_on="volume",
    flip=0.0,
    affine=0.0,
    intensity=0.0,
    ghosting=0.5,
    blur=0.5,
    noise=0.5,
    noise_std=1.0,
    validate_on="volume",
    epochs=100,
    patience=100,
    overlap=0.25,
    weighting="constant",
    amp=False,
)
RECIPES: Mapping[RecipeName, Recipe] = {"ours": Recipe(), "paper": PAPER}


def named_recipe(name: str) -> Recipe:
    """A recipe by name. Raises SettingsError for an unknown one."""
    for known, recipe in RECIPES.items():
        if known == name:
            return recipe
    raise SettingsError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
