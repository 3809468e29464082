"""What is shown on a terminal, and who is asked."""

import io

import pytest
from collecting import Person

from edge.terminal import Terminal


class TestTerminal:
    def test_a_line_is_shown_over_the_last_only_where_it_can_be(self):
        class Screen(io.StringIO):
            def isatty(self):
                return True

        for screen, shown in ((Screen(), True), (io.StringIO(), False)):
            terminal = Terminal(io.StringIO(), screen)
            terminal.show("[###] -30 dB")
            terminal.say("good")
            assert ("-30 dB" in screen.getvalue()) == shown
            assert "\x1b" not in screen.getvalue()
            assert screen.getvalue().endswith("good\n")

    def test_the_end_of_the_input_is_an_interruption(self):
        with pytest.raises(KeyboardInterrupt):
            Terminal(Person(""), io.StringIO()).ask("Agree?")

    def test_who_answered_beforehand_is_not_asked(self):
        assert not Terminal(Person("x\n"), io.StringIO(), patient=False).interactive
