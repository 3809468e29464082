"""The dialogue of ``vivavoce collect``: a person's takes, and then their replays, into a :class:`Collection`."""

import argparse
import datetime
import os
import re
import shlex
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge.cli import EXIT_INTERRUPTED
from edge.collection import Collection, checked_name, checked_phrase
from edge.consent import consent_text
from edge.errors import AudioError, UsageError, VivavoceError
from edge.output import PROGRAM
from edge.quality import FLAGS, assess
from edge.replays import LONGEST_PAUSE_S, find, recording_to_play
from edge.sample_time import SAMPLE_RATE_HZ, seconds
from edge.takes import ADVICE, Listener, Take, fault_of
from edge.terminal import Terminal

if TYPE_CHECKING:
    from edge.microphone import Microphone

__all__ = ["Collector", "delete", "is_yes"]

_ROOM_S = 1.0
"""How long the room is listened to before the first word."""
_PATIENCE_S = 8.0
"""A word that has not begun by then is asked for again."""
_FAULTS = 5
"""So many takes in a row that cannot be used: asking on does not help."""
_PLAY_PATIENCE_S = 30.0
"""Time to walk to the television, and to start playing."""
_OVERTIME_S = 60.0
_QUIET_S = LONGEST_PAUSE_S + 1.0
"""So long a pause is the end of the recording that is played."""
_TRIES = 3
"""So often a loudspeaker is listened to where nobody can be asked to play again."""
_DIGITAL_SILENCE_DBFS = -95.0
_LOUD_ROOM_DBFS = -40.0
"""In a room as loud as this a word may be there, and not stand out."""
_ALSA_NUMBER = re.compile(r" \(hw:\d+,\d+\)$")
_FORMAT = 1

_Samples = npt.NDArray[np.int16]


def delete(root: Path, speaker: str, terminal: Terminal, *, confirmed: bool) -> int:
    """Remove everything of a person after a confirmation, and say what was removed.

    Parameters
    ----------
    root : Path
        Folder of the collection.
    speaker : str
        Id of the person.
    terminal : Terminal
    confirmed : bool
        True to delete without asking.

    Returns
    -------
    int
        The exit code: 0.

    Raises
    ------
    UsageError
        If there is no such folder or person, or nobody to confirm.
    DataError
        If the manifest is damaged, or something cannot be removed.
    """
    speaker = checked_name(speaker, "--delete")
    if not os.path.isdir(root):
        raise UsageError(f"{root}: there is no such folder, expected one that 'vivavoce collect' made; check --out")
    with Collection(root) as collection:
        files, rows = collection.belongings(speaker)
        if not files and not rows:
            there = ", ".join(collection.speakers()) or "nobody"
            raise UsageError(f"{root}: holds nothing of {speaker!r}, there is: {there}; check the id")
        terminal.say(f"Of '{speaker}' there are {len(files)} files and {rows} rows of the manifest in {root}.")
        if not confirmed:
            if not terminal.interactive:
                raise UsageError("--delete: got no confirmation and no terminal to ask on, expected --yes; add it")
            if terminal.ask("Delete them for good? Type yes or no:").casefold() != "yes":
                terminal.say("Nothing was deleted.")
                return 0
        gone, rows = collection.delete(speaker)
    terminal.say(f"Deleted: {gone} files (recordings, copies to play, consent and sessions) and {rows} rows.")
    terminal.say("Copies on a phone or television, and in backups, are still there: delete those by hand.")
    return 0


class Collector:
    """One call of ``vivavoce collect``.

    Parameters
    ----------
    args : argparse.Namespace
        The options of the command.
    terminal : Terminal
        Where the dialogue takes place.
    open_microphone : callable
        Returns the microphone that has this in its name (None for the default); called before consent is asked for,
        so that nobody agrees in vain.

    Raises
    ------
    UsageError
        If an option cannot be acted on.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        terminal: Terminal,
        open_microphone: "Callable[[str | None], Microphone]",
    ) -> None:
        self._args = args
        self._root: Path = args.out
        self._terminal = terminal
        self._open_microphone = open_microphone
        self._label = checked_phrase(args.word)
        self._speaker = checked_name(args.speaker, "--speaker")
        self._room = checked_name(args.room, "--room") if args.room else ""
        self._loudspeakers = [checked_name(name, "--loudspeaker") for name in args.loudspeaker]
        self._wanted: int = args.takes
        if not 1 <= self._wanted <= 999:
            raise UsageError(f"--takes: got {self._wanted}, expected 1 to 999; ten are a good beginning")

    def run(self) -> int:
        """Hold the dialogue.

        Returns
        -------
        int
            The exit code: 0, or 130 if the person stopped it.

        Raises
        ------
        VivavoceError
            What was recorded before is kept, and was said to be.
        """
        self._microphone = self._open_microphone(self._args.microphone)
        with Collection(self._root) as self._collection:
            if self._collection.restored:
                self._say(f"Found again: {self._collection.restored} recordings that an earlier call had just written.")
            split = self._collection.split_of(self._speaker)
            if split not in (None, self._args.split):
                raise UsageError(
                    f"--split: got {self._args.split}, expected {split}, where '{self._speaker}' is already; a speaker "
                    "is in one split only: leave it, or give another --speaker"
                )
            self._takes()  # a row that is damaged is told of before anybody is asked
            try:
                if not self._agree():
                    self._say("Not agreed: nothing was recorded.")
                    if self._collection.belongings(self._speaker)[0]:
                        self._say(f"What was recorded before is still there; remove it with --delete {self._speaker}")
                    return 0
                self._record_takes()
                self._record_replays()
            except KeyboardInterrupt:
                self._say()  # below the ^C that a terminal shows
                self._say_how_to_go_on("Stopped.")
                return EXIT_INTERRUPTED
            except VivavoceError:
                self._say_how_to_go_on("That did not go on.")
                raise
            self._say_done()
        return 0

    # ------------------------------------------------------------------------------------- consent

    def _asked(self) -> str:
        """Return the person's answer to the text that was shown: that of the call, or what they type."""
        answer: str | None = self._args.consent
        if answer is None:
            if not self._terminal.interactive:
                raise UsageError(
                    "--consent: got none and no terminal to ask on, expected the person's own answer; show them the "
                    "text above, and add --consent yes if they agree"
                )
            answer = self._terminal.ask("Do you agree? Type yes or no:")
        return answer

    def _agree(self) -> bool:
        """Show the text, get an answer, and keep both; True if it is yes."""
        text = consent_text(self._speaker, self._root)
        person = self._collection.person(self._speaker)
        consent = person["consent"] if person else {}
        if self._args.consent == "no":
            return False
        if consent.get("text") == text:
            date = consent.get("date", "")
            self._say(f"Going on as '{self._speaker}', who agreed on {date}. Somebody else? Give another --speaker.")
        else:
            self._say(text)
            answer = self._asked()
            if not is_yes(answer):
                return False
            consent = {"text": text, "date": _now(), "answer": answer}
        session = {
            "began": _now(),
            "word": self._label,
            "room": self._room,
            "device": self._device,
            "microphone": self._microphone.name,
            "native_hz": self._microphone.native_rate_hz,
            "loudspeakers": self._loudspeakers,
            "program": _version(),
        }
        self._collection.write_person(
            self._speaker,
            {
                "format": _FORMAT,
                "speaker": self._speaker,
                "consent": consent,
                "sessions": [*(person["sessions"] if person else []), session],
            },
        )
        return True

    # --------------------------------------------------------------------------------------- takes

    def _record_takes(self) -> None:
        n = len(self._takes())
        if n:
            self._say(f"{n} of {self._wanted} takes are there.")
        if n >= self._wanted:
            return
        self._say(f"Microphone: {self._microphone.name}, {self._microphone.native_rate_hz} Hz.")
        facts = {
            "speaker": self._speaker,
            "split": self._args.split,
            "label": self._label,
            "native_hz": str(self._microphone.native_rate_hz),
            "device": self._device,
            "room": self._room,
        }
        listener = Listener()
        with closing(_until_the_end(self._microphone)) as blocks:
            self._hear_the_room(listener, blocks)
            faults = dull = made = 0
            while n < self._wanted:
                self._before_word(n, listener, blocks)
                self._say(f'{n + 1} of {self._wanted}: say "{self._label}" now')
                take, fault = self._hear_word(listener, blocks)
                if take is not None and fault is None:
                    row = self._collection.add_take(take.samples, facts)
                    n, faults, made = n + 1, 0, made + 1
                    dull += "band_limited" in take.quality.flags
                    self._say(f"    good: {row['path']}, level {take.quality.level_dbfs:.0f} dB")
                    continue
                assert fault is not None
                faults += 1
                self._say(f"    again, please: {ADVICE[fault]} (level {listener.loudest_dbfs:.0f} dB)")
                if faults == _FAULTS:
                    raise AudioError(
                        f"{self._microphone.name}: {_FAULTS} takes in a row could not be used, the last because: "
                        f"{ADVICE[fault]}; mend that, or choose another with --microphone"
                    )
        if dull > made / 2:
            # Saying the word again would not help, so no take was refused for it.
            self._say(f"Attention: {dull} of {made} takes have {FLAGS['band_limited']}, with another microphone.")

    def _before_word(self, n: int, listener: Listener, blocks: Iterator[_Samples]) -> None:
        """Do what comes before a word is asked for, where `n` takes are there; nothing here."""

    def _hear_the_room(self, listener: Listener, blocks: Iterator[_Samples]) -> None:
        self._say("One second of quiet, please.")
        self._pass(_ROOM_S, listener, blocks)
        if listener.loudest_dbfs < _DIGITAL_SILENCE_DBFS:
            self._say("    There is no sound at all, not even of the room: is the microphone muted?")

    def _pass(self, time_s: float, listener: Listener, blocks: Iterator[_Samples]) -> None:
        """Listen for so long, to know the room, and keep nothing."""
        n = 0
        while n < time_s * SAMPLE_RATE_HZ:
            block = next(blocks)
            n += block.size
            listener.push(block)

    def _hear_word(self, listener: Listener, blocks: Iterator[_Samples]) -> tuple[Take | None, str | None]:
        """Return the next sound, and what is wrong with it; no sound and what was wrong if none came."""
        listener.begin()
        lost = self._microphone.overflows
        for block in blocks:
            take = listener.push(block)
            self._show_level(listener)
            if take is not None:
                return take, "lost" if self._microphone.overflows > lost else fault_of(take)
            if not listener.hears and listener.waited_s > _PATIENCE_S:
                break
        if listener.loudest_dbfs < _DIGITAL_SILENCE_DBFS:
            return None, "silent"
        return None, "noisy" if listener.floor_dbfs > _LOUD_ROOM_DBFS else "nothing"

    def _show_level(self, listener: Listener) -> None:
        bar = "#" * round(max(0.0, listener.level_dbfs + 80) / 2)
        self._terminal.show(f"    [{bar:<40}] {listener.level_dbfs:4.0f} dB {'hearing' if listener.hears else ''}")

    # ------------------------------------------------------------------------------------- replays

    def _record_replays(self) -> None:
        takes = self._takes()
        if not takes:
            return
        sounds = [self._collection.read(row) for row in takes]
        recording, _ = recording_to_play(sounds)
        numbers = [Path(row["path"]).stem for row in takes]
        path = self._collection.write_recording_to_play(
            recording, self._speaker, f"{self._label.replace(' ', '_')}-{numbers[0]}-{numbers[-1]}"
        )
        if not self._loudspeakers and not self._terminal.interactive:
            self._say(f"Replays are missing. To record them, give --loudspeaker NAME; the file to play is {path}")
        for loudspeaker in self._names():
            self._record_loudspeaker(loudspeaker, takes, sounds, path, seconds(recording.size))

    def _names(self) -> Iterator[str]:
        yield from self._loudspeakers
        while not self._loudspeakers and self._terminal.interactive:
            answer = self._terminal.ask("Which loudspeaker plays them back (phone, tv; only Enter if no more)?")
            if not answer:
                return
            try:
                name = checked_name(answer, "loudspeaker")
            except UsageError as error:
                self._say(str(error))
                continue
            yield name

    def _record_loudspeaker(
        self, name: str, takes: Sequence[dict[str, str]], sounds: Sequence[_Samples], path: Path, length_s: float
    ) -> None:
        def missing() -> list[int]:
            return [i for i, row in enumerate(takes) if self._collection.replay_of(row, name) is None]

        left = missing()
        if not left:
            self._say(f"{name}: all {len(takes)} replays are there.")
            return
        self._say(f"Replays by '{name}': copy this file to it, and play it there from beginning to end:")
        self._say(f"    {path} ({length_s:.0f} s)")
        self._say("    Put it where it usually stands, at its usual volume. This device plays nothing itself.")
        for attempt in range(1, 1_000_000):
            if self._terminal.interactive:
                answer = self._terminal.ask("Press Enter and start playing (or type skip):")
                if answer.casefold() == "skip":
                    self._say(f"{name}: skipped, {len(left)} replays are missing.")
                    return
            self._say(f"{name}: listening, play it now")
            faults = self._keep_replays(name, takes, sounds, left, length_s)
            left = missing()
            self._say(f"    {len(takes) - len(left)} of {len(takes)} replays are there")
            for i in left:
                self._say(f"    again, please: {takes[i]['path']}: {faults.get(i, 'not heard')}")
            if not left:
                return
            if attempt == _TRIES and not self._terminal.interactive:
                raise AudioError(
                    f"{name}: {len(left)} of {len(takes)} replays were not heard well in {_TRIES} attempts, expected "
                    "all; play the file louder or closer, and give the same command again"
                )

    def _keep_replays(
        self,
        name: str,
        takes: Sequence[dict[str, str]],
        sounds: Sequence[_Samples],
        left: Sequence[int],
        length_s: float,
    ) -> dict[int, str]:
        """Listen once, keep what can be used, and return why the rest of what was found cannot."""
        lost = self._microphone.overflows
        heard = self._hear_playing(length_s)
        if self._microphone.overflows > lost:
            return dict.fromkeys(left, ADVICE["lost"])
        faults = {}
        for found in find(heard, sounds):
            if found.index not in left:
                continue
            quality = assess(found.samples)
            bad = [flag for flag in ("silent", "clipped", "quiet", "noisy") if flag in quality.flags]
            if bad:
                faults[found.index] = ADVICE[bad[0]]
                continue
            self._collection.add_replay(
                found.samples,
                takes[found.index],
                {
                    "loudspeaker": name,
                    "native_hz": str(self._microphone.native_rate_hz),
                    "device": self._device,
                    "room": self._room,
                },
            )
        return faults

    def _hear_playing(self, length_s: float) -> _Samples:
        """Return all that was heard, until the recording must be over."""
        listener = Listener()
        heard: list[_Samples] = []
        now_s, first_s, last_s = 0.0, None, 0.0
        with closing(_until_the_end(self._microphone)) as blocks:
            for block in blocks:
                heard.append(block)
                now_s += block.size / SAMPLE_RATE_HZ
                ended = listener.push(block) is not None
                self._show_level(listener)
                if listener.hears:
                    first_s, last_s = now_s if first_s is None else first_s, now_s
                if ended or (not listener.hears and listener.waited_s > 1.0):
                    listener.begin()
                if first_s is None and now_s > _PLAY_PATIENCE_S:
                    break
                if first_s is not None and now_s - first_s > length_s + _OVERTIME_S:
                    break
                # Pauses in the recording are shorter; something else may have been heard before it began.
                if first_s is not None and now_s - last_s > _QUIET_S and now_s - first_s > length_s - _QUIET_S:
                    break
        return np.concatenate(heard)

    # ----------------------------------------------------------------------------------------- all

    @property
    def _device(self) -> str:
        # ALSA's number of the card depends on the order in which devices were found.
        return " ".join((self._args.device or _ALSA_NUMBER.sub("", self._microphone.name)).split())

    def _takes(self) -> list[dict[str, str]]:
        return self._collection.takes(self._speaker, label=self._label, room=self._room, device=self._device)

    def _counts(self) -> str:
        takes = self._takes()
        paths = {row["path"] for row in takes}
        replays = sum(row.get("take") in paths for row in self._collection.rows)
        return f"{len(takes)} takes and {replays} replays of '{self._speaker}'"

    def _say(self, text: str = "") -> None:
        self._terminal.say(text)

    def _say_done(self) -> None:
        self._say(f"Done: {self._counts()} in {self._root}; train with --data {shlex.quote(str(self._root))}")

    def _say_how_to_go_on(self, why: str) -> None:
        self._say(f"{why} Kept: {self._counts()} in {self._root}. To go on:")
        self._say(f"    {self._again()}")

    def _again(self) -> str:
        """Return the command that goes on where this one ended."""
        words = [PROGRAM, "collect", "--word", self._label, "--out", str(self._root), "--takes", str(self._wanted)]
        words += ["--speaker", self._speaker, "--split", self._args.split]
        for option in ("room", "device", "microphone"):
            value = getattr(self._args, option)
            words += [f"--{option}", value] if value else []
        for name in self._loudspeakers:
            words += ["--loudspeaker", name]
        return shlex.join(words)


def _until_the_end(microphone: "Microphone") -> Generator[_Samples, None, None]:
    """Yield the blocks of a microphone, which does not end by itself.

    Raises
    ------
    AudioError
        If it does.
    """
    with closing(microphone.blocks()) as blocks:
        yield from blocks
    raise AudioError(f"{microphone.name}: the microphone ended, expected sound; connect it again")


def is_yes(answer: str) -> bool:
    """Tell whether a person agreed."""
    return answer.casefold() in ("yes", "y")


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _version() -> str:
    try:
        return f"{PROGRAM} {version(PROGRAM)}"
    except PackageNotFoundError:
        return PROGRAM
