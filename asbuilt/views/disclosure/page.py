"""The disclosures page: what did we tell whom, until when, and does it still stand?"""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.events import DisclosureRevoked, Event
from asbuilt.views.disclosure import queries
from asbuilt.web.acting import Act, Action, Refused
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Disclosures", "/disclosures", 80, "d")
ROWS = 200


def index(
    reader: Reader, product: str | None = None, serial: str | None = None, at: dt.datetime | None = None
) -> Shown:
    """Everything that was handed out, the latest first, and a form to hand out a passport (of a unit that is named)."""
    rows = queries.list_(reader, limit=ROWS, at=at)
    products = sorted(reader.plant(at).products)
    form = {"products": products, "now": at is None, "product": product or "", "serial": serial or ""}
    return Shown(
        "Disclosures",
        {
            "disclosures": Fragment(
                "disclosures", {"rows": rows, "count": queries.count(reader, at), "problem": reader.seal_problem}
            ),
            "handing": Fragment("handing", form),
        },
        values={"first": serial is not None},
        menu="/disclosures",
    )


def one(reader: Reader, disclosure: str, at: dt.datetime | None = None) -> Shown:
    """One file that was handed out."""
    values = {"row": queries.show(reader, disclosure, at), "now": at is None}
    return Shown(
        f"Disclosure {disclosure}", {"disclosure": Fragment("disclosure", values)}, layout="single", menu="/disclosures"
    )


def revoke(reader: Reader, act: Act) -> list[Event]:
    """Take a file back: from the next block on, the plant's status list says so."""
    found = queries.show(reader, act.text("disclosure"))
    if found.state == "revoked":
        raise Refused(f"{found.disclosure} is revoked already", remedy="Nothing more is to be done.")
    return [act.fact(DisclosureRevoked, disclosure=found.disclosure, reason=act.text("reason"))]


ACTIONS = [Action("revoke", revoke)]
PAGES = [
    Page("/disclosures", index, refresh_s=60),
    Page("/disclosures/{disclosure:path}", one, refresh_s=60),
]
