"""Harmonisation: bias field, one grid, one scale. Pure: arrays and values in, arrays and values out."""
