"""A record that fails as told, each fault both ways: before anything is kept, and after."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Literal

from asbuilt.record import Entry, Receipt, Record

When = Literal["before", "after"]


class FailingRecord:
    """Hands everything on to a record; appends fail when `fail` says so.

    `before`: the error comes and nothing was recorded. `after`: it was recorded, and the error
    comes in place of the answer. `hold` makes an append wait until `go` is set.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.faults: list[tuple[When, BaseException] | None] = []
        self.appends = 0
        self.appending = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def fail(self, *faults: tuple[When, BaseException] | None) -> None:
        """What the next appends do: one fault each, None for none."""
        self.faults.extend(faults)

    def append(self, entries: Sequence[Entry]) -> list[Receipt]:
        self.appends += 1
        self.appending.set()
        assert self.go.wait(30)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault[0] == "before":
            raise fault[1]
        receipts = self.record.append(entries)
        if fault is not None:
            raise fault[1]
        return receipts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)
