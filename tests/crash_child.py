"""A process to be killed: takes known facts in and says which batch is acknowledged.

python -m tests.crash_child FOLDER FIRST_BATCH
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from pathlib import Path
from uuid import UUID

from asbuilt.app import AsBuilt
from asbuilt.events import AnyFact, CorrectionMade, OperationCompleted, OperationStarted, StateChanged

NOW = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
BATCH = 20


def known_facts(batch: int) -> list[AnyFact]:
    """The facts of a batch: states, units that move, now and then a correction of an earlier fact."""
    return [_known_fact(number) for number in range(batch * BATCH, (batch + 1) * BATCH)]


def _known_fact(number: int) -> AnyFact:
    fact_id, when, station = UUID(int=number + 1), NOW.replace(microsecond=number % 1_000_000), f"p/s/a/l/{number % 5}"
    match number % 10:
        case 3 | 7:
            return OperationStarted(
                id=fact_id, event_time=when, source="gw", station=station, operation="hone", product="P",
                serial=str(number // 10),
            )  # fmt: skip
        case 5 | 8:
            return OperationCompleted(
                id=fact_id, event_time=when, source="gw", station=station, operation="hone", product="P",
                serial=str(number // 10), good=1,
            )  # fmt: skip
        case 9:
            corrected = UUID(int=max(1, number - 31))
            return CorrectionMade(
                id=fact_id, event_time=when, source="office", corrects=corrected, reason="did_not_occur"
            )
    return StateChanged(id=fact_id, event_time=when, source="gw", station=station, state="Idle")


def main(folder: Path, first: int) -> None:
    """Take batches in, one after the other, for ever."""
    with AsBuilt(folder, now=lambda: NOW) as app:
        _say("open")
        for batch in itertools.count(first):
            results = app.take_in(known_facts(batch), "gw")
            _say(f"{batch} {','.join(sorted({result.status for result in results}))} end")


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
