"""Synthetic breast DCE-MRI with its truth. `make` is the front door."""

from uptake.phantom.anatomy import Tissue
from uptake.phantom.phantom import Phantom, PhantomSettings, make

__all__ = ["Phantom", "PhantomSettings", "Tissue", "make"]
