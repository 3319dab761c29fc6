"""A trained model on disk: ``model.json`` says what it is and whom it has seen, every fold has its network.

```
models/<name>/model.json  folds.json  card.md  judged.csv  figures.json  report.html
models/<name>/<outer>-<inner>/network.onnx  checkpoint.pt  log.csv  tensorboard/
```
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uptake.cohort.folds import Folds
from uptake.cohort.patients import patient_of
from uptake.io.values import from_plain, write_value
from uptake.segment.recipes import Recipe
from uptake.segment.training import NETWORK
from uptake.study import Code, Refusal, SettingsError

MODEL = "model.json"
FORMAT = 1


@dataclass(frozen=True)
class Member:
    """The network of one fold, its files by content (checkpoint: what torch reads), and how its training ended."""

    name: str
    outer: int
    inner: int
    sha256: str
    epochs: int
    best_epoch: int
    validation_loss: float
    validation_dice: float
    checkpoint: str = ""


@dataclass(frozen=True)
class Model:
    """What ``model.json`` holds. patients: whose each case of the training cohort is, test cases included."""

    format: int
    name: str
    recipe_name: str
    recipe: Recipe
    labels: str
    patients: Mapping[str, str]
    folds: Folds
    members: tuple[Member, ...]
    version: str
    licence: str = "Licence: that of its training data; for research only."


def write_model(folder: Path, model: Model) -> None:
    """Write ``model.json`` and ``folds.json``: the model is whole from then on."""
    write_value(model.folds, folder / "folds.json")
    write_value(model, folder / MODEL)


def read_model(folder: Path) -> Model:
    """A model, every network of which is as it was written.

    Refuses (MODEL) a folder without ``model.json``, one of another form, and networks that are gone or changed.
    """
    path = folder / MODEL
    if not path.is_file():
        raise _refused(f"{folder.name} holds no {MODEL}", "train it to the end: uptake train")
    try:
        model = from_plain(Model, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, SettingsError) as error:
        raise _refused(f"{folder.name}/{MODEL} is damaged ({type(error).__name__})") from error
    if not isinstance(model, Model) or model.format != FORMAT or not model.members:
        raise _refused(f"{folder.name}/{MODEL} of a form that this version does not know")
    for member in model.members:
        network = folder / member.name / NETWORK
        if not network.is_file() or digest(network) != member.sha256:
            raise _refused(f"{folder.name}/{member.name}/{NETWORK} is gone or changed")
    return model


def unseen_members(model: Model, *names: str) -> tuple[Member, ...]:
    """The networks that never saw a patient: all for a stranger, those that test it for one of the training cohort.

    names: the patient and their case, if it has one; either is looked for among the model's patients and cases, and
    among what its cases' names say, since the model may come from a version that told patients apart otherwise.
    Refuses (MODEL) a patient whom every network has seen.
    """
    wanted = {*names, *(model.patients[name] for name in names if name in model.patients)}
    own = {case for case, owner in model.patients.items() if wanted & {case, owner, patient_of(case)}}
    trained_on = own & set(model.folds.case_ids)
    if not trained_on:
        return model.members
    blind = {number for number, outer in enumerate(model.folds.outer) if trained_on <= set(outer.test)}
    found = tuple(member for member in model.members if member.outer in blind)
    if not found:
        raise Refusal(
            Code.MODEL,
            found=f"every network of {model.name} has seen patient {names[0]} in training or validation",
            allowed="a network that has not",
            remedy="use a model of another cohort, or train with test folds",
        )
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _refused(found: str, remedy: str = "train the model again, or copy its whole folder anew") -> Refusal:
    return Refusal(Code.MODEL, found=found, allowed="the folder of a model as `uptake train` wrote it", remedy=remedy)
