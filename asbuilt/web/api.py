"""The HTTP API in OpenAPI's words, and figures for a Prometheus to collect."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from asbuilt import __version__
from asbuilt.errors import AsBuiltError, WithheldError
from asbuilt.views import Query

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

_KINDS: dict[Any, dict[str, str]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
}
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def handlers(app: AsBuilt, who: Callable[[Any], str]) -> list[HTTPRouteHandler]:
    """What answers at `/api/openapi.json` and `/metrics`."""

    @get("/api/openapi.json")
    async def described() -> dict[str, Any]:
        return openapi(app.queries)

    @get("/metrics")
    async def collected(request: Request[Any, Any, Any]) -> Response[str]:
        return Response(await asyncio.to_thread(metrics, app, who(request.scope)), media_type=METRICS_TYPE)

    return [described, collected]


def openapi(queries: Mapping[str, Query]) -> dict[str, Any]:
    """The API as an OpenAPI 3.1 document: every query, its parameters, and the schema of its answer."""
    answers = {
        name: inspect.signature(query.function, eval_str=True).return_annotation for name, query in queries.items()
    }
    schemas, components = msgspec.json.schema_components(
        list(answers.values()), ref_template="#/components/schemas/{name}"
    )
    components["Refusal"] = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "remedy": {"type": "string"}},
        "required": ["error", "remedy"],
    }
    paths = {
        f"/api/{name}": {"get": _operation(name, queries[name], schema)}
        for name, schema in zip(answers, schemas, strict=True)
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "asbuilt",
            "version": __version__,
            "description": "Questions to the record of a plant: the same that the pages and `asbuilt query` ask.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(name: str, query: Query, schema: dict[str, Any]) -> dict[str, Any]:
    said = inspect.getdoc(query.function) or name
    return {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": query.summary,
        "description": said,
        "parameters": [_parameter(asked, known) for asked, known in query.parameters.items()],
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}},
            "404": {
                "description": "What was asked for does not exist, or the question is not complete.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            },
        },
    }


def _parameter(name: str, known: inspect.Parameter) -> dict[str, Any]:
    wanted = known.annotation
    if isinstance(wanted, types.UnionType):
        wanted = next(part for part in get_args(wanted) if part is not types.NoneType)
    schema: dict[str, Any] = dict(_KINDS.get(wanted, {"type": "string"}))
    required = known.default is known.empty
    if not required and known.default is not None:
        schema["default"] = known.default
    return {"name": name, "in": "query", "required": required, "schema": schema}


# --------------------------------------------------------------------------- metrics


def metrics(app: AsBuilt, who: str) -> str:
    """The product's own state and the lines' figures of the shift at work, in Prometheus' text format.

    A figure that is withheld is not there: no number is better than a wrong one.
    """
    now = app.now()
    out = _Exposition()
    out.add("asbuilt_facts_recorded_total", "counter", "Facts in the record.", [({}, app.record.head())])
    out.add(
        "asbuilt_facts_behind",
        "gauge",
        "Recorded facts that the views have not folded yet.",
        [({}, app.pipeline.behind)],
    )
    out.add(
        "asbuilt_behind_seconds", "gauge", "Seconds since the views have not been at the end of the record.",
        [({}, app.pipeline.folding.behind.seconds)],
    )  # fmt: skip
    out.add(
        "asbuilt_fold_restarts_total", "counter", "How often the process that folds was started again after it had ended by itself.",
        [({}, app.pipeline.folding.restarts)],
    )  # fmt: skip
    out.add(
        "asbuilt_views_ok",
        "gauge",
        "1 while the views follow the record.",
        [({}, int(app.pipeline.views_error is None))],
    )
    out.add(
        "asbuilt_source_heard_seconds", "gauge", "Seconds since a source was heard by this process.",
        [({"source": name}, (now - heard).total_seconds()) for name, heard in sorted(app.heard.items())],
    )  # fmt: skip
    if app.pipeline.views_error is not None:
        # What the rows say is withheld while they do not follow the record.
        return str(out)
    out.add(
        "asbuilt_alarms_standing", "gauge", "Alarms that stand and are not put aside, by priority.", _alarms(app, who),
    )  # fmt: skip
    out.add(
        "asbuilt_alarms_aside", "gauge", "Alarms that are put aside (ISA-18.2: shelved, suppressed by design, out of service).",
        _aside(app, who),
    )  # fmt: skip
    reports = list(_reports(app, who))
    for name, help_, of in _OF_A_LINE:
        out.add(
            f"asbuilt_line_{name}",
            "gauge",
            help_,
            [({"line": line, "shift": shift}, of(report)) for line, shift, report in reports],
        )
    return str(out)


def _standing(app: AsBuilt, who: str, aside: bool) -> list[Any]:
    try:
        return list(app.ask(who, "alarm.standing", {"aside": aside}))
    except WithheldError:
        return []


def _alarms(app: AsBuilt, who: str) -> list[tuple[dict[str, str], float]]:
    counts = dict.fromkeys((1, 2, 3, 4), 0)
    for row in (one for one in _standing(app, who, aside=False) if one.active):
        counts[row.priority] += 1
    return [({"priority": str(priority)}, count) for priority, count in counts.items()]


def _aside(app: AsBuilt, who: str) -> list[tuple[dict[str, str], float]]:
    counts = dict.fromkeys(("SHLVD", "SUPPR", "OOSRV"), 0)
    for row in _standing(app, who, aside=True):
        counts[row.aside] += 1
    return [({"state": way}, count) for way, count in counts.items()]


def _reports(app: AsBuilt, who: str) -> Iterable[tuple[str, str, Any]]:
    """Every line that works by shifts, with the report of the shift at work or the last one."""
    for line in app.plant.lines.values():
        if app.plant.has_shifts(line):
            try:
                report = app.ask(who, "shift.report", {"line": line.path})
            except AsBuiltError:
                continue
            yield line.path, f"{report.shift.day.isoformat()} {report.shift.id}", report


_OF_A_LINE: list[tuple[str, str, Any]] = [
    ("made", "Good pieces of the shift.", lambda report: report.made),
    ("planned", "Pieces planned by now.", lambda report: report.planned),
    ("oee", "OEE of the shift so far (ISO 22400-2), 0 to 1; missing while withheld.", lambda report: report.kpi.oee),
    ("availability", "Availability of the shift so far.", lambda report: report.kpi.availability),
    ("effectiveness", "Effectiveness of the shift so far.", lambda report: report.kpi.effectiveness),
    ("quality_ratio", "Quality ratio of the shift so far.", lambda report: report.kpi.quality_ratio),
    ("coverage", "Observed share of the planned busy time.", lambda report: report.kpi.coverage),
    ("stops_waiting", "Stops of the shift that wait for a reason.", lambda report: sum(stop.waiting for stop in report.stops)),
]  # fmt: skip


class _Exposition:
    """Metrics in the text format (version 0.0.4)."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, help_: str, samples: Iterable[tuple[dict[str, str], float | None]]) -> None:
        """A metric with its samples; those without a value are left out."""
        known = [(labels, value) for labels, value in samples if value is not None]
        if not known:
            return
        self._lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
        for labels, value in known:
            said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            self._lines.append(f"{name}{{{said}}} {value:.10g}" if said else f"{name} {value:.10g}")

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r'[\\"]', lambda found: "\\" + found[0], text).replace("\n", "\\n")
