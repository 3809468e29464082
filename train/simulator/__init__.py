"""The replay simulator: a recording of speech, rendered as a live wake word or as its replay.

Everything that a detector must not use (room, microphone, noise, level, duration, codec, hiss) has one
distribution for both classes. What differs is what makes a replay: a second recording, and a loudspeaker.
A rendered clip depends on the source clip, the seed and the recipe (``recipe.toml``), and on nothing else.
"""

__all__: list[str] = []
