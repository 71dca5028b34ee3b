"""The reference pages of adapters, made of their docstrings and settings: `python -m asbuilt.exchange.reference docs/adapters`."""

from __future__ import annotations

import inspect
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from asbuilt import adapters


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


def write(folder: Path) -> None:
    """Write the page of every adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, module in adapters.discover().items():
        (folder / f"{kind}.md").write_text(adapter_page(module))


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/adapters"))
