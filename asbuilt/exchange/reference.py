"""Reference pages made of what they are about: a page an adapter, and the types of facts in the record's format.

`python -m asbuilt.exchange.reference docs` writes them.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec

from asbuilt import adapters, events


def adapter_page(module: ModuleType) -> str:
    """The page of an adapter, in Markdown: its docstring, then every setting with its type and default."""
    title, _, rest = (inspect.getdoc(module) or "").partition("\n")
    lines = [f"# Adapter `{module.KIND}`", "", title, rest.rstrip(), "", "## Every setting", ""]
    lines += _table(module.Config)
    for rule in _rules(module.Config):
        lines += ["", f"### One `[[adapter.NAME.{rule[0]}]]`", ""]
        lines += _table(rule[1])
    lines += [
        "", "Every adapter also takes `kind`, `title` (its name for people), `fresh_s` (how often it should be heard) and",
        "`response` (what to do when it is silent).", "",
        "This page is made of the adapter's own text by `make docs`.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _table(config: type[msgspec.Struct]) -> list[str]:
    hints = typing.get_type_hints(config)
    rows = ["| setting | is | if left out |", "|---|---|---|"]
    for found in msgspec.structs.fields(config):
        default = found.default if found.default is not msgspec.NODEFAULT else None
        if found.default is msgspec.NODEFAULT and found.default_factory is not msgspec.NODEFAULT:
            default = found.default_factory()
        told = "must be given" if found.required else _default(default)
        rows.append(f"| `{found.encode_name}` | {_type(hints[found.name])} | {told} |")
    return rows


def _default(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, dict | tuple | list):
        return "empty" if not value else f"`{value}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(hint: Any) -> str:
    arguments = [part for part in typing.get_args(hint) if part is not type(None) and part is not Ellipsis]
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in arguments)
    if origin is tuple:
        inner = arguments[0]
        return (
            "tables, see below"
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct)
            else f"list of {_type(inner)}"
        )
    if origin is dict:
        return f"table of {_type(arguments[1])}"
    if arguments and type(None) in typing.get_args(hint):
        return _type(arguments[0])
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(hint, "any value")


def _rules(config: type[msgspec.Struct]) -> list[tuple[str, type[msgspec.Struct]]]:
    found = []
    for name, hint in typing.get_type_hints(config).items():
        inner = typing.get_args(hint)
        if typing.get_origin(hint) is tuple and isinstance(inner[0], type) and issubclass(inner[0], msgspec.Struct):
            found.append((name, inner[0]))
    return found


TYPES_BEGIN = "## 14. Types"
"""The heading in `docs/record-format.md` after which everything is made by `fact_types`."""

_KINDS: dict[Any, str] = {
    events.Name: "name", events.Text: "text", events.PlantText: "plant file", events.Path: "path", events.Count: "count",
    events.Decimal: "decimal", events.Instant: "time", events.Country: "country", events.Digest: "digest",
    events.Priority: "1–4", UUID: "id", dt.date: "date", bool: "`true` or `false`",
}  # fmt: skip


def fact_types() -> str:
    """The section about every type of fact, in Markdown: name, meaning, members in the order of their declaration."""
    lines = [
        TYPES_BEGIN,
        "",
        "A *name* has 1–200 characters, a *text* at most 4,000 (line breaks and tabs allowed), a *path* 1–400; a *count* is an integer 0 … 1,000,000,000;",
        "a *decimal* a string `-?(0|[1-9]…)(.…)?` of at most 18 + 12 digits; a *time* RFC 3339 with offset; a *date* `YYYY-MM-DD`; a *country* ISO 3166-1 alpha-2;",
        "a *digest* SHA-256 in lower-case hexadecimal. Members marked ? may be left out; where another default stands, leaving it out means that.",
        "",
    ]
    for name, kind in events.TYPES.items():
        said = " ".join((inspect.getdoc(kind) or "").split())
        lines += [f"**`{name}`** {said}", "", _members(kind, own=frozenset(events.Event.__struct_fields__)), ""]
        lines += [f"- a {part.__name__.lower()}: {_members(part)}\n" for part in _parts(kind)]
    lines += ["This section is made of the types themselves by `make docs`.", ""]
    return "\n".join(lines)


def _members(kind: type[msgspec.Struct], own: frozenset[str] = frozenset()) -> str:
    hints = typing.get_type_hints(kind, include_extras=True)
    said = []
    for found in msgspec.structs.fields(kind):
        if found.name in own:
            continue
        default = "" if found.required else "?" if found.default in (None, ()) else f" = {json.dumps(found.default)}"
        said.append(f"`{found.encode_name}` {_kind(hints[found.name])}{default}")
    return " · ".join(said)


def _kind(hint: Any) -> str:
    if hint in _KINDS:
        return _KINDS[hint]
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    match typing.get_origin(hint):
        case typing.Literal:
            return " ".join(f"`{part}`" for part in inner)
        case typing.Annotated:
            return {bytes: "bytes", int: "integer"}.get(inner[0]) or _kind(inner[0])
        case origin if origin is tuple:
            part = inner[0]
            return f"list of {part.__name__.lower()}" if _is_struct(part) else f"list of {_kind(part)}"
    if all(_is_struct(part) for part in inner):
        return "fact"
    return _kind(inner[0])


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _parts(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """The structures that members of a type are lists of."""
    hints = typing.get_type_hints(kind)
    return [
        typing.get_args(hint)[0]
        for hint in hints.values()
        if typing.get_origin(hint) is tuple and _is_struct(typing.get_args(hint)[0])
    ]


def write(docs: Path) -> None:
    """Write the page of every adapter, and the section about types in the record's format."""
    folder = docs / "adapters"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, module in adapters.discover().items():
        (folder / f"{kind}.md").write_text(adapter_page(module))
    record_format = docs / "record-format.md"
    by_hand, _, _ = record_format.read_text().partition(TYPES_BEGIN)
    record_format.write_text(by_hand + fact_types())


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
