"""What a person agrees to before anything of them is recorded."""

import shlex
from pathlib import Path

__all__ = ["consent_text"]


def consent_text(speaker: str, folder: Path) -> str:
    """Return the text that is shown, and kept with the answer: who, what for, where, and how to delete.

    Parameters
    ----------
    speaker : str
        Id of the person.
    folder : Path
        Where the recordings will lie.
    """
    return f"""\
Before anything is recorded:
  what    your voice saying a wake word, and the same as loudspeakers play it
  who     the owner of this device uses it; vivavoce sends nothing anywhere
  for     training and testing wake words and the detection of replays, nothing else
  where   {folder.absolute()}, under the id '{speaker}' (a pseudonym will do)
  delete  at any time: vivavoce collect --delete {speaker} --out {shlex.quote(str(folder))}
          networks that were trained before, and copies made elsewhere, are not changed by it"""
