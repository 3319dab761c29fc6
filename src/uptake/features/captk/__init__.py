"""The 370 columns of CaPTk 1.8.1: as it computed them, and as they are meant."""

from uptake.features.captk.panel import Panel, captk_panel, columns
from uptake.features.captk.parameters import PAPER, CaptkParameters, read_parameters

__all__ = ["PAPER", "CaptkParameters", "Panel", "captk_panel", "columns", "read_parameters"]
