"""Synthetic words: what needs speech, and no recordings."""

import numpy as np
import pytest

from tests.train.synthetic_speech import synthetic_word


@pytest.fixture(scope="session")
def word() -> np.ndarray:
    return synthetic_word(1)


@pytest.fixture(scope="session")
def words() -> list[np.ndarray]:
    return [synthetic_word(seed) for seed in range(10)]
