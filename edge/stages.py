"""The stages that a bundle describes: what hears its words, its verifier, what judges liveness.

Here each is made; :mod:`edge.pipeline` wires them.
"""

from collections.abc import Sequence

from edge.bundle import Bundle
from edge.bundle_parts import find_word
from edge.cues import CueSettings
from edge.errors import UsageError
from edge.esphome import EsphomeModel
from edge.esphome_stage import EsphomeStage, StreamingNetwork
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.hearing import Ear, Hearing, Listener
from edge.interpreter import load_model
from edge.liveness import LivenessStage
from edge.sample_time import SAMPLE_RATE_HZ
from edge.verifier import Verifier
from edge.wake import WakeStage
from edge.wake_native import load_wake_network

__all__ = [
    "HEARS_NOTHING",
    "NEVER",
    "candidate_hearing",
    "chosen_cutoffs",
    "hearing",
    "judging",
    "listening",
    "verified_hearing",
    "verifying",
]

NEVER = 2.0
"""A cut-off that no score reaches: for a word that is not listened for, or a trace without detections."""
HEARS_NOTHING = 1.0
"""A cut-off that no score exceeds, of a word that is listened for all the same: a verifier looks, and says no."""


def listening(
    bundle: Bundle,
    *,
    words: Sequence[str] | None = None,
    models: Sequence[EsphomeModel] = (),
    runtime: str | None = None,
    threads: int = 1,
) -> Hearing:
    """Make what hears words: the bundle's network, or the models for ESPHome where there are any.

    Parameters and errors are those of :class:`edge.pipeline.Pipeline`.
    """
    if not models:
        cutoffs = chosen_cutoffs(bundle, words)
        return verified_hearing(bundle, list(cutoffs.values()), runtime, threads)
    there = [model.word for model in models]
    ids = [word.id for word in there]
    for i, model in enumerate(models):
        if ids.index(ids[i]) != i:
            raise UsageError(
                f"{model.path}: wake_word: got {model.word.phrase!r}, which {models[ids.index(ids[i])].path} listens "
                "for already, expected every word once; leave one of the two out"
            )
    chosen = {find_word(there, name, "one of the models").id for name in words} if words else set(ids)
    by_step: dict[int, list[EsphomeModel]] = {}
    for model in models:
        if model.word.id in chosen:
            by_step.setdefault(model.step_ms, []).append(model)
    return Hearing([_ear(FrontendSettings(step_ms=step), group, runtime) for step, group in by_step.items()])


def chosen_cutoffs(bundle: Bundle, words: Sequence[str] | None) -> dict[str, float]:
    """Return the cut-off of every word by its id, in the order of the network.

    Parameters
    ----------
    bundle : Bundle
    words : sequence of str, optional
        Ids or phrases of the words to listen for; all by default. The others have :data:`NEVER`.

    Raises
    ------
    UsageError
        If a word is not in the bundle.
    """
    chosen = {find_word(bundle.words, name, f"the bundle {bundle.path}").id for name in words or ()}
    return {word.id: word.cutoff if word.id in chosen or not words else NEVER for word in bundle.words}


def _ear(settings: FrontendSettings, models: Sequence[EsphomeModel], runtime: str | None) -> Ear:
    """Make one frontend for models of one step. All but the step of ESPHome's features are our defaults."""
    listeners = []
    for model in models:
        network = StreamingNetwork(model.content, name=str(model.file), channels=settings.channels, runtime=runtime)
        stage = EsphomeStage(
            network, cutoff=model.word.cutoff, window_runs=model.window_runs, channels=settings.channels
        )
        listeners.append(Listener(stage, (model.word.id,)))
    return Ear(Frontend(settings), tuple(listeners))


def verified_hearing(bundle: Bundle, cutoffs: Sequence[float], runtime: str | None = None, threads: int = 1) -> Hearing:
    """Make all that hears the words of a bundle, its verifier included where it has one.

    Parameters
    ----------
    bundle : Bundle
    cutoffs : sequence of float
        For each word; :data:`NEVER` for one that is not listened for.
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.
    threads : int, optional
        Of the verifier.
    """
    ids = tuple(word.id for word in bundle.words)
    verifier = verifying(bundle, cutoffs, runtime, threads)
    if verifier is None:
        frontend, stage = hearing(bundle, list(cutoffs), runtime)
    else:
        frontend, stage = candidate_hearing(bundle, verifier, runtime)
    return Hearing([Ear(frontend, (Listener(stage, ids),))], verifier)


def candidate_hearing(bundle: Bundle, verifier: Verifier, runtime: str | None) -> tuple[Frontend, WakeStage]:
    """Make the two stages that find what the bundle's verifier looks at."""
    part = bundle.verifier
    assert part is not None, "the bundle has a verifier"
    return hearing(bundle, verifier.candidates, runtime, refractory_ms=part.again_ms)


def verifying(bundle: Bundle, cutoffs: Sequence[float], runtime: str | None, threads: int = 1) -> Verifier | None:
    """Make the verifier, as the bundle says, with a network that runs on so many threads; None where it has none."""
    part = bundle.verifier
    if part is None:
        return None
    return Verifier(
        load_model(bundle.content(part.file), runtime=runtime, name=part.file, threads=threads),
        cutoffs,
        candidates=[part.candidates[word.id] for word in bundle.words],
        delay_samples=part.delay_samples,
        refractory_samples=bundle.wake.refractory_ms * SAMPLE_RATE_HZ // 1000,
    )


def hearing(
    bundle: Bundle, cutoffs: list[float], runtime: str | None, *, refractory_ms: int | None = None
) -> tuple[Frontend, WakeStage]:
    """Make the two stages that hear words without a verifier, as the bundle says, with cut-offs of the caller's.

    Parameters
    ----------
    bundle : Bundle
    cutoffs : list of float
        Of the smoothed score, for each word.
    runtime : str or None
        See :class:`edge.pipeline.Pipeline`.
    refractory_ms : int, optional
        In place of the bundle's.
    """
    settings = FrontendSettings.from_dict(bundle.frontend)
    wake = bundle.wake
    refractory = wake.refractory_ms if refractory_ms is None else refractory_ms
    stage = WakeStage(
        load_wake_network(bundle.content(wake.file), runtime=runtime, name=wake.file),
        cutoffs,
        channels=settings.channels,
        stride_frames=wake.stride_frames,
        context_frames=wake.context_frames,
        smoothing_steps=wake.smoothing_steps,
        refractory_frames=refractory // settings.step_ms,
    )
    return Frontend(settings), stage


def judging(bundle: Bundle, runtime: str | None, threads: int = 1) -> LivenessStage:
    """Make the stage that judges liveness, as the bundle says; its network runs on so many threads."""
    part = bundle.liveness
    return LivenessStage(
        load_model(bundle.content(part.file), runtime=runtime, name=part.file, threads=threads),
        CueSettings.from_dict(part.cues),
        slope=part.slope,
        offset=part.offset,
    )
