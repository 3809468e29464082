"""Does a bundle run? Hashes that are right do not make a network of a file."""

from edge.bundle import Bundle

__all__ = ["check_runs"]


def check_runs(bundle: Bundle, runtime: str | None = None) -> None:
    """Run each network of a bundle once.

    Parameters
    ----------
    bundle : Bundle
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If one cannot be loaded, or does not fit its role.
    """
    from edge.known_signal import known_signal
    from edge.pipeline import Pipeline
    from edge.stages import HEARS_NOTHING, judging, verifying

    pipeline = Pipeline(bundle, runtime=runtime)
    signal = known_signal()
    for _ in (*pipeline.push(signal), *pipeline.finish()):
        pass  # what it says of a sound that is no speech does not matter
    # Only a candidate would have been looked at, and only a word that was heard judged.
    verifier = verifying(bundle, [HEARS_NOTHING] * len(bundle.words), runtime)
    if verifier is not None:
        verifier.scores(signal)
    judging(bundle, runtime).judge(signal)
