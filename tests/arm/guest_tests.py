"""Runs on the emulated board: pytest, with what it is given. Children are emulated, too.

A program that starts itself again (``sys.executable``) would start a file that this machine's kernel cannot run: what
it is told instead is a script that starts the emulator.
"""

import os
import sys

import pytest


class Patience:
    """A profile of hypothesis: an emulated processor is some 20 times slower, which is no finding about a test.

    What a test says about itself is kept.
    """

    def pytest_configure(self) -> None:
        from hypothesis import HealthCheck, settings

        settings.register_profile(
            "emulated", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
        )
        settings.load_profile("emulated")


if __name__ == "__main__":
    sys.executable = os.environ["VIVAVOCE_CHILD_PYTHON"]
    sys.exit(pytest.main(sys.argv[1:], plugins=[Patience()]))
