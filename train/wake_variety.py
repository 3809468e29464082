"""How much the training scenes vary: two named settings, for networks that shall err in different places."""

from dataclasses import asdict, dataclass, field
from typing import Any

from train.wake_scenes import SceneMix

__all__ = ["VARIETIES", "Variety"]


@dataclass(frozen=True, slots=True)
class Variety:
    """Augmentation and regularisation of one training run."""

    mix: SceneMix = field(default_factory=SceneMix)
    """Scenes, and the speeds at which recordings are played in them."""
    mask_frames: int = 10
    """Longest stretch of time that is blanked, frames."""
    mask_channels: int = 6
    """Most channels that are blanked."""
    channel_shift: int = 2
    """Most channels by which the spectrum is moved."""
    dropout: float = 0.15
    """Share of the channels that is left out between layers."""
    weight_decay: float = 0.02
    """Decay of the weights, per step and learning rate."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


VARIETIES = {
    "wide": Variety(),
    "narrow": Variety(
        mix=SceneMix(
            per_word_clip=10,
            parts_per_word_clip=4.0,
            per_speech_clip=4.0,
            per_longform_second=4.0,
            other_speed_share=0.5,
            speed_range=0.13,
            longform_speeds=False,
        ),
        mask_frames=8,
        mask_channels=5,
        channel_shift=0,
        dropout=0.1,
        weight_decay=0.0,
    ),
}
"""``wide`` makes many talkers of few, and blurs short words; ``narrow`` keeps them sharp, and knows fewer talkers."""
