"""Nested k-fold cross-validation by patient: who is tested, trained on and validated with, decided before any training.

Patients are sorted by scanner and lesion volume and dealt to the folds in blocks of k, each block in a random order:
so every fold gets its share of every scanner and of every size of lesion, and the sizes of folds differ by one at most.
All cases of a patient go the same way (whose a case is: `uptake.cohort.patients`). GaNDLF's nested folds let test
subjects into training; here `checked` refuses any plan, our own or a user's, in which a patient stands in two parts of
one fold.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptake.study import Code, Refusal

WANTED_FOLDS = 5
"""Outer and inner folds where nobody asks for another number and there are patients enough."""
FEW = "add cases, or say whose each case is with --patients FILE where names of different patients end like visits"


@dataclass(frozen=True)
class Subject:
    """A case to be planned: whose it is, how large its lesion (cc, None: unknown), which scanner it was made on."""

    case_id: str
    patient: str
    lesion_cc: float | None = None
    scanner: str = ""


@dataclass(frozen=True)
class Inner:
    """Cases that weights are fitted to, and cases that choose the epoch. In order of name."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    """Cases that no network of this fold has seen, and the inner folds of all others."""

    test: tuple[str, ...]
    inner: tuple[Inner, ...]


@dataclass(frozen=True)
class Folds:
    """What ``folds.json`` holds."""

    outer: tuple[Outer, ...]

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Every case of the plan, in order of name."""
        parts = [(fold.test, *((inner.train + inner.validation) for inner in fold.inner)) for fold in self.outer]
        return tuple(sorted({case for fold in parts for part in fold for case in part}))


def plan_folds(subjects: Sequence[Subject], outer: int | None = None, inner: int | None = None, seed: int = 0) -> Folds:
    """Nested folds of `subjects`: every case is tested once, and is in training or validation of every other fold.

    outer, inner: numbers of folds, at least 2 each; None: 5, or as many as there are patients. The same subjects and
    seed give the same plan, in whatever order they come. Refuses (FOLDS) fewer than three patients, which is the
    least for a test, a validation and a training part, and more folds than patients.
    """
    patients = _patients(subjects)
    if len(patients) < 3:
        raise _refused(f"{len(patients)} patients", "three at least: to test, to validate and to train", FEW)
    count = _count("outer", outer, len(patients))
    random_ = random.Random(f"{seed} outer")  # noqa: S311 (a shuffle that has to come out the same again)
    tests = _dealt(patients, count, random_)
    folds = []
    for number, test in enumerate(tests):
        rest = _others(patients, test)
        inside = random.Random(f"{seed} inner {number}")  # noqa: S311
        parts = _dealt(rest, _count("inner", inner, len(rest)), inside)
        folds.append(Outer(_cases(test), tuple(Inner(_cases(_others(rest, v)), _cases(v)) for v in parts)))
    return checked(Folds(tuple(folds)), {subject.case_id: subject.patient for subject in subjects})


def plan_whole(subjects: Sequence[Subject], inner: int | None = None, seed: int = 0) -> Folds:
    """One fold without a test part: one network from all cases but a validation part, for use and not for figures."""
    patients = _patients(subjects)
    if len(patients) < 2:
        raise _refused(f"{len(patients)} patients", "two at least: to validate and to train", FEW)
    parts = _dealt(patients, _count("inner", inner, len(patients)), random.Random(f"{seed} whole"))  # noqa: S311
    plan = Folds((Outer((), (Inner(_cases(_others(patients, parts[0])), _cases(parts[0])),)),))
    return checked(plan, {subject.case_id: subject.patient for subject in subjects})


def checked(folds: Folds, patients: Mapping[str, str]) -> Folds:
    """The plan, if it is sound: refuses (FOLDS) one that is not.

    patients: whose each case is. Test, training and validation part of a fold share no patient, together they are all
    cases, no case is tested twice, every case is known, and every outer fold has an inner one.
    """
    if not folds.outer or not all(outer.inner for outer in folds.outer):
        raise _refused("an outer fold without an inner one", "a network for every outer fold", "plan again")
    tested: list[str] = []
    for number, outer in enumerate(folds.outer):
        tested += outer.test
        for place, inner in enumerate(outer.inner):
            where = f"outer fold {number}, inner fold {place}"
            parts = {"test": outer.test, "train": inner.train, "validation": inner.validation}
            _check_known(parts, patients, where)
            _check_disjoint(parts, patients, where)
            missing = sorted(set(patients) - {case for part in parts.values() for case in part})
            if missing:
                raise _refused(f"{where} leaves out {', '.join(missing[:3])}", "every case in one part", "plan again")
    twice = sorted({case for case in tested if tested.count(case) > 1})
    if twice:
        raise _refused(f"{', '.join(twice[:3])} tested in two outer folds", "one test per case", "plan again")
    return folds


def only(folds: Folds, cases: Iterable[str]) -> Folds:
    """The same plan for fewer cases; parts stay disjoint. Folds may become empty, which `trainable` refuses."""
    kept = set(cases)

    def part(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in kept)

    return Folds(
        tuple(
            Outer(part(outer.test), tuple(Inner(part(i.train), part(i.validation)) for i in outer.inner))
            for outer in folds.outer
        )
    )


def trainable(folds: Folds) -> Folds:
    """The plan, if every fold has cases to train on and to validate with; refuses (FOLDS) one that has not."""
    for number, outer in enumerate(folds.outer):
        for place, inner in enumerate(outer.inner):
            for name, part in (("train", inner.train), ("validation", inner.validation)):
                if not part:
                    raise _refused(
                        f"outer fold {number}, inner fold {place} has no case with a lesion to {name}",
                        "a labelled lesion in every training and every validation part",
                        "label more cases, or ask for fewer folds",
                    )
    return folds


def from_plain(plain: Any) -> Folds:  # noqa: ANN401 (any JSON value)
    """The plan from what ``folds.json`` holds. Refuses (FOLDS) anything of another form."""
    try:
        return Folds(
            tuple(
                Outer(
                    _names(outer["test"]),
                    tuple(Inner(_names(i["train"]), _names(i["validation"])) for i in outer["inner"]),
                )
                for outer in plain["outer"]
            )
        )
    except (KeyError, TypeError) as error:
        raise _refused(
            "a file of another form",
            '{"outer": [{"test": [ids], "inner": [{"train": [ids], "validation": [ids]}]}]}',
            "write it with `uptake train COHORT --plan-only`",
        ) from error


@dataclass(frozen=True)
class _Patient:
    """The cases of one patient, and what they are sorted by."""

    name: str
    cases: tuple[str, ...]
    scanner: str
    lesion_cc: float


def _patients(subjects: Sequence[Subject]) -> list[_Patient]:
    """By scanner, then by the largest known lesion, those of unknown size first; equal ones by name."""
    found: dict[str, list[Subject]] = {}
    for subject in sorted(subjects, key=lambda s: s.case_id):
        found.setdefault(subject.patient, []).append(subject)
    patients = [
        _Patient(name, tuple(s.case_id for s in own), own[0].scanner, max(s.lesion_cc or 0.0 for s in own))
        for name, own in found.items()
    ]
    return sorted(patients, key=lambda p: (p.scanner, p.lesion_cc, p.name))


def _dealt(patients: Sequence[_Patient], count: int, random_: random.Random) -> list[list[_Patient]]:
    parts: list[list[_Patient]] = [[] for _ in range(count)]
    for start in range(0, len(patients), count):
        order = random_.sample(range(count), count)
        for patient, fold in zip(patients[start : start + count], order, strict=False):
            parts[fold].append(patient)
    return parts


def _others(patients: Sequence[_Patient], part: Sequence[_Patient]) -> list[_Patient]:
    out = set(part)
    return [patient for patient in patients if patient not in out]


def _cases(patients: Iterable[_Patient]) -> tuple[str, ...]:
    return tuple(sorted(case for patient in patients for case in patient.cases))


def _count(name: str, wanted: int | None, patients: int) -> int:
    count = min(WANTED_FOLDS, patients) if wanted is None else wanted
    if not 2 <= count <= patients:
        raise _refused(
            f"{count} {name} folds of {patients} patients",
            f"at least 2 {name} folds, each with a patient",
            "ask for another number of folds, or add cases",
        )
    return count


def _names(value: Any) -> tuple[str, ...]:  # noqa: ANN401 (any JSON value)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("a part is a list of case ids")
    return tuple(value)


def _check_known(parts: Mapping[str, tuple[str, ...]], patients: Mapping[str, str], where: str) -> None:
    for name, part in parts.items():
        strange = sorted(set(part) - set(patients))
        if strange:
            raise _refused(f"{where}: {name} names {', '.join(strange[:3])}", "cases of the cohort", "plan again")


def _check_disjoint(parts: Mapping[str, tuple[str, ...]], patients: Mapping[str, str], where: str) -> None:
    seen: dict[str, str] = {}
    for name, part in parts.items():
        for patient in sorted({patients[case] for case in part}):
            if patient in seen:
                raise _refused(
                    f"{where}: patient {patient} is in {seen[patient]} and in {name}",
                    "every patient in one part of a fold",
                    "plan again with `uptake train COHORT --plan-only`; if these are two patients: --patients FILE",
                )
            seen[patient] = name


def _refused(found: str, allowed: str, remedy: str) -> Refusal:
    return Refusal(Code.FOLDS, found=found, allowed=allowed, remedy=remedy)
