"""The logarithm of the mel axis: the last bit of every value is part of what features are."""

import hashlib
import platform

import numpy as np
import pytest
from c_tables import log1pf
from hypothesis import given
from hypothesis import strategies as st

from edge.single_log import log1p

# Of the bins of the transform over 700 Hz, as a C library computes them that rounds as the definition does.
BINS_SHA256 = "997977200f86"


def of_bins():
    return log1p(np.arange(257, dtype=np.float32) * np.float32(31.25) / np.float32(700))


def ulps(found, expected):
    return np.abs(found.astype(np.float64) - expected) / np.spacing(np.abs(found)).astype(np.float64)


def test_the_bins_have_the_bits_of_the_definition():
    assert hashlib.sha256(of_bins().tobytes()).hexdigest().startswith(BINS_SHA256)


def test_it_is_not_the_value_that_is_rounded_correctly():
    # Else NumPy's double precision would do, and so would the C library of any system.
    rounded = np.log1p(np.arange(257) * 31.25 / 700).astype(np.float32)
    assert 0 < np.count_nonzero(of_bins() != rounded) < 50


@given(st.floats(0, 2.0**30, width=32))
def test_it_is_the_logarithm_to_one_unit_in_the_last_place(x):
    found = log1p(x)
    assert found.dtype == np.float32
    assert ulps(found, np.log1p(np.float64(x))) < 1


def test_it_rises_over_every_seam():
    for seam in (0.0, *(2.0**k * root - 1 for k in range(5) for root in (1.0, 2**0.5))):
        near = np.float32(seam).view(np.int32) + np.arange(-50, 50)
        x = near[near >= 0].astype(np.int32).view(np.float32)
        assert (np.diff(log1p(x)) >= 0).all(), seam


def test_zero_is_zero():
    assert log1p(0.0) == 0.0
    assert log1p([0.0, 1.0]).shape == (2,)


def glibc():
    name, version = platform.libc_ver()
    return tuple(map(int, version.split("."))) if name == "glibc" else None


@pytest.mark.skipif(
    glibc() is None or glibc() >= (2, 41), reason="this machine's C library rounds log1pf in another way"
)
@given(st.floats(0, 2.0**20, width=32))
def test_it_has_the_bits_of_the_c_library_of_the_definition(x):
    assert log1p(x) == log1pf(x)
