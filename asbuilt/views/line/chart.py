"""Output against plan over a shift, with every station's states below: one drawing, one time axis."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from asbuilt.plant.calendar import ShiftWindow, seconds_between
from asbuilt.views.line.answers import Board, Curve, RibbonPart
from asbuilt.web import svg, words

WIDTH, LEFT, RIGHT = 1122.0, 44.0, 1012.0
TOP, ZERO = 22.0, 222.0
RIBBON, RIBBON_STEP, FIRST_RIBBON = 12.0, 17.5, 240.0

_FILLS = {
    "Execute": "mute", "Completing": "mute", "Starting": "mute", "Starved": "#pin", "Blocked": "#pout",
    "Held": "ink2", "Stopped": "ink2", "Aborted": "ink1", "No data": "#hat",
}  # fmt: skip
_SHOWN_NOT = ("Idle", "Complete", "Resetting")
_LEGEND = ("Execute", "Starved", "Blocked", "Held", "Aborted", "No data")


def output_chart(board: Board) -> Markup | None:
    """The drawing of a line's shift; None where there is no shift or no takt."""
    if board.shift is None or board.curve is None:
        return None
    axis = _Axis(board.shift, max(board.curve.planned_total, len(board.curve.made), board.curve.forecast_high or 0, 4))
    below = FIRST_RIBBON + RIBBON_STEP * len(board.ribbons)
    inside = _grid(axis, board, below)
    inside += _curves(axis, board, board.curve)
    inside += _ribbons(axis, board)
    inside += _legend()
    inside += _hours(axis, board, below + 28)
    at = axis.x(board.at)
    inside += svg.line(at, 10, at, below, "ink2")
    made, planned = board.output, board.planned or 0
    label = f"Shift {board.shift.id}: {'no data' if made is None else f'{made} made'} of {planned} planned by now, {board.curve.planned_total} planned in all"
    return svg.element(WIDTH, below + 71, inside, label=label, css="chart")


class _Axis:
    """Instants to x, pieces to y."""

    def __init__(self, shift: ShiftWindow, pieces: int) -> None:
        self.shift = shift
        self.step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**6) if pieces / step <= 5)
        self.top = pieces * 1.02
        self._length = seconds_between(shift.start, shift.end)

    def x(self, instant: dt.datetime) -> float:
        share = seconds_between(self.shift.start, instant) / self._length
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, share))

    def y(self, pieces: float) -> float:
        return ZERO - (ZERO - TOP) * pieces / self.top


def _grid(axis: _Axis, board: Board, below: float) -> str:
    inside = ""
    for pause in axis.shift.breaks:
        x = axis.x(pause.start)
        inside += svg.rect(x, 10, axis.x(pause.end) - x, below - 10, "hatch", css="pause")
        if axis.x(pause.end) - x > 40:
            inside += svg.text((x + axis.x(pause.end)) / 2, ZERO - 6, pause.name, "axis", "middle")
    for hour in board.hours:
        inside += svg.line(axis.x(hour.start), 10, axis.x(hour.start), below, "rule")
    inside += svg.line(RIGHT, 10, RIGHT, below, "rule")
    pieces = 0
    while pieces <= axis.top:
        y = axis.y(pieces)
        inside += svg.line(LEFT, y, RIGHT, y, "rule") + svg.text(35, y + 4, str(pieces), "axis", "end")
        pieces += axis.step
    return inside


def _curves(axis: _Axis, board: Board, curve: Curve) -> str:
    shift, at = axis.shift, board.at
    plan = [(axis.x(time), axis.y(_planned(board, time))) for time in _corners(shift, shift.start, shift.end)]
    inside = svg.path(_through(plan), stroke="ink3", width=1.4, dash="7 4")
    made = [(LEFT, axis.y(0))]
    for count, time in enumerate(curve.made, 1):
        made += [(axis.x(time), axis.y(count - 1)), (axis.x(time), axis.y(count))]
    here = (axis.x(at), axis.y(len(curve.made)))
    made.append(here)
    if board.output is None:
        # A line at zero would say that nothing was made.
        return inside + _words_beside(axis, board, curve, None)
    if curve.forecast is not None and curve.forecast_low is not None and curve.forecast_high is not None:
        low = _forecast(axis, at, len(curve.made), curve.forecast_low)
        high = _forecast(axis, at, len(curve.made), curve.forecast_high)
        inside += svg.path(_through([*high, *reversed(low)]) + "Z", fill="band", css="doubt")
        inside += svg.path(
            _through(_forecast(axis, at, len(curve.made), curve.forecast)), stroke="ink2", width=1.6, dash="2 4"
        )
    inside += svg.path(_through(made), stroke="ink1", width=2.4)
    inside += f'<circle cx="{here[0]:.1f}" cy="{here[1]:.1f}" r="4.5" fill="var(--ink1)"/>'
    inside += _words_beside(axis, board, curve, here)
    return inside


def _words_beside(axis: _Axis, board: Board, curve: Curve, here: tuple[float, float] | None) -> str:
    plan_y = axis.y(curve.planned_total) + 3
    inside = svg.text(1024, plan_y, str(curve.planned_total), "strong2") + svg.text(
        1024 + 10 * len(str(curve.planned_total)) + 5, plan_y, "plan", "axis13"
    )
    if curve.forecast is not None:
        y = axis.y(curve.forecast) + 9
        y = y if abs(y - plan_y) >= 24 else plan_y + 24
        width = 10 * len(str(curve.forecast)) + 5
        inside += svg.text(1024, y, str(curve.forecast), "strong1") + svg.text(1024 + width, y, "forecast", "axis13")
        inside += svg.text(1024, y + 17, f"{curve.forecast_low} – {curve.forecast_high}", "axis13")
    if here is None:
        return inside
    right = here[0] < RIGHT - 90
    return inside + svg.text(here[0] + (11 if right else -11), here[1] + 17, f"{len(curve.made)} {'seen' if board.partly else 'made'}", "strong14", "start" if right else "end")  # fmt: skip


def _planned(board: Board, until: dt.datetime) -> float:
    assert board.shift is not None and board.takt_s is not None
    return board.shift.working_s(until) / board.takt_s


def _corners(shift: ShiftWindow, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    """Where a line that follows working time bends: at the breaks."""
    edges = [edge for pause in shift.breaks for edge in (pause.start, pause.end) if start < edge < end]
    return [start, *edges, end]


def _forecast(axis: _Axis, at: dt.datetime, made: int, total: int) -> list[tuple[float, float]]:
    shift = axis.shift
    left = shift.working_s(shift.end) - shift.working_s(at)
    points = []
    for time in _corners(shift, at, shift.end):
        share = (shift.working_s(time) - shift.working_s(at)) / left if left else 1.0
        points.append((axis.x(time), axis.y(made + (total - made) * share)))
    return points


def _through(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _ribbons(axis: _Axis, board: Board) -> str:
    inside = ""
    for index, ribbon in enumerate(board.ribbons):
        y = FIRST_RIBBON + index * RIBBON_STEP
        inside += svg.text(35, y + 10.5, ribbon.station, "axis2", "end")
        inside += svg.rect(axis.x(board.at), y, RIGHT - axis.x(board.at), RIBBON, "band", rx=1, css="ahead")
        tone = next((t.alarm for t in board.tiles if t.id == ribbon.station), None)
        for part in ribbon.parts:
            is_now = part.end == board.at
            inside += _part(
                axis, part, y, f"p{tone.priority}" if tone and is_now and part.state == "Held" else "", is_now
            )
    return inside


def _part(axis: _Axis, part: RibbonPart, y: float, tone: str, is_now: bool) -> str:
    if part.state in _SHOWN_NOT:
        return ""
    x = axis.x(part.start)
    width = max(axis.x(part.end) - x, 1.2 if part.state == "Execute" else 2.4)
    lasted = words.duration(seconds_between(part.start, part.end))
    when = f"since {part.start:%H:%M:%S}" if is_now else f"{part.start:%H:%M:%S} – {part.end:%H:%M:%S} ({lasted})"
    title = f"{part.state} {when}" + (f": {part.cause}" if part.cause else "")
    return svg.rect(x, y, width, RIBBON, tone or _FILLS.get(part.state, "ink2"), rx=0 if part.state in ("Starved", "Blocked") else 1, title=title)  # fmt: skip


def _legend() -> str:
    inside = ""
    for index, state in enumerate(_LEGEND):
        y = FIRST_RIBBON + index * 24.5
        inside += svg.rect(1024, y, 16, 11, _FILLS[state], rx=1) + svg.text(1048, y + 10, state, "axis13")
    return inside


def _hours(axis: _Axis, board: Board, y: float) -> str:
    inside = ""
    for hour in board.hours:
        x = axis.x(hour.start) + 6
        inside += svg.text(x, y, f"{hour.start:%H}–{hour.end:%H}", "axis")
        made = "" if hour.made is None else str(hour.made)
        wide = 11.5 * len(made)
        if made:
            inside += svg.text(x, y + 22, made, "hour")
        inside += svg.text(x + wide + (3 if made else 0), y + 22, f"/ {hour.planned}", "axis13")
        # An hour that is not over cannot be behind its plan.
        if hour.made is not None and hour.end <= board.at and hour.made != hour.planned:
            inside += svg.text(x + wide + 42, y + 22, words.signed(hour.made - hour.planned), "strong15")
        if hour.reason:
            inside += svg.text(x, y + 39, _short(hour.reason, 19), "axis2")
    return inside


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip(" ,") + "…"
