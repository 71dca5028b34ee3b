"""A process to be killed: records facts and seals them by a clock that runs fast.

python -m tests.seal_child FOLDER FIRST SECONDS: facts are numbered from FIRST; the clock begins SECONDS after the start.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from pathlib import Path
from uuid import UUID

from asbuilt.app import AsBuilt
from asbuilt.events import Measured
from asbuilt.seal import sealer

START = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
SPEED = 600
"""So many plant seconds pass in one: a block closes ten times a second."""
SLOTS = 256


def main(folder: Path, first: int, seconds: float) -> None:
    """Record and seal for ever; every fact that is acknowledged and every checkpoint that is out is said."""
    began = time.monotonic()

    def now() -> dt.datetime:
        return START + dt.timedelta(seconds=seconds + SPEED * (time.monotonic() - began))

    sealer.LOOK_EVERY_S = 0.02
    with AsBuilt(folder, now=now) as app:
        assert app.folder is not None
        sealer.begin(app.folder, START, os.urandom, origin="works.example/log", slots=SLOTS)
        app.sealer = sealer.Sealer(app.folder, app.record, now, os.urandom)
        app.sealer.start()
        number = first
        while True:
            facts = [
                Measured(
                    id=UUID(int=n + 1), event_time=START, source="gw", product="P", serial=str(n % 3),
                    characteristic="bore", value="1.0", uom="mm",
                )
                for n in range(number, number + 5)
            ]  # fmt: skip
            app.take_in(facts, "gw")
            number += 5
            out = app.sealer.files.checkpoint()
            problem = app.sealer.problem
            said = f"{out[1].size} {out[1].root.hex()}" if out else "0 -"
            sys.stdout.write(f"{number} {said} {(now() - START).total_seconds()} {problem or 'ok'}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
