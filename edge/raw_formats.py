"""Formats of raw samples. Apart from the sources, so that the command line can list them without NumPy."""

__all__ = ["RAW_FORMATS"]

RAW_FORMATS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
"""Raw sample formats that a pipe may carry, and their bytes a sample."""
