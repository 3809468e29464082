"""What fits weights, on a workstation: corpus, replay simulator, networks, pruning, cut-offs, evaluation.

Leaves checkpoint directories for :mod:`quantize`. Needs the extra ``train``; nothing here runs on a device.
"""

__all__: list[str] = []
