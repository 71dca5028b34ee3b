"""Tasks are found, kept at work, and ended together."""

from __future__ import annotations

import asyncio
from typing import Any

from asbuilt.app import AsBuilt
from asbuilt.run.supervisor import Supervisor, Surroundings, discover
from tests.web.serving import allowed_s


def surroundings(app: AsBuilt) -> Surroundings:
    return Surroundings(app, lambda *_: None, lambda _: None, None)


def test_adapters_and_alarm_rules_are_found() -> None:
    assert {"listening", "alarm_rules"} <= set(discover())


def test_a_task_that_fails_is_named_and_started_again_while_others_go_on() -> None:
    runs: list[str] = []
    ended: list[str] = []

    async def failing(_: Surroundings) -> None:
        runs.append("failing")
        if len(runs) < 3:
            raise ValueError("no disk")
        await asyncio.Event().wait()

    async def steady(_: Surroundings) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("steady")

    async def watch(app: AsBuilt) -> dict[str, Any]:
        supervisor = Supervisor(surroundings(app), {"failing": failing, "steady": steady}, first_pause_s=0.01)
        await supervisor.start()
        assert not supervisor.health["failing"].works
        assert supervisor.health["failing"].fault == "ValueError: no disk"
        async with asyncio.timeout(allowed_s(10)):
            while len(runs) < 3:
                await asyncio.sleep(0.01)
        seen = dict(supervisor.health)
        assert not ended
        await supervisor.stop()
        return seen

    with AsBuilt(memory=True) as app:
        health = asyncio.run(watch(app))
    assert health["failing"].works
    assert health["failing"].restarts == 2
    assert health["steady"] == (True, 0, "")
    assert ended == ["steady"]
