"""Whether the breast mask can be relied on, and whether gland is taken for tumour: plain numbers in, findings out."""

from __future__ import annotations

from collections.abc import Sequence

from uptake.cohort.checks import Finding

MOST_ABOVE_PERCENT = 20.0
"""Of the gland outside the lesion above the PE threshold; more, and the FTV may count gland."""


def outlined(support: float, least: float, notes: Sequence[str]) -> Finding:
    """Whether the chest wall behind the breast was seen.

    support: share of columns (0-1) in which it shows; least: what that should be; notes: what the mask says of itself.
    """
    weak = support < least
    return Finding(
        "breast mask",
        "warn" if weak else "pass",
        "; ".join((f"the chest wall shows in {100 * support:.0f} % of the columns", *notes)),
        f"a chest wall in at least {100 * least:g} %",
        "look at the outline of the breast" if weak else "",
    )


def background_enhancement(above_percent: float | None, pe_threshold_percent: float) -> Finding:
    """Whether gland may be counted as tumour.

    above_percent: share (0-100) of the gland outside the lesion with PE at or above the threshold; None where there is
    no gland.
    """
    check = "background enhancement"
    allowed = f"at most {MOST_ABOVE_PERCENT:g} % of the gland at or above a PE of {pe_threshold_percent:g} %"
    if above_percent is None:
        return Finding(check, "pass", "no gland outside the lesion to measure it in", allowed)
    high = above_percent > MOST_ABOVE_PERCENT
    remedy = "look whether the FTV counts gland; a higher ftv.pe_threshold_percent keeps it out" if high else ""
    return Finding(check, "warn" if high else "pass", f"{above_percent:.1f} % of the gland", allowed, remedy)
