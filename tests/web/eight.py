"""A line of eight stations, each with a part of its own: an engine is built on it with scans only."""

from __future__ import annotations

import datetime as dt

from asbuilt.plant import parse

STATIONS = range(10, 90, 10)
TEXT = (
    """
[plant]
id = "works"
name = "Engine works"
zone = "Europe/Berlin"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
product = "E"
"""
    + "".join(
        f"""
[[site.area.line.station]]
id = "{n}"
name = "Station {n}"
"""
        for n in STATIONS
    )
    + """
[[product]]
id = "E"
name = "Engine"
revision = "B"
gtin = "09506000117201"
[[product.characteristic]]
id = "bore"
name = "Bore Ø"
uom = "mm"
lower = "34.995"
upper = "35.011"
"""
    + "".join(
        f"""
[[product.operation]]
id = "{n}"
name = "Work {n}"
station = "{n}"
{'characteristics = ["bore"]' if n == 10 else ""}
"""
        for n in STATIONS
    )
    + "".join(
        f"""
[[product.part]]
product = "P{n}"
name = "Part {n}"
quantity = {2 if n == 20 else 1}
tracking = "{"lot" if n == 30 else "serial"}"
operation = "{n}"
positions = {["left", "right"] if n == 20 else [f"Place {n}"]}
"""
        for n in STATIONS
    )
    + """
[[reason]]
id = "burr"
name = "Burr"
group = "defect"
[[reason]]
id = "tool"
name = "Tool"
group = "equipment"
[adapter.gateway]
kind = "http"
"""
)
PLANT = parse(TEXT, "eight.toml")
LINE = "works/main/hall/1"
START = dt.datetime(2026, 6, 3, 8, 0, tzinfo=PLANT.zone)
