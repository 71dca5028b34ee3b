"""Query parameters given as text (command line, address) as the types that queries take; answers as tables."""

from __future__ import annotations

import csv
import datetime as dt
import inspect
import io
import math
import re
import types
from collections.abc import Callable
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from asbuilt.access.withheld import as_plain
from asbuilt.errors import UsageError


def parameter(known: inspect.Parameter, text: str, zone: ZoneInfo) -> Any:
    """A parameter's value from its text.

    Times are ISO 8601; one without an offset is read in the plant's zone. Raises `UsageError`.
    """
    wanted = known.annotation
    if isinstance(wanted, types.UnionType):
        wanted = next(part for part in get_args(wanted) if part is not types.NoneType)
    try:
        if wanted is dt.datetime:
            return _time(text, zone)
        if wanted is dt.date:
            return dt.date.fromisoformat(text)
        if wanted is bool:
            return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[text.lower()]
        if wanted is int:
            return _bounded(int(text), 2**63)
        if wanted is float:
            return _bounded(float(text), math.inf)
    except (ValueError, KeyError):
        raise UsageError(
            f"{known.name.rstrip('_')}={text} is not {_FORMS.get(wanted, 'right')}",
            remedy=f"Give {known.name.rstrip('_')} as {_EXAMPLES.get(wanted, 'text')}.",
        ) from None
    return text


def _time(text: str, zone: ZoneInfo) -> dt.datetime:
    # In an address a bare + reads as a space, and offsets are written with a bare + all the time.
    time = dt.datetime.fromisoformat(re.sub(r"(T\S+) (\d\d:?\d\d)$", r"\1+\2", text))
    if not 1970 <= time.year < 3000:
        raise ValueError
    return time if time.tzinfo else time.replace(tzinfo=zone)


def _bounded(number: float, limit: float) -> float:
    if not -limit < number < limit:
        raise ValueError
    return number


_FORMS = {dt.datetime: "a time", dt.date: "a date", bool: "yes or no", int: "a whole number", float: "a number"}
_EXAMPLES = {dt.datetime: "2025-11-18T17:26", dt.date: "2025-11-18", bool: "yes or no", int: "100", float: "1.5"}


# --------------------------------------------------------------------------- answers as tables


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """An answer as rows: a list's items, else the answer itself as the only row."""
    built = msgspec.to_builtins(answer, enc_hook=as_plain)
    if isinstance(built, list):
        return [row if isinstance(row, dict) else {"value": row} for row in built]
    return [built] if isinstance(built, dict) else [{"value": built}]


def cell(value: Any) -> str:
    """A value in a table: text as it is, what has parts as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict):
        return msgspec.json.encode(value).decode()
    return str(value)


def as_json(answer: Any) -> bytes:
    """The answer of a query as JSON; what is withheld is `{"withheld": true}`."""
    return msgspec.json.encode(answer, enc_hook=as_plain)


def as_csv(answer: Any, query: Callable[..., Any]) -> str:
    """The answer of a query as CSV with a head line, which is there even if there are no rows."""
    rows, text = rows_of(answer), io.StringIO()
    row = next(iter(get_args(get_type_hints(query)["return"])), None)
    columns = list(rows[0]) if rows else list(getattr(row, "__struct_fields__", ("value",)))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()
