"""From a checkpoint to a bundle: int8 conversion, parity with float, packing.

Fits nothing: whatever changes weights belongs to :mod:`train`. Nothing here runs on a device.
"""

__all__: list[str] = []
