"""The cut-off of a word, fitted to a home: shrunk, paid for, never higher unless asked; and added to a sensitivity."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from verifier_bundle import with_verifier

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.calibration import Calibration, WordCutoff, calibrated
from edge.calibration_prior import Share, WordPrior, WordsPrior
from edge.calibration_words import MOST_MARGIN, Offer, Wishes, WordListener, fit_shift, lines_of_word, margins, offer
from edge.errors import DataError
from edge.policy import GateSettings, WordSettings
from edge.sensitivity import FARTHEST_SHIFT, SENSITIVITIES, log_odds, moved_by, shifted, tuned

SHIFTS = tuple(round(0.1 * i, 1) for i in range(5, -11, -1))
CHEAP = tuple(0 for _ in SHIFTS)
# One false accept more at every step down.
DEAR = tuple(max(0, round(-10 * shift)) for shift in SHIFTS)
WORDS = WordsPrior(
    source="a test",
    between=0.7,
    within=0.7,
    missed=Share(0.5, 4.5),
    shifts=SHIFTS,
    hours=2.0,
    of={"alexa": WordPrior(0.5, CHEAP), "jarvis": WordPrior(0.5, DEAR)},
)
FREE = Wishes(most_added=100.0)


def expit(logit):
    return 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def word_of(bundle, name="alexa"):
    return next(word for word in bundle.words if word.id == name)


def scores_of(bundle, name, found, other=0.01):
    """Return rows of scores in which one word has these margins."""
    index = [word.id for word in bundle.words].index(name)
    rows = np.full((len(found), len(bundle.words)), other)
    rows[:, index] = [moved_by(bundle.words[index].cutoff, margin) for margin in found]
    return list(rows)


class TestShift:
    def test_who_is_heard_well_by_and_large_keeps_it(self):
        clear = replace(WORDS, of={"alexa": WordPrior(1.9, CHEAP)})
        assert fit_shift(np.array([-0.1, 1.9, 1.9, 1.9, 1.9]), clear, "alexa", FREE) == 0.0

    def test_who_is_missed_is_met(self):
        # More is wished; at -0.7 all are heard, and there it stays.
        assert fit_shift(np.full(8, -0.65), WORDS, "alexa", FREE) == -0.7

    def test_few_takes_are_trusted_less(self):
        found = [-0.2, -0.6]
        alike = replace(WORDS, between=0.15, within=0.3)
        shifts = [fit_shift(np.array(found * n), alike, "alexa", FREE) for n in (1, 4, 100)]
        # Reliabilities of 1/3, 2/3 and 0.98: wished are -0.22, -0.50 and -0.77, used as far as somebody is heard.
        assert shifts == [0.0, -0.3, -0.7]

    def test_a_cough_is_one_miss_and_no_more(self):
        one, other = (margins([0.9] * 7 + [worst], 0.9 - 1e-3) for worst in (0.05, 1e-9))
        assert one[-1] == other[-1] == -MOST_MARGIN

    def test_nothing_is_paid_for_that_hears_nobody(self):
        assert fit_shift(np.array([0.1, 0.1, 0.1, 0.1, -2.0]), WORDS, "alexa", FREE) == 0.0

    @pytest.mark.parametrize(("most", "shift"), [(0.0, 0.0), (0.5, -0.1), (1.0, -0.2), (2.0, -0.4), (100.0, -1.0)])
    def test_it_costs_no_more_than_is_allowed(self, most, shift):
        found = np.array([-0.05, -0.15, -0.25, -0.35, -0.45, -0.55, -0.65, -0.75, -0.85, -0.95])
        assert fit_shift(found, WORDS, "jarvis", Wishes(most)) == shift

    def test_it_goes_no_farther_than_was_measured(self):
        assert fit_shift(np.full(50, -1.95), WORDS, "alexa", FREE) == 0.0
        assert fit_shift(np.full(50, -0.95), WORDS, "alexa", FREE) == FARTHEST_SHIFT
        # Nor where a prior knows more: together with a sensitivity it would be cut anyway.
        farther = replace(WORDS, shifts=(0.0, -1.0, -1.5), of={"alexa": WordPrior(0.5, (0, 0, 0))})
        assert fit_shift(np.full(50, -1.2), farther, "alexa", FREE) == 0.0

    def test_it_is_raised_only_if_asked_and_only_as_far_as_nobody_is_missed(self):
        found = np.array([1.9, 1.9, 1.9, 1.9, 0.35])
        assert fit_shift(found, WORDS, "alexa", Wishes()) == 0.0
        assert fit_shift(found, WORDS, "alexa", Wishes(may_raise=True)) == 0.3
        assert fit_shift(np.full(9, 1.9), WORDS, "alexa", Wishes(may_raise=True)) == SENSITIVITIES["low"]


class TestOffer:
    def test_what_is_bought_and_paid_is_said(self, bundle):
        found = [-0.05, -0.15, -0.25, 0.5, 0.5, -0.6, -0.75, 0.5]
        made = offer(bundle, word_of(bundle, "jarvis"), scores_of(bundle, "jarvis", found), WORDS, Wishes(1.0))
        assert made.cutoff is not None
        own = word_of(bundle, "jarvis").cutoff
        assert log_odds(made.cutoff.cutoff) - log_odds(own) == pytest.approx(-0.2, abs=1e-3)
        assert (made.cutoff.takes, made.cutoff.heard) == (8, (3, 5))
        assert made.cutoff.false_accepts == (0.0, 1.0)
        assert made.cutoff.missed.after[1] < made.cutoff.missed.before[1]
        told = "\n".join(lines_of_word("jarvis", made.cutoff, own))
        assert "of 8 takes heard: before 3, after 5" in told
        assert "in an hour of speech: before 0.0, after 1.0" in told
        assert "4 hours of speech: before 0, after 4" in told

    def test_what_a_lower_one_would_cost_is_said(self, bundle):
        rows = scores_of(bundle, "jarvis", [-0.05, -0.15, -0.25, 0.5, 0.5, -0.6, -0.75, 0.5])
        word = word_of(bundle, "jarvis")
        assert offer(bundle, word, rows, WORDS, Wishes(1.0)).further == (
            "8 of 8 takes would be heard for 4.0 false accepts more in an hour of speech: --most-false-accepts 4"
        )
        made = offer(bundle, word, rows, WORDS, Wishes(0.1))
        assert made.cutoff is None
        assert made.further.startswith("8 of 8 takes")
        assert offer(bundle, word, rows, WORDS, FREE).further == ""

    def test_takes_of_another_word_prove_nothing(self, bundle):
        rows = scores_of(bundle, "alexa", [-0.5] * 6) + scores_of(bundle, "jarvis", [0.5] * 3, other=0.02)
        made = offer(bundle, word_of(bundle), rows, WORDS, FREE)
        assert made.cutoff.takes == 6
        made = offer(bundle, word_of(bundle), rows[2:], WORDS, FREE)
        assert made.cutoff is None
        assert made.why == "got 4 takes of it (another word was heard in 3), expected at least 5"

    @pytest.mark.parametrize(
        ("found", "why"),
        [
            ([0.5] * 6, "0 of 6 takes were missed: none to mend"),
            (
                [0.5] * 5 + [-2.0],
                "1 of 6 takes were missed: by so much that no cut-off whose price is known",
            ),
            ([1.9] * 19 + [-0.9], "1 of 20 takes were missed: too few to move it"),
        ],
    )
    def test_why_it_stays_is_said(self, bundle, found, why):
        made = offer(bundle, word_of(bundle), scores_of(bundle, "alexa", found), WORDS, FREE)
        assert made.cutoff is None
        assert made.why.startswith(why)
        assert made.judged is (not why.startswith("got"))

    @pytest.mark.parametrize("prior", [None, replace(WORDS, of={})])
    def test_where_nobody_measured_the_price_it_stays(self, bundle, prior):
        made = offer(bundle, word_of(bundle), scores_of(bundle, "alexa", [-0.5] * 6), prior, FREE)
        assert made == Offer(word_of(bundle), None, made.why, "", judged=False)
        assert "nobody measured" in made.why


class TestListener:
    def test_a_word_is_heard_and_noise_is_not_and_nothing_is_remembered(self, bundle):
        scene, _ = soundfile.read(DEFAULT_BUNDLE.parent / "scene.flac", dtype="int16")
        noise = np.random.default_rng(0).integers(-30, 30, 16_000).astype(np.int16)
        listener = WordListener(bundle)
        cutoffs = np.array([word.cutoff for word in bundle.words])
        first = listener.hear([noise])
        loud = listener.hear([scene[: 16_000 * 25]])
        assert np.any(loud > cutoffs)
        assert not np.any(first > cutoffs)
        np.testing.assert_array_equal(listener.hear([noise[:777], noise[777:]]), first)

    def test_where_there_is_a_verifier_its_score_counts(self, bundle, tmp_path):
        """That of the word which it looked for; of another one, which the wake network did not hear, nothing."""
        scene, _ = soundfile.read(DEFAULT_BUNDLE.parent / "scene.flac", dtype="int16")
        ids = [word.id for word in bundle.words]
        logits = dict(zip(ids, (-2.0, -1.0, 1.0, 2.0, 3.0, 4.0), strict=True))
        verified = open_bundle(with_verifier(DEFAULT_BUNDLE, tmp_path / "v", bias=list(logits.values())))
        alone = WordListener(bundle).hear([scene])
        said = {ident for ident, score in zip(ids, alone, strict=True) if score > 0.5}
        assert 0 < len(said) < len(ids)
        found = dict(zip(ids, WordListener(verified).hear([scene]), strict=True))
        for ident in ids:
            assert found[ident] == pytest.approx(expit(logits[ident]) if ident in said else 0.0), ident

    def test_a_look_that_waits_when_a_take_ends_is_made(self, tmp_path, monkeypatch):
        scene, _ = soundfile.read(DEFAULT_BUNDLE.parent / "scene.flac", dtype="int16")
        patient = open_bundle(with_verifier(DEFAULT_BUNDLE, tmp_path / "v", delay_ms=1000))
        monkeypatch.setattr("edge.calibration_words.between_noise", lambda samples, seed: samples)
        assert WordListener(patient).hear([scene[: 3 * 16_000]]).max() == pytest.approx(expit(4.0))

    def test_nothing_and_what_is_no_take(self, bundle):
        listener = WordListener(bundle)
        assert np.all(np.isfinite(listener.hear([])))
        with pytest.raises(DataError, match=r"long\.wav: got more than 30 s"):
            listener.hear([np.zeros(16_000, np.int16)] * 40, "long.wav")


class TestWithSensitivity:
    """The one place where both are combined is :func:`edge.sensitivity.shifted`."""

    def home(self, bundle, shift):
        cutoff = moved_by(word_of(bundle).cutoff, shift)
        calibration = Calibration(
            bundle_sha256=bundle_hash(bundle.path),
            bundle_version="x",
            slope=1.0,
            offset=0.0,
            words={"alexa": WordCutoff(cutoff)},
        )
        return calibrated(bundle, calibration, where="x")

    @pytest.mark.parametrize(
        ("calibrated_by", "sensitivity", "shift"),
        [
            (-0.3, "normal", -0.3),
            (-0.3, "high", -0.8),
            (-0.3, "highest", -1.0),
            (-0.8, "high", -1.0),
            (-1.0, "highest", -1.0),
            (-1.5, "high", -1.5),
            (-0.3, "low", 0.2),
            (0.3, "highest", -0.7),
            (0.3, "low", 0.8),
        ],
    )
    def test_they_add_up_as_far_as_the_price_is_known(self, bundle, calibrated_by, sensitivity, shift):
        home = self.home(bundle, calibrated_by)
        wanted = log_odds(word_of(bundle).cutoff) + shift
        for one in (tuned(home, sensitivity), GateSettings(sensitivity=sensitivity).fitted(home)):
            assert log_odds(word_of(one).cutoff) == pytest.approx(wanted, abs=1e-9)
            others = [word.cutoff for word in one.words[1:]]
            assert others == [shifted(word.cutoff, sensitivity) for word in bundle.words[1:]]

    def test_a_cut_off_in_the_settings_wins_over_both(self, bundle):
        given = GateSettings(sensitivity="high", words={"alexa": WordSettings(cutoff=0.7)})
        assert word_of(given.fitted(self.home(bundle, -0.5))).cutoff == 0.7
