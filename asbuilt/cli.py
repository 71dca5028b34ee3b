"""The command line: thin commands around `AsBuilt`."""

from __future__ import annotations

import csv as csv_
import datetime as dt
import gc
import os
import re
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asbuilt import __version__
from asbuilt.errors import AsBuiltError, MalformedFact, RecordBusy, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from asbuilt.app import AsBuilt

app = typer.Typer(
    name="asbuilt",
    help="Watch engines being built; prove what was built.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Data = Annotated[
    Path,
    typer.Option("--data", envvar="ASBUILT_DATA", help="The data folder.", show_default="asbuilt-data"),
]
DEFAULT_DATA = Path("asbuilt-data")
PlantFile = Annotated[Path, typer.Argument(metavar="PLANT", help="The plant file (plant.toml).")]
IMPORT_BATCH = 1000
IMPORT_AHEAD = 8
SHOWN_REJECTIONS = 20


def main() -> None:
    """Run a command; an error of the product is told with its remedy, never as a traceback."""
    try:
        app()
    except AsBuiltError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(error: AsBuiltError) -> None:
    where = f"{error.where}: " if error.where else ""
    err.print(Text.assemble((f"{where}{error.message}", "bold")))
    if error.remedy:
        err.print(Text(f"  → {error.remedy}"))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(f"asbuilt {__version__}")
        raise typer.Exit


# --------------------------------------------------------------------------- opening


@contextmanager
def _opened(data: Path, purpose: str, **options: Any) -> Iterator[AsBuilt]:
    """The product on a data folder, folding with a progress bar what it has not folded yet."""
    from asbuilt.app import AsBuilt

    with _progress("Folding views") as (progress, task):

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        _collect_less()
        opened = AsBuilt(data, purpose=purpose, progress=report, **options)
    with opened:
        yield opened


def _collect_less() -> None:
    """Facts and rows hold no cycles: looking for cycles at the usual rate costs a quarter of the speed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@contextmanager
def _asked(data: Path, purpose: str) -> Iterator[AsBuilt]:
    """The product for a question: beside a process that works on the folder, if there is one."""
    if not (data / "record.db").exists():
        raise UsageError(
            "there is no record in this folder",
            where=str(data),
            remedy="Name the data folder with --data, or fill one: `asbuilt import`, `asbuilt simulate`, `asbuilt run`.",
        )
    try:
        with _opened(data, purpose) as opened:
            yield opened
    except RecordBusy:
        with _opened(data, purpose, read_only=True) as opened:
            yield opened


@contextmanager
def _progress(what: str, total: float | None = None) -> Iterator[tuple[Progress, Any]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # It shows itself only where somebody watches, and only once something takes time.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)


# --------------------------------------------------------------------------- the plant


@app.command()
def check(plant: PlantFile) -> None:
    """Read a plant file and draw the plant back, as a person would.

    Example: `asbuilt check examples/boxer/plant.toml`
    """
    from asbuilt.app import configure
    from asbuilt.drawing import draw
    from asbuilt.plant import load

    loaded = load(plant)
    for name in loaded.adapters:
        configure(loaded, name)
    for part in draw(loaded):
        out.print(part)


@app.command()
def parts() -> None:
    """List every part that discovery finds – views, queries, adapters, records – with its file."""
    import inspect

    from asbuilt import adapters, record, views

    base = Path(__file__).parent.parent
    table = Table("part", "name", "file", "what", box=None, pad_edge=False)
    for column in table.columns[:3]:
        column.no_wrap = True

    def add(part: str, name: str, thing: Any) -> None:
        path = Path(inspect.getfile(thing))
        shown = path.relative_to(base) if path.is_relative_to(base) else path
        table.add_row(part, name, str(shown), (inspect.getdoc(thing) or "").partition("\n")[0])

    found = views.discover()
    for name, view in found.items():
        add("view", name, view.fold)
        if view.page is not None:
            for page in view.page.PAGES:
                add("page", page.address, page.show)
    for name, query in views.queries(found).items():
        add("query", name, query.function)
    for kind, module in adapters.discover().items():
        add("adapter", kind, module)
    for name, module in record.implementations().items():
        add("record", name, module)
    out.print(table, soft_wrap=False, crop=False)


# --------------------------------------------------------------------------- facts in


@app.command("import")
def import_(
    plant: PlantFile,
    adapter: Annotated[str, typer.Argument(help="An adapter of the plant file that reads files.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The files to import.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Import files through an adapter of the plant file. What is recorded already is a duplicate.

    Example: `asbuilt import examples/machine-shop/plant.toml reports log.csv --data shop`
    """
    from asbuilt.app import configure
    from asbuilt.plant import load

    loaded = load(plant)
    module, config = configure(loaded, adapter)
    if not hasattr(module, "read"):
        raise UsageError(f"adapter `{adapter}` ({module.KIND}) does not read files", remedy="Use one of kind csv_file.")
    with _opened(data, f"import {adapter}", plant=loaded) as opened:
        for file in files:
            _import_file(opened, module, config, adapter, file)
        opened.pipeline.settle(3600)


def _import_file(opened: AsBuilt, module: Any, config: Any, adapter: str, file: Path) -> None:
    translate = module.translator(config, adapter)
    counts: Counter[str] = Counter()
    rejected: list[Any] = []
    rejections = 0
    waiting: deque[Any] = deque()

    def answered() -> None:
        nonlocal rejections
        for result in waiting.popleft().result():
            counts[result.status] += 1
            if result.status in ("rejected", "conflict"):
                rejections += 1
                if len(rejected) < SHOWN_REJECTIONS:
                    rejected.append(result)

    total = module.count_lines(file) if file.exists() else None
    with _progress(file.name, total) as (progress, task):
        for messages in _batches(module.read(file, config), IMPORT_BATCH):
            waiting.append(
                opened.pipeline.take_in(
                    adapter, [item for message in messages for item in translate(message)], decoded=True
                )
            )
            if len(waiting) > IMPORT_AHEAD:
                answered()
            progress.update(task, completed=messages[-1].line)
        while waiting:
            answered()
    told = f"{counts['accepted']:,} recorded, {counts['duplicate']:,} known already"
    if counts["conflict"]:
        told += f", {counts['conflict']:,} in conflict with what is recorded"
    out.print(f"{file}: {told}, {counts['rejected']:,} rejected.")
    for result in rejected:
        err.print(Text(f"  line {result.line or '?'}: {result.reason}"))
    if rejections > len(rejected):
        err.print(
            f"  … and {rejections - len(rejected):,} more; `asbuilt query source.rejections source={adapter}` lists them."
        )


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@app.command()
def correct(
    fact_id: Annotated[str, typer.Argument(metavar="FACT_ID", help="The id of the fact that is wrong.")],
    replace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON of the fact as it should read; `-` reads standard input.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who corrects it.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Why.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Declare that a fact did not occur, or with --replace how it should read. Both stay visible.

    Example: `asbuilt facts --subject order:2418 | tail -1`, then
    `asbuilt correct 019a… --replace fixed.json -m "typed 40 for 4"`
    """
    from asbuilt import events

    wrong = _uuid(fact_id)
    with _opened(data, "correct") as opened:
        original = opened.record.get(wrong)
        if original is None:
            raise UsageError(f"no fact has the id {wrong}", remedy="`asbuilt facts` lists facts with their ids.")
        now = opened.now()
        correction: dict[str, Any] = {
            "type": "correction_made.v1",
            "id": events.new_id(now, opened.random),
            "event_time": now.astimezone(opened.plant.zone),
            "source": "cli",
            "corrects": wrong,
            "reason": "incorrect_data" if replace else "did_not_occur",
        }
        if replace is not None:
            correction["replacement"] = _replacement(replace, wrong, original.body)
        correction |= {key: value for key, value in (("by", by), ("message", message)) if value}
        fact = events.decode(msgspec.json.encode(correction))
        result = opened.take_in([fact])[0]
        if result.status == "rejected":
            raise MalformedFact(result.reason or "it was rejected")
        out.print(f"Recorded as {fact.id}: fact {wrong} {'reads anew' if replace else 'did not occur'}.")


def _replacement(file: Path, wrong: UUID, original: bytes) -> dict[str, Any]:
    """The replacement from a file; what it leaves out of the envelope is as in the original."""
    text = sys.stdin.buffer.read() if str(file) == "-" else _bytes_of(file)
    try:
        given = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise MalformedFact(str(error), where=str(file), remedy="Give one fact as a JSON object.") from None
    for added in ("position", "record_time"):
        given.pop(added, None)
    known = msgspec.json.decode(original)
    for field in ("type", "event_time", "source"):
        given.setdefault(field, known[field])
    given.setdefault("id", str(wrong))
    return given


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(file), remedy="Check the name.") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a fact id", remedy="`asbuilt facts` lists facts with their ids.") from None


# --------------------------------------------------------------------------- answers out


@app.command()
def query(
    name: Annotated[str, typer.Argument(metavar="VIEW.NAME", help="The query; `asbuilt parts` lists them.")],
    parameters: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="Its parameters.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Ask a view. These are the questions the pages ask.

    Examples: `asbuilt query order.totals`, `asbuilt query line.states line=1 at=2025-11-18T17:26 --json`
    """
    with _asked(data, f"query {name}") as opened:
        from asbuilt import views
        from asbuilt.ask import parameter

        known = views.find_query(opened.queries, name)
        given: dict[str, Any] = {}
        for text in parameters or ():
            key, equals, value = text.partition("=")
            if not equals:
                raise UsageError(
                    f"`{text}` is not key=value", remedy=f"{name} takes: {', '.join(known.parameters) or 'nothing'}."
                )
            if key not in known.parameters:
                raise UsageError(
                    f"{name} has no parameter `{key}`", remedy=f"It takes: {', '.join(known.parameters) or 'nothing'}."
                )
            given[key] = parameter(known.parameters[key], value, opened.plant.zone)
        answer = opened.query(name, **given)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n")
    elif csv:
        _write_csv(answer)
    else:
        _print_answer(answer)


def _rows_of(answer: Any) -> list[dict[str, Any]]:
    built = msgspec.to_builtins(answer)
    if isinstance(built, list):
        return [row if isinstance(row, dict) else {"value": row} for row in built]
    return [built] if isinstance(built, dict) else [{"value": built}]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)


def _write_csv(answer: Any) -> None:
    rows = _rows_of(answer)
    writer = csv_.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)


def _print_answer(answer: Any) -> None:
    rows = [{key: _shortened(_readable(value), 160) for key, value in row.items()} for row in _rows_of(answer)]
    if not rows:
        err.print("Nothing.")
        return
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    if isinstance(answer, list) and (not out.is_terminal or sum(widths.values()) + 2 * len(widths) <= out.width):
        numeric = {key for key in widths if all(_is_number(row[key]) for row in rows)}
        for row in ({key: key.replace("_", " ") for key in widths}, *rows):
            cells = (
                row[key].rjust(width) if key in numeric else row[key].ljust(width) for key, width in widths.items()
            )
            out.print(Text("  ".join(cells).rstrip()))
        return
    # Too wide for a line: one below the other.
    for number, row in enumerate(rows):
        if number:
            out.print()
        for key, text in row.items():
            out.print(Text(f"{key.replace('_', ' '):>{max(map(len, widths))}}  {text}"))


def _readable(value: Any) -> str:
    text = _cell(value)
    if isinstance(value, str) and _TIME.match(text):
        return text[:19].replace("T", " ")
    return text


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$")


def _is_number(text: str) -> bool:
    return not text or text.replace(".", "", 1).removeprefix("-").isdigit()


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


@app.command()
def facts(
    subject: Annotated[
        str | None, typer.Option(metavar="KIND:ID", help="Only facts about this, such as order:2418 or unit:P/S.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Only facts of this type, such as measured or measured.v1.")
    ] = None,
    after: Annotated[int, typer.Option(metavar="POSITION", help="Only facts recorded after this position.")] = 0,
    limit: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print recorded facts as they were said, one JSON object a line, with position and record_time.

    Example: `asbuilt facts --subject unit:BX172/BX172-01824 | jq .type`
    """
    from asbuilt import events

    wanted = f"{type_}.v1" if type_ and f"{type_}.v1" in events.TYPES else type_
    with _asked(data, "facts") as opened:
        for recorded in islice(_recorded(opened, subject, wanted, after), limit):
            time = dt.datetime.fromtimestamp(recorded.record_time_us / 1_000_000, dt.UTC)
            head = msgspec.json.encode({"position": recorded.position, "record_time": time})
            sys.stdout.buffer.write(head[:-1] + b"," + recorded.body[1:] + b"\n")
        sys.stdout.flush()


def _recorded(opened: AsBuilt, subject: str | None, type_: str | None, after: int) -> Iterator[Any]:
    marker = f'"type":"{type_}"'.encode() if type_ else b""
    while True:
        if subject is not None:
            batch: Sequence[Any] = opened.record.about(subject, after)
        elif type_ is not None:
            batch = opened.record.about(f"type:{type_}", after)
        else:
            batch = opened.record.read(after)
        if not batch:
            return
        yield from (recorded for recorded in batch if marker in recorded.body)
        after = batch[-1].position


@app.command()
def digest(data: Data = DEFAULT_DATA) -> None:
    """Print `record N SHA256` (facts in order of recording) and `views SHA256` (the same for the same facts in any order)."""
    import hashlib

    with _asked(data, "digest") as opened:
        if not opened.read_only:
            opened.pipeline.settle(3600)
        whole, count, after = hashlib.sha256(), 0, 0
        with _progress("Reading the record", opened.record.head()) as (progress, task):
            while batch := opened.record.read(after):
                for recorded in batch:
                    whole.update(len(recorded.body).to_bytes(4, "big") + recorded.body)
                count, after = count + len(batch), batch[-1].position
                progress.update(task, completed=count)
        out.print(f"record {count} {whole.hexdigest()}")
        out.print(f"views {opened.store.digest()}")


# --------------------------------------------------------------------------- care


@app.command()
def rebuild(data: Data = DEFAULT_DATA) -> None:
    """Delete the rows of all views and fold them anew from the record. The record is not touched."""
    with _opened(data, "rebuild", rebuild=True) as opened:
        out.print(f"Folded {opened.record.head():,} facts into {len(opened.views)} views: {opened.store.digest()}")


@app.command()
def doctor(data: Data = DEFAULT_DATA) -> None:
    """Read everything and say what is not as it should be. Nothing is repaired."""
    from asbuilt.doctor import examine

    problems = 0
    if not data.exists():
        raise UsageError("there is no such folder", where=str(data), remedy="Name the data folder with --data.")
    with _progress("Reading the record") as (progress, task):
        for finding in examine(data, lambda done, total: progress.update(task, completed=done, total=total)):
            problems += finding.bad
            (err if finding.bad else out).print(Text(("✗ " if finding.bad else "✓ ") + finding.what))
            if finding.remedy:
                err.print(Text(f"  → {finding.remedy}"))
    if problems:
        raise typer.Exit(3)


@app.command()
def token(
    adapter: Annotated[str | None, typer.Argument(help="The adapter; without one, the token of screens.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print the token by which a sender may speak as an adapter, or a screen of another machine may look.

    Example: `curl -H "Authorization: Bearer $(asbuilt token gateway)" --data-binary @facts.ndjson http://…/facts`
    """
    from asbuilt.folder import DataFolder

    folder = DataFolder(data)
    folder.make()
    sys.stdout.write(folder.secret(f"adapter-{adapter}.token" if adapter else "screen.token") + "\n")


# --------------------------------------------------------------------------- serving

Port = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)]
Host = Annotated[
    str, typer.Option(help="Address to listen on. Beyond this machine, screens must show a token (`asbuilt token`).")
]
Open = Annotated[bool, typer.Option("--open", help="Let every screen in without a token.")]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command()
def run(
    plant: PlantFile,
    data: Data = DEFAULT_DATA,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    open_: Open = False,
) -> None:
    """Run a plant: take facts in through its adapters and show its pages.

    Example: `asbuilt run plant.toml --data /srv/asbuilt`
    """
    from asbuilt.app import configure
    from asbuilt.plant import load
    from asbuilt.web.server import serve

    loaded = load(plant)
    for name in loaded.adapters:
        configure(loaded, name)
    with _opened(data, "run", plant=loaded) as opened:
        token = None
        if host not in LOOPBACK and not open_:
            assert opened.folder is not None
            token = opened.folder.secret("screen.token")

        def ready(port: int) -> None:
            out.print(f"{loaded.name} is live at http://{_shown_host(host)}:{port}/  (Ctrl+C ends)")
            if token:
                out.print(f"Screens of other machines begin with http://{_shown_host(host)}:{port}/?token={token}")

        serve(opened, host, port, screen_token=token, any_name=open_, ready=ready)


@app.command()
def demo(
    port: Port = 8000,
    host: Host = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Seed of the simulated plant.")] = 1,
    speed: Annotated[float, typer.Option(help="How many plant seconds pass in a second.", min=0.1, max=3600)] = 1.0,
    days: Annotated[int, typer.Option(help="Days of history before the live part.", min=0, max=400)] = 2,
    data: Annotated[Path | None, typer.Option(help="Keep the data here; without it, it is gone at the end.")] = None,
) -> None:
    """Show a simulated engine plant, live: some days of history, then as it happens.

    Example: `asbuilt demo --port 8080 --speed 10`
    """
    from asbuilt.demo import run_demo

    run_demo(
        port=port,
        host=host,
        seed=seed,
        speed=speed,
        days=days,
        data=data,
        progress=_progress,
        say=lambda words: out.print(words),
    )


@app.command()
def simulate(
    plant: PlantFile,
    days: Annotated[float, typer.Option(help="How many days of production.", min=0.01)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same facts.")] = 1,
    end: Annotated[
        dt.datetime | None,
        typer.Option(
            help="When the simulated time ends; without an offset, plant time.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"],
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the facts here (NDJSON) instead of recording them."),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Let a simulated plant produce: into a data folder, or into a file of facts.

    Example: `asbuilt simulate examples/boxer/plant.toml --days 30 --seed 7 --data year`
    """
    from asbuilt import events
    from asbuilt.demo import LIVE_FROM
    from asbuilt.plant import load
    from asbuilt.simulate import history

    loaded = load(plant)
    until = end.replace(tzinfo=loaded.zone) if end else LIVE_FROM
    made = history(loaded, days=days, seed=seed, end=until)
    count = 0
    with _progress("Simulating") as (progress, task):
        if to is not None:
            with to.open("wb") as file:
                for fact in made:
                    file.write(events.encode(fact) + b"\n")
                    count += 1
                    if count % 1000 == 0:
                        progress.update(task, completed=count)
        else:
            with _opened(data, "simulate", plant=loaded) as opened:
                waiting: deque[Any] = deque()
                for batch in _batches(made, IMPORT_BATCH):
                    waiting.append(opened.pipeline.take_in("simulate", batch))
                    if len(waiting) > IMPORT_AHEAD:
                        waiting.popleft().result()
                    count += len(batch)
                    progress.update(task, completed=count)
                while waiting:
                    waiting.popleft().result()
                opened.pipeline.settle(3600)
    out.print(f"{count:,} facts of {days:g} days {'written to ' + str(to) if to else 'recorded in ' + str(data)}.")


def _shown_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)


if __name__ == "__main__":
    main()
