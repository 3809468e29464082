"""``vivavoce_settings.h`` and ``vivavoce_tables.{h,c}``: every constant of the C code, from where Python has it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.errors import DataError
from edge.frontend import FEATURE_TOP
from edge.frontend_tables import (
    CORRECTION_BITS,
    FFT_SIZE,
    LOG_COEFFICIENT,
    NOISE_BITS,
    OVER_2,
    OVER_4,
    PCAN_OUTPUT_BITS,
    PCAN_SNR_BITS,
    WINDOW_BITS,
    FrontendSettings,
    build_tables,
)
from edge.interpreter import Model, TensorSpec, dequantise
from edge.sample_time import SAMPLE_RATE_HZ
from firmware_bridge.export.abi import ABI_VERSION, PROBABILITY_BITS, not_int8, wake_state, wake_tensors
from firmware_bridge.export.c_text import NOTICE, array, c_string, defines, header
from firmware_bridge.link.bundle_contract import contract

__all__ = [
    "WordTables",
    "liveness_logits",
    "settings_header",
    "tables_header",
    "tables_source",
    "word_tables",
]

_MAX_SMOOTHING = 15
"""Runs whose probabilities, times a probability, fit into 64 bits."""
_LEAST_ROOM = 1e-3
"""See :class:`edge.wake.WakeStage`: what a cut-off of one leaves above itself."""


def settings_header(bundle: Bundle, wake: Model, liveness: Model, arenas: dict[str, int]) -> str:
    """Return ``vivavoce_settings.h``.

    Parameters
    ----------
    bundle : Bundle
    wake, liveness : Model
        Its networks.
    arenas : dict of str to int
        Bytes of arena that were measured, by the file of the network.

    Raises
    ------
    DataError
        If the networks are not int8, or a setting is beyond what the C code has room for.
    """
    frontend = FrontendSettings.from_dict(bundle.frontend)
    part = bundle.wake
    state_bytes, _ = wake_state(bundle, wake)
    for what, value, most in (
        ("wake.smoothing_steps", part.smoothing_steps, _MAX_SMOOTHING),
        ("wake.context_frames", part.context_frames, 255),
        ("wake.stride_frames", part.stride_frames, 255),
    ):
        if not 1 <= value <= most:
            raise DataError(f"{bundle.path}: {what}: got {value}, expected 1 to {most} for firmware; train another one")
    tables = build_tables(frontend)
    (step, window, channels, smoothing, even, odd, least, pcan, snr_shift, log_shift) = map(int, tables.scalars)
    accept, reject = liveness_logits(bundle, liveness)
    body = [
        "/* What names it all. */\n",
        defines({
            "VV_ABI_VERSION": _unsigned(ABI_VERSION),
            "VV_BUNDLE_VERSION": c_string(bundle.bundle_version),
            "VV_BUNDLE_SHA256": c_string(bundle_hash(bundle.path)),
            "VV_WAKE_SHA256": c_string(bundle.files[part.file].sha256),
            "VV_LIVENESS_SHA256": c_string(bundle.files[bundle.liveness.file].sha256),
        }),
        "\n/* What networks must have been made for to run with this code: the 32 bytes of vv_flash_t.contract. */\n",
        defines({"VV_CONTRACT": _bytes(contract(bundle, wake))}),
        "\n/* Frontend. */\n",
        defines({
            "VV_SAMPLE_RATE_HZ": SAMPLE_RATE_HZ,
            "VV_STEP_SAMPLES": step,
            "VV_WINDOW_SAMPLES": window,
            "VV_CHANNELS": channels,
            "VV_FFT_SIZE": FFT_SIZE,
            "VV_WINDOW_BITS": WINDOW_BITS,
            "VV_OVER_4": f"((int16_t){OVER_4})",
            "VV_OVER_2": f"((int16_t){OVER_2})",
            "VV_NOISE_BITS": NOISE_BITS,
            "VV_SMOOTHING_BITS": smoothing,
            "VV_EVEN_SMOOTHING": _unsigned(even),
            "VV_ODD_SMOOTHING": _unsigned(odd),
            "VV_LEAST_SIGNAL": _unsigned(least),
            "VV_PCAN": pcan,
            "VV_PCAN_SNR_BITS": _unsigned(PCAN_SNR_BITS),
            "VV_PCAN_OUTPUT_BITS": _unsigned(PCAN_OUTPUT_BITS),
            "VV_SNR_SHIFT": snr_shift,
            "VV_CORRECTION_BITS": CORRECTION_BITS,
            "VV_LOG_COEFFICIENT": _unsigned(LOG_COEFFICIENT),
            "VV_LOG_SHIFT": log_shift,
            "VV_FEATURE_TOP": _unsigned(FEATURE_TOP),
        }),
        "\n/* Wake network: int8 features (1, context, channels) and state in, int8 logits and state out. */\n",
        defines({
            "VV_WORDS": len(bundle.words),
            "VV_WAKE_CONTEXT": part.context_frames,
            "VV_WAKE_STRIDE": part.stride_frames,
            "VV_WAKE_SMOOTHING": part.smoothing_steps,
            "VV_WAKE_REFRACTORY": part.refractory_ms // frontend.step_ms,
            "VV_WAKE_STATE_BYTES": state_bytes,
            "VV_WAKE_ARENA_BYTES": _unsigned(arenas[part.file]),
            "VV_PROBABILITY_BITS": PROBABILITY_BITS,
        }),
        "\n/* Liveness network: its int8 logit is live from ACCEPT on, and played below REJECT. Its cues are made by\n"
        " * the Linux side. */\n",
        defines({
            "VV_LIVENESS_ACCEPT_LOGIT": f"({accept})",
            "VV_LIVENESS_REJECT_LOGIT": f"({reject})",
            "VV_LIVENESS_ARENA_BYTES": _unsigned(arenas[bundle.liveness.file]),
        }),
        "\n/* Quantisation of the tensors: value = (integer - ZERO_POINT) * SCALE. For people and for checks; the\n"
        " * code computes without them. */\n",
        *(_quantisation("WAKE", spec) for spec in (*wake.inputs.values(), *sorted(wake.outputs))),
        *(_quantisation("LIVENESS", spec) for spec in (*liveness.inputs.values(), *sorted(liveness.outputs))),
    ]  # fmt: skip
    return header("vivavoce_settings.h", "".join(body))


def tables_header(bundle: Bundle) -> str:
    """Return ``vivavoce_tables.h``."""
    tables = _tables(bundle)
    body = "".join(f"extern const {kind} {name}[{len(values)}]; /* {says} */\n" for kind, name, values, says in tables)
    body += "\nextern const char *const vv_word_ids[VV_WORDS];\nextern const uint64_t vv_cutoff_sums[VV_WORDS]; "
    body += "/* cut-offs times VV_WAKE_SMOOTHING, VV_PROBABILITY_BITS fraction bits */\n"
    body += "extern const uint64_t vv_cutoff_rooms[VV_WORDS]; /* one minus the cut-off */\n"
    body += "extern const uint32_t vv_probabilities[256]; /* by logit + 128 */\n"
    return header("vivavoce_tables.h", body, ("<stdint.h>", '"vivavoce_settings.h"'))


def tables_source(bundle: Bundle, wake: Model) -> str:
    """Return ``vivavoce_tables.c``."""
    words = word_tables(bundle, wake)
    parts = [array(kind, name, values) for kind, name, values, _ in _tables(bundle)]
    ids = "".join(f"    {c_string(word.id)},\n" for word in bundle.words)
    parts += [
        f"const char *const vv_word_ids[VV_WORDS] = {{\n{ids}}};\n",
        array("uint64_t", "vv_cutoff_sums", words.cutoff_sums, "U"),
        array("uint64_t", "vv_cutoff_rooms", words.cutoff_rooms, "U"),
        array("uint32_t", "vv_probabilities", words.probabilities, "U"),
    ]
    return f'{NOTICE}#include "vivavoce_tables.h"\n\n' + "\n".join(parts)


@dataclass(frozen=True, slots=True)
class WordTables:
    """What makes words of the wake network's logits; integers with PROBABILITY_BITS fraction bits."""

    cutoff_sums: list[int]
    """Cut-off of each word times the runs over which probabilities are averaged."""
    cutoff_rooms: list[int]
    """One minus the cut-off of each word."""
    probabilities: list[int]
    """Probability of each int8 logit, from -128 on."""


def word_tables(bundle: Bundle, wake: Model) -> WordTables:
    """Return the tables from logits to words.

    Raises
    ------
    DataError
        If the network is not int8.
    """
    logits, _ = wake_tensors(wake, len(bundle.words))
    one = 1 << PROBABILITY_BITS
    real = dequantise(np.arange(-128, 128).astype(np.int8), logits).astype(np.float64)
    cutoffs = list(bundle.wake_cutoffs.values())
    return WordTables(
        [round(cutoff * bundle.wake.smoothing_steps * one) for cutoff in cutoffs],
        [round(max(1.0 - cutoff, _LEAST_ROOM) * one) for cutoff in cutoffs],
        [int(value) for value in np.rint(one / (1.0 + np.exp(-real)))],
    )


def liveness_logits(bundle: Bundle, liveness: Model) -> tuple[int, int]:
    """Return the int8 logits from which on the liveness network says live, and below which played; 128 if none does.

    Raises
    ------
    DataError
        If the network is not int8, or its calibration falls.
    """
    logit = liveness.outputs[0]
    if logit.dtype != np.int8:
        raise not_int8(bundle.liveness.file, logit)
    part = bundle.liveness
    return _least_logit(logit, bundle, part.accept_cutoff), _least_logit(logit, bundle, part.reject_cutoff)


def _tables(bundle: Bundle) -> list[tuple[str, str, Any, str]]:
    """Return type, name, values and meaning of the frontend's tables, without the room that is not used."""
    settings = FrontendSettings.from_dict(bundle.frontend)
    tables = build_tables(settings)
    return [
        ("int16_t", "vv_window", tables.part("window")[: settings.window_samples], "Hann, VV_WINDOW_BITS"),
        ("int16_t", "vv_twiddles", tables.part("twiddles"), "stages of 4, 16, 64: re and im of w^k, w^2k, w^3k"),
        ("int16_t", "vv_real_twiddles", tables.part("real_twiddles"), "re, then im"),
        ("int16_t", "vv_weights", tables.part("weights"), "of a bin in the channel that rises there"),
        ("int16_t", "vv_unweights", tables.part("unweights"), "of a bin in the channel that falls there"),
        ("int16_t", "vv_edges", tables.part("edges")[: settings.channels + 2], "bins where slopes begin"),
        ("int16_t", "vv_gain", tables.part("gain"), "quadratic pieces, an octave each"),
        ("int16_t", "vv_log", tables.part("log"), "correction of log2, 16 fraction bits"),
    ]


def _least_logit(spec: TensorSpec, bundle: Bundle, cutoff: float) -> int:
    """Return the lowest int8 logit that reaches a probability; 128 if none does."""
    real = dequantise(np.arange(-128, 128).astype(np.int8), spec).astype(np.float64)
    reached = 1.0 / (1.0 + np.exp(-np.clip(bundle.liveness.slope * real + bundle.liveness.offset, -50, 50))) >= cutoff
    if bundle.liveness.slope <= 0:
        raise DataError(
            f"{bundle.path}: liveness.calibration.slope: got {bundle.liveness.slope}, expected more than 0; "
            "calibrate it again"
        )
    return int(np.argmax(reached)) - 128 if reached.any() else 128


def _quantisation(role: str, spec: TensorSpec) -> str:
    name = f"VV_{role}_{spec.name.upper()}"
    return defines({f"{name}_SCALE": f"{spec.scale!r}", f"{name}_ZERO_POINT": f"({spec.zero_point})"})


def _bytes(values: bytes) -> str:
    """Return an initialiser over several lines."""
    lines = (values[at : at + 16] for at in range(0, len(values), 16))
    return "{ \\\n" + "".join(f"    {', '.join(f'0x{byte:02x}' for byte in line)}, \\\n" for line in lines) + "}"


def _unsigned(value: int) -> str:
    return f"{value}U"
