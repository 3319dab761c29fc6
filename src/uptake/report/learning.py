"""The page of a trained model: learning curves of every fold, figures on cases never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from uptake.cohort.judging import Difference, Figures
from uptake.report.pages import rendered
from uptake.report.svg import Frame, Scale, drawing, label, polyline, tag, ticks, x_axis, y_axis


@dataclass(frozen=True)
class FoldCurve:
    """A fold's training: losses and Dice per epoch, and the epoch that was chosen (from 0)."""

    name: str
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_dice: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True)
class ModelView:
    """Everything on a model's page. left_out: (case, why)."""

    name: str
    recipe: str
    labels: str
    cases: int
    folds: tuple[FoldCurve, ...]
    figures: tuple[Figures, ...] = ()
    differences: tuple[Difference, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    version: str = ""


def model_page(view: ModelView) -> str:
    """The page as HTML text that needs no other file and no network."""
    return rendered("model.html.j2", view=view, curves=tuple(_curves(fold) for fold in view.folds))


def _curves(fold: FoldCurve) -> Markup:
    """Losses of training and validation and the validation's Dice over the epochs, the chosen one marked."""
    frame = Frame(width=420, height=240, right=44)
    losses = (*fold.train_loss, *fold.validation_loss)
    count = len(fold.train_loss)
    x = frame.x(1, max(count, 2))
    high = max(losses)
    low = min(0.0, *losses)
    y, y_dice = frame.y(low, high), frame.y(0, 1)
    parts = [
        x_axis(frame, [(x(n), label(n)) for n in ticks(1, max(count, 2)) if n == int(n)], "epoch"),
        y_axis(frame, [(y(n), label(n)) for n in ticks(low, high)], "loss"),
        _right_axis(frame, y_dice(0), y_dice(1)),
        tag("line", class_="chosen", x1=x(fold.best_epoch + 1), x2=x(fold.best_epoch + 1), y1=y(low), y2=y(high)),
        _line(x, y, fold.train_loss, "curve train"),
        _line(x, y, fold.validation_loss, "curve validation"),
        _line(x, y_dice, fold.validation_dice, "curve dice"),
    ]
    return drawing(frame, f"Losses and Dice of fold {fold.name} over {count} epochs", *parts)


def _right_axis(frame: Frame, bottom: float, top: float) -> Markup:
    at = frame.width - frame.right + 6
    ends = ((bottom, "0"), ((bottom + top) / 2, "0.5"), (top, "1"))
    parts = [tag("text", words, class_="tick", x=at, y=y + 4) for y, words in ends]
    turn = f"rotate(90 {frame.width - 8} {(bottom + top) / 2})"
    parts.append(tag("text", "Dice", class_="title", x=frame.width - 8, y=(bottom + top) / 2, transform=turn,
                     text_anchor="middle"))  # fmt: skip
    return Markup("").join(parts)


def _line(x: Scale, y: Scale, values: Sequence[float], kind: str) -> Markup:
    points = [(x(n), y(value)) for n, value in enumerate(values, start=1)]
    if len(points) == 1:
        return tag("circle", class_=f"{kind} dot", cx=points[0][0], cy=points[0][1], r=3)
    return polyline(points, class_=kind)
