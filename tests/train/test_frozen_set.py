"""The recorded sets, rendered again in part; needs the recordings that they were made from."""

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from train.engines.choice import Engine
from train.frozen_set import N_CLIPS, first_rms, read_frozen, render_set, state_of, write_frozen
from train.rendered_folder import samples_hash

pytest.importorskip("pyroomacoustics")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def _rendered(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(100, 200, n).astype(np.int32)
    live = (np.arange(n) % 2 == 0).astype(np.int8)
    return {"live": live, "size": sizes, "samples": rng.integers(-99, 99, sizes.sum()).astype(np.int16)}


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.csv").write_text("path\n")
    return tmp_path


def test_hash_depends_on_every_sample_label_and_cut():
    one = _rendered(4, 1)
    changed = [
        {**one, "samples": np.where(np.arange(one["samples"].size) == 77, 100, one["samples"]).astype(np.int16)},
        {**one, "live": one["live"][::-1].copy()},
        {**one, "size": one["size"][::-1].copy()},
    ]
    assert len({samples_hash(one), *(samples_hash(other) for other in changed)}) == 4


def test_a_set_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from train import frozen_set

    data, record = _folder(tmp_path), tmp_path / "frozen.json"
    whole = _rendered(N_CLIPS, 1)
    write_frozen(record, data, {"dev": whole})
    monkeypatch.setattr(frozen_set, "read_frozen", lambda: read_frozen(record))
    assert state_of(whole, data, "dev") == "frozen"
    assert state_of(whole, data, "test") == "other samples"
    assert state_of(_rendered(N_CLIPS, 2), data, "dev") == "other samples"
    assert state_of(_rendered(10, 1), data, "dev") == "part of it"
    off_by_one = whole["samples"].copy()
    off_by_one[::40] += 1
    assert state_of(whole | {"samples": off_by_one}, data, "dev") == "rounded otherwise"
    louder = whole["samples"].copy()
    louder[: whole["size"][0]] *= 2
    assert state_of(whole | {"samples": louder}, data, "dev") == "other samples", "one clip of 4000 is 6 dB louder"
    other = whole["live"][::-1].copy()
    assert state_of(whole | {"live": other}, data, "dev") == "other samples"
    (data / "manifest.csv").write_text("path\nmore\n")
    assert state_of(whole, data, "dev") == "other data"


@pytest.mark.parametrize("content", ["", "{}", "[]", "[" * 10_000])
def test_a_damaged_record_is_one_line(tmp_path: Path, content: str):
    (tmp_path / "frozen.json").write_text(content)
    with pytest.raises(DataError, match="vivavoce train render --freeze"):
        read_frozen(tmp_path / "frozen.json")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the recordings of ../shared/data")
def test_rendered_again_the_first_clips_are_those_of_the_record(tmp_path: Path):
    record = read_frozen()
    rendered = render_set(DATA, "dev", tmp_path, n=8, engine=Engine(workers=1))
    assert state_of(rendered, DATA, "dev") == "part of it"
    # Levels, and not hashes: another processor may round a sample otherwise.
    np.testing.assert_allclose(first_rms(rendered), record.first_rms["dev"], rtol=1e-3)
