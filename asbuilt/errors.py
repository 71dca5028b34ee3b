"""One small tree of errors; each says what happened, where, and what to do."""

from __future__ import annotations


class AsBuiltError(Exception):
    """What a user may see: the message, the place it happened in, and the remedy.

    `exit_code` is what the command line ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  → {self.remedy}" if self.remedy else text


class PlantError(AsBuiltError):
    """`plant.toml` does not describe a plant; `where` is file and line."""

    exit_code = 2


class UsageError(AsBuiltError):
    """A command, query or request asked for something that does not exist or is not complete."""

    exit_code = 2


class MalformedFact(AsBuiltError):
    """Bytes that are not a fact. Never stops a source: it becomes a recorded rejection."""


class RecordError(AsBuiltError):
    """The record cannot be opened, is not one, or is damaged. Nothing is repaired silently."""

    exit_code = 3


class RecordBusy(RecordError):
    """Another process works on the data folder."""


class RecordFull(RecordError):
    """No room to write; nothing of the batch was recorded, and it may be sent again."""


class ViewsError(AsBuiltError):
    """The views cannot be used; they can always be rebuilt from the record."""

    exit_code = 3


class WithheldError(AsBuiltError):
    """What was asked for rests on something that whoever asks may not see. It says no more than the rules do."""


class ProofError(AsBuiltError):
    """Something does not prove what it should; `reason` is the flaw's name in `docs/record-format.md`."""

    def __init__(self, reason: str, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.reason = reason
