"""Key figures by ISO 22400-2 from sums of time and pieces, each with its coverage, or withheld with the reason.

A figure of several stations, shifts or days is computed from their summed times and pieces, never
as a mean of figures. What contradicts itself is not averaged away: the figure is withheld.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from asbuilt.domain.meaning import TELLERS
from asbuilt.plant import TimeModel
from asbuilt.views.shift.sums import Sums

SECOND_US = 1_000_000


class Times(Struct, frozen=True):
    """Times in seconds (ISO 22400-2). `window_s` is the sum of all parts.

    `pot_s` planned operation time that has passed, `pbt_s` planned busy time: POT without breaks
    and planned downtime, `apt_s` production, `aust_s` setup, `adet_s` delay, `adot_s` down,
    `not_observed_s` known to nobody (part of PBT, of no figure), `ahead_s` still to come.
    """

    window_s: float
    off_s: float
    pot_s: float
    planned_down_s: float
    pbt_s: float
    apt_s: float
    aust_s: float
    aupt_s: float
    adet_s: float
    adot_s: float
    not_observed_s: float
    ahead_s: float


class Kpi(Struct, frozen=True):
    """Key figures of one scope over one window, or one part of it.

    Ratios are shares (0.5 is 50 %); None is withheld or undefined, and `withheld` says why.
    `coverage` is the observed share of planned busy time. `pq` is what was produced, good or not;
    of it `gq` good, `sq` scrap, `rq` sent to or made in rework, `review` waiting for a decision; None where nobody told
    pieces and nothing was observed (`failures` as well), or nobody ever tells pieces here.
    `throughput_rate` is pieces an hour of planned busy time; an order's is per AOET. `told` says
    how many pieces each way of telling has. `mtbf_s` is production time by failures that
    ended here, `mttr_s` their mean length, with what of it lies before the window; `repair_s` is time in failure here.
    """

    scope: str
    start: dt.datetime
    end: dt.datetime
    part: str
    name: str
    oee: float | None
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    coverage: float | None
    nee: float | None
    setup_ratio: float | None
    technical_efficiency: float | None
    utilisation_efficiency: float | None
    scrap_ratio: float | None
    rework_ratio: float | None
    fall_off: float | None
    first_pass_yield: float | None
    rolled_throughput_yield: float | None
    throughput_rate: float | None
    takt_attainment: float | None
    allocation_ratio: float | None
    process_ratio: float | None
    teep: float | None
    mtbf_s: float | None
    mttr_s: float | None
    failures: int | None
    pq: int | None
    gq: int | None
    sq: int | None
    rq: int | None
    review: int | None
    window_s: float
    off_s: float
    pot_s: float
    planned_down_s: float
    pbt_s: float
    apt_s: float
    aust_s: float
    aupt_s: float
    adet_s: float
    adot_s: float
    not_observed_s: float
    ahead_s: float
    planned_run_s: float
    repair_s: float
    aoet_s: float | None
    reported_setup_s: float
    reported_production_s: float
    reported_breakdown_s: float
    told: dict[str, int]
    withheld: dict[str, str]
    anomalies: tuple[str, ...]


class Beyond(Struct, frozen=True):
    """What figures need beside the sums: known of the line, the order or the stations one by one.

    `output` good pieces of the last stations, `first_pq` pieces of the first ones; `yields` the
    stations' first pass yields in the order of flow; `aoet_us` an order's execution time; `counts`
    whether anybody has ever told pieces here, `watched` whether anything of a time without plan was observed; `overlaps` that an order's operations may lie side by side; `takt_us` and `ends_pbt_us` (planned busy time of the
    last stations) make takt attainment; `reported` tells that times are people's hours on an order.
    """

    output: int | None = None
    first_pq: int | None = None
    takt_us: int | None = None
    ends_pbt_us: int = 0
    yields: tuple[float | None, ...] = ()
    aoet_us: int | None = None
    counts: bool = True
    watched: bool = True
    reported: bool = False
    overlaps: bool = False
    anomalies: tuple[str, ...] = ()


def times_of(sums: Sums) -> Times:
    """The times of ISO 22400-2 from the tiles' kinds."""
    us = sums.us
    busy = us["production"] + us["setup"] + us["delay"] + us["down"] + us["not observed"]
    planned_down = us["break"] + us["planned"]
    seconds = [
        sum(us.values()), us["off"], busy + planned_down, planned_down, busy, us["production"], us["setup"],
        us["production"] + us["setup"], us["delay"], us["down"], us["not observed"], us["ahead"],
    ]  # fmt: skip
    return Times(*(value / SECOND_US for value in seconds))


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None where there is no whole."""
    return part / whole if whole > 0 else None


def kpi(scope: str, start: dt.datetime, end: dt.datetime, part: str, name: str, sums: Sums, model: TimeModel,
        beyond: Beyond) -> Kpi:  # fmt: skip
    """All figures from sums. Formulas: ISO 22400-2; `teep` is OEE by the whole window's time."""
    times = times_of(sums)
    withheld: dict[str, str] = {}
    coverage = ratio(times.pbt_s - times.not_observed_s, times.pbt_s)
    figures = _of_time(times, sums, model, coverage, beyond, withheld)
    figures.update(_of_pieces(times, sums, beyond))
    availability, effectiveness = figures["availability"], figures["effectiveness"]
    quality = figures["quality_ratio"]
    oee = nee = None
    observed_s = times.pbt_s - times.not_observed_s
    if availability is not None and effectiveness is not None and not sums.pieces and beyond.counts:
        # Nothing was made: nothing good came of the time, whatever its quality would have been.
        oee = nee = 0.0
    elif availability is not None and effectiveness is not None and quality is not None:
        oee = availability * effectiveness * quality
        nee = times.aupt_s / observed_s * effectiveness * quality
    else:
        lacking = [n for n in ("availability", "effectiveness", "quality_ratio") if figures[n] is None]
        withheld["oee"] = withheld["nee"] = withheld.get(lacking[0]) or "nothing was produced"
    teep = oee * observed_s / (times.window_s - times.ahead_s) if oee is not None and coverage == 1 else None
    reported = {f"reported_{kind}_s": sums.reported_us.get(kind, 0) / SECOND_US for kind in ("setup", "production", "breakdown")}  # fmt: skip
    # Zero pieces of a time that nobody saw is no count of pieces.
    seen = bool(sums.told) or (beyond.counts and (bool(coverage) or (times.pbt_s == 0 and beyond.watched)))
    pieces = (sums.pieces, sums.good, sums.rejected, sums.rework + sums.mended, sums.for_review)
    pq, gq, sq, rq, review = pieces if seen else (None,) * 5
    if not seen:
        figures["throughput_rate"] = figures["takt_attainment"] = figures["fall_off"] = None
    return Kpi(
        scope=scope, start=start, end=end, part=part, name=name, oee=oee, nee=nee, teep=teep, coverage=coverage,
        failures=sums.failures if coverage or sums.failures or times.pbt_s == 0 else None, mtbf_s=ratio(times.apt_s, sums.failures),
        mttr_s=ratio(sums.restored_us / SECOND_US, sums.failures),
        pq=pq, gq=gq, sq=sq, rq=rq, review=review,
        planned_run_s=sums.planned_us / SECOND_US, repair_s=sums.repair_us / SECOND_US,
        aoet_s=beyond.aoet_us / SECOND_US if beyond.aoet_us else None,
        told=dict(sorted(sums.told.items())), withheld=withheld,
        anomalies=(*_overlap(figures, beyond), *beyond.anomalies), **reported, **figures, **asdict(times),
    )  # fmt: skip


def _of_time(
    times: Times, sums: Sums, model: TimeModel, coverage: float | None, beyond: Beyond, withheld: dict[str, str]
) -> dict[str, Any]:
    observed_s = times.pbt_s - times.not_observed_s
    figures: dict[str, Any] = dict.fromkeys(
        ("availability", "effectiveness", "setup_ratio", "technical_efficiency", "utilisation_efficiency")
    )
    reported = sums.reported_us
    if reported:
        # Setup and production side by side count each for themselves.
        made = reported.get("setup", 0) + reported.get("production", 0)
        figures["setup_ratio"] = ratio(reported.get("setup", 0), made)
    why = ""
    if reported and beyond.reported:
        why = "people reported their hours on it; the time in between belongs to no order"
    elif coverage is None:
        why = "no planned busy time has passed"
    elif coverage < model.min_coverage or observed_s <= 0:
        why = f"only {coverage * 100:.0f} % of the time was observed, {model.min_coverage * 100:.0f} % are needed"
    if why:
        withheld.update(dict.fromkeys(("availability", "effectiveness", "technical_efficiency"), why))
        return figures
    figures["availability"] = times.apt_s / observed_s
    figures["technical_efficiency"] = ratio(times.apt_s, times.apt_s + times.adet_s)
    figures["utilisation_efficiency"] = ratio(times.apt_s, times.aupt_s + times.adet_s)
    if not reported:
        figures["setup_ratio"] = ratio(times.aust_s, times.aupt_s)
    if not beyond.counts:
        withheld["effectiveness"] = "nobody has told pieces here yet"
        return figures
    figures["effectiveness"], problem = effectiveness(sums, model)
    if problem:
        withheld["effectiveness"] = problem
    return figures


def effectiveness(sums: Sums, model: TimeModel) -> tuple[float | None, str]:
    """PRI·PQ / APT, or why it is withheld.

    Withheld where one cycle is longer than the time looked at: its piece would be all in one part, its work in others.
    It may exceed 1 by as much as the plant file allows, and by the piece that was in work when the
    window began; beyond that counts and run time contradict each other.
    """
    planned_us, run_us = sums.planned_us, sums.us["production"]
    if sums.contradiction:
        return None, sums.contradiction
    past_us = sum(sums.us.values()) - sums.us["ahead"]
    if sums.cycle_us > past_us:
        return None, (
            f"a cycle takes {_hours(sums.cycle_us / SECOND_US)}, longer than the {_hours(past_us / SECOND_US)} looked at:"
            " a piece is told where it ends, its work lies before"
        )
    if sums.unplanned:
        return None, f"{sums.unplanned} pieces have no planned run time (cycle_s) in the plant file"
    if not sums.pieces:
        return 0.0, ""
    if planned_us - sums.slack_us > run_us * model.max_effectiveness or not run_us:
        return None, (
            f"the counts go beyond the run time: {sums.pieces} pieces need {_hours(planned_us / SECOND_US)}, "
            f"the station ran {_hours(run_us / SECOND_US)}"
        )
    return planned_us / run_us, ""


def _hours(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02} h"


def _of_pieces(times: Times, sums: Sums, beyond: Beyond) -> dict[str, Any]:
    pieces = sums.pieces
    hours = (beyond.aoet_us / SECOND_US if beyond.aoet_us else times.pbt_s) / 3600
    output = pieces if beyond.output is None else beyond.output
    known = [value for value in beyond.yields if value is not None]
    rolled = None
    if known:
        rolled = 1.0
        for value in known:
            rolled *= value
    busy_us, made_us = _work_of(sums)
    return {
        "quality_ratio": ratio(sums.good, pieces),
        "scrap_ratio": ratio(sums.rejected, pieces),
        "rework_ratio": ratio(sums.rework + sums.mended, pieces),
        "fall_off": ratio(sums.rejected, pieces if beyond.first_pq is None else beyond.first_pq),
        "first_pass_yield": ratio(sums.clean, sums.inspected),
        "rolled_throughput_yield": rolled,
        "throughput_rate": ratio(output, hours),
        "takt_attainment": ratio(output * beyond.takt_us, beyond.ends_pbt_us) if beyond.takt_us else None,
        "allocation_ratio": ratio(busy_us, beyond.aoet_us) if beyond.aoet_us else ratio(busy_us, times.pbt_s * SECOND_US),
        "process_ratio": ratio(made_us, beyond.aoet_us) if beyond.aoet_us else None,
    }  # fmt: skip


def _overlap(figures: dict[str, Any], beyond: Beyond) -> tuple[str, ...]:
    share = figures["allocation_ratio"]
    if not beyond.overlaps or share is None or share <= 1:
        return ()
    return (
        f"operations overlap: {share * 100:.0f} % of the time from first to last work, because several people or"
        " stations worked on the order at once",
    )


def _work_of(sums: Sums) -> tuple[int, int]:
    """AUBT and APT in microseconds: as people reported them, each job for itself, else of the stations' time."""
    if sums.reported_us:
        return sum(sums.reported_us.values()), sums.reported_us.get("production", 0)
    return sums.us["production"] + sums.us["setup"] + sums.us["delay"], sums.us["production"]


def disagreements(sums: Sums) -> Iterator[str]:
    """Ways of telling that do not tell the same number of pieces at one station, while the first of them is believed.

    Who is believed changes within a window: what one way told while another spoke is never held against what it told of
    another time.
    """
    words = {"completed": "completions", "counted": "counters", "reported": "reports"}
    for teller in TELLERS:
        every = sums.telling.get(teller, {})
        told = [(name, every[name]) for name in TELLERS if name in every]
        if len({pieces for _, pieces in told}) > 1:
            said = ", ".join(f"{words[name]} {pieces}" for name, pieces in told)
            yield f"pieces do not agree: {said}; the figures use the first"
