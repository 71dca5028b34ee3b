"""The adapter contract and discovery.

An adapter is one file, or a folder whose `__init__.py` is the adapter and whose other files are its protocol
as it is on the wire. It brings messages from outside and says what facts they are:

- `KIND`: the word for `kind =` in the plant file.
- `Config`: a frozen msgspec Struct with its settings; unknown keys are refused.
- `check(config, name)`: what is wrong with the settings (`Problem`s); empty if nothing.
- `translator(config, name)`: a pure function from a `Message` to facts and rejections; the same
  message always gives the same facts with the same ids. `name` becomes their source.
- and thin I/O, at least one of: `read(path, config)` → messages of a file, for `asbuilt import`;
  `listen(config, sink)` → serve until cancelled, for `asbuilt run`. An error that it raises is
  recorded as the reason why the source is lost, and it is started again after a while; returning
  means that nothing more is to be done (requests are answered where it is mounted).
- optionally `PATHS`: the settings that name files; they are read relative to the plant file.
- optionally `probe(config, sink)` → a sentence saying what is there, for `asbuilt connect test`.

What a message depends on besides its bytes (a topic, the moment of arrival, the counter's reading
before) stands in its `context`, so that translating stays a pure function and recorded messages
can be played again.

The module's docstring is its documentation page. Adapters import the vocabulary, this contract
and `asbuilt.connect`; protocol libraries are imported inside `listen`.
"""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from asbuilt.errors import UsageError
from asbuilt.events import AnyFact

Status = Literal["accepted", "duplicate", "conflict", "rejected"]


class Message(NamedTuple):
    """Bytes as they came: the line in a file, and what is needed to read them (a header, a topic)."""

    data: bytes
    line: int | None = None
    context: str = ""


class Rejection(NamedTuple):
    """A message that is not a fact: its bytes, why not, and its line where it came from a file."""

    message: bytes
    reason: str
    line: int | None = None


Taken = AnyFact | Rejection
"""What an adapter brings."""
Translate = Callable[[Message], Iterator[Taken]]


class Problem(NamedTuple):
    """Something wrong with an adapter's settings: at which key, what, and the remedy."""

    at: tuple[str, ...]
    what: str
    remedy: str


class Result(Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one item: accepted (recorded now), duplicate, conflict or rejected, and why.

    `line` is told where the item came from a line that could not be read.
    """

    status: Status
    id: UUID | None = None
    reason: str | None = None
    line: int | None = None


RECENT = 5_000
"""So many facts `Sink.recent` looks back."""
Answer = Callable[..., Awaitable[None]]
"""An ASGI application."""


class Sink(Protocol):
    """Where an adapter puts what it brings, and all it may ask of the rest.

    `identity` is how it introduces itself to brokers and servers. `only_watching`: nothing is
    recorded, so nothing may be acknowledged or left behind. `watched`: somebody wants to see
    each message beside its facts (`show`).
    """

    name: str
    identity: str
    only_watching: bool
    watched: bool

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        """Returns when the items are durable; only then may the sender be acknowledged.

        `decoded`: every fact was read by `events.decode` or `events.convert`, which check it.
        """
        ...

    async def take_all(self, items: Sequence[Taken]) -> None:
        """`take_in` for checked facts that waits while the record is busy: the sender holds back meanwhile."""
        ...

    def alive(self, source: str) -> None:
        """The source was heard, though it had nothing to tell."""
        ...

    async def connected(self, part: str = "", *, resumed: bool = False, at: dt.datetime | None = None) -> None:
        """Observation begins (again). A `part` is something behind the adapter with a life of its own.

        `resumed`: nothing was missed since it was heard last; otherwise what an end without a
        word left open is recorded as a gap.
        """
        ...

    async def lost(self, reason: str, part: str = "", at: dt.datetime | None = None) -> None:
        """Observation ends: of one part, or of the whole adapter and all its parts; `at` a moment, or now."""
        ...

    async def gap(self, start: dt.datetime, end: dt.datetime, reason: str, part: str = "") -> None:
        """What happened between these moments is not known and will not come later."""
        ...

    async def deviation(self, code: str, message: str, part: str = "") -> None:
        """The source does not keep to its protocol in this way; recorded once per part and code."""
        ...

    def now(self) -> dt.datetime:
        """The plant's clock, in the plant's zone."""
        ...

    def show(self, message: Message, items: Sequence[Taken]) -> None:
        """Let whoever watches see a message and what it became."""
        ...

    def remembered(self) -> bytes:
        """What `remember` was last given, also before a restart; empty at first."""
        ...

    def remember(self, data: bytes) -> None:
        """Keep this for the next start: a position, readings. Losing it may cost a gap, never a fact."""
        ...

    def recent(self) -> Sequence[AnyFact]:
        """The facts of this source that were recorded last, at most `RECENT`, the latest last."""
        ...

    def secret(self, reference: str) -> str:
        """The secret behind `env:NAME` or `file:PATH`. Raises `UsageError` where there is none."""
        ...

    def mount(self, path: str, answer: Answer, *, open_to_all: bool = False) -> None:
        """Let an ASGI application answer requests at this path that carry this adapter's token."""
        ...


def discover() -> dict[str, ModuleType]:
    """Every adapter of this package and of entry points `asbuilt.adapters`, by kind."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    modules += [point.load() for point in entry_points(group="asbuilt.adapters")]
    return {module.KIND: module for module in sorted(modules, key=lambda module: str(module.KIND))}


def of_kind(kind: str) -> ModuleType:
    """The adapter of this kind. Raises `UsageError` that lists what there is."""
    known = discover()
    if kind not in known:
        raise UsageError(f"there is no adapter of kind `{kind}`", remedy=f"Use one of: {', '.join(known)}.")
    return known[kind]
