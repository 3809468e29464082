"""The one error tree.

Every fault that a user can cause, and can mend, is a :class:`VivavoceError`; the command line prints
it as one line and exits with 2. Anything else that escapes is a bug of ours::

    VivavoceError
    ├── UsageError            an argument that no part of the program can act on
    │   └── MissingExtraError an optional part was asked for and is not installed
    ├── AudioError            a source that cannot be read, or whose samples are not numbers
    ├── KernelError           compiled code of the kernels that is neither there nor can be made
    ├── FrontendError         samples or settings that the feature frontend cannot take
    ├── BundleError           a bundle, or a manifest of a model, that is missing, damaged or inconsistent
    │   ├── BundleVersionError  one made for a newer program
    │   └── SignatureError    one that nobody signed who is trusted; a key or signature that is none
    ├── ModelAbiError         a model whose tensors are not the ones that its role needs
    ├── DataError             training data, manifests or checkpoints that cannot be used
    └── StoreError            a store of events that cannot be read or written

A message says what, where, got, expected, and what to do; it never spans more than one line.
"""

__all__ = [
    "AudioError",
    "BundleError",
    "BundleVersionError",
    "DataError",
    "FrontendError",
    "KernelError",
    "MissingExtraError",
    "ModelAbiError",
    "SignatureError",
    "StoreError",
    "UsageError",
    "VivavoceError",
]


class VivavoceError(Exception):
    """Base of every error that vivavoce raises on purpose."""

    def __str__(self) -> str:
        """Return the message on one line, whatever text a library put into it."""
        return " ".join(super().__str__().split())


class UsageError(VivavoceError):
    """An argument or setting that cannot be acted on."""


class MissingExtraError(UsageError):
    """An optional part of the program is not installed.

    Parameters
    ----------
    what : str
        What was asked for, as the subject of a sentence, e.g. ``"training"``.
    extra : str
        The extra of the distribution that brings it, e.g. ``"train"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed here; install it with: pip install 'vivavoce[{extra}]'")
        self.extra = extra


class AudioError(VivavoceError):
    """Audio that cannot be read, or whose samples are not finite numbers."""


class KernelError(VivavoceError):
    """Compiled code of the kernels that is neither there nor can be made."""


class FrontendError(VivavoceError):
    """Samples or settings that the feature frontend cannot take."""


class BundleError(VivavoceError):
    """A bundle, or a manifest of a model, that is missing, damaged or inconsistent."""


class BundleVersionError(BundleError):
    """A bundle or manifest whose format is newer than this program."""


class SignatureError(BundleError):
    """A signature that is missing where it is required, wrong, or not by a trusted key; a file that holds no key."""


class ModelAbiError(VivavoceError):
    """A model whose tensors do not have the shapes and types that its role needs."""


class DataError(VivavoceError):
    """Training data, a manifest or a checkpoint that cannot be used."""


class StoreError(VivavoceError):
    """A store of events, or kept sound beside it, that cannot be read or written."""
