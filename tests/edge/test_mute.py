"""The mute: what software asks, and what switches hold."""

import pytest

from edge.errors import UsageError
from edge.mute import Mute


def test_software_turns_it_on_and_off():
    mute = Mute()
    assert not mute.on
    mute.ask(True)
    assert mute.on
    assert not mute.held
    mute.ask(False)
    assert not mute.on


def test_a_switch_wins_over_software():
    mute = Mute()
    mute.turn("panel", True)
    assert mute.on
    assert mute.held
    with pytest.raises(UsageError, match=r"mute: got off while the switch of panel is on, .* turn that switch off"):
        mute.ask(False)
    assert mute.on
    mute.turn("panel", False)
    assert not mute.on


def test_what_software_asked_stays_when_the_switch_lets_go():
    mute = Mute()
    mute.ask(True)
    mute.turn("panel", True)
    with pytest.raises(UsageError):
        mute.ask(False)
    mute.turn("panel", False)
    assert mute.on
    assert not mute.held
    mute.ask(False)
    assert not mute.on


def test_every_switch_has_to_let_go():
    mute = Mute()
    mute.turn("panel", True)
    mute.turn("firmware", True)
    mute.turn("firmware", True)
    mute.turn("panel", False)
    assert mute.held
    mute.turn("firmware", False)
    assert not mute.on
