"""Addresses of pages: what fits a pattern, what a browser sent, where it may be sent back to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, unquote


def here(back: str) -> str:
    """An address of this site to go back to; the front page instead of any other."""
    foreign = not back.startswith("/") or back.startswith("//") or "\\" in back or any(c < " " for c in back)
    return "/" if foreign or not back.isascii() else back


def path_of(scope: Mapping[str, Any]) -> str:
    """The path as it was sent: what the router makes of it cannot tell `a/b` from `a//b`."""
    sent: bytes = scope["raw_path"]
    return sent.decode("latin-1").partition("?")[0]


def matched(pattern: str, path: str) -> dict[str, str] | None:
    """The parameters of a page's address in a path; None if it is another page's."""
    if "{" not in pattern:
        return {} if path.rstrip("/") == pattern else None
    match = _form(pattern).fullmatch(path)
    return {name: unquote(text) for name, text in match.groupdict().items()} if match else None


@cache
def _form(pattern: str) -> re.Pattern[str]:
    parameter = r"\\\{(\w+)(:path)?\\\}"
    form = re.sub(parameter, lambda found: f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})", re.escape(pattern))
    return re.compile(form)


def with_query(path: str, asked: dict[str, Any]) -> str:
    """A path with parameters, in order of their names."""
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in sorted(asked.items()))
    return f"{path}?{query}" if query else path
