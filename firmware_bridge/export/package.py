"""What a target gets: all files of an export, by name."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.errors import DataError
from edge.interpreter import load_model
from firmware_bridge.export.abi import ABI_VERSION
from firmware_bridge.export.build_files import BUILD_FILES
from firmware_bridge.export.c_text import NOTICE, header, model_source
from firmware_bridge.export.golden import golden_vectors
from firmware_bridge.export.opcheck import Checked, resolver_header
from firmware_bridge.export.settings import settings_header, tables_header, tables_source

__all__ = ["C_SOURCES", "RECORD_NAME", "export_c", "export_esphome"]

RECORD_NAME = "export.json"
C_SOURCES = (
    "vivavoce_frontend.h",
    "vivavoce_frontend.c",
    "vivavoce_transform.h",
    "vivavoce_transform.c",
    "vivavoce_arithmetic.h",
    "vivavoce_post.h",
    "vivavoce_post.c",
)
"""Files of ``firmware_bridge/c`` that every C target gets as they are."""

_MODELS = """\
#if defined(__cplusplus)
#define VV_ALIGNAS(bytes) alignas(bytes)
#elif defined(__STDC_VERSION__) && (__STDC_VERSION__ >= 201112L)
#define VV_ALIGNAS(bytes) _Alignas(bytes)
#elif defined(__GNUC__)
#define VV_ALIGNAS(bytes) __attribute__((aligned(bytes)))
#else
#error "say how your compiler aligns an object"
#endif

"""


def export_c(
    bundle: Bundle, target: str, checked: dict[str, Checked], pcm: npt.NDArray[np.int16] | None = None
) -> dict[str, bytes]:
    """Return the files for a target in C.

    Parameters
    ----------
    bundle : Bundle
    target : str
        A key of :data:`firmware_bridge.export.build_files.BUILD_FILES`.
    checked : dict of str to Checked
        What opcheck found of its networks.
    pcm : (n,) int16, optional
        For golden vectors; none without it.

    Raises
    ------
    DataError
        If the bundle cannot be exported; see :mod:`firmware_bridge.export.settings`.
    """
    roles = {"wake": bundle.wake.file, "liveness": bundle.liveness.file}
    models = {role: load_model(bundle.content(file), name=file, kernels="reference") for role, file in roles.items()}
    arenas = {file: found.arena_bytes for file, found in checked.items()}
    contents = {role: bundle.content(file) for role, file in roles.items()}
    declared = "".join(
        f"#define VV_{role.upper()}_MODEL_BYTES {len(content)}U\n"
        f"extern const uint8_t vv_{role}_model[{len(content)}];\n"
        for role, content in contents.items()
    )
    texts = {
        **{name: (files("firmware_bridge") / "c" / name).read_text() for name in C_SOURCES},
        "vivavoce_settings.h": settings_header(bundle, models["wake"], models["liveness"], arenas),
        "vivavoce_tables.h": tables_header(bundle),
        "vivavoce_tables.c": tables_source(bundle, models["wake"]),
        "vivavoce_models.h": header("vivavoce_models.h", _MODELS + declared),
        **{
            f"vivavoce_{role}_model.c": model_source(f"vv_{role}_model", "vivavoce_models.h", content)
            for role, content in contents.items()
        },
        "vivavoce_resolver.h": resolver_header(checked, roles),
    }
    texts |= {name: text.replace("{notice}", NOTICE) for name, text in BUILD_FILES[target].items()}
    made = {name: text.encode() for name, text in texts.items()}
    if pcm is not None:
        made |= {f"golden/{name}": content for name, content in golden_vectors(bundle, models["wake"], pcm).items()}
    return _recorded(bundle, target, made)


def export_esphome(bundle: Bundle, pack: Path) -> dict[str, bytes]:
    """Return the files for ESPHome: a pack that ``vivavoce quantize esphome`` made, checked word by word.

    Parameters
    ----------
    bundle : Bundle
        Whose words there must be.
    pack : Path
        Folder of ``WORD.json`` and ``WORD.tflite``.

    Raises
    ------
    DataError
        If a word is missing, or has another phrase or cut-off than the bundle.
    BundleError
        If a manifest or a model is not one of ESPHome's.
    """
    from edge.esphome import open_esphome_model
    from edge.files import read_file

    made = {}
    for word in bundle.words:
        path = pack / f"{word.id}.json"
        remedy = f"make the pack again: vivavoce quantize esphome {bundle.path} -o {pack}"
        try:
            manifest = read_file(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}), expected a manifest; {remedy}") from error
        model = open_esphome_model(path)
        for what, got, expected in (
            ("wake_word", model.word.phrase, word.phrase),
            ("probability_cutoff", model.word.cutoff, bundle.wake_cutoffs[word.id]),
        ):
            if got != expected:
                raise DataError(f"{path}: {what}: got {got!r}, expected {expected!r}, as in the bundle; {remedy}")
        made[path.name] = manifest
        made[model.file.name] = model.content
    return _recorded(bundle, "esphome", made)


def _recorded(bundle: Bundle, target: str, made: dict[str, bytes]) -> dict[str, bytes]:
    """Add the record of the export: what it was made of, and a hash of each file."""
    record = {
        "abi_version": ABI_VERSION,
        "target": target,
        "bundle_version": bundle.bundle_version,
        "bundle_sha256": bundle_hash(bundle.path),
        "files": {name: hashlib.sha256(made[name]).hexdigest() for name in sorted(made)},
    }
    return made | {RECORD_NAME: (json.dumps(record, indent=2) + "\n").encode()}
