"""The page contract and rendering.

A view's `page.py` declares:

- `MENU`: `Menu(title, address, order)` for the bar on every page, a list of them, or None.
- `ACTIONS`, if people record facts there: see `asbuilt.web.acting`.
- `PAGES`: a list of `Page(address, show, …)`. `show(reader, **path parameters, at=…)` returns
  `Shown`: the title and, per fragment, a macro of the view's `page.html` with its values.

A fragment is rendered the same way for the first load and for live updates, and its root element
carries the fragment's id: that is how the page in a browser is kept up to date piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from asbuilt.plant.calendar import seconds_between
from asbuilt.web import svg, words


class Menu(NamedTuple):
    """An entry of the bar; lower `order` stands further left, `key` is pressed after G."""

    title: str
    address: str
    order: int
    key: str = ""


class Fragment(NamedTuple):
    """A piece of a page: a macro of `page.html` and what it is given."""

    macro: str
    values: Mapping[str, Any]


class Shown(NamedTuple):
    """A page to be rendered: `layout` is the macro that places the fragments.

    `go` sends the browser to another address of this site instead.
    """

    title: str
    fragments: Mapping[str, Fragment]
    layout: str = "layout"
    values: Mapping[str, Any] = {}
    menu: str = ""
    go: str = ""


class Page(NamedTuple):
    """An address and what is shown there.

    A live page is rendered anew when rows change that it read the last time; `views` are the views, rooms of
    shared rows, or single row classes whose changes alone concern it (empty: all that it read). `refresh_s` is how often it
    is rendered anew when nothing changes (0: never), because what it says depends on the time.
    """

    address: str
    show: Callable[..., Shown]
    views: tuple[str | type, ...] = ()
    refresh_s: float = 0
    live: bool = True


class Rendered(NamedTuple):
    """A rendered page: its title, each fragment's HTML by id, and the tables it was read from."""

    shown: Shown
    fragments: dict[str, Markup]
    asked: frozenset[str] = frozenset()


class Renderer:
    """Jinja2 over the views' `page.html` and the pages' frame; autoescaping on."""

    def __init__(self, folders: Mapping[str, Path], *, act_token: str = "") -> None:
        web = Path(__file__).parent
        loader = jinja2.PrefixLoader(
            {
                "web": jinja2.FileSystemLoader(web),
                **{name: jinja2.FileSystemLoader(path) for name, path in folders.items()},
            }
        )
        self._environment = jinja2.Environment(
            loader=loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["svg"] = svg
        self._environment.globals["acting"] = lambda back="/": Markup(
            f'<input type="hidden" name="token" value="{escape(act_token)}">'
            f'<input type="hidden" name="back" value="{escape(back)}">'
        )
        self._environment.filters.update(
            duration=words.duration, age=words.age, clock=words.clock, day=words.day, number=words.number,
            signed=words.signed, percent=words.percent, spaced=words.spaced, plural=words.plural,
            marked=words.marked, capital=words.capital, seconds_to=seconds_between,
            epoch=lambda instant: f"{instant.timestamp():.3f}", iso=lambda instant: instant.isoformat(),
        )  # fmt: skip

    def fragments(self, view: str, shown: Shown) -> Rendered:
        """Render each fragment."""
        macros = self._macros(view)
        rendered = {
            name: Markup(str(getattr(macros, fragment.macro)(id=name, **fragment.values)).strip())
            for name, fragment in shown.fragments.items()
        }
        return Rendered(shown, rendered)

    def body(self, view: str, rendered: Rendered) -> Markup:
        """Place the fragments in the page's layout."""
        macros = self._macros(view)
        return Markup(getattr(macros, rendered.shown.layout)(f=rendered.fragments, **rendered.shown.values))

    def frame(self, **values: Any) -> str:
        """The whole document around a body."""
        return self._environment.get_template("web/base.html").render(**values)

    def problem(self, message: str, remedy: str) -> Markup:
        """The body of a page that says what is wrong and what to do."""
        macros: Any = self._environment.get_template("web/problem.html").module
        return Markup(macros.problem(message=message, remedy=remedy))

    def _macros(self, view: str) -> Any:
        return self._environment.get_template(f"{view}/page.html").module
