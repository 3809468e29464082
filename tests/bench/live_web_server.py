"""``vivavoce live --web`` as it is, which also keeps what it gets from the microphones of pages.

    python tests/bench/live_web_server.py FOLDER [OPTIONS OF vivavoce live]

Each is a file of raw int16 in the folder, ``NUMBER_RATE.raw``.
"""

import itertools
import sys
from pathlib import Path

from processes import ROOT

sys.path.insert(0, str(ROOT))

from edge import cli
from edge.live_web import browser_source, server

_FOLDER = Path(sys.argv[1])
_NUMBERS = itertools.count()


class KeptMicrophone(browser_source.BrowserMicrophone):
    """Write down what comes, ``NUMBER_RATE.raw``."""

    def __init__(self, rate_hz: int) -> None:
        super().__init__(rate_hz)
        self._file = _FOLDER / f"{next(_NUMBERS)}_{rate_hz}.raw"
        self._file.touch()

    def push(self, data: bytes) -> None:
        """Take what the page sent."""
        with self._file.open("ab") as file:
            file.write(data)
        super().push(data)


server.BrowserMicrophone = KeptMicrophone  # type: ignore[misc]
sys.exit(cli.main(["live", "--web", "--port", "0", *sys.argv[2:]]))
