"""A checkpoint of a small wake network with weights by chance, as a training leaves it."""

import numpy as np

from edge.frontend import FEATURE_SCALE
from edge.frontend_tables import FrontendSettings
from train.fitting import RunRecord, save_checkpoint
from train.wake_network import RELU_CEILING, WakeShape, device_form, training_form, weights_of

__all__ = ["SHAPE", "WORDS", "member"]

SHAPE = WakeShape(words=2, width=8, kernels=(3, 5))
WORDS = ("alexa", "jarvis")


def member(folder, shape=SHAPE, words=WORDS):
    """Write it, and return its folder."""
    device = device_form(shape, [weights_of(training_form(shape))])
    rng = np.random.default_rng(1)
    inputs = {
        "features": rng.uniform(0, 26, (8, shape.context_frames, 40)).astype(np.float32),
        "state": rng.uniform(0, 6, (8, *shape.state_shape)).astype(np.float32),
    }
    spec = {
        "role": "wake", "words": [{"id": word, "phrase": word} for word in words],
        "frontend": FrontendSettings().to_dict(), "stride_frames": shape.stride_frames,
        "context_frames": shape.context_frames, "smoothing_steps": 3,
        "refractory_ms": 1000, "ranges": {"features": [0.0, 255 * FEATURE_SCALE], "state": [0.0, RELU_CEILING]},
    }  # fmt: skip
    # While it was trained the network told three words more.
    settings = {"shape": {**shape.to_dict(), "words": 5}}
    save_checkpoint(
        folder, device, inputs, RunRecord(1, "x", settings, [{"material": "c", "licence": "CC0-1.0"}]), spec
    )
    return folder
