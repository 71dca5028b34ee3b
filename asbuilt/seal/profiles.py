"""Which facts and fields a passport shows: public, customer, authority, full. Everything else is redacted.

The public profile shows no id and no event time: both tell the minute, and with it the pace of the plant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from asbuilt.errors import UsageError

_IDENTITY = ("type", "product", "serial", "revision")
_LIFE = ("unit_started", "unit_completed", "unit_scrapped")
_ENVELOPE = ("type", "id", "event_time")
_CORRECTION = ("corrects", "reason")


class Profile(NamedTuple):
    """`shows` gives fields by type of fact (without version); None: every type with `fields`; `hides` never."""

    name: str
    words: str
    shows: Mapping[str, Collection[str]] | None
    hides: Collection[str] = ()

    def fields(self, kind: str, names: Iterable[str], corrects: str = "") -> list[str]:
        """Of the members of a fact those that are shown; none: it is redacted.

        `kind` is its type without version; of a correction `corrects` is that of what it corrects.
        """
        own = [name for name in names if not name.startswith("link_")]
        if self.shows is None:
            return [name for name in own if name.removeprefix("replacement.") not in self.hides]
        wanted = self.shows.get(kind, ())
        if kind == "correction_made":
            inside = self.shows.get(corrects, ())
            wanted = [*wanted, *(f"replacement.{name}" for name in inside)] if inside else ()
        return [name for name in own if name in wanted]

    def named(self) -> tuple[str, ...]:
        """The fields it shows, for the record of the disclosure."""
        if self.shows is None:
            return ("all", *(f"not {name}" for name in self.hides))
        return tuple(sorted({field for fields in self.shows.values() for field in fields}))


_MEASURED = (*_ENVELOPE, "product", "serial", "characteristic", "value", "uom", "nominal", "lower", "upper", "position")
_COMPONENT = (
    *_ENVELOPE,
    "product",
    "serial",
    "position",
    "component_product",
    "component_serial",
    "quantity",
    "uom",
    "evidence",
)
_CUSTOMER: dict[str, Collection[str]] = {
    **dict.fromkeys(_LIFE, (*_ENVELOPE, "product", "serial", "revision")),
    "measured": _MEASURED,
    "component_installed": _COMPONENT,
    "component_removed": (*_COMPONENT, "reason"),
    "run_recorded": (
        *_ENVELOPE, "product", "serial", "program", "program_revision", "verdict", "start_time", "channels", "curve_digest",
    ),
    "operation_completed": (*_ENVELOPE, "product", "serial", "operation", "good", "scrap", "rework"),
    "nonconformance_raised": (*_ENVELOPE, "product", "serial", "nonconformance", "severity"),
    "disposition_decided": (*_ENVELOPE, "product", "serial", "nonconformance", "decision"),
    "hold_placed": (*_ENVELOPE, "product", "serial", "hold", "reason"),
    "hold_released": (*_ENVELOPE, "product", "serial", "hold"),
    "unit_shipped": (*_ENVELOPE, "product", "serial", "consignee", "end_use", "screened_on"),
    "unit_returned": (*_ENVELOPE, "product", "serial", "reason"),
}  # fmt: skip
_CUSTOMER["correction_made"] = (*_ENVELOPE, *_CORRECTION)

PROFILES = {
    "public": Profile(
        "public",
        "identity, revision, and that it was completed",
        dict.fromkeys(_LIFE, _IDENTITY),
    ),
    "customer": Profile(
        "customer",
        "what was built, measured and tested; no people, orders, stations, lots",
        _CUSTOMER,
    ),
    "authority": Profile("authority", "everything but who did it", None, ("by",)),
    "full": Profile("full", "everything", None),
}


def profile(name: str) -> Profile:
    """A profile by its name. Raises `UsageError` that lists what there is."""
    if name not in PROFILES:
        listed = "; ".join(f"{one.name}: {one.words}" for one in PROFILES.values())
        raise UsageError(f"there is no profile `{name}`", remedy=f"Choose one of {listed}.")
    return PROFILES[name]
