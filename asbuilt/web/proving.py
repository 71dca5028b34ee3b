"""Proof on pages: /verify, where anybody may check a file, and passports as one page that verifies itself."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from asbuilt import events, verify
from asbuilt.errors import AsBuiltError, ProofError
from asbuilt.events import DisclosureIssued, DisclosureOpened
from asbuilt.proof import container, keys, policy
from asbuilt.verify import Known, Report

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

WEB = Path(__file__).parent
MAX_POLICY_BYTES = 1_000_000
MAX_SHOWN = 5_000
"""So many facts are written out in a page that can do so again with a script."""


def _templates() -> Any:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["shows_not"] = [*verify.SHOWS_NOT, *verify.CLAIM_SHOWS_NOT]
    return environment.get_template("proof.html").module


def check_page(static: str, theme: str, report: Report | None, own: policy.Policy | None) -> str:
    """The page that takes files; with a report, the answer to one."""
    lines = [f"log {key.vkey}" for key in own.logs if key.kind != 6] if own else []
    text = "\n".join([*lines, "quorum none"]) if own else ""
    trusted = [key.spelled for key in own.logs] if own else []
    return str(_templates().check_page(static, theme, report, text, trusted)).lstrip()


def self_verifying(file: bytes, title: str, known: Known) -> bytes:
    """One HTML page that shows a passport or claim and verifies it, anywhere and offline."""
    static = WEB / "static"
    css = "".join((static / name).read_text() for name in ("asbuilt.css", "proof.css"))
    verifier = re.sub(r"^export ", "", (static / "verifier.js").read_text(), flags=re.MULTILINE)
    view = re.sub(r"^(import .*|export (?=function))", "", (static / "proof-view.js").read_text(), flags=re.MULTILINE)
    script = verifier + view
    assert "</" not in script and "</" not in css and "<!--" not in script
    csp = f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(css)}'; base-uri 'none'; form-action 'none'"
    report = verify.verify(file, known)
    report.entries = report.entries[:MAX_SHOWN]
    element = Markup(container.in_page(file).decode())
    page = _templates().carried(title, csp, Markup(css), Markup(script), report, element)
    return str(page).lstrip().encode()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def own_policy(app: AsBuilt) -> policy.Policy | None:
    """The keys of this plant's own log, all that ever signed it; None if it has none."""
    if app.folder is None or not app.folder.seals.exists():
        return None
    found: dict[Any, None] = {}
    for path in sorted((app.folder.proof / "keys").glob("*")):
        if path.name.isdigit():
            try:
                found |= dict.fromkeys(keys.parse_manifest(path.read_bytes()).of(keys.CHECKPOINT))
            except (OSError, ProofError):
                continue
    return policy.Policy(tuple(found), {}, {}, "none") if found else None


def checked(app: AsBuilt, file: bytes, policy_text: bytes) -> Report:
    """What this server's verifier says of a file that somebody brought."""
    try:
        trusted = policy.parse(policy_text) if policy_text.strip() else own_policy(app)
    except ProofError as error:
        return Report(reason=error.reason, message=error.message, headline=f"The policy cannot be read: {error}.", shows_not=list(verify.SHOWS_NOT))  # fmt: skip
    report = verify.verify(file, Known(now=app.now(), policy=trusted))
    if report.ok and report.decided and not policy_text.strip():
        _note_opened(app, report)
    return report


def _note_opened(app: AsBuilt, report: Report) -> None:
    """That one of our own files came to be checked here is worth knowing; it is recorded once per file."""
    disclosure = str(report.told.get("disclosure"))
    issued = [events.recall(one.body) for one in app.record.about(f"disclosure:{disclosure}", 0, 10)]
    if not any(isinstance(fact, DisclosureIssued) and fact.file_digest == report.file_digest for fact in issued):
        return
    fact = DisclosureOpened(
        id=events.derived_id(None, "disclosure_opened", disclosure), event_time=app.now(), source="screen",
        disclosure=disclosure, message="checked on the plant's page",
    )  # fmt: skip
    if app.record.get(fact.id) is None and not app.read_only:
        try:
            app.take_in([fact])
        except AsBuiltError:
            return
