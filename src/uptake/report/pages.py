"""Assembly of the two pages: values in, one self-contained HTML file as text out; equal values give equal text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from uptake.features import Feature
from uptake.report import figures, images, panels
from uptake.report.figures import Dot, Histogram, Tick
from uptake.report.panels import Scene, Slide
from uptake.report.svg import label
from uptake.report.view import CaseView, CohortCase, CohortView
from uptake.study import Study
from uptake.volume import Array

OUTLINE_COLOURS: tuple[images.Colour, images.Colour] = ((0, 229, 255), (255, 179, 0))
"""FTV cyan and STV amber, on every picture of both pages."""

THUMBNAIL_PX = 176

_MANY_VOXELS = 2_000_000
_MANY_PHASES = 9
_SIDES = {"L": "left breast", "R": "right breast", "B": "both breasts"}
_STV_WORDS = {"reader": "reader's", "truth": "phantom's truth", "model": "network's", "proposal": "proposal"}


def case_page(view: CaseView) -> str:
    """The page of one case as HTML text that needs no other file and no network."""
    scene = panels.scene(view)
    slides, start = panels.slides(scene)
    names = _phase_names(view)
    return rendered(
        "case.html.j2",
        view=view,
        ftv=view.ftv,
        facts=_facts(view.study),
        stv_words=_STV_WORDS[view.stv_source],
        slides=slides,
        start=start,
        slide_data=_slide_data(slides),
        phases=panels.phase_pictures(scene, slides[start], names),
        ser=panels.ser_picture(scene, slides[start], f"SER over {names[1]}"),
        mips=panels.mips(scene),
        bands=_bands(view),
        pe_words=_pe_words(scene),
        curve=_curve(scene),
        histograms=_histograms(view),
        bias=_bias(scene),
        breasts=panels.breast_pictures(scene),
        families=_families(view),
    )


def thumbnail(view: CaseView) -> bytes:
    """A small PNG of the case: subtraction MIP along the slice axis with the outlines of FTV and STV."""
    return panels.small(panels.scene(view), THUMBNAIL_PX, OUTLINE_COLOURS)


def cohort_page(view: CohortView) -> str:
    """The cohort's page as HTML text; it links to ``../cases/<case_id>/report.html`` and needs no network."""
    lost = len({row.subject for row in view.refusals if row.is_case})
    return rendered(
        "cohort.html.j2",
        view=view,
        total=len(view.cases) + lost,
        lost=lost,
        other=sum(not row.is_case for row in view.refusals),
        awaiting=sum(case.awaits_reader for case in view.cases),
        automatic=sum(case.automatic_voi for case in view.cases),
        strips=_strips(view.cases),
        stv_words=_STV_WORDS,
    )


def _facts(study: Study) -> tuple[str, ...]:
    made, spacing = study.acquisition, study.grid.spacing_mm
    field = f"{made.field_strength_t:g} T" if made.field_strength_t else ""
    scanner = " ".join(part for part in (made.manufacturer, made.model) if part)
    size = " \u00d7 ".join(str(n) for n in study.grid.shape)
    voxel = " \u00d7 ".join(f"{s:.3g}" for s in spacing)
    phases = f"{len(study.phases)} phases"
    side = _SIDES.get(made.laterality or "", made.laterality)
    visit = f"visit {made.visit}" if made.visit else ""
    given = (scanner, field, side, visit, phases, f"{size} voxels of {voxel} mm")
    return tuple(fact for fact in given if fact)


def _phase_names(view: CaseView) -> tuple[str, str, str]:
    names = []
    for role, index in zip(("pre-contrast", "early", "late"), view.ftv.phases.indices, strict=True):
        time = view.study.phases[index].time_s
        names.append(f"{role}, phase {index}" + (f", {time:.0f} s" if time is not None else ""))
    return names[0], names[1], names[2]


def _slide_data(slides: Sequence[Slide]) -> Markup:
    """The slides as JSON for a script element; '<' is escaped, so that nothing in it can end the element."""
    rows = [
        {
            "words": slide.words,
            **{f"phase{n}": uri for n, uri in enumerate(slide.phases)},
            "ser": slide.ser,
            "ftv": slide.ftv,
            "stv": slide.stv,
        }
        for slide in slides
    ]
    return Markup(json.dumps(rows, separators=(",", ":")).replace("<", "\\u003c"))  # noqa: S704 (escaped above)


def _bands(view: CaseView) -> dict[str, object]:
    bands = view.ftv.bands
    outside = view.ftv.ftv_pe_voxels - sum(band.voxels for band in bands)
    words = ", ".join(f"SER {band.low:g} to {band.high:g}: {band.percent:.1f} %" for band in bands)
    return {
        "rows": tuple(zip(bands, ("#{:02x}{:02x}{:02x}".format(*c) for c in images.SER_COLOURS), strict=True)),
        "outside": outside,
        "outside_cc": outside * view.ftv.voxel_volume_mm3 / 1000.0,
        "voxels": sum(band.voxels for band in bands),
        "cc": sum(band.cc for band in bands),
        "bar": figures.band_bar([band.percent for band in bands], images.SER_COLOURS, words),
    }


def _pe_words(scene: Scene) -> str:
    values = scene.view.pe.array[scene.view.ftv_pe.array]
    if not values.size:
        return ""
    low, middle, high = figures.quartiles(values)
    return f"PE in the FTV: median {middle:.0f} %, quartiles {low:.0f} to {high:.0f} %."


def _curve(scene: Scene) -> Markup | None:
    view = scene.view
    volumes = [volume.array[scene.cut] for volume in view.study.volumes]
    rest = _rest_of_voi(scene)
    marked = " (automatic)" if view.ftv.voi.automatic else ""
    drawn = [
        figures.curve("ftv", "FTV", volumes, scene.ftv),
        figures.curve("stv", f"STV ({view.stv_source})", volumes, scene.stv),
        figures.curve("rest", f"rest of VOI{marked}", volumes, rest),
    ]
    curves = [line for line in drawn if line]
    if not curves:
        return None
    words = "; ".join(f"{line.words}: mean {', '.join(label(v) for v in line.mean)}" for line in curves)
    return figures.curve_plot(curves, _ticks(view), _time_title(view.study), f"Time-intensity curve. {words}")


def _rest_of_voi(scene: Scene) -> Array:
    rest = ~(scene.ftv | scene.stv)
    inside = rest[scene.voi].copy()
    rest[:] = False
    rest[scene.voi] = inside
    return rest


def _ticks(view: CaseView) -> tuple[Tick, ...]:
    roles = dict(zip(view.ftv.phases.indices, ("pre", "early", "late"), strict=True))
    times = [phase.time_s for phase in view.study.phases]
    few, last = len(times) <= _MANY_PHASES, len(times) - 1
    ticks = []
    for n, time in enumerate(times):
        words = str(n) if time is None else f"{time:.0f}"
        ticks.append(
            Tick(float(n) if time is None else time, words if few or n in roles or n == last else "", roles.get(n, ""))
        )
    return tuple(ticks)


def _time_title(study: Study) -> str:
    return "phase" if study.phases[0].time_s is None else "seconds after the start of the first phase"


def _histograms(view: CaseView) -> dict[str, object]:
    chosen = view.ftv.phases.indices
    before = _phase_histograms(view.study, dict(zip(chosen, ("pre", "early", "late"), strict=True)))
    after: tuple[Histogram, ...] = ()
    if view.harmonised:
        after = _phase_histograms(view.harmonised, dict(enumerate(("pre", "early", "late"))))
    floor = figures.histogram_floor([before, after])
    return {
        "before": figures.histogram_plot(before, "intensity, as acquired", floor, "Intensity histograms as acquired"),
        "after": figures.histogram_plot(after, "standard deviations from the mean", floor, "Histograms, harmonised")
        if after
        else None,
        "legend": tuple((histogram.role, histogram.words) for histogram in before),
    }


def _phase_histograms(study: Study, roles: dict[int, str]) -> tuple[Histogram, ...]:
    named = []
    for number, volume in enumerate(study.volumes):
        role = roles.get(number, "other")
        array = volume.array if volume.array.size < _MANY_VOXELS else volume.array[::2, ::2, ::2]
        named.append((role, role if role != "other" else f"phase {number}", array))
    return figures.histograms(named)


def _bias(scene: Scene) -> dict[str, object] | None:
    if not scene.view.fields:
        return None
    pictures, limits = panels.field_pictures(scene)
    inside = [field.array[scene.cut][scene.voi] for field in scene.view.fields]
    spans = [figures.percentiles(values, (5, 95)) for values in inside]
    return {
        "pictures": pictures,
        "scale": figures.colour_scale(limits.low, limits.high, images.FIELD_COLOURS, "Colours of the bias field"),
        "spans": tuple(f"{low:.2f} to {high:.2f}" for low, high in spans),
    }


def _families(view: CaseView) -> dict[str, list[Feature]]:
    groups: dict[str, list[Feature]] = {}
    for row in view.features:
        groups.setdefault(row.family, []).append(row)
    return groups


def _strips(cases: Sequence[CohortCase]) -> tuple[Markup, ...]:
    volumes = (
        ("FTV, PE rule, cc", "ftv", [(case, case.ftv_pe_cc) for case in cases]),
        ("FTV, PE and SER rule, cc", "ftv", [(case, case.ftv_ser_cc) for case in cases]),
        ("STV, cc", "stv", [(case, case.stv_cc) for case in cases]),
    )
    result = []
    for title, kind, pairs in volumes:
        dots = [Dot(value, case.case_id, case_href(case.case_id)) for case, value in pairs if value]
        if dots:
            result.append(figures.strip_plot(dots, title, kind))
    return tuple(result)


def case_href(case_id: str) -> str:
    """The address of a case's page, seen from the cohort's page."""
    return f"../cases/{quote(case_id, safe='')}/report.html"


def rendered(name: str, **values: object) -> str:
    """A template of the package, filled in."""
    page: str = _environment().get_template(name).render(**values)
    return page


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("uptake.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "cc": _cc,
        "mm": _cc,
        "percent": _percent,
        "whole": _whole,
        "value": _value,
        "signed": _signed,
        "href": case_href,
        "png": images.png_uri,
    }
    made.globals |= {"bar_mm": panels.bar_mm}
    return made


def _cc(volume: float | None) -> str:
    return "\u2013" if volume is None else f"{volume:.2f}"


def _percent(share: float | None) -> str:
    return "\u2013" if share is None else f"{share:.1f}"


def _whole(count: float) -> str:
    return f"{count:,.0f}".replace(",", "\u202f")


def _signed(change: float) -> str:
    return f"{change:+.3f}".replace("-", "\u2212")


def _value(value: float) -> str:
    """A feature's value with six significant digits; 'NaN' stays visible, its reason stands beside it."""
    return "NaN" if math.isnan(value) else f"{value:.6g}"
