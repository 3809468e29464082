"""A wake checkpoint taken apart, so that a word can be added: one of ``train wake``, ``join`` or ``word``."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.json_reading import read_object
from train.wake_network import Branch, WakeShape, Weights, saved_weights

__all__ = ["WakeCheckpoint", "read_wake_checkpoint"]

_LAYER = re.compile(
    r"(?:added(?P<added>\d+)_)?(?:member(?P<member>\d+)_)?(?P<name>(?:stem|head|(?:time|mix|norm)\d+).*)"
)


@dataclass(frozen=True, slots=True)
class WakeCheckpoint:
    """What ``vivavoce train wake``, ``train join`` or ``train word`` wrote."""

    path: Path
    spec: dict[str, Any]
    record: dict[str, Any]
    shape: WakeShape
    """Of each member; its words are those that the trunk was trained with."""
    members: tuple[Weights, ...]
    """Of networks whose logits are averaged; one, or several that were joined."""
    branches: tuple[Branch, ...]
    """Words that were added before."""

    @property
    def words(self) -> tuple[str, ...]:
        """Ids of the words, in the order of the logits."""
        return tuple(word["id"] for word in self.spec["words"])

    @property
    def sha256(self) -> str:
        """Hash of the weights, those of added words included, in hexadecimal."""
        digest = hashlib.sha256()
        for member in (*self.members, *(member for branch in self.branches for member in branch.members)):
            for name in sorted(member):
                for array in member[name]:
                    digest.update(name.encode() + repr((array.shape, str(array.dtype))).encode() + array.tobytes())
        return digest.hexdigest()


def read_wake_checkpoint(path: Path) -> WakeCheckpoint:
    """Read a checkpoint of the role wake.

    Raises
    ------
    DataError
        If it is none, or not a whole one.
    """
    remedy = "give the folder that 'vivavoce train wake', 'train join' or 'train word' wrote"
    found: dict[str, Any] = {}
    for name in ("spec", "record"):
        found[name] = read_object(path / f"{name}.json", error=DataError, remedy=remedy)
    spec = found["spec"]
    if spec.get("role") != "wake":
        raise DataError(f"{path}: got a checkpoint of the role {spec.get('role')!r}, expected 'wake'; {remedy}")
    try:
        shape, members, branches = _taken_apart(saved_weights(path / "model"), spec["stride_frames"])
        n_words = len(spec["words"])
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(
            f"{path / 'model'}: got another network than train.wake_network makes ({error!r}); {remedy}"
        ) from error
    if n_words != shape.words + len(branches):
        raise DataError(
            f"{path}: got {n_words} words in spec.json and {shape.words + len(branches)} in the network, expected as "
            f"many; {remedy}"
        )
    return WakeCheckpoint(path, spec, found["record"], shape, members, branches)


def _taken_apart(saved: Weights, stride_frames: int) -> tuple[WakeShape, tuple[Weights, ...], tuple[Branch, ...]]:
    parts: dict[int, dict[int, Weights]] = {}
    for full, weights in saved.items():
        layer = _LAYER.fullmatch(full)
        if layer is None:
            raise ValueError(full)
        added = -1 if layer["added"] is None else int(layer["added"])
        parts.setdefault(added, {}).setdefault(int(layer["member"] or 0), {})[layer["name"]] = weights
    n_members = len(parts[-1])
    whole = {
        added: tuple(_unshared(members[number], n_members) for number in range(n_members))
        for added, members in parts.items()
    }
    one = whole[-1][0]
    context, _, channels, width = one["stem"][0].shape
    blocks = sum(name.startswith("time") for name in one)
    shape = WakeShape(
        words=one["head"][1].size,
        channels=channels,
        context_frames=context,
        stride_frames=stride_frames,
        width=width,
        kernels=tuple(one[f"time{i}"][0].shape[0] for i in range(blocks)),
    )
    branches = tuple(
        Branch(blocks - sum(name.startswith("time") for name in whole[added][0]), whole[added])
        for added in range(len(parts) - 1)
    )
    return shape, whole[-1], branches


def _unshared(weights: Weights, n_members: int) -> Weights:
    """Undo that each head of several members holds its share of the mean."""
    return {**weights, "head": [w * n_members for w in weights["head"]]}
