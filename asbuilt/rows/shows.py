"""Which fact fields the columns of rows show: what a fold says of it in `SHOWS`, read and checked.

    SHOWS = {
        Passage: {ROW: "station", "unit": "product serial", "what": "type", "place": "unit_shipped.consignee"},
    }

- A column that has the name of a fact's field shows that field, `time_us` shows `event_time`, and `fact`, the id of a
  fact, shows nothing: these need no entry. Every other column has one; one that shows nothing of a fact has an empty one.
- An entry lists fields: `serial` of every type of fact that the row is made of, `unit_shipped.consignee` of one type.
  `type` stands for which type the fact is of.
- `ROW` lists what decides whether there is such a row, how many there are, and what falls together in one. Of rows that
  belong to one fact that is mostly nothing; of those that are derived or tallied, what their subject is named by, and more.

Of which types a row is made follows from what the rules say they return. The contract of views holds all of it against
facts of which one field is another (`testing.showing`): what is not said, and what is said and is not so, is found.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from asbuilt import events
from asbuilt.events import Event

ROW = "(row)"
"""Stands in `SHOWS` for the row as a whole."""
TYPE = "type"
_IMPLIED = {"time_us": "event_time", "fact": "", ROW: ""}
UNSAID = "(nothing)"
"""Stands for the words of a column of which nothing is said."""


class Shown(NamedTuple):
    """What each column shows, and what decides whether there is a row (`ROW`): word by word as it was said, with the
    fact fields it stands for as `type.field`."""

    said: Mapping[str, Mapping[str, frozenset[str]]]

    @property
    def row(self) -> frozenset[str]:
        """The fields that decide whether there is a row."""
        return self.of(ROW)

    def of(self, column: str) -> frozenset[str]:
        """The fields that a column shows."""
        return frozenset().union(*self.said[column].values())

    def hidden(self, hides: frozenset[str]) -> frozenset[str]:
        """The columns that show something of these fields, `ROW` among them."""
        return frozenset(column for column in self.said if not self.of(column).isdisjoint(hides))


def name_of(kind: type[Event]) -> str:
    """How a type of fact is named where its version does not matter: `measured`."""
    return str(kind.__struct_config__.tag).partition(".")[0]


def fields_of(kind: type[Event]) -> frozenset[str]:
    """All fields of a type of fact as `type.field`, the envelope's among them; without its id, with `type` itself."""
    name = name_of(kind)
    return frozenset(f"{name}.{field}" for field in (TYPE, *kind.__struct_fields__) if field != "id")


EVERY_FIELD: frozenset[str] = frozenset().union(*map(fields_of, events.TYPES.values()))
"""Every field of every type of fact there is."""


def made_of(row: type[Any], rules: Mapping[type[Event], Callable[..., Any]]) -> frozenset[type[Event]]:
    """Which types of fact rules make such rows of, as they say by what they return; one that does not say makes all."""
    return frozenset(kind for kind, rule in rules.items() if _returns(rule, row))


def _returns(rule: Callable[..., Any], row: type[Any]) -> bool:
    said = set(_parts(typing.get_type_hints(rule).get("return", Any)))
    return Any in said or row in said


def _parts(hint: Any) -> Iterator[Any]:
    inside = typing.get_args(hint)
    if not inside:
        yield hint
    for part in inside:
        yield from _parts(part)


def shown(row: Any, said: Mapping[str, str], kinds: Iterable[type[Event]]) -> Shown:
    """What `SHOWS` says of a row class that is made of these types. Raises `TypeError` for what there is not.

    A column of which nothing is said shows nothing less than everything the row is made of.
    """
    every: frozenset[str] = frozenset().union(*map(fields_of, kinds))
    for column in said:
        if column not in (ROW, *row._fields):
            raise TypeError(f"SHOWS speaks of {row.__name__}.{column}, and there is no such column")
    found = {}
    for column in (ROW, *row._fields):
        words = said.get(column, _IMPLIED.get(column, column))
        found[column] = {word: _named(word, every) for word in words.split()}
        for word, fields in found[column].items():
            if not fields and column in (*said, *_IMPLIED):
                raise TypeError(f"SHOWS of {row.__name__}.{column}: no fact it is made of has a field {word!r}")
        if column not in (*said, *_IMPLIED) and not found[column][column]:
            found[column] = {UNSAID: every}
    return Shown(found)


def _named(word: str, every: frozenset[str]) -> frozenset[str]:
    return frozenset(field for field in every if word in (field, field.partition(".")[2]))


__all__ = ["EVERY_FIELD", "ROW", "UNSAID", "Shown", "fields_of", "made_of", "name_of", "shown"]
