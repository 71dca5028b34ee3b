"""The demo's plant at the moment of the drawing: honing held, head and piston starved, packing silent."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

from asbuilt import events
from asbuilt.plant import Plant, load, parse
from asbuilt.run import demo
from asbuilt.simulate import SimulatedPlant
from tests.web.serving import Served, served, wait_until

BOXER = load(demo.plant_file())
MOMENT = demo.LIVE_FROM + dt.timedelta(minutes=4)
SILENT = "gw-3"


@contextmanager
def boxer(plant: Plant = BOXER) -> Iterator[Served]:
    """The board of the drawing, standing still: the clock is turned by hand."""
    simulated = SimulatedPlant(BOXER, 1, MOMENT.replace(hour=5, minute=30), live_from=demo.LIVE_FROM)
    facts = simulated.until(MOMENT)
    with served(None, MOMENT, plant=plant) as server:
        server.clock.stand(MOMENT)
        server.app.take_in([*facts, *_odd(facts)])
        server.post(b"\xff\xfe{]", "gw-1")
        server.app.heard.update(dict.fromkeys(plant.adapters, MOMENT))
        server.app.heard[SILENT] = demo.LIVE_FROM + dt.timedelta(minutes=1)
        server.app.pipeline.settle()
        wait_until(lambda: server.app.query("line.silences"), "the silence noticed")
        yield server


def _odd(facts: list[events.Event]) -> list[events.Event]:
    """A contradiction, so that its panel is seen too."""
    (*_, last) = (fact for fact in facts if isinstance(fact, events.OperationCompleted))
    time = MOMENT - dt.timedelta(minutes=1)
    again = events.OperationCompleted(
        id=events.derived_id(time, "odd"), event_time=time, source="office", station=last.station,
        operation=last.operation, product=last.product, serial=last.serial,
    )  # fmt: skip
    return [again]


def longer(text: str) -> str:
    """The plant file with every word of every name 35 % longer, as in other languages."""

    def stretched(found: re.Match[str]) -> str:
        words = (word + word[: round(len(word) * 0.35)].lower() for word in found[2].split(" "))
        return f'{found[1]}"{" ".join(words)}"'

    return re.sub(r'^((?:name|short|title|response|lead) = )"([^"]*)"', stretched, text, flags=re.MULTILINE)


LONGER = parse(longer(BOXER.text))
