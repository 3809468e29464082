"""The replay simulator: one recording of speech, rendered as a live wake word or as its replay by a loudspeaker.

Everything that a detector must not use (room, microphone, noise, level, duration, codec, hiss) has one distribution
for both classes. What differs is the chain that the issue asks about: a second recording, and a loudspeaker.
A rendered clip depends on the source clip, the seed and :data:`RECIPE_VERSION`, and on nothing else.
"""

__all__ = ["RECIPE_VERSION"]

RECIPE_VERSION = 1
"""Raised whenever a rendered clip changes for the same source and seed."""
