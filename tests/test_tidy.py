"""The rules of the house, read off the source: who imports whom, clocks, sizes, docstrings.

Each failure names the remedy. What may be otherwise stands in a list here, with its reason.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "asbuilt"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
MODULES = [path.relative_to(ROOT).as_posix() for path in FILES]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(), module)


def imports(module: str, *, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """What a module imports, with the line; not what only the type checker sees."""
    yield from _imports(tree(module), module, top_level_only)


def _imports(node: ast.AST, module: str, top_level_only: bool) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: write the import out from `asbuilt`"
            base = child.module or ""
            for alias in child.names:
                whole = f"{base}.{alias.name}"
                yield child.lineno, whole if _is_module(whole) else base
        elif not _is_left_out(child, top_level_only):
            yield from _imports(child, module, top_level_only)


def _is_left_out(node: ast.AST, top_level_only: bool) -> bool:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    return top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


# --------------------------------------------------------------------------- who may import whom

STDLIB = set(sys.stdlib_module_names)
CONTRACT = ["asbuilt.events", "asbuilt.errors"]
BENEATH = {"sparkplug": ("mqtt",), "site": ("mqtt",)}
"""Protocols that are spoken over another: the lower one's wire may be used, never its adapter."""
KIN = {"trace": ["asbuilt.views.unit.*"], "station": ["asbuilt.views.unit.*"]}
"""Where a part went is a walk over the links between units and the ways of lots: one genealogy, two views. At a
station it is made."""


def allowed(module: str) -> tuple[list[str], list[str], str] | None:
    """For a module: modules of the house it may import, other packages, and the remedy; None is anything."""
    parts = module.removesuffix(".py").split("/")
    match parts[1:]:
        case ["__init__"]:
            return [], [], "Keep asbuilt/__init__.py lazy: import inside __getattr__."
        case ["errors"]:
            return [], [], "errors stands below everything."
        case ["events", *_]:
            return (
                ["asbuilt.errors", "asbuilt.events.*"],
                ["msgspec"],
                "events is the narrow waist: only errors stands below it.",
            )
        case ["plant", *_]:
            return (
                ["asbuilt.errors", "asbuilt.plant", "asbuilt.plant.*"],
                ["msgspec"],
                "plant is plain data; nothing in it touches the record.",
            )
        case ["folder", "__init__"]:
            return ["asbuilt.errors"], [], "folder knows files, not what is in them."
        case ["folder", "sqlite_file"]:
            return [], ["apsw"], "sqlite_file helps the databases and knows nothing else."
        case ["pipeline"]:
            return (
                [*CONTRACT, "asbuilt.adapters", "asbuilt.folding", "asbuilt.record"],
                [],
                "pipeline knows contracts, never implementations: pass the thing in.",
            )
        case ["folding", "__init__"]:
            return (
                [*CONTRACT, "asbuilt.record", "asbuilt.rows", "asbuilt.rows.store"],
                [],
                "Whoever folds knows a record by its contract, and the store of rows.",
            )
        case ["folding", "process"]:
            return (
                [*CONTRACT, "asbuilt.folder", "asbuilt.folding", "asbuilt.record.sqlite", "asbuilt.rows.store", "asbuilt.views"],
                ["msgspec"],
                "A process of its own opens what it folds from and into; nothing else of the product is in it.",
            )  # fmt: skip
        case ["record", "__init__"] | ["adapters", "__init__"]:
            return CONTRACT, ["msgspec"], "A contract knows events and errors only."
        case ["record", _]:
            return (
                [*CONTRACT, "asbuilt.record", "asbuilt.record.layout", "asbuilt.folder.sqlite_file"],
                ["msgspec", "apsw"],
                "A record knows events, errors, its contract, and how it lies in its file.",
            )
        case ["connect", *_]:
            return (
                [*CONTRACT, "asbuilt.adapters", "asbuilt.connect", "asbuilt.connect.*"],
                ["msgspec"],
                "What adapters share knows no protocol: leave that beside its adapter.",
            )
        case ["adapters", name, *_]:
            beneath = [f"asbuilt.adapters.{below}.*" for below in BENEATH.get(name, ())]
            return (
                [
                    *CONTRACT,
                    "asbuilt.adapters",
                    "asbuilt.connect",
                    "asbuilt.connect.*",
                    f"asbuilt.adapters.{name}.*",
                    *beneath,
                ],
                ["msgspec"],
                "An adapter knows events, errors, its contract, asbuilt.connect and its own protocol; import libraries inside `listen`.",
            )
        case ["rows", "__init__"]:
            return [*CONTRACT, "asbuilt.rows.shows"], [], "The contract of rows knows events and errors only."
        case ["rows", *_]:
            return (
                [*CONTRACT, "asbuilt.rows", "asbuilt.rows.*", "asbuilt.folder.sqlite_file"],
                ["apsw"],
                "The store knows events, errors and the contract of rows.",
            )
        case ["views", "__init__"]:
            return ["asbuilt.errors", "asbuilt.domain", "asbuilt.rows"], [], "Discovery knows the contract of rows."
        case ["domain", "__init__"]:
            return [], [], "What is owned once is found by discovery; leave asbuilt/domain/__init__.py without imports."
        case ["domain", _, "__init__"]:
            return [], [], "A folder is found by discovery; leave its __init__.py empty."
        case ["domain", name, "fold" | "rows"]:
            return (
                [
                    "asbuilt.events",
                    "asbuilt.rows",
                    "asbuilt.time",
                    f"asbuilt.domain.{name}.*",
                    "asbuilt.domain.meaning",
                ],
                [],
                "A fold is a pure function of facts: it imports asbuilt.events, what facts mean, and its own rows.",
            )
        case ["domain", *_]:
            return (
                [
                    *CONTRACT,
                    "asbuilt.time",
                    "asbuilt.access",
                    "asbuilt.access.*",
                    "asbuilt.plant",
                    "asbuilt.plant.calendar",
                    "asbuilt.domain.*",
                ],
                ["msgspec"],
                "A typed question knows a Reader, the plant and shared rows; never a view or a page.",
            )
        case ["time"]:
            return [], [], "time is arithmetic."
        case ["views", _, "__init__"]:
            return [], [], "A view's folder is found by discovery; leave its __init__.py empty."
        case ["views", view, "fold"]:
            return (
                [
                    "asbuilt.events",
                    "asbuilt.rows",
                    "asbuilt.time",
                    "asbuilt.domain.meaning",
                    f"asbuilt.views.{view}.rows",
                ],
                [],
                "A fold is a pure function of facts: it imports asbuilt.events, and the view's rows where they fill a file.",
            )
        case ["views", view, name] if name == "page" or module not in _query_side(view):
            return (
                [*CONTRACT, "asbuilt.access", "asbuilt.exchange.curves", "asbuilt.identity", "asbuilt.identity.*", "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.plant.drawing", "asbuilt.time", "asbuilt.domain.*",
                 "asbuilt.views.*.queries", f"asbuilt.views.{view}.*", *KIN.get(view, ()), "asbuilt.web.*"],
                ["msgspec", "jinja2", "markupsafe"],
                "A page asks queries; it reaches rows through them alone.",
            )  # fmt: skip
        case ["views", view, _]:
            return (
                [*CONTRACT, "asbuilt.access", "asbuilt.access.*", "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.rows",
                 "asbuilt.time", "asbuilt.domain.*", f"asbuilt.views.{view}.*", *KIN.get(view, ())],
                ["msgspec"],
                "A query knows its own view's rows and a Reader; ask another view through its page.",
            )  # fmt: skip
        case ["folder", "doctor"]:
            return (
                ["asbuilt.errors", "asbuilt.folder", "asbuilt.record.sqlite", "asbuilt.rows.store", "asbuilt.views"],
                [],
                "The doctor looks at the files of a data folder; whoever opens the folder passes in what is his.",
            )
        case ["scaffold", *_]:
            return ["asbuilt.errors"], [], "What is written to begin with are templates."
        case ["testing", *_]:
            return (
                [*CONTRACT, "asbuilt.events.codec", "asbuilt.access", "asbuilt.plant", "asbuilt.adapters", "asbuilt.connect", "asbuilt.connect.*", "asbuilt.folding", "asbuilt.record",
                 "asbuilt.record.memory", "asbuilt.rows", "asbuilt.rows.shows", "asbuilt.rows.store", "asbuilt.testing.*"],
                ["hypothesis", "msgspec", "pytest"],
                "A contract suite knows the contract and the reference, no implementation; and nothing of tests/.",
            )  # fmt: skip
        case ["identity", *_]:
            return (
                ["asbuilt.errors", "asbuilt.identity.*"],
                ["cryptography", "segno", "zxingcpp"],
                "Names and codes of units are arithmetic; the record is not asked.",
            )
        case ["simulate", *_]:
            return (
                [*CONTRACT, "asbuilt.time", "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.simulate.*"],
                ["msgspec", "simpy"],
                "A simulated plant knows what a plant can say, as a real one does; never the record or the views.",
            )
        case ["exchange", *rest] if rest != ["curves"]:
            return (
                [*CONTRACT, "asbuilt.adapters", "asbuilt.domain.*", "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.time",
                 "asbuilt.views.*.queries", "asbuilt.web.words"],
                ["msgspec", "reportlab", "rich"],
                "What is handed out is written from the answers of queries.",
            )  # fmt: skip
        case ["web", *_]:
            return (
                [*CONTRACT, "asbuilt.access", "asbuilt.access.*", "asbuilt.adapters", "asbuilt.folder", "asbuilt.pipeline",
                 "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.proof.*", "asbuilt.record", "asbuilt.rows",
                 "asbuilt.rows", "asbuilt.rows.store", "asbuilt.run.*", "asbuilt.seal.*", "asbuilt.time", "asbuilt.verify", "asbuilt.views", "asbuilt.web.*"],
                ["httpx", "jinja2", "litestar", "markupsafe", "msgspec", "uvicorn"],
                "The web shows answers and takes acts in; it knows views by discovery, and neither app nor command line.",
            )  # fmt: skip
        case ["run", *_]:
            return (
                [*CONTRACT, "asbuilt.access", "asbuilt.access.*", "asbuilt.adapters", "asbuilt.app", "asbuilt.domain.*",
                 "asbuilt.folder", "asbuilt.pipeline", "asbuilt.plant", "asbuilt.plant.calendar", "asbuilt.proof.block",
                 "asbuilt.record", "asbuilt.record.*", "asbuilt.rows", "asbuilt.rows.store", "asbuilt.run.*", "asbuilt.seal.sealer",
                 "asbuilt.simulate", "asbuilt.time", "asbuilt.views", "asbuilt.views.*.fold", "asbuilt.web.*"],
                ["msgspec", "uvicorn", "uvloop"],
                "What runs for long is started here, of parts that do not know it; the command line is not one of them.",
            )  # fmt: skip
        case ["exchange", "curves"]:
            return ["asbuilt.errors"], ["nptdms", "pyarrow"], "curves knows files and errors only."
        case ["access", *_]:
            return (
                [
                    *CONTRACT,
                    "asbuilt.exchange.curves",
                    "asbuilt.access.*",
                    "asbuilt.plant",
                    "asbuilt.record",
                    "asbuilt.rows.store",
                    "asbuilt.rows",
                    "asbuilt.rows.shows",
                ],
                ["apsw", "msgspec"],
                "access is the one door to rows, facts and the plant.",
            )
        case ["verify"]:
            return [*CONTRACT, "asbuilt.proof.*"], ["msgspec"], "The verifier must run without database and web stack."
        case ["seal", *_]:
            return (
                [
                    *CONTRACT,
                    "asbuilt.record",
                    "asbuilt.folder",
                    "asbuilt.folder.sqlite_file",
                    "asbuilt.proof.*",
                    "asbuilt.seal.*",
                ],
                ["msgspec", "apsw", "pkcs11"],
                "Sealing reads the record and knows nothing of views and pages.",
            )
        case ["proof", *_]:
            return [*CONTRACT, "asbuilt.proof.*"], ["msgspec", "cryptography"], "Proof knows events and errors only."
    return None


@cache
def _query_side(view: str) -> frozenset[str]:
    """The modules of a view that its queries are made of; the others belong to its page."""
    found, waiting = set(), [f"asbuilt.views.{view}.queries"]
    while waiting:
        module = waiting.pop().replace(".", "/") + ".py"
        if module not in found:
            found.add(module)
            waiting += [name for _, name in imports(module) if name.startswith(f"asbuilt.views.{view}.")]
    return frozenset(found)


def _fits(imported: str, patterns: list[str]) -> bool:
    for pattern in patterns:
        head, star, tail = pattern.partition("*")
        if (imported == pattern) or (star and imported.startswith(head) and imported.endswith(tail)):
            return True
    return False


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    rule = allowed(module)
    if rule is None:
        return
    house, packages, remedy = rule
    wrong = []
    for line, imported in imports(
        module,
        top_level_only=module.startswith(("asbuilt/adapters/", "asbuilt/connect/")) or module == "asbuilt/__init__.py",
    ):
        first = imported.split(".")[0]
        if first == "asbuilt":
            fine = imported == "asbuilt" or _fits(imported, house)
        else:
            fine = first in STDLIB or first in packages
        if not fine:
            wrong.append(f"{module}:{line} imports {imported}")
    assert not wrong, "\n".join([*wrong, f"→ {remedy}"])


KNOWN_CIRCLES = {
    ("asbuilt.app", "asbuilt.run.", "asbuilt.web."): "the web starts what runs; ends when a supervisor does",
}
"""Circles that stand, by the beginnings of their modules' names. Only to become fewer."""


def everything_named(module: str) -> set[str]:
    """The modules of the house that a module imports anywhere, also inside functions and for the type checker alone."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if _is_module(whole) else str(node.module))
    # The package itself is the front door: whoever takes the version from it enters no room.
    return {name for name in found if name.startswith("asbuilt.")}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that each lead to all others of their set: repeatedly drop what nothing leads to or from."""
    found, left = [], dict(graph)
    while left:
        start = next(iter(left))
        forward, backward = _reached(start, left), _reached(start, _turned(left))
        both = (forward & backward) | {start}
        if len(both) > 1:
            found.append(both)
        left = {name: edges - both for name, edges in left.items() if name not in both}
    return found


def _reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        for name in graph.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def _turned(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = {}
    for name, edges in graph.items():
        for edge in edges:
            turned.setdefault(edge, set()).add(name)
    return turned


def test_no_module_leads_back_to_itself():
    graph = {
        module.removesuffix(".py").removesuffix("/__init__").replace("/", "."): everything_named(module)
        for module in MODULES
    }
    found = [
        circle
        for circle in circles(graph)
        if not any(all(name.startswith(known) for name in circle) for known in KNOWN_CIRCLES)
    ]
    told = [
        f"{sorted(circle)}\n" + "\n".join(f"  {name} → {sorted(graph[name] & circle)}" for name in sorted(circle))
        for circle in found
    ]
    assert not told, "\n".join(
        [*told, "→ Let the lower one be given what it needs, or move what both need below them."]
    )


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "e"}, "e": {"d"}, "f": set()}
    assert sorted(map(sorted, circles(graph))) == [["b", "c"], ["d", "e"]]


def test_only_the_contract_suites_need_the_tools_of_tests():
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        if not module.startswith("asbuilt/testing/")
        for line, name in imports(module)
        if name.split(".")[0] in ("pytest", "hypothesis", "_pytest") or name.startswith("asbuilt.testing.")
    ]
    assert not wrong, "\n".join([*wrong, "→ What tests need is in asbuilt/testing, behind the extra `testing`."])


def test_nothing_but_the_entry_knows_the_command_line():
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        if module != "asbuilt/__main__.py" and not module.startswith("asbuilt/cli/")
        for line, name in imports(module)
        if name.startswith("asbuilt.cli")
    ]
    assert not wrong, "\n".join([*wrong, "→ Move what is needed below the command line."])


# --------------------------------------------------------------------------- one door out

SQL_ROOMS = ("access", "folder", "record", "rows", "seal", "testing")
"""Where databases are, and the oracle that looks at all rows: everybody else asks a Reader for row classes and conditions."""
SQL = re.compile(
    r"\bSELECT\b[\s\S]*\bFROM\b|\bINSERT\s+(OR\s+\w+\s+)?INTO\b|\bUPDATE\s+\w+\s+SET\b|\bDELETE\s+FROM\b|\bPRAGMA\b"
    r"|\b(CREATE|DROP|ALTER)\s+(TABLE|INDEX|VIEW)\b|\b(ORDER|GROUP)\s+BY\b|\bjson_each\b|\b\w+ (=|<=?|>=?|<>|IS|LIKE|BETWEEN) [?:]|\bIN \(|\bIS (NOT )?NULL\b"
)


def strings(module: str) -> Iterator[tuple[int, str]]:
    """Every string of a module, f-strings with their values as `…`; not what explains something."""
    explained = {
        id(node.body[0].value)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    pieces = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.JoinedStr):
            pieces.update(id(part) for part in node.values)
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (explained | pieces):
            yield node.lineno, node.value


def tables() -> re.Pattern[str]:
    """Any table's name, as it stands in the database of rows."""
    from asbuilt import views

    names = sorted(table.name for view in views.discover().values() for table in view.tables.values())
    return re.compile(rf"\b({'|'.join(names)})\b")


def sql_in(module: str, named: re.Pattern[str]) -> list[str]:
    return [
        f"{module}:{line} {text.strip()[:80]!r}"
        for line, text in strings(module)
        if SQL.search(text) or named.search(text)
    ]


@pytest.mark.parametrize("module", [module for module in MODULES if module.split("/")[1] not in SQL_ROOMS])
def test_only_the_reader_makes_sql(module):
    found = sql_in(module, TABLES())
    assert not found, "\n".join([*found, "→ Ask the Reader for a row class, with conditions of asbuilt.access."])


TABLES = cache(tables)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM b",
        "station = ? AND day >= ?",
        "a IN (?",
        "ORDER BY time_us DESC",
        "x IS NOT NULL",
        "of passages_passage p",
    ],
)
def test_sql_is_recognised_in_any_string(text, tmp_path, monkeypatch):
    assert SQL.search(text) or TABLES().search(text)
    assert not SQL.search("Select from the list what happened, in order by time; is it null? 5 = five")


def test_only_the_edge_knows_the_app():
    edge = ("asbuilt/app.py", "asbuilt/__main__.py", "asbuilt/__init__.py")
    below = ("asbuilt/errors.py", "asbuilt/pipeline.py", "asbuilt/folder/__init__.py")
    wrong = [
        f"{module}:{line}"
        for module in MODULES
        if module not in edge
        and (module in below or module.split("/")[1] in ("events", "record", "plant", "adapters", "views", "access"))
        for line, imported in imports(module)
        if imported == "asbuilt.app" or imported.startswith("asbuilt.cli")
    ]
    assert not wrong, f"{wrong}\n→ Let app pass in what is needed; nothing below it imports it."


FRESH = """
import sys
import {module}
wrong = sorted({{name.split(".")[0] for name in sys.modules}} & {{{heavy}}})
sys.stdout.write(",".join(wrong))
"""
LIGHT = {
    "asbuilt": ("apsw", "litestar", "uvicorn", "jinja2", "typer", "rich", "msgspec", "simpy"),
    "asbuilt.events": ("apsw", "litestar", "uvicorn", "jinja2", "typer", "rich", "simpy"),
    "asbuilt.plant": ("apsw", "litestar", "uvicorn", "jinja2", "typer", "rich", "simpy"),
    "asbuilt.adapters": ("apsw", "litestar", "uvicorn", "jinja2", "typer", "rich", "simpy"),
    "asbuilt.app": ("litestar", "uvicorn", "typer", "simpy", "cryptography"),
    "asbuilt.cli": ("apsw", "litestar", "uvicorn", "jinja2", "simpy", "cryptography"),
    "asbuilt.verify": ("apsw", "litestar", "uvicorn", "jinja2", "typer", "rich", "simpy"),
}


@pytest.mark.parametrize("module", LIGHT)
def test_a_fresh_interpreter_loads_only_what_is_needed(module):
    heavy = ", ".join(map(repr, LIGHT[module]))
    done = subprocess.run(
        [sys.executable, "-c", FRESH.format(module=module, heavy=heavy)],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert not done.stdout, f"`import {module}` loads {done.stdout}\n→ Import it inside the function that needs it."


def test_the_package_names_what_it_gives():
    import asbuilt

    assert asbuilt.__all__ == ["AsBuilt", "__version__"]
    assert asbuilt.AsBuilt.__module__ == "asbuilt.app"
    with pytest.raises(AttributeError):
        asbuilt.nothing  # noqa: B018


def test_every_room_is_drawn():
    """`DEVELOPING.md` shows the house as it stands: every room, and none that is gone."""
    drawn = (ROOT / "DEVELOPING.md").read_text().partition("## The house")[2].partition("```")[2].partition("```")[0]
    named = {
        name.strip("/")
        for line in drawn.splitlines()
        for name in re.findall(r"^[\w./ ]+?(?=  )", line)
        for name in name.split()
    }
    rooms = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert named == rooms - {"__init__.py", "__main__.py"}


# --------------------------------------------------------------------------- no hidden clock

CLOCKS = {"datetime.now", "dt.datetime.now", "datetime.utcnow", "dt.datetime.utcnow", "date.today", "dt.date.today",
          "time.time", "time.time_ns", "time.localtime", "time.gmtime"}  # fmt: skip
CHANCE = {"uuid.uuid1", "uuid.uuid4", "uuid4", "os.urandom"}
ALLOWED_CLOCKS = {
    "asbuilt/app.py": "system_clock is where the clock comes from",
    "asbuilt/cli/verify.py": "the verifier works without the product, so it reads the time itself",
    "asbuilt/cli/witness.py": "so does a witness",
}
ALLOWED_CHANCE = {
    "asbuilt/cli/witness.py": "a witness has no product to take it from",
    "asbuilt/app.py": "the default source of randomness, passed on from here",
    "asbuilt/record/sqlite.py": "a default argument; seeds are random on purpose",
    "asbuilt/record/memory.py": "a default argument; seeds are random on purpose",
    "asbuilt/folder/__init__.py": "secrets must come from the system",
    "asbuilt/rows/store.py": "names a database in memory; never seen outside",
    "asbuilt/web": "tokens and the name of a run must come from the system",
    "asbuilt/simulate": "seeded generators only, see below",
    "asbuilt/testing/showing.py": "seeded by the name of the view",
}


def _used(module: str) -> Iterator[tuple[int, str]]:
    """Every dotted name that is read in a module."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("module", MODULES)
def test_no_hidden_clock(module):
    if module in ALLOWED_CLOCKS:
        return
    found = [f"{module}:{line} reads {name}" for line, name in _used(module) if name in CLOCKS]
    assert not found, "\n".join([*found, "→ Take `now` as an argument; only app and the command line read the clock."])


@pytest.mark.parametrize("module", MODULES)
def test_no_hidden_chance(module):
    if any(module == known or module.startswith(f"{known}/") for known in ALLOWED_CHANCE):
        return
    found = [f"{module}:{line} imports {name}" for line, name in imports(module) if name in ("random", "secrets")]
    found += [f"{module}:{line} uses {name}" for line, name in _used(module) if name in CHANCE]
    assert not found, "\n".join([*found, "→ Take `random` as an argument, or a seeded generator."])


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("asbuilt/simulate/")])
def test_the_simulator_is_seeded(module):
    found = [
        f"{module}:{node.lineno} imports {ast.unparse(node)}"
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.Import) and any(alias.name in ("random", "secrets") for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "random" and [n.name for n in node.names] != ["Random"])
    ]
    found += [f"{module}:{line} uses {name}" for line, name in _used(module) if name in CHANCE]
    assert not found, "\n".join([*found, "→ Write `from random import Random` and draw from one made with the seed."])


def test_the_lists_of_exceptions_are_not_stale():
    for name in {*ALLOWED_CLOCKS, *ALLOWED_CHANCE}:
        if not (ROOT / name).exists():
            pytest.fail(f"{name} is gone: take it off the list")


FOLD_FREE = {"open", "print", "input", "exec", "eval", "compile", "__import__", "globals", "hash", "id"}
FOLD_MODULES = {
    "os",
    "io",
    "pathlib",
    "socket",
    "subprocess",
    "time",
    "random",
    "secrets",
    "threading",
    "asyncio",
    "sqlite3",
}


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith("/fold.py")])
def test_folds_are_pure(module):
    called = [
        f"{module}:{node.lineno} calls {node.func.id}"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FOLD_FREE
    ]
    called += [
        f"{module}:{line} imports {name}" for line, name in imports(module) if name.split(".")[0] in FOLD_MODULES
    ]
    called += [
        f"{module}:{node.lineno} changes what is outside of it"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Global | ast.Nonlocal)
    ]
    assert not called, "\n".join([*called, "→ A fold sees facts alone: no clock, file, network, randomness or memory."])


BY_POSITION = 4
"""A row of more values than this is made by keyword."""


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith("/fold.py")])
def test_rows_of_many_values_are_made_by_keyword(module):
    """Two columns of one type that change places are found by nobody, and stored for ever."""
    found = [
        f"{module}:{node.lineno} {node.func.id} takes {len(node.args)} values by position"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id[:1].isupper()
        and len(node.args) > BY_POSITION
    ]  # fmt: skip
    assert not found, "\n".join([*found, "→ Write `column=value` for each."])


def test_answers_name_facts_by_their_ids_alone():
    """In every answer a fact is its UUID, so that what one answer names another finds."""
    from asbuilt import views

    found, seen, waiting = [], set(), []
    for name, query in views.queries(views.discover()).items():
        waiting.append((name.partition(".")[0], typing.get_type_hints(query.function).get("return")))
    while waiting:
        view, hint = waiting.pop()
        waiting += [(view, inner) for inner in typing.get_args(hint)]
        if (
            not (isinstance(hint, type) and hint.__module__.startswith("asbuilt.") and hasattr(hint, "__annotations__"))
            or hint in seen
        ):
            continue
        seen.add(hint)
        for field, inner in typing.get_type_hints(hint).items():
            waiting.append((view, inner))
            if field in ("fact", "fact_id") and UUID not in (inner, *typing.get_args(inner)):
                found.append(f"{view}.{hint.__name__}")
    wrong = sorted(set(found))
    assert not wrong, f"{wrong}\n→ Give the fact's id as a UUID."


# --------------------------------------------------------------------------- sizes

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 75
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


@pytest.mark.parametrize("module", MODULES)
def test_files_are_not_too_long(module):
    lines = len((ROOT / module).read_text().splitlines())
    if module in LONG_FILES:
        assert lines > MAX_FILE_LINES, f"{module} is short now: take it off the list"
        return
    assert lines <= MAX_FILE_LINES, (
        f"{module} has {lines} lines, the limit is {MAX_FILE_LINES}\n→ Split it by meaning, or give a reason in LONG_FILES."
    )


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_not_too_long(module):
    found = [
        f"{module}:{node.lineno} {node.name} has {length} lines, the limit is {MAX_FUNCTION_LINES}"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
        and f"{module}:{node.name}" not in LONG_FUNCTIONS
    ]
    assert not found, "\n".join([*found, "→ Split it by meaning, or give a reason in LONG_FUNCTIONS."])


# --------------------------------------------------------------------------- words


def _public(node: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[ast.AST, str]]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield child, f"{inside}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from _public(child, f"{child.name}.")


def _keeps_a_contract(module: str, name: str) -> bool:
    """Methods of implementations are explained where the contract is, or in the class they inherit from."""
    owner, _, method = name.partition(".")
    if module.startswith("asbuilt/testing/") and (method.startswith("test_") or name.startswith("SameAsTheReference.")):
        return True  # A test's name is its sentence.
    classes = {node.name: node for node in tree(module).body if isinstance(node, ast.ClassDef)}
    for base in classes[owner].bases if method and owner in classes else ():
        inherited = classes.get(ast.unparse(base))
        for node in inherited.body if inherited else ():
            if isinstance(node, ast.FunctionDef) and node.name == method and ast.get_docstring(node):
                return True
    return (module.startswith("asbuilt/record/") and name.startswith("Log.")) or (
        (module, owner) in {("asbuilt/run/intake.py", "AppSink"), ("asbuilt/domain/genealogy/as_known.py", "Then")}
    )


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_is_explained(module):
    if not (ROOT / module).read_text().strip():
        return
    missing = [] if ast.get_docstring(tree(module)) else [f"{module} has no docstring"]
    for node, name in _public(tree(module)):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not ast.get_docstring(node) and not _keeps_a_contract(module, name):
            missing.append(f"{module}:{node.lineno} {name} has no docstring")
    assert not missing, "\n".join([*missing, "→ Say in a sentence what it is or gives."])


@pytest.mark.parametrize("module", MODULES)
def test_no_leftovers(module):
    words = ("TODO", "FIXME", "XXX", "HACK", "breakpoint()", "import pdb", "print(")
    found = [
        f"{module}:{number} {word}"
        for number, line in enumerate((ROOT / module).read_text().splitlines(), 1)
        for word in words
        if word in line and not (word == "print(" and (".print(" in line or "pprint(" in line))
    ]
    assert not found, "\n".join([*found, "→ Do it, or write it down where work is kept."])


@pytest.mark.parametrize("module", MODULES)
def test_errors_have_a_remedy(module):
    """An error that a user can meet says what to do."""
    missing = []
    for node in ast.walk(tree(module)):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)):
            continue
        names = ("AsBuiltError", "PlantError", "UsageError", "RecordError", "RecordBusy", "RecordFull", "ViewsError")
        if node.exc.func.id in names and not any(keyword.arg in ("remedy", None) for keyword in node.exc.keywords):
            missing.append(f"{module}:{node.lineno} {node.exc.func.id}")
    # The plant file's problems carry their remedies in the text; a programmer's mistake is its own remedy.
    waived = {"asbuilt/plant/reading.py": 1, "asbuilt/app.py": 1}
    assert len(missing) <= waived.get(module, 0), "\n".join([*missing, "→ Give a remedy: what the user can do now."])
