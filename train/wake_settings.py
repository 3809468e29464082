"""All that can be set about the training of a wake network."""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from edge.strict_toml import Within
from train.synthesis import SYNTHESISERS
from train.training_settings import Batch, Decay, Epochs, TrainingSettings
from train.wake_scenes import SceneMix
from train.wake_variety import VARIETIES, Variety

__all__ = ["WakeSettings"]


@dataclass(frozen=True, slots=True)
class WakeSettings(TrainingSettings):
    """All that decides what a wake network becomes, but data and seed."""

    budget: ClassVar[tuple[str, ...]] = ("scenes", "epochs", "ema")

    epochs: Epochs = 26
    batch: Batch = 96
    ema: Decay = 0.9995
    width: Annotated[int, Within(1, 1024)] = 96
    """Channels of every hidden layer."""
    kernels: Annotated[tuple[int, ...], Within(2, 200)] = (5, 9, 13, 21)
    """Lengths of the temporal convolutions, in outputs of the first layer (30 ms)."""
    variety: Variety = field(default_factory=lambda: VARIETIES["wide"])
    """Scenes, augmentation, dropout and weight decay."""
    without: tuple[str, ...] = ()
    """Ids of words of the corpus that are left out, e.g. to measure what it takes to add one of them later."""
    scenes: Annotated[float, Within(0.0001, 100)] = 1.0
    """Share of the scenes of the variety."""
    positive_weight: Annotated[float, Within(0.01, 1000)] = 4.0
    """What an output counts at which a word was just said."""
    label_hold_s: Annotated[float, Within(0.03, 2)] = 0.2
    """For this long after a word its score shall stay high, s."""
    synth: tuple[str, ...] = SYNTHESISERS
    """Synthesisers that say the words and what sounds like them, too."""
    spoken_per_word: Annotated[int, Within(1, 10_000)] = 200
    """Utterances of each word by synthesisers, before ``scenes``."""
    spoken_per_near_miss: Annotated[int, Within(1, 10_000)] = 10
    """Utterances of each phrase that sounds like a word or is said at home, before ``scenes``."""
    teacher_share: Annotated[float, Within(0, 1)] = 0.5
    """Share of the loss that teachers have, where there are any."""
    embedding_weight: Annotated[float, Within(0, 100)] = 0.1
    """What the squared error of the speech embedding counts, where one teaches."""

    def __post_init__(self) -> None:
        """Check what fields alone do not show."""
        if not self.kernels:
            raise ValueError("kernels: got none, expected a length for each temporal convolution")

    def mix(self) -> SceneMix:
        """Return how many scenes of which kind there are."""
        full = self.variety.mix
        return replace(
            full,
            per_word_clip=max(1, round(full.per_word_clip * self.scenes)),
            parts_per_word_clip=full.parts_per_word_clip * self.scenes,
            per_speech_clip=full.per_speech_clip * self.scenes,
            per_longform_second=full.per_longform_second * self.scenes,
            background=max(1, round(full.background * self.scenes)),
            per_other_word_clip=full.per_other_word_clip * self.scenes,
        )
