"""The promises of `asbuilt.record`, held against every implementation that is found, and what the reference alone does."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from asbuilt import record
from asbuilt.record import Entry, Record
from asbuilt.record import memory as memory_log
from asbuilt.testing.record_contract import DurableRecordContract, RecordContract, entry, fixed

IMPLEMENTATIONS = record.implementations()


def contract(log: type[Record]) -> type[RecordContract]:
    """The contract of an implementation; those that take a path are durable, and keep a file in the folder."""
    keeps_a_file = "path" in inspect.signature(log).parameters

    class Contract(DurableRecordContract if keeps_a_file else RecordContract):  # type: ignore[misc]
        def open(self, folder: Path, clock: Any, **more: Any) -> Record:
            return log(folder / "record.db", clock, **more) if keeps_a_file else log(clock, **more)

    return Contract


for name, module in IMPLEMENTATIONS.items():
    globals()[f"Test_{name}"] = contract(module.Log)


def test_both_implementations_are_found():
    assert {"sqlite", "memory"} <= set(IMPLEMENTATIONS)


# --------------------------------------------------------------------------- the strict reference


def test_the_reference_refuses_bytes_that_are_not_canonical():
    log = memory_log.Log(fixed)
    with pytest.raises(AssertionError, match="canonical"):
        log.append([Entry(entry(1).fact, entry(1).body + b" ")])


def test_the_reference_notices_a_change():
    log = memory_log.Log(fixed)
    log.append([entry(1), entry(2)])
    log._facts[1] = log._facts[1]._replace(body=entry(2, good=9).body)
    with pytest.raises(AssertionError, match="fact 2 was changed"):
        log.read()
    assert [(damage.first_position, damage.last_position) for damage in log.verify()] == [(2, 2)]
