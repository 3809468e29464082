"""The ring against the obvious oracle: everything that was ever written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ring import Ring


@given(capacity=st.integers(1, 50), sizes=st.lists(st.integers(0, 120), max_size=20), data=st.data())
def test_what_was_written_last_can_be_read(capacity, sizes, data):
    ring, written = Ring(capacity), np.zeros(0, np.int16)
    for size in sizes:
        samples = np.arange(written.size, written.size + size).astype(np.int16)
        written = np.concatenate((written, samples))
        ring.write(samples)
        assert (ring.head, ring.tail) == (written.size, max(0, written.size - capacity))
        start = data.draw(st.integers(ring.tail, ring.head))
        stop = data.draw(st.integers(start, ring.head))
        np.testing.assert_array_equal(ring.read(start, stop), written[start:stop])


def test_a_read_is_a_copy():
    ring = Ring(4)
    ring.write(np.array([1, 2, 3, 4], np.int16))
    before = ring.read(0, 4)
    ring.write(np.array([5, 6], np.int16))
    assert before.tolist() == [1, 2, 3, 4]
    before[:] = 0
    assert ring.read(2, 6).tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize(("start", "stop"), [(5, 8), (6, 11), (8, 7), (-2, 0)])
def test_what_is_gone_or_not_there_yet_is_a_mistake_of_the_caller(start, stop):
    ring = Ring(4)
    ring.write(np.zeros(10, np.int16))
    with pytest.raises(ValueError, match=r"expected a part of \[6, 10\)"):
        ring.read(start, stop)


def test_reset_starts_at_zero():
    ring = Ring(4)
    ring.write(np.ones(3, np.int16))
    ring.reset()
    assert (ring.head, ring.tail) == (0, 0)
    ring.write(np.array([7], np.int16))
    assert ring.read(0, 1).tolist() == [7]


@pytest.mark.parametrize("samples", [np.zeros(3), np.zeros((3, 1), np.int16)], ids=["float", "two-dimensional"])
def test_only_int16_in_one_dimension_is_taken(samples):
    with pytest.raises(ValueError, match="expected \\(n,\\) int16"):
        Ring(4).write(samples)


def test_a_ring_needs_room():
    with pytest.raises(ValueError, match="at least 1"):
        Ring(0)
