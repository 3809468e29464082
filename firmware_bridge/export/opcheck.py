"""What ``vivavoce quantize opcheck --json`` found of the networks of a bundle: operators, and the measured arena."""

from pathlib import Path
from typing import Any, NamedTuple

from edge.bundle import Bundle
from edge.errors import DataError
from edge.files import read_file
from edge.json_reading import parse_json

__all__ = ["Checked", "read_opcheck", "resolver_header"]

_IRREGULAR = {"CUMSUM": "CumSum", "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM"}
_NAMES = 64
"""Letters of an operator's name, at most."""


class Checked(NamedTuple):
    """What was found of one network."""

    operators: dict[str, int]
    """How often each is used, as the schema of TensorFlow Lite spells them."""
    arena_bytes: int
    """Memory for its tensors, measured by TensorFlow Lite for Microcontrollers."""


def read_opcheck(path: Path, bundle: Bundle) -> dict[str, Checked]:
    """Read what was found of both networks of a bundle, by their files.

    Parameters
    ----------
    path : Path
        Lines of JSON, as the command prints them.
    bundle : Bundle
        Whose networks they must be about, by sha256.

    Raises
    ------
    DataError
        If it cannot be read, is something else, or is not about these networks, or they were not equal.
    """
    again = f"make it again: vivavoce quantize opcheck --json {bundle.path} >{path}"
    try:
        lines = [line for line in read_file(path).splitlines() if line.strip()]
        records = [parse_json(line) for line in lines]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a report of opcheck; {again}") from error
    except ValueError as error:
        raise DataError(
            f"{path}: got text that is not JSON ({error}), expected a report of opcheck; {again}"
        ) from error
    by_hash = {record.get("sha256"): record for record in records if isinstance(record, dict)}
    found = {}
    for file in (bundle.wake.file, bundle.liveness.file):
        sha256 = bundle.files[file].sha256
        if sha256 not in by_hash:
            raise DataError(f"{path}: got nothing about {file} (sha256 {sha256[:12]}...), expected a line; {again}")
        found[file] = _checked(by_hash[sha256], f"{path}: {file}", again)
    return found


def _checked(record: dict[str, Any], what: str, again: str) -> Checked:
    operators: Any = record.get("operators")
    arena: Any = record.get("arena_bytes")
    apart: Any = record.get("largest_difference_steps")
    good = (
        isinstance(operators, dict)
        and operators
        and all(_is_name(name) and type(count) is int and count > 0 for name, count in operators.items())
        and type(arena) is int
        and 0 < arena < 1 << 31
        and isinstance(apart, dict)
        and apart
        and all(type(steps) in (int, float) for steps in apart.values())
    )
    if not good:
        raise DataError(
            f"{what}: got operators {operators!r}, arena {arena!r}, expected those of opcheck; {again}"[:500]
        )
    if any(steps != 0 for steps in apart.values()):
        raise DataError(
            f"{what}: tflite-micro differs from the reference by {max(apart.values()):g} steps, expected none; golden "
            "vectors would not hold on the target: convert the network again"
        )
    return Checked(dict(sorted(operators.items())), arena)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= _NAMES and name.replace("_", "").isalnum() and name.isascii()


def resolver_header(checked: dict[str, Checked], roles: dict[str, str]) -> str:
    """Return ``vivavoce_resolver.h``, C++: adds the operators of a network to a MicroMutableOpResolver.

    Parameters
    ----------
    checked : dict of str to Checked
        By file.
    roles : dict of str to str
        The file of each role, e.g. ``wake``.
    """
    from firmware_bridge.export.c_text import NOTICE

    parts = []
    for role, file in roles.items():
        operators = checked[file].operators
        calls = "".join(
            f"    if (resolver.Add{_method(name)}() != kTfLiteOk) return kTfLiteError;\n" for name in operators
        )
        parts.append(
            f"// tflite::MicroMutableOpResolver<VV_{role.upper()}_OPERATORS>\n"
            f"#define VV_{role.upper()}_OPERATORS {len(operators)}\n"
            f"template <typename Resolver>\nTfLiteStatus vv_add_{role}_operators(Resolver &resolver)\n{{\n{calls}"
            "    return kTfLiteOk;\n}\n"
        )
    guard = "VIVAVOCE_RESOLVER_H"
    return (
        f"{NOTICE}#ifndef {guard}\n#define {guard}\n\n"
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n\n' + "\n".join(parts) + "\n#endif\n"
    )


def _method(operator: str) -> str:
    """Return how MicroMutableOpResolver calls an operator.

    >>> _method("DEPTHWISE_CONV_2D")
    'DepthwiseConv2D'
    """
    if operator in _IRREGULAR:
        return _IRREGULAR[operator]
    return "".join(word if word[0].isdigit() else word.capitalize() for word in operator.split("_") if word)
