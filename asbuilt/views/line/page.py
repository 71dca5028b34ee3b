"""The line page: what holds the line now?"""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.views.line import chart, queries
from asbuilt.views.line.answers import Board
from asbuilt.views.order import queries as orders
from asbuilt.web import words
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Line", "/line", 10, "l")
REFRESH_S = 5.0
"""Plan, forecast and headline move with time even when nothing is reported."""


def index(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """All lines, with their headlines."""
    boards = [queries.board(reader, row.line, at) for row in queries.lines(reader, at)]
    values = {"boards": boards, "finding": _finding(boards)}
    return Shown("Lines", {"lines": Fragment("lines", values)}, layout="index", menu="/line")


def show(reader: Reader, line: str, at: dt.datetime | None = None) -> Shown:
    """One line board."""
    board = queries.board(reader, line, at)
    fragments = {
        "counts": Fragment("counts", {"counts": _counts(board)}),
        "head": Fragment("head", {"board": board, "context": _context(reader, board, at)}),
    }
    buffers = {buffer.after: buffer for buffer in board.buffers}
    flow: list[list[str]] = []
    for tile in board.tiles:
        fragments[f"st-{tile.id}"] = Fragment("tile", {"tile": tile, "board": board})
        flow.append([f"st-{tile.id}"])
        if tile.id in buffers:
            fragments[f"buf-{tile.id}"] = Fragment("buffer", {"buffer": buffers[tile.id], "tile": tile})
            flow[-1].append(f"buf-{tile.id}")
    fragments["output"] = Fragment("output", {"board": board, "drawing": chart.output_chart(board)})
    fragments["alarms"] = Fragment("alarms", {"board": board, "quiet": words.quiet(board.unseen, len(board.tiles))})
    # Always there, if only hidden: what is corrected must vanish from screens that look.
    fragments["contradictions"] = Fragment("contradictions", {"board": board})
    return Shown(board.name, fragments, values={"flow": flow, "board": board}, menu="/line")


def _finding(boards: list[Board]) -> str:
    """Which lines are held by one of their own stations."""
    held = [board.name for board in boards if any(tile.holds for tile in board.tiles)]
    if held:
        return f"{', '.join(held)} {'is' if len(held) == 1 else 'are'} held."
    if not boards:
        return "There is no line yet."
    # Of a line of which a station is not observed nobody knows that it is not held.
    if all(board.unseen == len(board.tiles) for board in boards):
        return "No line is observed." if len(boards) > 1 else f"{boards[0].name} is not observed."
    unseen = [board.name for board in boards if board.unseen]
    if len(unseen) == len(boards):
        return "Nobody observes all of any line." if len(boards) > 1 else f"{unseen[0]} is not all observed."
    return f"No line is seen to be held; not all observed: {', '.join(unseen)}." if unseen else "No line is held."


def _counts(board: Board) -> list[tuple[int, int, bool]]:
    """Per priority: how many stand and are not put aside, and whether any waits to be acknowledged."""
    asking = [alarm for alarm in board.alarms if not alarm.aside]
    return [
        (
            priority,
            sum(1 for alarm in asking if alarm.priority == priority and alarm.active),
            any(alarm.priority == priority and not alarm.seen_by for alarm in asking),
        )
        for priority in (1, 2, 3, 4)
    ]


def _context(reader: Reader, board: Board, at: dt.datetime | None) -> list[str]:
    parts = [board.name]
    if board.product:
        parts.append(board.product)
    if board.order:
        order = orders.show(reader, board.order, at)
        made = f", {order.made} of {order.quantity}" if order.quantity else ""
        parts.append(f"order {board.order}{made}")
    if board.shift is not None:
        parts.append(f"shift {board.shift.id}" + (f", {board.shift.lead}" if board.shift.lead else ""))
    return parts


PAGES = [
    Page("/line", index, refresh_s=REFRESH_S),
    Page(
        "/line/{line:path}",
        show,
        refresh_s=REFRESH_S,
    ),
]
