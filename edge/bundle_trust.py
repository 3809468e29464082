"""Whom a device trusts: the public keys, and whether a bundle must be signed by one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.bundle_manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge.errors import SignatureError, UsageError
from edge.signature import PublicKey, read_signature, verify

__all__ = ["ANYBODY", "BundleTrust", "SignatureState", "check_signature"]


@dataclass(frozen=True, slots=True)
class BundleTrust:
    """Which bundles are opened.

    Without keys no signature is looked at. With keys a signature that is there must be by one of them; and where one is
    required, it must be there.
    """

    keys: tuple[PublicKey, ...] = ()
    """The keys that are trusted."""
    require_signature: bool = False
    """Whether a bundle without a signature is refused."""

    def __post_init__(self) -> None:
        """Refuse a requirement that no bundle could meet.

        Raises
        ------
        UsageError
        """
        if self.require_signature and not self.keys:
            raise UsageError(
                "require_signature: got no public key, expected the key that bundles are signed with; "
                "name it with --public-key FILE"
            )

    @classmethod
    def from_files(cls, public_keys: Sequence[Path], *, require_signature: bool = False) -> "BundleTrust":
        """Read the keys from their files.

        Raises
        ------
        BundleError
            If one of them is no public key.
        UsageError
            If a signature is required and no key is given.
        """
        from edge.signature_keys import read_public_key

        return cls(tuple(read_public_key(path) for path in public_keys), require_signature)


ANYBODY = BundleTrust()
"""Every bundle that is whole is opened, whoever made it."""


@dataclass(frozen=True, slots=True)
class SignatureState:
    """What is known of the signature of a bundle."""

    state: Literal["unsigned", "unchecked", "trusted"]
    """Not there; there, but nobody named a key to check it with; or made by a trusted key of just this manifest."""
    key_id: str = ""
    """The key, as minisign shows it; empty unless the state is ``trusted``."""
    comment: str = ""
    """What the signer said of it; empty unless the state is ``trusted``."""

    def told(self) -> str:
        """Return it in a few words."""
        told = {
            "unsigned": "not signed",
            "unchecked": "signed, but not checked: no public key was named",
            "trusted": f"signed by the trusted key {self.key_id} ({self.comment})",
        }
        return told[self.state]


def check_signature(folder: Path, manifest: bytes, trust: BundleTrust) -> SignatureState:
    """Check the signature of a manifest, which names the hashes of all files and so stands for the whole bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    manifest : bytes
        The very bytes that are going to be read.
    trust : BundleTrust
        Who is trusted.

    Raises
    ------
    SignatureError
        If a signature is required and there is none, or one that is there is not by a trusted key or of other bytes.
    BundleError
        If the signature cannot be read.
    MissingExtraError
        If keys are given, and what checks signatures is not installed.
    """
    path = folder / SIGNATURE_NAME
    # Of a link that leads nowhere, too, reading has to tell.
    there = path.exists() or path.is_symlink()
    if not trust.keys:
        return SignatureState("unchecked" if there else "unsigned")
    if not there:
        if trust.require_signature:
            trusted = ", ".join(key.shown for key in trust.keys)
            raise SignatureError(
                f"{folder}: got no signature ({SIGNATURE_NAME}), expected one by a trusted key ({trusted}); get a "
                "signed bundle, or sign it with 'vivavoce bundle sign' if you know that it is right"
            )
        return SignatureState("unsigned")
    signature = read_signature(path)
    key = verify(folder / MANIFEST_NAME, manifest, signature, trust.keys)
    return SignatureState("trusted", key.shown, signature.comment)
