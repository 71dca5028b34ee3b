"""What goes wrong with equipment, how often, for how long, and what its alarm asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from asbuilt.events import State


class AlarmText(NamedTuple):
    """An alarm's name, priority (ISA-18.2), words and response; `latching`: it stands until somebody resets it."""

    name: str
    priority: int
    text: str
    response: str
    latching: bool = False


class Trouble(NamedTuple):
    """A stop: which state, why, how often and how long.

    It comes after `hours` of work on average, or after every `pieces` pieces if that is given.
    `minutes` is shortest, usual, longest.
    """

    state: State
    reason: str
    message: str
    minutes: tuple[float, float, float]
    hours: float = 0
    pieces: int = 0
    alarm: AlarmText | None = None


_ANY = (
    Trouble("Held", "sensor_fault", "Part present sensor dirty", (1, 2, 5), hours=40),
    Trouble("Aborted", "breakdown", "Drive fault", (8, 15, 35), hours=160),
)
"""For stations nothing in particular is known about."""

BOXER: Mapping[str, tuple[Trouble, ...]] = {
    "10": (
        Trouble("Stopped", "tool_change", "Boring tool changed", (3, 4, 6), pieces=75),
        Trouble("Held", "feeder", "Chips in the conveyor", (1.5, 3, 6), hours=22),
        Trouble(
            "Aborted", "breakdown", "Spindle drive fault", (10, 18, 40), hours=150,
            alarm=AlarmText("spindle_drive", 2, "Spindle drive fault", "Reset the drive once, then call maintenance."),
        ),
    ),
    "20": (
        Trouble("Held", "inspection", "Press force near its limit, seat checked", (1.5, 2.5, 5), hours=14),
        Trouble(
            "Aborted", "breakdown", "Press hydraulics, pressure low", (8, 14, 30), hours=170,
            alarm=AlarmText("press_pressure", 2, "Press pressure low", "Check the oil level of press P-02."),
        ),
    ),
    "30": (
        Trouble("Stopped", "tool_change", "Hone stones changed", (4, 5, 7), pieces=110),
        Trouble("Held", "tool_broken", "Stone wear limit, spindle parked", (1.5, 3, 5), hours=24),
        Trouble(
            "Held", "feeder", "Loader arm out of position", (3, 6, 12), hours=45,
            alarm=AlarmText("hone_loader", 3, "Loader arm out of position", "Jog the arm home, check the gripper pads."),
        ),
    ),
    "40": (
        Trouble("Held", "inspection", "Screw angle out of window, rechecked", (1, 2, 4), hours=11),
        Trouble("Held", "no_material", "Waiting for ring kits", (2, 4, 8), hours=36),
    ),
    "50": (
        Trouble("Held", "no_operator", "Second operator away", (2, 3, 6), hours=18),
        Trouble(
            "Held", "sensor_fault", "ECU not answering", (3, 5, 12), hours=42,
            alarm=AlarmText("ecu_flash", 3, "ECU does not answer", "Change the test lead, flash again."),
        ),
    ),
    "60": (
        Trouble("Stopped", "calibration", "Master part run", (2, 2.5, 3.5), pieces=72),
        Trouble("Held", "fixture", "Fixture self-check failed, seal wiped", (1.5, 3, 5), hours=16),
    ),
    "70": (
        Trouble(
            "Aborted", "coolant_oil", "Cell {place} aborted, coolant flow low", (8, 12, 22), hours=55,
            alarm=AlarmText(
                "cell_{place}_coolant", 3, "Cell {place} aborted, coolant flow low",
                "Clean the strainer of cell {place}, then start the run again.",
            ),
        ),
        Trouble(
            "Aborted", "utility", "Cell {place} aborted, exhaust fan", (5, 9, 20), hours=120,
            alarm=AlarmText(
                "cell_{place}_fan", 2, "Cell {place} aborted, exhaust fan",
                "Keep the cell door shut; switch to fan 2.",
            ),
        ),
    ),
    "80": (
        Trouble("Held", "feeder", "Label printer out of ribbon", (1.5, 2.5, 5), hours=13),
        Trouble("Held", "no_material", "Waiting for boxes", (2, 4, 8), hours=50),
    ),
}  # fmt: skip

_KNOWN = {"BX172": BOXER}


def troubles_of(product: str | None, station: str) -> tuple[Trouble, ...]:
    """What goes wrong at a station of the line that makes this product."""
    return _KNOWN.get(product or "", {}).get(station, _ANY)
