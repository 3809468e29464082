"""What the networks of a bundle need of the code of a firmware, as one hash: a model for other code is refused.

The frontend, and the shapes of the wake network, are compiled in (``vivavoce_settings.h``). A firmware that runs one
bundle can run another one if their contracts are the same.
"""

import hashlib
import json
from dataclasses import asdict

from edge.bundle import Bundle
from edge.frontend_tables import FrontendSettings
from edge.interpreter import Model
from firmware_bridge.export.abi import ABI_VERSION, PROBABILITY_BITS, wake_state

__all__ = ["contract"]


def contract(bundle: Bundle, wake: Model) -> bytes:
    """Return the SHA-256 of all that is compiled in.

    Parameters
    ----------
    bundle : Bundle
    wake : Model
        Its wake network.

    Returns
    -------
    bytes
        32 of them.

    Raises
    ------
    DataError
        If the wake network is not int8.
    """
    part = bundle.wake
    compiled = {
        "abi": ABI_VERSION,
        "probability_bits": PROBABILITY_BITS,
        "frontend": asdict(FrontendSettings.from_dict(bundle.frontend)),
        "words": len(bundle.words),
        "context_frames": part.context_frames,
        "stride_frames": part.stride_frames,
        "smoothing_steps": part.smoothing_steps,
        "refractory_ms": part.refractory_ms,
        "state_bytes": wake_state(bundle, wake)[0],
    }
    return hashlib.sha256(json.dumps(compiled, sort_keys=True, allow_nan=False).encode()).digest()
