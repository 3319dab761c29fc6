"""What a fold knows of itself after an epoch, kept whole or not at all; a resumed fold goes on as if never stopped.

Every epoch's random numbers follow from seed, fold and epoch, so that no generator's state has to be kept. The file
begins with a line that holds the SHA-256 of the rest, for PyTorch reads changed bytes without a word.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from uptake.io.files import write_bytes_whole
from uptake.study import Code, Refusal

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class EpochRow:
    """A line of ``log.csv``. validation_dice is of the thresholded lesion, over all validation voxels together."""

    epoch: int
    rate: float
    train_loss: float
    validation_loss: float
    validation_dice: float


@dataclass
class Progress:
    """A fold's weights, its optimiser, its best weights so far, and its log.

    fingerprint: what it is a training of. threads: the number that it was begun with, for sums depend on it.
    """

    fingerprint: str
    model: dict[str, Any]
    optimiser: dict[str, Any]
    scaler: dict[str, Any]
    best: dict[str, Any] = field(default_factory=dict)
    best_epoch: int = -1
    rows: list[EpochRow] = field(default_factory=list)
    finished: bool = False
    threads: int = 1


def write_progress(folder: Path, progress: Progress) -> None:
    """Keep a fold's state in place of the last one. Refuses (NO_SPACE) a full disk, and the last one stays."""
    import torch

    plain = {**vars(progress), "rows": [asdict(row) for row in progress.rows]}
    packed = io.BytesIO()
    torch.save(plain, packed)
    payload = packed.getvalue()
    write_bytes_whole(folder / CHECKPOINT, _sealed(payload) + payload)


def read_progress(folder: Path, fingerprint: str | None = None) -> Progress | None:
    """A fold's state, or None where it never ended an epoch.

    Refuses (MODEL) a damaged file, and one of another recipe, other cases or other folds than `fingerprint` says.
    """
    import torch

    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    seal, _, payload = path.read_bytes().partition(b"\n")
    try:
        if seal + b"\n" != _sealed(payload):
            raise ValueError("changed bytes")
        plain = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        progress = Progress(**{**plain, "rows": [EpochRow(**row) for row in plain["rows"]]})
    except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise Refusal(
            Code.MODEL,
            found=f"{folder.name}/{path.name} is damaged",
            allowed="a checkpoint as training wrote it",
            remedy="remove the folder of this fold and train again: the other folds are kept",
        ) from error
    if fingerprint is not None and progress.fingerprint != fingerprint:
        raise Refusal(
            Code.MODEL,
            found=f"{folder.name} was begun with another recipe, other labels or other folds",
            allowed="the training that was begun under this name",
            remedy="give another --name, or remove the model's folder",
        )
    return progress


def _sealed(payload: bytes) -> bytes:
    return f"uptake checkpoint {hashlib.sha256(payload).hexdigest()}\n".encode()
