"""`python -m bench [--scale S] [NAME…]`: run the measurements, print them, write `bench/results.json`."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

import bench
from bench.measure import FACTS, Result, folder

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    """Every module with a `run` is a measurement; NAMEs choose among them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these measurements; the results of the others stay as they were")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size, for a quick look")
    asked = parser.parse_args()
    results: list[Result] = []
    with folder() as kept:
        os.environ[FACTS] = str(kept)
        _measure(asked.names, asked.scale, results)
    _tell(results, asked)


def _measure(names: Sequence[str], scale: float, results: list[Result]) -> None:
    for found in pkgutil.iter_modules(bench.__path__):
        if found.name == "__main__" or (names and found.name not in names):
            continue
        module = importlib.import_module(f"bench.{found.name}")
        if not hasattr(module, "run"):
            continue
        began = time.perf_counter()
        for one in module.run(scale):
            results.append(one)
            ratio = f"{one.ratio:>8g} ×" if one.ratio is not None else " " * 10
            must = f" [must {one.must}: {'held' if one.met else 'MISSED'}]" if one.must else ""
            print(
                f"{one.ours:>12,.6g} {one.unit:<8} {ratio}  {one.name}{must}   | {one.reference_name}: {one.reference}",
                flush=True,
            )
        print(f"{found.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)


def _tell(results: list[Result], asked: argparse.Namespace) -> None:
    missed = [one.name for one in results if one.met is False]
    if missed:
        print(f"{len(missed)} of {sum(one.met is not None for one in results)} musts missed", file=sys.stderr)
    if asked.scale == 1.0:
        kept = _not_measured_anew(results) if asked.names else []
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode([*kept, *results]), indent=2) + b"\n")
        print(f"written to {RESULTS}", file=sys.stderr)


def _not_measured_anew(results: list[Result]) -> list[Result]:
    anew = {(one.name, one.reference_name) for one in results}
    known = msgspec.json.decode(RESULTS.read_bytes(), type=list[Result]) if RESULTS.exists() else []
    return [one for one in known if (one.name, one.reference_name) not in anew]


if __name__ == "__main__":
    main()
