"""Synthetic breast DCE-MRI with its truth. `make` is the front door."""

from uptake.phantom.anatomy import Tissue
from uptake.phantom.defects import DEFECTS
from uptake.phantom.phantom import Phantom, make, truth_on
from uptake.phantom.settings import PhantomSettings

__all__ = ["DEFECTS", "Phantom", "PhantomSettings", "Tissue", "make", "truth_on"]
