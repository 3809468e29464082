"""Runs on the emulated board: pytest, with what it is given. Children are emulated, too.

A program that starts itself again (``sys.executable``) would start a file that this machine's kernel cannot run: what
it is told instead is a script that starts the emulator.
"""

import os
import sys

import pytest

if __name__ == "__main__":
    sys.executable = os.environ["VIVAVOCE_CHILD_PYTHON"]
    sys.exit(pytest.main(sys.argv[1:]))
