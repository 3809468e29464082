"""The replay simulator: a recording of speech, rendered as a live wake word or as its replay.

Everything that a detector must not use (room, microphone, noise, level, duration, codec, hiss) has one
distribution for both classes. What differs is what makes a replay: a second recording, and a loudspeaker.
A rendered clip depends on the source clip, the seed and :data:`RECIPE_VERSION`, and on nothing else.
"""

__all__ = ["RECIPE_VERSION"]

RECIPE_VERSION = 1
"""Raised whenever a rendered clip changes for the same source and seed."""
