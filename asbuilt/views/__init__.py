"""Discovery of views, of the rows they share, and of the questions that can be asked by name.

A view is a folder with `queries.py` and, if people look at it, `page.py` + `page.html`. Rows of its own are declared
in `fold.py` (see `asbuilt.rows`); rows that several views need are owned once, by a folder of `asbuilt.domain`.

`queries.py` has functions `(reader, …) → answer`; each is a query of the command line and of
the HTTP API as well. `page.py` is described in `asbuilt.web.pages`.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from asbuilt import domain
from asbuilt.errors import UsageError
from asbuilt.rows import View, load


def discover() -> dict[str, View]:
    """Every view and every room of shared rows, of this package and of entry points `asbuilt.views`, in order of name."""
    found = {
        module.name: f"{room}.{module.name}"
        for room, path in ((domain.__name__, domain.__path__), (__name__, __path__))
        for module in pkgutil.iter_modules(path)
        if module.ispkg
    }
    found.update({point.name: point.value for point in entry_points(group="asbuilt.views")})
    return {name: load(name, found[name]) for name in sorted(found)}


# --------------------------------------------------------------------------- queries


class Query(NamedTuple):
    """A question that can be asked by name, `view.name`; parameters after the reader."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def queries(views: Mapping[str, View]) -> dict[str, Query]:
    """Every public query of every view, by `view.name`."""
    found = {}
    for view in views.values():
        if view.queries is None:
            continue
        for name, function in inspect.getmembers(view.queries, inspect.isfunction):
            if name.startswith("_") or function.__module__ != view.queries.__name__:
                continue
            signature = inspect.signature(function, eval_str=True)
            parameters = list(signature.parameters.values())
            if parameters and parameters[0].name == "reader":
                # A trailing underscore keeps Python's own words free: list_ is asked as `list`, from_ as `from`.
                asked = f"{view.name}.{name.rstrip('_')}"
                found[asked] = Query(asked, function, {p.name.rstrip("_"): p for p in parameters[1:]})
    return found


def find_query(known: Mapping[str, Query], name: str) -> Query:
    """The query of this name. Raises `UsageError` that lists what there is."""
    if name not in known:
        raise UsageError(f"there is no query `{name}`", remedy=f"Ask one of: {', '.join(known)}.")
    return known[name]
