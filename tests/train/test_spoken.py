"""The bank of synthesised speech: many voices, each file made once, and nobody's recording."""

import shutil

import numpy as np
import pytest
import soundfile

from edge.errors import DataError, UsageError
from train import spoken
from train.spoken import CORPUS, speak_all, voices
from train.synthesis import Prosody, phonemes, synthesise

needs_synthesisers = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("flite", "espeak-ng")),
    reason="needs the Debian packages flite and espeak-ng",
)


@needs_synthesisers
def test_a_phrase_is_said_by_many_voices_and_lengths(tmp_path):
    clips = speak_all(["hey house"], tmp_path, per_phrase=24)
    assert len({clip.speaker for clip in clips}) > 12
    assert {clip.speaker.partition(":")[0] for clip in clips} == {"espeak-ng", "flite"}
    seconds = [clip.seconds for clip in clips]
    assert max(seconds) > 1.3 * min(seconds)
    for clip in clips:
        assert (clip.corpus, clip.label, clip.word, clip.role) == (CORPUS, "hey house", "hey_house", "wake")
        samples, rate_hz = soundfile.read(clip.file)
        assert (rate_hz, samples.ndim) == (16_000, 1)
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
        assert samples.size / rate_hz == pytest.approx(clip.seconds)


@needs_synthesisers
def test_the_same_call_speaks_nothing_again_and_goes_on_after_an_interruption(tmp_path, monkeypatch):
    first = speak_all(["alexa", "jarvis"], tmp_path, per_phrase=3)
    first[4].file.unlink()
    said = []
    monkeypatch.setattr(spoken, "synthesise", lambda text, *rest: said.append(text) or synthesise(text, *rest))
    assert speak_all(["alexa", "jarvis"], tmp_path, per_phrase=3) == first
    assert len(said) == 1
    assert said[0].startswith("jarvis")


@needs_synthesisers
def test_what_is_drawn_for_a_phrase_depends_on_no_other_phrase_and_on_the_seed(tmp_path):
    alone = speak_all(["jarvis"], tmp_path, per_phrase=3)
    assert speak_all(["alexa", "jarvis"], tmp_path, per_phrase=4)[4:7] == alone
    assert speak_all(["jarvis"], tmp_path, per_phrase=3, seed=2) != alone


@needs_synthesisers
def test_no_timbre_speaks_in_train_and_in_dev():
    for program in ("espeak-ng", "flite"):
        timbres = [{one.rpartition("+")[2] for one in voices(program, split)} for split in ("train", "dev")]
        assert timbres[0]
        assert timbres[1]
        assert not timbres[0] & timbres[1]
    with pytest.raises(UsageError, match="test"):
        voices("flite", "test")


@needs_synthesisers
def test_phonemes_are_spoken_by_espeak_alone(tmp_path):
    clips = speak_all(["[[h'aI h'aUs]]"], tmp_path, per_phrase=8)
    assert {clip.speaker.partition(":")[0] for clip in clips} == {"espeak-ng"}
    assert phonemes("jarvis", "espeak-ng:en-gb") == "dZ'A@vIs"
    assert np.array_equal(synthesise("[[dZ'A@vIs]]", "espeak-ng:en-gb"), synthesise("jarvis", "espeak-ng:en-gb"))
    with pytest.raises(UsageError, match="espeak-ng alone"):
        speak_all(["[[h'aI]]"], tmp_path, per_phrase=1, programs=["flite"])


@needs_synthesisers
@pytest.mark.parametrize("voice", ["espeak-ng:en-gb", "flite:slt", "flite:rms"])
def test_prosody_is_heard(voice):
    slow, fast = (synthesise("smart mirror", voice, Prosody(speed_wpm=wpm)) for wpm in (120, 220))
    assert slow.size > 1.3 * fast.size
    if voice != "flite:rms":
        low, high = (synthesise("smart mirror", voice, Prosody(pitch=pitch)) for pitch in (25, 75))
        assert _pitch_hz(high) > 1.3 * _pitch_hz(low)


def _pitch_hz(samples: np.ndarray) -> float:
    frames = [samples[at : at + 800] for at in range(0, samples.size - 800, 400)]
    loudest = max(frames, key=lambda frame: float(frame @ frame))
    correlation = np.correlate(loudest, loudest, "full")[799:]
    return 16_000 / (40 + int(correlation[40:250].argmax()))


@needs_synthesisers
def test_an_unknown_variant_is_refused():
    with pytest.raises(UsageError, match="no variant 'nobody'"):
        synthesise("alexa", "espeak-ng:en-gb+nobody")


@pytest.mark.parametrize("programs", [["festival"], []])
def test_an_unknown_synthesiser_is_refused(programs, tmp_path):
    with pytest.raises(UsageError, match="espeak-ng"):
        speak_all(["alexa"], tmp_path, per_phrase=1, programs=programs)


@needs_synthesisers
def test_a_cache_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "spoken").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        speak_all(["alexa"], tmp_path, per_phrase=1)
