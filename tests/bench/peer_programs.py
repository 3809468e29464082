"""What the benchmark of peers runs in the Python of each: ``python peer_programs.py ENGINE TASK FILE``.

Each engine takes blocks of 16-bit samples, 16 kHz, and says what it detected, by the cut-offs that it comes with.
Imports nothing that one of the Pythons might lack, and nothing for the one engine that another would need: what a
process takes is what its engine takes.
"""

import json
import sys
import time
import wave

__all__ = ["ENGINES", "TASKS"]

RATE_HZ = 16000
OPENWAKEWORD_CUTOFF = 0.5
"""Used throughout the documentation of openWakeWord."""


def vivavoce():
    """Listen for all words of the bundle, and judge liveness of what is heard."""
    import numpy as np

    from edge.bundle import open_bundle
    from edge.events import Wake
    from edge.pipeline import Pipeline

    pipeline = Pipeline(open_bundle())

    def push(block: bytes) -> list[str]:
        events = pipeline.push(np.frombuffer(block, np.int16))
        return [event.word if isinstance(event, Wake) else f"{event.decision} {event.word}" for event in events]

    return push, 160


def pymicro_wakeword():
    """Listen for one word, in pushes of 10 ms as its authors' satellites make them."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    word, features = MicroWakeWord.from_builtin(Model.ALEXA), MicroWakeWordFeatures()

    def push(block: bytes) -> list[str]:
        # All frames are taken, whatever the first of them brings.
        heard = [word.process_streaming(frame) for frame in features.process_streaming(block)]
        return ["alexa"] if any(heard) else []

    return push, 160


def openwakeword(framework: str):
    """Listen for one word, in pushes of 80 ms, the step of its models."""
    import numpy as np
    import openwakeword as package

    path = package.models["alexa"]["model_path"]
    model = package.Model(wakeword_models=[path.replace(".tflite", f".{framework}")], inference_framework=framework)

    def push(block: bytes) -> list[str]:
        scores = model.predict(np.frombuffer(block, np.int16))
        return ["alexa"] if max(scores.values()) >= OPENWAKEWORD_CUTOFF else []

    return push, 1280


ENGINES = {
    "vivavoce": vivavoce,
    "pymicro-wakeword": pymicro_wakeword,
    "openwakeword-onnx": lambda: openwakeword("onnx"),
    "openwakeword-tflite": lambda: openwakeword("tflite"),
}


def blocks(path: str, size: int):
    """Yield whole blocks of a WAV file."""
    with wave.open(path) as file:
        while len(block := file.readframes(size)) == 2 * size:
            yield block


def listen(push, size: int, path: str) -> None:
    """Read a file to its end."""
    for block in blocks(path, size):
        for heard in push(block):
            print(heard)


def times(push, size: int, path: str) -> None:
    """Print the wall time of each push, ns; the first second, in which caches fill, is left out."""
    taken = []
    for block in blocks(path, size):
        before = time.perf_counter_ns()
        push(block)
        taken.append(time.perf_counter_ns() - before)
    print(json.dumps({"block_ms": 1000 * size // RATE_HZ, "ns": taken[RATE_HZ // size :]}))


def detections(push, size: int, path: str) -> None:
    """Print what was detected, and when: the end of the block, s."""
    found = [
        (heard, round((i + 1) * size / RATE_HZ, 3))
        for i, block in enumerate(blocks(path, size))
        for heard in push(block)
    ]
    print(json.dumps(found))


TASKS = {"listen": listen, "times": times, "detections": detections}


if __name__ == "__main__":
    engine, task, file = sys.argv[1:]
    # This folder has modules of its own; the package of vivavoce is found from the folder of the process.
    sys.path[0] = ""
    TASKS[task](*ENGINES[engine](), file)
