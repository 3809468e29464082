"""PortAudio, loaded when it is first needed (the extra ``mic``), and made to look again which devices there are.

PortAudio makes its list of devices when it is initialised, and keeps it: a microphone that is plugged in later is only
found after it was terminated and initialised again, which closes every stream. :func:`in_use` does so where nobody has
one open.
"""

import ctypes
import ctypes.util
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import ModuleType

from edge.errors import MissingExtraError, UsageError

__all__ = ["hushed", "in_use", "load", "require", "turn"]

_WHAT, _EXTRA = "listening to a microphone", "mic"
_NO_LIBRARY = "microphone: the library PortAudio is not installed here; install it with: apt-get install libportaudio2"

_COMPLAINTS = {
    "libasound.so.2": ("snd_lib_error_set_handler",),
    "libjack.so.0": ("jack_set_error_function", "jack_set_info_function"),
}
"""Libraries that PortAudio asks for devices, and what sets the function that they complain to. Together they write
about a hundred lines whenever it looks for devices."""

turn = threading.RLock()
"""Held while PortAudio starts, ends, opens or closes anything: its lists have no lock of their own."""
_kept: set[str] = set()
_users = 0
_fresh = False


def load() -> ModuleType:
    """Return the module sounddevice.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    global _fresh
    # sounddevice turns stderr away by itself while it is loaded; later nobody has to.
    loaded = sys.modules.get("sounddevice") is not None
    try:
        with turn, nullcontext() if loaded else hushed():
            import sounddevice
    except ImportError as error:
        raise MissingExtraError(_WHAT, _EXTRA) from error
    except OSError as error:  # the Python package is there, the C library below it is not
        raise UsageError(_NO_LIBRARY) from error
    module: ModuleType = sounddevice
    if not hasattr(module, "_vivavoce"):
        module._vivavoce = True  # type: ignore[attr-defined]
        _fresh = True
    return module


def require() -> None:
    """See whether PortAudio is installed, and do not load it: it would wait minutes for a sound server that hangs.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    if sys.modules.get("sounddevice") is not None:
        return
    try:
        found = importlib.util.find_spec("sounddevice")
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise MissingExtraError(_WHAT, _EXTRA)
    if ctypes.util.find_library("portaudio") is None:
        raise UsageError(_NO_LIBRARY)


@contextmanager
def hushed(on: bool = True) -> Iterator[None]:
    """Keep complaints of C libraries from the terminal: ALSA's tells of every device that is configured, not there.

    Parameters
    ----------
    on : bool
        False in a process whose other threads write to stderr, and start programs that do: it would be turned away
        for all of them. Then only what ALSA's library and JACK's say is dropped.
    """
    if not on:
        _hush_libraries()
        yield
        return
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _hush_libraries() -> None:
    """Give ALSA's library and JACK's a function to complain to that does nothing, and is no callback into Python.

    One that libffi makes would need memory that is writable and executable, which a service may be denied. Only what
    PortAudio has loaded is touched.
    """
    nothing = ctypes.cast(ctypes.CDLL(None).getppid, ctypes.c_void_p)
    for library, setters in _COMPLAINTS.items():
        with suppress(OSError, AttributeError):
            loaded = ctypes.CDLL(library, mode=os.RTLD_NOLOAD)
            for setter in setters:
                getattr(loaded, setter)(nothing)


def _keep_plugins() -> None:
    """Keep ALSA's plug-ins loaded, which PortAudio lets go when it is terminated.

    Libraries below them (those of FFmpeg) leave something behind whenever they are loaded again: a service that looks
    for its microphone every half minute grew by 12.4 kB each time, and so by 0.4 kB.
    """
    with suppress(OSError), open("/proc/self/maps") as maps:
        mapped = {line.split(maxsplit=5)[-1].rstrip("\n") for line in maps if "/libasound_module_" in line}
        for path in mapped - _kept:
            ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NODELETE)
            _kept.add(path)


@contextmanager
def in_use(sounddevice: ModuleType, *, hush: bool = True) -> Iterator[None]:
    """Hold PortAudio as it is; at the beginning it looks which devices there are, unless somebody else holds it.

    Parameters
    ----------
    sounddevice : module
        As :func:`load` returns it.
    hush : bool
        See :func:`hushed`.
    """
    global _users, _fresh
    with turn:
        if not _users and not _fresh:
            with hushed(hush):
                _keep_plugins()
                # Not by the functions of sounddevice, which turn stderr away. One that fails leaves nothing
                # initialised: then asking for the devices says so, and this is tried again the next time.
                sounddevice._lib.Pa_Terminate()
                sounddevice._lib.Pa_Initialize()
        _fresh = False
        _users += 1
    try:
        yield
    finally:
        with turn:
            _users -= 1
