"""What is kept from a reader to whom fact fields are hidden: columns, conditions, rows, facts, and whatever shows them whole.

Everything here follows from the clearance and from what folds say of their columns (`rows.shows`) alone, never from rows:
it is the same whether there is anything to hide or not.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from asbuilt import events
from asbuilt.access.known import Known
from asbuilt.access.sources import Clearance
from asbuilt.errors import UsageError, WithheldError
from asbuilt.events import AnyFact, CorrectionMade, Event, Unknown
from asbuilt.exchange.curves import Curve
from asbuilt.record import Recorded
from asbuilt.rows import Table
from asbuilt.rows.shows import EVERY_FIELD, ROW, TYPE, name_of

R = TypeVar("R", bound=tuple[Any, ...])
REMEDY: Final = "Ask whoever grants clearances; everything that does not rest on it is answered."


def refused(what: str) -> WithheldError:
    """The refusal to answer what would tell something hidden."""
    return WithheldError(f"{what} is withheld from you, and this rests on it", remedy=REMEDY)


class Withheld:
    """Stands where something is that the reader may not see: it is not nothing, and not empty.

    It is only ever itself (`value is WITHHELD`), and a page shows it as a word. To compare it, count with it or put it
    into words raises `WithheldError`: whoever has not learned of it answers nothing rather than something wrong.
    """

    __slots__ = ()

    def _no(self, *_: object) -> NoReturn:
        raise refused("Something")

    __str__ = __format__ = __bool__ = __hash__ = __len__ = __iter__ = __contains__ = __getitem__ = _no
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = _no
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __neg__ = __abs__ = __round__ = __bytes__ = _no

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            # Whoever asks whether it can do something is told that it cannot.
            raise AttributeError(name)
        self._no()

    def __html__(self) -> str:
        return "withheld"

    def __repr__(self) -> str:
        return "WITHHELD"

    def __copy__(self) -> Withheld:
        return self

    def __deepcopy__(self, _: object) -> Withheld:
        return self


WITHHELD: Final = Withheld()


def as_plain(value: object) -> object:
    """What stands for what is withheld where answers are put into plain data (a hook of the encoder)."""
    if value is WITHHELD:
        return {"withheld": True}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class Hiding:
    """What one clearance keeps back. Raises `UsageError` for a clearance that hides what no fact has."""

    def __init__(self, seen_as: Clearance) -> None:
        unknown = sorted(seen_as.hides - EVERY_FIELD)
        if unknown:
            raise UsageError(
                f"no fact has a field {unknown[0]}", remedy="Hide fields as `type.field`: `measured.value`."
            )
        self.hides = seen_as.hides
        self.answered = False
        """Whether anything withheld was given out, so that what fails afterwards may fail because of it."""
        self._columns: dict[type[Any], frozenset[str]] = {}
        names = {name_of(kind): kind for kind in events.TYPES.values()}
        self._fields: dict[type, list[str]] = {}
        for field in sorted(self.hides):
            kind, _, name = field.partition(".")
            if name != TYPE:
                self._fields.setdefault(names[kind], []).append(name)

    # ----------------------------------------------------------------- rows

    def columns(self, table: Table) -> frozenset[str]:
        """The hidden columns of rows. Raises `WithheldError` for rows that tell something hidden by being there."""
        known = self._columns.get(table.row)
        if known is None:
            if table.shows is None:
                raise refused(f"What {_plain(table.row.__name__)} shows")
            known = self._columns[table.row] = table.shows.hidden(self.hides)
        if ROW in known:
            raise refused(f"What decides which {_plain(table.row.__name__)} there is")
        return known

    def refuse(self, table: Table, columns: Iterable[str]) -> None:
        """Raise `WithheldError` if one of the columns is hidden: to ask by it, or to count it, would tell it."""
        hidden = self.columns(table)
        for column in columns:
            if column in hidden:
                raise refused(f"The {_plain(column)} of {_plain(table.row.__name__)}")

    def rows(
        self,
        table: Table,
        columns: Sequence[str],
        found: Iterable[Sequence[Any]],
        order: str = "",
        limit: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Rows of these columns, in words, with `WITHHELD` for what is hidden; in order, at most so many.

        What has no order is put in that of the visible columns: the one in which the store has them may be that of an
        index on something hidden, or of numbers that were given to hidden names as well.
        """
        hidden = self.columns(table)
        shown = [n for n, column in enumerate(columns) if column not in hidden]
        rows = sorted(found, key=lambda row: [ranked(row[n]) for n in shown])
        for word in reversed(order.split()):
            at = columns.index(word.lstrip("-"))
            rows.sort(key=lambda row: ranked(row[at]), reverse=word.startswith("-"))
        rows = rows[: None if limit is None else max(0, limit)]
        if len(shown) == len(columns):
            return [tuple(row) for row in rows]
        self.answered = True
        return [tuple(value if n in shown else WITHHELD for n, value in enumerate(row)) for row in rows]

    # ----------------------------------------------------------------- facts

    def fact(self, fact: AnyFact) -> AnyFact:
        """A fact with `WITHHELD` in its hidden fields; in what replaces another as well."""
        if isinstance(fact, Unknown):
            return self._without(fact, ("by", "content"))
        if isinstance(fact, CorrectionMade) and isinstance(fact.replacement, Event):
            replacement = self.fact(fact.replacement)
            if replacement is not fact.replacement:
                fact = copy.copy(fact)
                msgspec.structs.force_setattr(fact, "replacement", replacement)
        return self._without(fact, self._fields.get(type(fact), ()))

    def _without(self, fact: AnyFact, names: Sequence[str]) -> AnyFact:
        if not names:
            return fact
        self.answered = True
        found = copy.copy(fact)
        for name in names:
            msgspec.structs.force_setattr(found, name, WITHHELD)
        return found

    def recorded(self, recorded: Recorded, fact: AnyFact) -> tuple[Recorded, AnyFact]:
        """A recorded fact likewise; its bytes are empty where they hold something hidden."""
        found = self.fact(fact)
        return (recorded, fact) if found is fact else (recorded._replace(body=b""), found)

    def subject(self, key: str) -> None:
        """Raise `WithheldError` for a subject by whose key something hidden could be found."""
        kind = key.partition(":")[0]
        fields = _OF_SUBJECT.get(kind, {kind})
        if any(field.partition(".")[2] in fields for field in self.hides):
            raise refused(f"What a {kind} is named by")

    def curve(self, find: Callable[[str], Curve]) -> Callable[[str], Curve]:
        """How curves are found; not at all where anything is hidden of what they show."""
        if self.hides.isdisjoint(("run_recorded.curve_digest", "run_recorded.channels")):
            return find

        def withheld(digest: str) -> Curve:
            raise refused("The curve of a run")

        return withheld


def ranked(value: Any) -> tuple[bool, Any]:
    """A value as the store sorts it: what is None comes first."""
    return value is not None, value if value is not None else 0


_OF_SUBJECT = {
    "unit": {"product", "serial", "component_product", "component_serial"},
    "lot": {"product", "lot", "component_product", "component_lot", "into", "merged"},
    "person": {"by"},
    "fact": {"corrects"},
}
"""The fields that the keys of subjects are made of, where these have another name (`events.subjects`)."""


class Seen(Known):
    """What was known at a moment, as far as a reader may see it."""

    def __init__(self, hiding: Hiding, *known: Any) -> None:
        super().__init__(*known)
        self._hiding = hiding

    def facts(self, subject: str) -> list[AnyFact]:
        """Every fact about a subject as it read then, with `WITHHELD` in hidden fields, in order of id."""
        self._hiding.subject(subject)
        return [self._hiding.fact(fact) for fact in super().facts(subject)]

    def unchanged(self, subjects: Sequence[str], kinds: tuple[type[Event], ...]) -> tuple[list[str], list[str]]:
        """As `Known.unchanged` says, of subjects that may be named."""
        for kind in {subject.partition(":")[0] for subject in subjects}:
            self._hiding.subject(kind)
        return super().unchanged(subjects, kinds)


def _plain(name: str) -> str:
    """A name of ours as people say it: `OperationStarted`, `start_us` → operation started, start."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("_", " ")
    return words.removesuffix(" us").removesuffix(" no")
