"""The ways of lots: what is made of what, when lots were divided, put together and filled into containers.

A lot *contains* another if everything in it came from there; it *may contain* it if only something
in it did, from the moment it was put in on: who took from it earlier took none of it. A container is
treated like a lot that is filled from lots, from the first to the last time that it is named with one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from asbuilt.domain.genealogy.rows import Link, Receipt
from asbuilt.views.unit.rows import Rows

START = -(2**62)
"""Before everything: what is certain holds for all times."""
MAX_LOTS = 50_000
"""So many lots and containers are walked; a walk that is cut short says so."""
_BOX = "container:"


class Taint(NamedTuple):
    """A lot or container holds what is looked for: `sure` from the beginning, else from a time on."""

    sure: bool
    from_us: int


class Lots:
    """Lots and containers around some of them, as far as facts until `at_us` tell."""

    def __init__(self, rows: Rows, at_us: int) -> None:
        self.rows = rows
        self.at_us = at_us
        self.cut_short = False
        self.receipts: dict[str, list[Receipt]] = {}
        # target → source → from when to when some of it was put in
        self.sources: defaultdict[str, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        self._targets: defaultdict[str, set[str]] = defaultdict(set)
        self._looked: set[str] = set()
        self._links: dict[str, list[Link]] = {}

    # ----------------------------------------------------------------- gathering

    def below(self, starts: Iterable[str]) -> None:
        """Gather whatever was made of these, and what else went into that."""
        waiting, found = set(starts), set[str]()
        while waiting and not self._is_full(found):
            found |= waiting
            self._look(waiting, with_links=True)
            waiting = {target for name in waiting for target in self._targets[name]} - found
        self._look(found, with_links=True)

    def above(self, starts: Iterable[str]) -> None:
        """Gather whatever these were made of."""
        waiting, found = set(starts), set[str]()
        while waiting and not self._is_full(found):
            found |= waiting
            self._look(waiting)
            waiting = {source for name in waiting for source in self.sources[name]} - found

    def _is_full(self, found: set[str]) -> bool:
        self.cut_short = self.cut_short or len(found) > MAX_LOTS
        return self.cut_short

    def _look(self, names: Iterable[str], with_links: bool = False) -> None:
        """Take note of everything that went into or out of these; of what is walked on from there, of all its links."""
        fresh = sorted(set(names) - self._looked)
        self._looked.update(fresh)
        lots = [name for name in fresh if not name.startswith(_BOX)]
        boxes = [name.removeprefix(_BOX) for name in fresh if name.startswith(_BOX)]
        for receipt in self.rows.receipts(lots):
            if receipt.time_us <= self.at_us:
                self.receipts.setdefault(receipt.lot, []).append(receipt)
        for move in self.rows.moves(lots):
            way = (move.lot, move.other) if move.what == "out" else (move.other, move.lot)
            self._flow(*way, move.time_us, move.time_us)
        filled = defaultdict[tuple[str, str], list[int]](list)
        for column, names in (("lot", lots), ("container", boxes)):
            for opening in self.rows.openings(column, names):
                if opening.time_us <= self.at_us:
                    filled[opening.lot, opening.container].append(opening.time_us)
            if with_links:
                for link in self.links_of(column, names):
                    if link.container and link.lot and link.from_us <= self.at_us:
                        filled[link.lot, link.container].append(link.from_us)
            else:
                for lot, container, *times in self.rows.boxed(column, names, self.at_us):
                    filled[lot, container] += times
        for (lot, container), times in filled.items():
            self._flow(lot, _BOX + container, min(times), max(times))

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        """Where these lots or containers (`column`) went; each is asked for once."""
        box = _BOX if column == "container" else ""
        fresh = [name for name in names if box + name not in self._links]
        links = self.rows.links_of(column, fresh)
        if len(fresh) == 1:
            self._links[box + fresh[0]] = links
        else:
            self._links.update((box + name, []) for name in fresh)
            for link in links:
                self._links[box + getattr(link, column)].append(link)
        return [link for name in names for link in self._links[box + name]]

    def _flow(self, source: str, target: str, first_us: int, last_us: int) -> None:
        if first_us <= self.at_us:
            self.sources[target][source].append((first_us, last_us))
            self._targets[source].add(target)

    # ----------------------------------------------------------------- what holds what

    def taints(self, starts: Sequence[str], foreign: Mapping[str, bool] | None = None) -> dict[str, Taint]:
        """Every gathered lot and container that holds something of the starts.

        `foreign` tells of a start whether it also holds something else (it came in by several heats).
        """
        foreign = foreign or {}
        sure = {name for name in starts if not foreign.get(name)}
        waiting = set(self.sources)
        while True:
            more = {name for name in waiting - sure if self._is_all_from(name, sure)}
            if not more:
                break
            sure |= more
        best = dict.fromkeys((*sure, *starts), START)
        queue = [(START, name) for name in best]
        heapq.heapify(queue)
        while queue:
            since, name = heapq.heappop(queue)
            if since > best[name]:
                continue
            for target in self._targets[name]:
                times = self.sources[target][name]
                put = min((max(first, since) for first, last in times if last >= since), default=None)
                if put is not None and put < best.get(target, self.at_us + 1):
                    best[target] = put
                    heapq.heappush(queue, (put, target))
        return {name: Taint(name in sure, since) for name, since in best.items()}

    def _is_all_from(self, name: str, sure: set[str]) -> bool:
        sources = self.sources[name]
        return bool(sources) and name not in self.receipts and all(source in sure for source in sources)

    def origins(self, name: str, until_us: int) -> dict[str, bool]:
        """Every lot of which something is in what was taken from a lot at a time: certainly, or maybe."""
        found = {}
        for candidate in self._upstream({name}):
            taint = self.taints([candidate]).get(name) if candidate != name else None
            if taint and taint.from_us <= until_us:
                found[candidate] = taint.sure
        return found

    def _upstream(self, names: set[str]) -> list[str]:
        waiting, found = set(names), set[str]()
        while waiting:
            found |= waiting
            waiting = {source for name in waiting for source in self.sources[name]} - found
        return sorted(found)
