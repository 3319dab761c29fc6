"""What the network sees of a case: harmonised phases as channels. NumPy only, so that inference needs no torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from uptake.study import Code, Refusal, Study

Channels = Literal["phases", "kinetic"]
Floats = npt.NDArray[np.float32]
PHASES = 3


def channel_stack(harmonised: Study, channels: Channels, voi: npt.NDArray[np.bool_] | None, *, prompt: bool) -> Floats:
    """Channels of a harmonised study, shape (channels, i, j, k), float32.

    phases: pre, post 1, post 2. kinetic: pre, post 1, post 1 - pre, post 2 - post 1, the z-scored phases as they are.
    prompt: one more channel, 1 inside `voi` (on the harmonised grid) and 0 outside, 1 everywhere where it is None.
    Refuses (FEW_PHASES) a study of more or fewer than three phases.
    """
    if len(harmonised.phases) != PHASES:
        raise Refusal(
            Code.FEW_PHASES,
            found=f"{len(harmonised.phases)} harmonised phases",
            allowed="three: before contrast, early, late",
            remedy="run the case again with `uptake run`, which delivers three",
        )
    pre, first, second = (volume.array.astype(np.float32, copy=False) for volume in harmonised.volumes)
    images = phase_channels(pre, first, second, channels)
    if prompt:
        images.append(np.ones_like(pre) if voi is None else voi.astype(np.float32))
    return np.stack(images)


def phase_channels(pre: Floats, first: Floats, second: Floats, channels: Channels) -> list[Floats]:
    """The channels of three z-scored phases, without that of a prompt."""
    return [pre, first, second] if channels == "phases" else [pre, first, first - pre, second - first]
