"""What units are called and what was seen of them: serials, labels, curves of test runs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.shared import DEFAULT_DATA, Data, PlantFile, out
from asbuilt.errors import UsageError

app = typer.Typer()
PANEL = "Care"
PLACE = 5


class Symbol(StrEnum):
    """The codes that labels can carry."""

    qr = "qr"
    datamatrix = "datamatrix"


@app.command(rich_help_panel=PANEL)
def serials(
    plant: PlantFile,
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product they are for.")],
    count: Annotated[int, typer.Option(help="How many.")] = 1,
    prefix: Annotated[str, typer.Option(help="What stands before each.")] = "",
    read: Annotated[str, typer.Option(help="Say of this serial whether it is one of ours, and its counter.")] = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Give the next serials of a product; they betray neither how many there are nor which came first.

    The key is kept in `keys/` of the data folder: back it up apart.
    Example: `asbuilt serials examples/boxer/plant.toml BX172 --count 20`
    """
    from asbuilt.folder import DataFolder
    from asbuilt.identity.serials import Serials, take
    from asbuilt.plant import load

    loaded = load(plant)
    if product not in loaded.products:
        raise UsageError(
            f"the plant has no product `{product}`", remedy=f"It has: {', '.join(loaded.products) or 'none'}."
        )
    folder = DataFolder(data)
    folder.make()
    ours = Serials(folder.secret("serials.key"), loaded.id, product, prefix)
    if read:
        counter = ours.counter(read)
        if counter is None:
            raise UsageError(
                f"`{read}` is not a serial of {product}", remedy="Check it symbol by symbol; the last one is a check."
            )
        out.print(f"counter {counter}; whether the unit exists, `asbuilt query unit.show serial={read}` says")
        return
    for counter in take(folder.keys, product, count):
        sys.stdout.write(ours.serial(counter) + "\n")


@app.command(rich_help_panel=PANEL)
def labels(
    plant: PlantFile,
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product they are for.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them: .pdf, .zpl, or .svg for one.")],
    serial: Annotated[
        list[str] | None, typer.Option(help="A serial; give several, or none to read them from standard input.")
    ] = None,
    lot: Annotated[list[str] | None, typer.Option(help="A lot instead of a serial.")] = None,
    code: Annotated[
        Symbol, typer.Option(help="A QR code with the GS1 Digital Link, or a GS1 DataMatrix for parts and scanners.")
    ] = Symbol.qr,
) -> None:
    """Print labels: a code with product and serial (or lot), and the same in words.

    Example: `asbuilt labels examples/boxer/plant.toml BX172 labels.pdf --serial 01824 --serial 01825`
    """
    from asbuilt.identity import labels as printed
    from asbuilt.identity.codes import data_matrix, qr
    from asbuilt.identity.elements import GTIN, LOT, SERIAL, Element
    from asbuilt.identity.link import gtin14, link
    from asbuilt.plant import load

    loaded = load(plant)
    known = loaded.products.get(product)
    if known is None or not known.gtin:
        raise UsageError(
            f"the plant file gives no gtin of `{product}`", remedy="Add gtin to the product; GS1 assigns it."
        )
    names = [("serial", name) for name in serial or ()] + [("lot", name) for name in lot or ()]
    if not names:
        names = [("serial", line.strip()) for line in sys.stdin if line.strip()]
    made = []
    for kind, name in names:
        linked = link(known.gtin, **{kind: name})  # refuses what GS1 does not allow in either code
        elements = [Element(GTIN, gtin14(known.gtin)), Element(SERIAL if kind == "serial" else LOT, name)]
        drawn = qr(linked) if code is Symbol.qr else data_matrix(elements)
        made.append(printed.Label(drawn, (name, known.name, f"GTIN {known.gtin}")))
    if not made:
        raise UsageError("there is nothing to print", remedy="Name serials with --serial, or pipe them in.")
    match file.suffix.lower():
        case ".pdf":
            file.write_bytes(printed.pdf(made))
        case ".zpl":
            file.write_text(printed.zpl(made))
        case ".svg" if len(made) == 1:
            file.write_text(printed.svg(made[0]))
        case _:
            raise UsageError(
                f"labels cannot be written as `{file.name}`", remedy="Use .pdf or .zpl, or .svg for one label."
            )
    out.print(f"{len(made)} label{'s' if len(made) != 1 else ''} in {file}")


@app.command(rich_help_panel=PANEL)
def curve(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV: time_s, then a column for each channel, `name [unit]`; or TDMS."),
    ],
    group: Annotated[str | None, typer.Option(help="Of a TDMS file with several groups, the one to keep.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Keep the curve of a test run in `traces/` and print its digest, for `curve_digest` of run_recorded.

    Example: `asbuilt curve run-01824.csv`
    """
    from asbuilt.exchange import curves
    from asbuilt.folder import DataFolder

    folder = DataFolder(data)
    folder.make()
    read = curves.from_tdms(file, group) if file.suffix.lower() == ".tdms" else curves.from_csv(file)
    out.print(curves.keep(folder.traces, read))
