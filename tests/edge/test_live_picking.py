"""Choosing a microphone from a list."""

import io

import pytest

from edge.errors import AudioError, UsageError
from edge.live_demo.picking import device_lines, pick_device
from edge.microphone import Device
from edge.terminal import Terminal

DEVICES = [
    Device(0, "PCH Intel: Analog", 2, 44_100, False),
    Device(3, "USB Microphone", 1, 48_000, True),
    Device(7, "USB Headset", 1, 16_000, False),
    Device(9, "twin", 1, 16_000, False),
    Device(12, "twin", 1, 16_000, False),
]


class Person(io.StringIO):
    """Types these lines at a terminal."""

    def isatty(self) -> bool:
        return True


def pick(typed: str, devices=DEVICES) -> tuple[str | int, str]:
    shown = io.StringIO()
    return pick_device(devices, Terminal(Person(typed), shown)), shown.getvalue()


def test_a_line_tells_what_chooses_a_device():
    assert device_lines(DEVICES[:2]) == ["0     PCH Intel: Analog  44100  Hz", "3  *  USB Microphone     48000  Hz"]


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        ("\n", "USB Microphone"),
        ("0\n", "PCH Intel: Analog"),
        ("7\n", "USB Headset"),
        ("headset\n", "USB Headset"),
        ("  pch  \n", "PCH Intel: Analog"),
        ("12\n", 12),
    ],
)
def test_a_number_a_part_of_a_name_or_nothing(typed, chosen):
    assert pick(typed)[0] == chosen


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("5", "no input has the number 5"), ("usb", "several inputs"), ("nobody", "no input has 'nobody'")],
)
def test_after_a_wrong_answer_it_asks_again(wrong, told):
    chosen, shown = pick(f"{wrong}\n7\n")
    assert chosen == "USB Headset"
    assert told in shown
    assert shown.count("number or part of the name [3]:") == 2


def test_who_leaves_has_chosen_nothing():
    with pytest.raises(KeyboardInterrupt):
        pick("")


def test_without_a_person_the_names_are_told():
    with pytest.raises(UsageError, match=r"--microphone: got no name, and no terminal.*'USB Headset'"):
        pick_device(DEVICES, Terminal(io.StringIO("7\n"), io.StringIO()))


def test_without_a_microphone_there_is_nothing_to_choose():
    with pytest.raises(AudioError, match="no input is there"):
        pick("\n", [])
