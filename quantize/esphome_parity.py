"""What models for ESPHome hear in recordings, beside the network that they were made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.esphome import EsphomeModel
from edge.esphome_stage import EsphomeStage, StreamingNetwork
from edge.interpreter import load_model
from quantize.converted import Converted
from quantize.recordings import progress, read_samples
from quantize.scoring import wake_stage, with_lead

__all__ = ["compare_pack"]

_MAX_CLIPS = 50


def compare_pack(
    source: Converted, cutoffs: Sequence[float], models: Sequence[EsphomeModel], data: Path, clips: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compare detections, clip by clip, each between stretches of faint noise.

    Parameters
    ----------
    source : Converted
        The network of all words.
    cutoffs : sequence of float
    models : sequence of EsphomeModel
        One for each word, in the order of the network's.
    data : Path
        Folder of the clips.
    clips : sequence of str
        Paths below it.

    Returns
    -------
    dict
        For each word: clips in which it was heard by ``both``, by ``network_only`` and by ``models_only``, and
        ``differing``, the first 50 of the last two.
    """
    network = load_model(source.content, name=source.origin, kernels="reference")
    frontend, stage = wake_stage(network, source.spec, cutoffs)
    channels = frontend.settings.channels
    listeners = [
        EsphomeStage(
            StreamingNetwork(model.content, name=str(model.file), channels=channels),
            cutoff=model.word.cutoff, window_runs=model.window_runs, channels=channels,
        )
        for model in models
    ]  # fmt: skip
    ids = [word["id"] for word in source.spec["words"]]
    found: dict[str, dict[str, Any]] = {
        ident: {"both": 0, "network_only": 0, "models_only": 0, "differing": []} for ident in ids
    }
    for clip in progress(clips):
        frontend.reset()
        stage.reset()
        features = frontend.push(with_lead(read_samples(data / clip)))
        own = {hit.word for hit in stage.push(features)}
        for at, (ident, listener) in enumerate(zip(ids, listeners, strict=True)):
            listener.reset()
            theirs = bool(listener.push(features))
            entry = found[ident]
            if theirs and at in own:
                entry["both"] += 1
            elif theirs or at in own:
                entry["models_only" if theirs else "network_only"] += 1
                if len(entry["differing"]) < _MAX_CLIPS:
                    entry["differing"].append(clip)
    return found
