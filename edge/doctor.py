"""Is this installation able to work, and at what cost does it start? Each check says what it found, and what to do."""

import hashlib
import importlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edge import native
from edge.bundle import Bundle, open_bundle
from edge.bundle_manifest import CARD_NAME
from edge.bundle_trust import ANYBODY, BundleTrust
from edge.cues import CueSettings
from edge.daemon_settings import DaemonSettings, load, rules_of
from edge.device_check import device_checks
from edge.errors import VivavoceError
from edge.finding import Finding
from edge.frontend import Frontend
from edge.kernel_form import wanted_form
from edge.known_signal import known_signal
from edge.sample_time import SAMPLE_RATE_HZ
from edge.wake_native import WAKE_VARIABLE, choose_wake_network

__all__ = ["FEATURES_SHA256", "examine"]

FEATURES_SHA256 = "277880ef568b0c53a0b6c444cc417ed97e4c8debefad6f3c6cbe3aeed589d136"
"""Hash of the features of :func:`edge.known_signal.known_signal`, as the reference implementation computes them."""


def examine(
    *,
    warm: bool = False,
    bundle: Path | None = None,
    trust: BundleTrust = ANYBODY,
    config: Path | None = None,
    device: bool = True,
) -> Iterator[Finding]:
    """Look at everything that the program needs, most basic things first.

    Parameters
    ----------
    warm : bool
        Compile the kernels for this processor and keep them.
    bundle : Path, optional
        The bundle to look at; by default the one that ships.
    trust : BundleTrust, optional
        Whose signature it must have.
    config : Path, optional
        Settings of the daemon: that they can work, and what they name in place of what is usual.
    device : bool, optional
        Look at what is around the program, too: microphone, clock and folders.

    Yields
    ------
    Finding
        As soon as it is found; no check keeps the others from being made.
    """
    yield Finding("machine", "ok", f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    yield from _versions()
    yield _interpreter()
    yield _guarded("kernels", lambda: _kernels(warm))
    yield _guarded("arithmetic", _arithmetic)
    settings = None
    if config is not None:
        try:
            settings = load(config)
            if bundle is None and settings.tables.bundle:
                bundle = Path(settings.tables.bundle)
            if trust == ANYBODY:
                trust = settings.tables.trust.trust()
        except VivavoceError as error:
            yield Finding("settings", "fault", str(error))
    yield from _bundle(bundle, trust)
    if settings is not None:
        yield _guarded("settings", lambda: _settings(settings, bundle))
    if device:
        for check, look in device_checks(settings):
            yield _guarded(check, look)


def _bundle(bundle: Path | None, trust: BundleTrust) -> Iterator[Finding]:
    try:
        opened = open_bundle(bundle, trust=trust)
    except VivavoceError as error:
        yield Finding("bundle", "fault", str(error))
        return
    yield Finding("bundle", "ok", f"version {opened.bundle_version}, {len(opened.words)} words, {opened.path}")
    yield from _signature(opened)
    yield _limits(opened)
    yield _guarded("wake", lambda: _wake(opened))
    if opened.verifier is not None:
        yield _guarded("verifier", lambda: _verifier(opened))
    yield _guarded("decision", lambda: _decision(opened))


def _guarded(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except VivavoceError as error:
        return Finding(check, "fault", str(error))
    except Exception as error:
        return Finding(check, "fault", f"{type(error).__name__}: {error}", "report it with this output")


def _settings(settings: DaemonSettings, bundle: Path | None) -> Finding:
    opened = None if bundle is None else open_bundle(bundle, trust=settings.tables.trust.trust())
    rules = rules_of(settings, opened=opened)
    words = ", ".join(rules.words or [word.id for word in rules.bundle.words])
    told = ", ".join(settings.sinks) or "nobody"
    found = f"{settings.path}: listens to a {settings.source.kind} for {words}; tells {told}"
    return Finding("settings", "ok", found)


def _versions() -> Iterator[Finding]:
    for package, module in (("numpy", "numpy"), ("soundfile", "soundfile"), ("soxr", "soxr")):
        try:
            importlib.import_module(module)
            yield Finding(package, "ok", importlib.metadata.version(package))
        except (ImportError, OSError, importlib.metadata.PackageNotFoundError) as error:
            yield Finding(package, "fault", f"cannot be imported ({error})", f"pip install --force-reinstall {package}")


def _interpreter() -> Finding:
    from edge.interpreter import installed_runtimes

    found = installed_runtimes()
    if not found:
        return Finding("interpreter", "fault", "none is installed", "pip install 'vivavoce[litert]'")
    return Finding("interpreter", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _kernels(warm: bool) -> Finding:
    if wanted_form() == "numba":
        return Finding("kernels", "note", "numba's, as VIVAVOCE_KERNELS asks", "unset it to start in less memory")
    began = time.perf_counter()
    found = native.warm() if warm else native.find()
    took = time.perf_counter() - began
    if found is None:
        return Finding(
            "kernels", "note", "not compiled yet: the first start takes some seconds, and numba's memory",
            "vivavoce doctor --warm",
        )  # fmt: skip
    done = f", compiled in {took:.1f} s" if found.compiled else ""
    if found.path is not None:
        return Finding("kernels", "ok", f"{found.path}{done}")
    if found.origin == "numba":
        return Finding(
            "kernels",
            "note",
            f"no image can be made here: each start imports numba{done}",
            "update numba and llvmlite; if that does not help, set VIVAVOCE_KERNELS=numba, for numba to keep its code",
        )
    tried = ", ".join(str(folder) for folder in native.image_folders())
    return Finding(
        "kernels", "note", f"cannot be kept, every start compiles them anew{done}; tried {tried}",
        f"let {native.CACHE_VARIABLE} name a folder that can be written to",
    )  # fmt: skip


def _arithmetic() -> Finding:
    frontend = Frontend()
    found = hashlib.sha256(frontend.push(known_signal()).tobytes()).hexdigest()
    how = native.kernels().origin
    if found != FEATURES_SHA256:
        return Finding(
            "arithmetic", "fault", f"features ({how}) differ from the reference's: {found[:12]}, not "
            f"{FEATURES_SHA256[:12]}", "vivavoce doctor --warm; if that does not help, report it with this output",
        )  # fmt: skip
    return Finding("arithmetic", "ok", f"features ({how}) equal the reference's, integer for integer")


def _signature(bundle: Bundle) -> Iterator[Finding]:
    """Say who vouches for the bundle, where anybody signed it."""
    match bundle.signature.state:
        case "trusted":
            yield Finding("signature", "ok", bundle.signature.told())
        case "unchecked":
            yield Finding("signature", "note", bundle.signature.told(), "name the key with --public-key FILE")


def _limits(bundle: Bundle) -> Finding:
    """Say what the bundle was to reach and does not: it works, but not as well as was asked."""
    if bundle.limits is None:
        return Finding(
            "limits", "note", "nobody wrote into the bundle what it had to reach", "vivavoce quantize limits --help"
        )
    if len(bundle.limits.of_state("met")) == len(bundle.limits.verdicts):
        return Finding("limits", "ok", bundle.limits.summary())
    return Finding(
        "limits", "note", bundle.limits.summary(), f"rely on it for no more than that; {bundle.path / CARD_NAME}"
    )


def _wake(bundle: Bundle) -> Finding:
    """Say what runs the network that never rests."""
    part = bundle.wake
    chosen = choose_wake_network(bundle.content(part.file), name=part.file)
    interpreter = chosen.network.runtime
    if chosen.proof is not None:
        steps, took = chosen.proof.steps, 1e3 * chosen.proof.seconds
        origin = native.kernels().origin
        return Finding(
            "wake", "ok", f"the kernel ({origin}) runs the network; {steps} steps of {interpreter} gave the same "
            f"integers, proved in {took:.1f} ms",
        )  # fmt: skip
    if chosen.fault is not None:
        return Finding(
            "wake", "fault", f"{interpreter} runs the network, as the kernel differs from it: {chosen.fault}",
            "vivavoce doctor --warm; if that does not help, report it with this output",
        )  # fmt: skip
    if chosen.unfit is not None:
        return Finding(
            "wake", "note", f"{interpreter} runs the network, as the kernel cannot: {chosen.unfit}",
            "it works, and costs more of the processor; a network of 'vivavoce train wake' would be run by the kernel",
        )  # fmt: skip
    asked = f"{interpreter} runs the network, as {WAKE_VARIABLE} asks"
    return Finding("wake", "note", asked, "unset it for the kernel")


def _verifier(bundle: Bundle) -> Finding:
    """Say what a look takes of the network that listens again."""
    from edge.stages import HEARS_NOTHING, verifying

    verifier = verifying(bundle, [HEARS_NOTHING] * len(bundle.words), None)
    assert verifier is not None, "asked of bundles that have one"
    sound = np.resize(known_signal(), verifier.stretch_samples)
    return Finding("verifier", "ok", f"it loads; a look takes {_second_run_ms(lambda: verifier.scores(sound)):.1f} ms")


def _decision(bundle: Bundle) -> Finding:
    from edge.stages import judging

    stage = judging(bundle, None)
    sound = np.resize(known_signal(), round(CueSettings.from_dict(bundle.liveness.cues).window_s * SAMPLE_RATE_HZ))
    took = _second_run_ms(lambda: stage.judge(sound))
    return Finding("decision", "ok", f"networks load; judging a wake word takes {took:.1f} ms")


def _second_run_ms(call: Callable[[], object]) -> float:
    call()  # the first run allocates
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)
