from pathlib import Path

from train.clip import Clip
from train.population import Population


def _clip(path: str, split: str) -> Clip:
    return Clip(path, Path(path), "c", "t", split, "wake", "alexa", 1.0, 16000, "CC0-1.0")


CLIPS = [_clip(f"{split}/{i}.flac", split) for split in ("train", "dev") for i in range(400)]


def test_recordings_are_those_of_the_talkers_and_parts_are_disjoint():
    def paths(part: str) -> set[str]:
        chosen = Population("train", "dev", "test", recordings=part).recordings_of(CLIPS)  # type: ignore[arg-type]
        return {clip.path for clip in chosen}

    whole, fitting, held_out = paths("all"), paths("fitting"), paths("held_out")
    assert whole == {f"train/{i}.flac" for i in range(400)}
    assert fitting | held_out == whole
    assert not fitting & held_out
    assert 60 < len(held_out) < 140


def test_a_recording_stays_in_its_part_whatever_else_there_is():
    one = Population("train", "train", "train", recordings="held_out")
    alone = [clip.path for clip in CLIPS if one.recordings_of([clip])]
    assert alone == [clip.path for clip in one.recordings_of(CLIPS)]


def test_names_tell_populations_apart():
    made = [
        Population.of_split("dev"),
        Population("dev", "train", "dev"),
        Population("dev", "dev", "dev", ("phone",)),
        Population("dev", "dev", "dev", recordings="fitting"),
    ]
    assert [one.name for one in made] == ["dev", "dev-train-dev", "dev-dev-dev-phone", "dev-dev-dev-fitting"]
