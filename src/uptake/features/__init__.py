"""Features of an image inside a mask (radiomics), as the Image Biomarker Standardisation Initiative defines them."""

from uptake.features.definition import Definition
from uptake.features.extraction import extract
from uptake.features.settings import Features
from uptake.features.table import Feature, FeatureTable

__all__ = ["Definition", "Feature", "FeatureTable", "Features", "extract"]
