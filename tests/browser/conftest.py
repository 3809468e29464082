"""What the tests of the page share: the demo in a process of its own, and Chromium without a window."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"
CHROMIUM = shutil.which("chromium")

Serve = Callable[..., AbstractContextManager[str]]
Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="session")
def playwright() -> ModuleType:
    """Return playwright; skips where it or Chromium is missing."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    return pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra `test`)")


@pytest.fixture
def serve() -> Serve:
    """Run `vivavoce live --web` and yield the address of its page."""

    @contextmanager
    def run(*args: object) -> Iterator[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "live", *map(str, args or (SCENE,)), "--web", "--port", "0"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            assert process.stdout is not None
            with process.stdout:
                found = None
                while found is None and (line := process.stdout.readline()):
                    found = re.search(r"http://\S+", line)
                assert found is not None
                yield found[0]
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()

    return run


@pytest.fixture
def chromium(playwright: ModuleType) -> Open:
    """Start Chromium and yield a context; `heard` is a WAV that its microphone plays once; without, it is denied."""

    @contextmanager
    def run(*, heard: Path | None = None, **options: Any) -> Iterator[Any]:
        args = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        if heard is None:
            args += ["--deny-permission-prompts"]
        else:
            args += [
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={heard}%noloop",
            ]
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=args)
            try:
                yield browser.new_context(**options)
            finally:
                browser.close()

    return run


@pytest.fixture
def watched() -> Callable[[Any], list[str]]:
    """Collect what goes wrong on a page: errors and warnings of its console, and exceptions."""

    def watch(page: Any) -> list[str]:
        wrong: list[str] = []
        page.on("console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return wrong

    return watch
