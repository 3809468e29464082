"""The dialogue of ``vivavoce calibrate``: takes near and far, their replays, and what follows from them.

It is that of ``vivavoce collect``, into a folder that is deleted in the end, unless somebody wants to keep it.
"""

import argparse
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.bundle_parts import find_word
from edge.calibration import Calibration, check_place
from edge.calibration_fit import LEAST_TAKES
from edge.calibration_making import Judge, make_calibration
from edge.calibration_prior import prior_for
from edge.calibration_words import Offer, WordListener, offer, wishes_of
from edge.collector import Collector, is_yes
from edge.errors import UsageError
from edge.output import PROGRAM
from edge.takes import Listener
from edge.terminal import Terminal

if TYPE_CHECKING:
    from edge.microphone import Microphone

__all__ = ["Calibrator"]

_WALK_S = 6.0
"""Time to go to the other end of the room."""


class Calibrator(Collector):
    """One call of ``vivavoce calibrate`` with a microphone.

    Parameters
    ----------
    args : argparse.Namespace
        The options of the command.
    terminal : Terminal
        Where the dialogue takes place.
    open_microphone : callable
        See :class:`edge.collector.Collector`.
    bundle : Bundle
        What is calibrated.

    Raises
    ------
    UsageError
        If an option cannot be acted on.
    VivavoceError
        If the bundle's network or prior cannot be used, the calibration could not be written, or what stands in its
        place is something else: all that is known before anybody speaks.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        terminal: Terminal,
        open_microphone: "Callable[[str | None], Microphone]",
        bundle: Bundle,
    ) -> None:
        if args.takes < LEAST_TAKES:
            raise UsageError(f"--takes: got {args.takes}, expected at least {LEAST_TAKES}; ten are a good beginning")
        if not args.out.parent.is_dir():
            raise UsageError(f"--out: {args.out.parent} is no folder, expected one for the calibration; make it first")
        check_place(args.out)
        self._call = args
        self._bundle = bundle
        self._prior = prior_for(self._bundle)
        self._judge = Judge(self._bundle, args.interpreter)
        self._agreed = self._is_far = False
        self.calibration: Calibration | None = None
        """What was found."""
        self.offer: Offer | None = None
        """What becomes of the cut-off of the word; None where it is no word of the bundle."""
        self._terms = argparse.Namespace(
            **{
                name: getattr(args, name)
                for name in ("word", "takes", "speaker", "microphone", "loudspeaker", "consent")
            },
            out=args.keep or Path(tempfile.gettempdir()),
            room="",
            device="",
            split="train",
        )
        super().__init__(self._terms, terminal, open_microphone)

    def run(self) -> int:
        """Hold the dialogue; then :attr:`calibration` is there, unless the person did not agree.

        Returns
        -------
        int
            The exit code: 0, or 130 if the person stopped it.

        Raises
        ------
        VivavoceError
            If the dialogue does not go on, or no calibration can rest on it.
        """
        with ExitStack() as stack:
            if self._call.keep is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{PROGRAM}-calibrate-"))
                self._root = self._terms.out = Path(folder)
            code = super().run()
            if not code and self._agreed:
                self.calibration = self._fitted()
        return code

    def _fitted(self) -> Calibration:
        takes = self._takes()
        paths = {row["path"] for row in takes}
        replays = [row for row in self._collection.rows if row.get("take") in paths]
        live, replay = (
            [self._judge.judge([self._collection.read(row)], int(row["native_hz"])) for row in rows]
            for rows in (takes, replays)
        )
        for name, judged in (("takes", live), ("replays", replay)):
            flags = sorted({flag for one in judged for flag in one.flags})
            if flags:
                out = sum(bool(one.flags) for one in judged)
                self._say(
                    f"Left out: {out} of {len(judged)} {name}, the gate gives no answer to them ({', '.join(flags)})."
                )
        self.offer = self._offered([row for row, one in zip(takes, live, strict=True) if not one.flags])
        return make_calibration(
            self._bundle,
            self._prior,
            live,
            replay,
            microphone=self._device,
            loudspeakers=sorted({row["loudspeaker"] for row in replays}),
        )

    def _offered(self, takes: Sequence[Mapping[str, str]]) -> Offer | None:
        try:
            word = find_word(self._bundle.words, self._label, "the bundle")
        except UsageError:
            self._say(f"'{self._label}' is no word of the bundle: cut-offs stay as they are.")
            return None
        listener = WordListener(self._bundle, self._call.interpreter)
        scores = [listener.hear([self._collection.read(row)], row["path"]) for row in takes]
        return offer(self._bundle, word, scores, self._prior.words, wishes_of(self._call))

    def _agree(self) -> bool:
        self._agreed = super()._agree() if self._call.keep is not None else self._agree_to_nothing_kept()
        return self._agreed

    def _agree_to_nothing_kept(self) -> bool:
        if self._call.consent != "no":
            self._say("Before anything is recorded:")
            self._say("  what    your voice saying the word, and the same as loudspeakers play it")
            self._say("  for     fitting the gate to this home, nothing else; nothing is sent anywhere")
            self._say(f"  where   {self._root}, which is deleted when this ends")
            self._say("          the copy that you take to a phone or television is yours to delete")
        return is_yes(self._asked())

    def _before_word(self, n: int, listener: Listener, blocks: Iterator[npt.NDArray[np.int16]]) -> None:
        if n == 0:
            self._say("The first half from near by, as people usually stand.")
        if n >= (self._wanted + 1) // 2 and not self._is_far:
            self._is_far = True
            self._say(f"Now from the other end of the room: you have {_WALK_S:.0f} seconds to get there.")
            self._pass(_WALK_S, listener, blocks)

    def _say_done(self) -> None:
        if self._call.keep is not None:
            self._say(f"Kept: {self._counts()} in {self._root}.")

    def _say_how_to_go_on(self, why: str) -> None:
        if self._call.keep is None:
            self._say(f"{why} No sound was kept, and no calibration was written.")
        else:
            super()._say_how_to_go_on(why)

    def _again(self) -> str:
        words = [PROGRAM, "calibrate", "--word", self._label, "--out", str(self._call.out)]
        words += ["--keep", str(self._root), "--takes", str(self._wanted), "--speaker", self._speaker]
        for name in self._loudspeakers:
            words += ["--loudspeaker", name]
        for option in ("microphone", "cutoff", "most_false_accepts", "bundle", "interpreter"):
            value = getattr(self._call, option)
            words += [_option(option), str(value)] if value is not None else []
        for key in self._call.public_key:
            words += ["--public-key", str(key)]
        words += [
            _option(name) for name in ("may_raise", "require_signature", "yes", "json") if getattr(self._call, name)
        ]
        return shlex.join(words)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
