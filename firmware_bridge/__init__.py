"""The gate and the house around it: who is told of a decision, and the hardware that may hear the word itself.

The sinks ``mqtt``, ``wyoming`` and ``wyoming-proxy`` of the daemon are here (docs/outputs.md, docs/wyoming.md). These
modules may import :mod:`edge`, but not its daemon; nothing in :mod:`edge` may import them, and none of them may need
TensorFlow.
"""

__all__: list[str] = []
