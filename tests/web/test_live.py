"""Live updates by server-sent events: what is sent, to whom, from where on, and at what cost."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from asbuilt.access import EVERYBODY, Clearance
from asbuilt.plant import parse
from asbuilt.views.line import queries
from asbuilt.web import live
from asbuilt.web.live import Live, LivePage
from asbuilt.web.pages import Rendered, Shown
from tests.web.markup import read
from tests.web.scripted import PLANT_TEXT, Told, at, morning
from tests.web.serving import Served, allowed_s, served, wait_until

PAGE = "/live?page=%2Fline%2F1"


BEAT_S = 0.2
"""Beats come once a second in a plant; tests have no time."""


@pytest.fixture(scope="module", autouse=True)
def fast_beats() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "BEAT_S", BEAT_S)
        yield


@pytest.fixture(scope="module")
def server(fast_beats: None) -> Iterator[Served]:
    # Nobody speaks all the time here, so nobody is expected to.
    with served(morning(), plant=parse(PLANT_TEXT.replace("fresh_s = 2", ""))) as running:
        yield running


@pytest.fixture
def told(server: Served) -> Told:
    """Facts with ids that no other test of this server has used."""
    return Told(first=100_000 + server.app.record.head() * 100)


class Event(NamedTuple):
    name: str
    data: str
    id: str


@asynccontextmanager
async def stream(server: Served, address: str = PAGE, **headers: str) -> AsyncIterator[AsyncIterator[Event]]:
    async with (
        httpx.AsyncClient(base_url=server.address, timeout=20) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[Event]:
    name, data, last_id = "message", [], ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value
        elif not line:
            yield Event(name, "\n".join(data), last_id)
            name, data = "message", []
        else:
            assert line in ("data:", ":"), line


async def until(events: AsyncIterator[Event], name: str) -> list[Event]:
    """The events up to the next one of a name."""
    found = []
    async for event in events:
        found.append(event)
        if event.name == name:
            return found
    raise AssertionError(f"the stream ended without {name}")


async def until_new(events: AsyncIterator[Event], fragment: str) -> list[Event]:
    """The events up to the end of the update that brings a fragment; the clock alone moves others."""
    found = await until(events, "seen")
    while fragment not in ids(found):
        found = await until(events, "seen")
    return found


def ids(events: list[Event]) -> list[str]:
    """The fragments among events, each read as HTML."""
    return [read(event.data).children[0].attributes["id"] for event in events if event.name == "frag"]


async def _settled(server: Served, events: AsyncIterator[Event]) -> str:
    """The place in the stream once everything known has come."""
    last = ""
    while True:
        got = await until(events, "beat")
        last = next((event.id for event in reversed(got) if event.name == "seen"), last)
        if last and not ids(got):
            return last


# --------------------------------------------------------------------------- frames


def test_a_new_listener_gets_every_fragment_then_its_place_then_beats(server):
    async def listen() -> tuple[list[Event], dict[str, Any]]:
        async with stream(server) as events:
            got = await until(events, "seen")
            beat = (await until(events, "beat"))[-1]
            return got, json.loads(beat.data)

    got, beat = server.run(listen())
    assert set(ids(got)) >= {"counts", "head", "st-10", "st-20", "st-30", "buf-10", "buf-20", "output", "alarms"}
    assert got[-1].id.startswith(f"{server.site.live.boot}.")
    assert abs(beat["now"] - server.clock().timestamp()) < 2
    assert (beat["rate"], beat["offset"], beat["day"]) == (1.0, 7200, "Wed 3 Jun")
    assert set(beat["heard"]) == set(server.app.heard)
    assert beat["version"] == server.site.version()


def test_beats_come_every_second(server, monkeypatch):
    monkeypatch.setattr(live, "BEAT_S", 1.0)

    async def listen() -> float:
        # From before the first: a beat that is read late makes this longer, never shorter.
        begun = time.monotonic()
        async with stream(server) as events:
            for _ in range(4):
                await until(events, "beat")
            return time.monotonic() - begun

    assert 2.7 < server.run(listen()) < allowed_s(4.5)


def test_what_changes_comes_soon_and_alone(server, told):
    async def listen() -> tuple[list[Event], float]:
        async with stream(server) as events:
            await _settled(server, events)
            told.value("10", "bore", "35.0051", server.clock())
            began = time.monotonic()
            await asyncio.to_thread(server.tell, told)
            return await until_new(events, "st-10"), time.monotonic() - began

    got, took = server.run(listen())
    assert set(ids(got)) <= {"st-10", "output"}
    assert took < allowed_s(1)
    tile = next(event.data for event in got if 'id="st-10"' in event.data)
    assert "35.005" in tile


def test_facts_that_arrive_together_go_out_together(server, told):
    async def listen() -> list[Event]:
        async with stream(server) as events:
            await _settled(server, events)
            for number in range(300):
                told.value("10", "bore", f"35.0{number % 10:02}", server.clock())
                if number % 10 == 9:
                    await asyncio.to_thread(server.tell, told)
            begun = time.monotonic()
            got: list[Event] = []
            while time.monotonic() - begun < 0.6:
                got += await until(events, "beat")
            return got

    got = server.run(listen())
    assert 1 <= ids(got).count("st-10") <= 15
    assert "35.009" in [event.data for event in got if event.name == "frag" and 'id="st-10"' in event.data][-1]


# --------------------------------------------------------------------------- from where on


def test_a_document_knows_what_it_has_seen(server):
    html = httpx.get(f"{server.address}/line/1").text
    address = read(html).one("body").attributes["data-stream"]

    async def listen() -> list[Event]:
        async with stream(server, address) as events:
            return await until(events, "beat")

    # Only what has changed between page and stream comes again: nothing, or what the clock moved on.
    assert set(ids(server.run(listen()))) <= {"output"}


@pytest.mark.parametrize("how", ["since", "last-event-id"])
def test_who_comes_back_gets_what_was_missed(server, told, how):
    async def listen() -> list[Event]:
        async with stream(server) as events:
            place = await _settled(server, events)
        told.value("30", "leak", "2.5" if how == "since" else "2.7", server.clock())
        await asyncio.to_thread(server.tell, told)
        address, headers = (f"{PAGE}&since={place}", {}) if how == "since" else (PAGE, {"last-event-id": place})
        async with stream(server, address, **headers) as events:
            return await until(events, "seen")

    missed = ids(server.run(listen()))
    assert "st-30" in missed
    assert "st-20" not in missed


@pytest.mark.parametrize(
    "place", ["00000000.5", "x", "", "{boot}.999999999999", "{boot}.-1", "{boot}.1e9", "{boot}." + "9" * 40]
)
def test_a_place_of_another_run_or_none_gets_everything(server, place):
    async def listen() -> list[Event]:
        async with stream(server, f"{PAGE}&since={place.format(boot=server.site.live.boot)}") as events:
            return await until(events, "beat")

    got = ids(server.run(listen()))
    if "999999999999" in place and len(place) < 30:
        assert got == []  # a place that is yet to come; harmless, because only this run hands out its places
    else:
        assert len(got) >= 9


def test_the_last_event_id_is_newer_than_the_document(server):
    async def listen() -> list[Event]:
        async with stream(server) as events:
            place = await _settled(server, events)
        async with stream(server, f"{PAGE}&since=0.0", **{"last-event-id": place}) as events:
            return await until(events, "beat")

    assert len(ids(server.run(listen()))) < 9


@pytest.mark.parametrize("address", ["/live", "/live?page=/nowhere", "/live?page=%2Fline%2F9", "/live?page=/orders/nix", "/live?page=/static/x/page.js", "/live?page=//evil.example/line/1"])  # fmt: skip
def test_there_is_no_stream_of_what_is_no_live_page(server, address):
    answer = httpx.get(f"{server.address}{address}")
    assert answer.status_code == 404
    assert answer.json()["error"]


# --------------------------------------------------------------------------- many, slow and gone


def test_fifty_listeners_get_every_update_rendered_once(server, told, monkeypatch):
    renderings: list[int] = []
    passed_s: list[float] = []

    async def listen() -> list[list[Event]]:
        begun = time.monotonic()
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(stream(server)) for _ in range(50)]
            await asyncio.gather(*(_settled(server, events) for events in streams))
            renderings.append(rendered())
            passed_s.append(time.monotonic() - begun)
            told.value("10", "bore", "35.0077", server.clock())
            await asyncio.to_thread(server.tell, told)
            got = await asyncio.gather(*(until_new(events, "st-10") for events in streams))
            renderings.append(rendered())
            passed_s.append(time.monotonic() - begun - passed_s[0])
            return got

    def rendered() -> int:
        return len(calls)

    calls = []
    look = queries.look_at
    monkeypatch.setattr(queries, "look_at", lambda *asked: calls.append(1) or look(*asked))
    got = server.run(listen())
    assert all("35.008" in "".join(event.data for event in events) for events in got)
    # Once or twice when all of them came, once for the change, and what the clock moved in each second; never once for each.
    assert renderings[0] <= min(40, 4 + passed_s[0])
    assert renderings[1] - renderings[0] <= min(40, 2 + passed_s[1])
    wait_until(lambda: server.site.live.listeners == 0, "all listeners gone")


def test_a_listener_that_goes_is_forgotten(server):
    async def listen() -> int:
        async with stream(server) as events:
            await until(events, "beat")
            return server.site.live.listeners

    assert server.run(listen()) == 1
    wait_until(lambda: server.site.live.listeners == 0, "the listener gone")


def test_a_listener_that_never_reads_is_let_go_and_costs_little(server, told, monkeypatch):
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.5)
    loop = server.site.live._loop
    assert loop is not None
    tasks = len(asyncio.all_tasks(loop))
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: server.site.live.listeners == 1, "the deaf listener")

        def is_gone() -> bool:
            told.value("10", "bore", f"35.{int(time.monotonic() * 1000) % 1000:03}", server.clock())
            told.state("20", "Held", server.clock(), message="x" * 3000 + str(time.monotonic()))
            told.alarm("10", f"a{told._next}", server.clock(), text="y" * 3000)
            server.tell(told)
            return server.site.live.listeners == 0

        wait_until(is_gone, "the deaf listener let go")
        wait_until(lambda: len(asyncio.all_tasks(loop)) <= tasks, "the end of the task that served it")
    # Others are served as ever.
    assert httpx.get(f"{server.address}/line/1").status_code == 200


def test_there_is_room_for_so_many_and_no_more(server, monkeypatch):
    async def listen() -> httpx.Response:
        async with stream(server) as events:
            await until(events, "seen")
            monkeypatch.setattr(live, "MAX_LISTENERS", 1)
            async with httpx.AsyncClient(base_url=server.address) as client:
                return await client.get(PAGE)

    answer = server.run(listen())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_a_page_nobody_looks_at_is_forgotten(server, monkeypatch):
    httpx.get(f"{server.address}/sources")
    assert any("/sources" in key for key in server.site.live._pages)
    monkeypatch.setattr(live, "IDLE_PAGE_S", 0)
    wait_until(lambda: not server.site.live._pages, "the page forgotten")


def test_what_is_said_cannot_break_out_of_its_frame(server, told):
    evil = 'x\n\nevent: beat\ndata: {"now": 0}\n\nid: 1.1\u2028event: seen'
    told.state("20", "Held", server.clock(), message=evil)
    server.tell(told)

    async def listen() -> list[Event]:
        async with stream(server) as events:
            return await until(events, "seen")

    got = server.run(listen())
    assert {event.name for event in got} == {"frag", "seen"}
    assert not [event for event in got if event.id == "1.1"]


# --------------------------------------------------------------------------- when something fails


class Beats:
    """Counts the beats of a stream as they come."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self.count = 0
        self._events = events
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self._events:
            self.count += event.name == "beat"

    async def more(self, than: int) -> None:
        async with asyncio.timeout(allowed_s(10)):
            while self.count <= than:
                await asyncio.sleep(0.01)


def test_a_page_that_cannot_be_rendered_gets_no_more_beats(caplog):
    with served(morning()) as server:

        async def fails() -> Rendered:
            raise ZeroDivisionError

        async def listen() -> tuple[int, int]:
            async with stream(server) as events, stream(server, "/live?page=/sources") as other_events:
                beats, other = Beats(events), Beats(other_events)
                await beats.more(than=0)
                page = next(page for key, page in server.site.live._pages.items() if "/line" in key)
                works, page._render, page.dirty = page._render, fails, True
                # A rendering that was under way still comes to its end and takes the page for fresh: it is asked for again.
                for _ in range(10):
                    server.site.live.announce({})
                    await other.more(than=other.count + 1)
                    if page.failed:
                        break
                    page.dirty = True
                assert page.failed
                before = beats.count
                await other.more(than=other.count + 3)
                silent = beats.count
                page._render = works
                await beats.more(than=silent + 1)
                beats.task.cancel()
                other.task.cancel()
                return before, silent

        before, silent = server.run(listen())
        assert before == silent
    assert caplog.text.count("a live page could not be rendered") == 1


def test_while_the_views_do_not_follow_there_are_no_beats():
    with served(morning()) as server:

        async def listen() -> tuple[int, int]:
            async with stream(server) as events:
                beats = Beats(events)
                await beats.more(than=0)
                server.app.pipeline.folding._error = RuntimeError("stuck")
                await asyncio.sleep(1.5 * BEAT_S)  # the beat that was on its way
                before = beats.count
                await asyncio.sleep(4 * BEAT_S)
                silent = beats.count
                server.app.pipeline.folding._error = None
                await beats.more(than=silent + 1)
                beats.task.cancel()
                return before, silent

        before, silent = server.run(listen())
        assert before == silent


def test_of_many_who_come_at_once_the_first_has_it_rendered():
    async def come() -> int:
        calls = 0

        async def render() -> Rendered:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0.01)
            return Rendered(Shown("", {}), {})

        page = LivePage(render, ("line",), 0)
        await asyncio.gather(*(page.rendered() for _ in range(20)))
        return calls

    assert asyncio.run(come()) == 1


def test_the_task_that_sends_always_ends_when_told():
    async def shown() -> Rendered:
        return Rendered(Shown("", {}), {})

    async def end(turns: int) -> None:
        stream = Live(dict)
        stream.page("x", shown, ("line",), 0)
        task = asyncio.create_task(stream.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        # A change in the very moment of the end must not be taken for the reason to go on.
        stream.announce({"line_state": frozenset()})
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(allowed_s(5)):
            await asyncio.gather(task, return_exceptions=True)

    async def all_of_them() -> None:
        for turns in range(60):
            await end(turns % 6)

    asyncio.run(all_of_them())


def test_at_the_end_every_listener_is_let_go():
    with served(morning()) as server:

        async def listen() -> float:
            async with stream(server) as events:
                await until(events, "beat")
                begun = time.monotonic()
                server._server.should_exit = True
                async for _ in events:
                    pass
                return time.monotonic() - begun

        assert server.run(listen()) < allowed_s(1.5)


def test_now_is_the_time_of_the_plant(server):
    html = httpx.get(f"{server.address}/line/1").text
    now = float(read(html).one("body").attributes["data-now"])
    assert abs(now - server.clock().timestamp()) < 2
    assert now > at("08:30").timestamp()


def test_nobody_is_sent_what_was_rendered_for_other_eyes():
    """A live page is kept by its address and by what its reader may see."""
    with served(morning()) as server:
        site = server.site
        shift, visitor = Clearance(), Clearance(frozenset({"run_recorded.verdict"}))
        asked: list[Clearance] = []
        whole = site.app.reader
        site.app.reader = lambda who, seen_as: (asked.append(seen_as), whole(who, seen_as))[1]  # type: ignore[method-assign]

        async def both() -> tuple[LivePage, LivePage, LivePage]:
            view, page, given = site._find("/line/1")
            one = site._live_page(view, page, given, shift)
            other = site._live_page(view, page, given, visitor)
            await one.rendered()
            await other.rendered()
            return one, other, site._live_page(view, page, given, shift)

        one, other, again = server.run(both())
    assert one is again and one is not other
    assert asked == [shift, visitor]


def test_a_page_is_rendered_anew_for_what_it_read_and_for_nothing_else():
    with served(morning()) as server:
        view, page, given = server.site._find("/orders")

        async def rendered() -> LivePage:
            found: LivePage = server.site._live_page(view, page, given, EVERYBODY)
            await found.rendered()
            return found

        live_page = server.run(rendered())
    assert live_page.concerns(frozenset({"orders_release"}))
    assert not live_page.concerns(frozenset({"measurements_measurement"}))
