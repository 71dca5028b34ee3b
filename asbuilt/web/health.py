"""How the product is, for pages and for monitors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from asbuilt import __version__

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

BEHIND_SAID_S = 2.0
"""Pages say that they are behind the record when they have been for so long."""


def behind(app: AsBuilt) -> str:
    """What pages say when they do not show all that is recorded; nothing while they follow within a moment."""
    error, rows = app.pipeline.views_error, app.pipeline.folding.behind
    if error is not None:
        return f"The pages do not follow the record now: {error.message}. Nothing recorded is lost."
    if rows.seconds < BEHIND_SAID_S:
        return ""
    return f"The pages are behind by {rows.facts:,} recorded facts, {rows.seconds:.0f} s. Nothing recorded is lost."


def health(app: AsBuilt) -> dict[str, Any]:
    """The answer of `/healthz`: what is wrong stands there in words, else `ok`."""
    folding = app.pipeline.folding
    rows = folding.behind
    with app.store.reading() as db:
        furthest = app.store.furthest(db)
        made_anew = {view: furthest - at for view, at in app.store.positions(db).items() if at < furthest}
    return {
        "version": __version__,
        "recorded": app.record.head() > 0,
        "behind": rows.facts,
        "behind_s": round(rows.seconds, 1),
        "folding": made_anew,
        "folder": {"process": folding.pid or os.getpid(), "restarts": folding.restarts},
        "views": str(app.pipeline.views_error or "ok"),
        "seal": str(app.seal_problem or "ok") if app.sealer or app.seal_problem else "off",
        "unsealed": app.sealer.waiting if app.sealer else None,
    }
