"""Time is a sample index: how fast samples go, and when one is in seconds."""

__all__ = ["SAMPLE_RATE_HZ", "seconds"]

SAMPLE_RATE_HZ = 16_000
"""The rate of every sample index, ring and frontend in the program, Hz."""


def seconds(sample: int) -> float:
    """Convert an absolute sample index to seconds, rounded to the millisecond."""
    return round(sample / SAMPLE_RATE_HZ, 3)
