"""The adapter contract and discovery.

An adapter is one file. It brings messages from outside and says what facts they are:

- `KIND`: the word for `kind =` in the plant file.
- `Config`: a frozen msgspec Struct with its settings; unknown keys are refused.
- `check(config, name)`: what is wrong with the settings (`Problem`s); empty if nothing.
- `translator(config, name)`: a pure function from a `Message` to facts and rejections; the same
  message always gives the same facts with the same ids. `name` becomes their source.
- and thin I/O, at least one of: `read(path, config)` → messages of a file, for `asbuilt import`;
  `listen(config, sink)` → serve until cancelled, for `asbuilt run`.

The module's docstring is its documentation page. Adapters import the vocabulary and this
contract only; protocol libraries are imported inside `listen`.
"""

from __future__ import annotations

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


Answer = Callable[..., Awaitable[None]]
"""An ASGI application."""


class Sink(Protocol):
    """Where an adapter puts what it brings."""

    name: str

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        """Returns when the items are durable; only then may the sender be acknowledged.

        `decoded`: every fact was read by `events.decode` or `msgspec.convert`, which check it.
        """
        ...

    def alive(self, source: str) -> None:
        """The source was heard, though it had nothing to tell."""
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
