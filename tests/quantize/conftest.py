"""Checkpoints with small untrained networks, written by the code that writes the real ones."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

WORDS = ({"id": "alexa", "phrase": "alexa"}, {"id": "smart_mirror", "phrase": "smart mirror"})
LICENCES = [{"material": "noise of the test", "licence": "CC0-1.0"}]


@pytest.fixture(scope="session")
def wake_shape():
    """Return the size of the small wake network."""
    pytest.importorskip("tensorflow")
    from train.wake_network import WakeShape

    return WakeShape(words=len(WORDS), width=8, kernels=(3, 4))


def liven(model, rng):
    """Replace the initial weights and statistics, of which some would make the network say nothing."""
    for weight in model.weights:
        name = weight.name
        if "gamma" in name or "moving_variance" in name:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif "kernel" in name:
            fan_in = float(np.prod(weight.shape[:-1])) if "depthwise" not in name else weight.shape[0]
            kernel = rng.normal(0.0, fan_in**-0.5, weight.shape)
            # As pruning leaves them: half of the weights are zero.
            weight.assign(np.where(np.abs(kernel) < np.median(np.abs(kernel)), 0.0, kernel))
        else:
            weight.assign(rng.normal(0.2, 0.3, weight.shape))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, wake_shape) -> dict[str, Path]:
    """Return checkpoints of both roles, not yet converted."""
    from edge.cues import CueSettings
    from edge.frontend import FEATURE_SCALE
    from edge.frontend_tables import FrontendSettings
    from train.fitting import RunRecord, save_checkpoint
    from train.keras import tf_keras
    from train.liveness_network import LivenessShape, network
    from train.wake_network import RELU_CEILING, device_form, training_form, weights_of

    root = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(11)
    record = RunRecord(seed=11, data_hash="0" * 64, settings={"epochs": 0}, licences=LICENCES)

    trained = training_form(wake_shape)
    liven(trained, rng)
    device = device_form(wake_shape, [weights_of(trained)])
    state = np.zeros((1, *wake_shape.state_shape), np.float32)
    features, states = [], []
    for _ in range(60):
        frames = np.clip(rng.normal(60, 50, (1, wake_shape.context_frames, 40)).round(), 0, 255)
        features.append((frames * FEATURE_SCALE).astype(np.float32))
        states.append(state)
        state = device([features[-1], state], training=False)["state_out"].numpy()
    features, states = np.concatenate(features), np.concatenate(states)
    features[0, 0, :2] = 0.0, 255 * FEATURE_SCALE
    states[-1, 0, :2] = 0.0, RELU_CEILING
    spec = {
        "role": "wake",
        "words": list(WORDS),
        "frontend": FrontendSettings().to_dict(),
        "stride_frames": wake_shape.stride_frames,
        "context_frames": wake_shape.context_frames,
        "smoothing_steps": 2,
        "refractory_ms": 900,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_checkpoint(root / "wake", device, {"features": features, "state": states}, record, spec)

        cues = CueSettings()
        given = tf_keras.Input(cues.shape, batch_size=1, name="cues")
        body = network(LivenessShape(stem=4, blocks=((4, 2), (8, 2)), hidden=4), cues)
        liven(body, rng)
        device = tf_keras.Model(given, {"logit": body(given, training=False)})
        samples = rng.random((30, *cues.shape)).astype(np.float32)
        samples[0, 0, :2] = 0.0, 1.0
        save_checkpoint(
            root / "liveness", device, {"cues": samples}, record, {"role": "liveness", "cues": cues.to_dict()}
        )
        tf_keras.backend.clear_session()
    return {role: root / role for role in ("wake", "liveness")}


@pytest.fixture(scope="session")
def converted(trained, tmp_path_factory) -> dict[str, Path]:
    """Return converted checkpoints of both roles."""
    from quantize.convert import convert

    root = tmp_path_factory.mktemp("converted")
    for role, path in trained.items():
        convert(path, root / role)
    return {role: root / role for role in trained}


@pytest.fixture
def copies(converted, tmp_path) -> dict[str, Path]:
    """Return converted checkpoints that a test may change."""
    return {role: Path(shutil.copytree(path, tmp_path / role)) for role, path in converted.items()}
