// What a verifier found, as a page: used by /verify and inside passports that verify themselves.
import { readPolicy, verify } from "./verifier.js";

const make = (name, text, css) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (css) made.className = css;
  return made;
};
const within = (outer, ...inner) => { outer.append(...inner); return outer; };

const ENVELOPE = new Set(["type", "id", "event_time", "source", "product", "serial"]);
const plain = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
const spaced = (name) => name.replace(/_/g, " ");

function details(members) {
  const left = Object.entries(members).filter(([name]) => !ENVELOPE.has(name));
  if (!("value" in members)) return left.map(([name, value]) => `${spaced(name)} ${plain(value)}`).join(", ");
  const limits = ["lower", "upper"].map((name) => (name in members ? plain(members[name]) : ""));
  const known = new Set(["characteristic", "value", "uom", "lower", "upper"]);
  const rest = left.filter(([name]) => !known.has(name)).map(([name, value]) => `${spaced(name)} ${plain(value)}`);
  const span = limits[0] && limits[1] ? ` (${limits[0]} … ${limits[1]})` : limits[0] ? ` (at least ${limits[0]})` : limits[1] ? ` (at most ${limits[1]})` : "";
  return [`${spaced(plain(members.characteristic ?? "value"))} ${plain(members.value)} ${plain(members.uom ?? "")}${span}`, ...rest].join(", ");
}

function facts(report) {
  const area = make("section", "", "proof-facts");
  const units = [...new Set(report.entries.map((entry) => entry.unit))];
  units.forEach((unit, at) => {
    const panel = make("div", "", "panel");
    const entries = report.entries.filter((entry) => entry.unit === unit);
    within(panel, make("h2", `${at ? "Component " : ""}${unit.replace(/^unit:/, "")}`));
    const table = make("table"), body = make("tbody");
    within(table, within(make("thead"), within(make("tr"), ...["No.", "Time", "Fact", "What it says"].map((title) => make("th", title)))), body);
    for (const entry of entries) {
      const row = make("tr", "", entry.redacted ? "redacted" : entry.corrected_by ? "corrected" : "");
      const kind = spaced(String(entry.members.type ?? "").replace(/\.v[0-9]+$/, ""));
      const time = String(entry.members.event_time ?? "").slice(0, 19).replace("T", " ");
      within(row, make("td", String(entry.number), "n"), make("td", time, "sn"));
      if (entry.redacted) within(row, make("td", "redacted"), make("td", "", "hatch"));
      else {
        const told = make("td", details(entry.members));
        if (entry.corrected_by) within(told, make("b", ` corrected by no. ${entry.corrected_by}`));
        within(row, make("td", kind), told);
      }
      within(body, row);
    }
    within(area, within(panel, table));
  });
  return area;
}

const MARKS = { proved: "✓", failed: "✗", "not checked": "–" };

export function show(report, area) {
  area.replaceChildren();
  const head = make("header", "", `verdict ${report.ok ? (report.decided ? "holds" : "open") : "wrong"}`);
  within(head, make("span", report.ok ? (report.decided ? "✓" : "?") : "✗", "mark"));
  const words = make("div");
  within(words, make("h1", report.headline));
  if (report.ok && report.told.recipient) {
    within(words, make("p", `For ${report.told.recipient}: ${report.told.purpose}. Issued ${report.told.issued}${report.told.expires ? `, until ${report.told.expires}` : ""}; ${report.told.profile} profile, ${report.told.disclosure}.`));
  }
  if (report.ok && !report.decided) within(words, make("p", `Whose key signed it is not known here. Compare: ${report.key}`, "key"));
  if (!report.ok) within(words, make("p", `Reason: ${report.reason}`));
  within(area, within(head, words));
  const says = make("section", "", "proof-says");
  for (const [title, lines] of [
    ["Proved", report.proved], ["Asserted by the plant", report.asserted], ["Hidden", report.hidden], ["Not checked", report.not_checked],
    ["What this does not show", report.shows_not],
  ]) {
    if (!lines.length) continue;
    within(says, within(make("div", "", "panel"), make("h2", title), within(make("ul"), ...lines.map((line) => make("li", line)))));
  }
  const steps = within(make("div", "", "panel proof-steps"), make("h2", "Steps"));
  const list = within(make("ol"), ...report.steps.map((step) => within(make("li", "", step.outcome.replace(" ", "-")), make("span", MARKS[step.outcome], "mark"), make("b", step.title), make("span", step.detail))));
  within(area, says, within(steps, list));
  if (report.ok && report.entries.length) within(area, facts(report));
}

// A passport that carries itself.
async function ownProof(area) {
  const carried = document.getElementById("proof").textContent.replace(/^\n/, "");
  const report = await verify(new TextEncoder().encode(carried));
  show(report, area);
  document.documentElement.dataset.verified = report.ok ? "yes" : "no";
}

// The page that takes files: checked here where the browser can, else by the server.
function takeFiles(form, area) {
  const field = form.querySelector("input[name=file]"), policy = form.querySelector("input[name=policy]");
  const check = async () => {
    if (!field.files.length) return;
    const bytes = new Uint8Array(await field.files[0].arrayBuffer());
    let known = {};
    try {
      const text = policy.files.length ? await policy.files[0].text() : form.dataset.policy;
      if (text) known = { policy: await readPolicy(text) };
    } catch { form.submit(); return; }
    const report = await verify(bytes, known);
    if (report.reason === "browser") { form.submit(); return; }
    show(report, area);
    area.focus();
    document.documentElement.dataset.verified = report.ok ? "yes" : "no";
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); check(); });
  field.addEventListener("change", check);
  const target = form.querySelector(".drop");
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  document.addEventListener("dragover", () => target.classList.add("over"));
  document.addEventListener("dragleave", () => target.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    target.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    field.files = event.dataTransfer.files;
    check();
  });
}

const area = document.getElementById("shown");
if (document.getElementById("proof")) {
  if (globalThis.crypto?.subtle) ownProof(area);
  else document.getElementById("unverified").textContent = "This browser cannot check it here: open the file from your disk, or use the command line.";
} else if (globalThis.crypto?.subtle) takeFiles(document.getElementById("check"), area);
