// What people do at a page: each act gets its id, its time and its person here, waits in this browser
// until the server says that it is durable, and is sent again until then. "Saved" is said of nothing else.

const KEPT = "asbuilt-acts", WHO = "asbuilt-who", MAX_KEPT = 500;
const RETRY_MS = [500, 1000, 2000, 4000];

let plantNow = () => Date.now() / 1000;
let sending = false, failures = 0, timer = 0;
let lastSaved = null;

export function startActing(now) {
  plantNow = now;
  addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-act]")) return;
    event.preventDefault();
    perform(form, event.submitter);
  });
  const person = () => localStorage.getItem(WHO) ?? "";
  for (const field of document.querySelectorAll("[data-who]")) field.value = person();
  addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-who]")) return;
    localStorage.setItem(WHO, event.target.value.trim());
    for (const field of document.querySelectorAll("[data-who]")) if (!field.value) field.value = person();
    show();
  });
  addEventListener("online", () => { failures = 0; flush(); });
  addEventListener("storage", (event) => { if (event.key === KEPT) show(); });
  document.getElementById("acts")?.addEventListener("click", () => document.getElementById("acts-kept").showModal());
  // A scanner types wherever the focus is: on a page that scans, it shall be there.
  const scan = document.querySelector("[data-scan]");
  scan?.focus();
  if (scan) addEventListener("keydown", (event) => {
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches("input, textarea, select")) document.querySelector("[data-scan]")?.focus();
  }, true);
  addEventListener("click", (event) => {
    const drop = event.target.closest?.("[data-drop]");
    if (drop) { keep(kept().filter((act) => act.id !== drop.dataset.drop)); show(); }
  });
  show();
  flush();
}

// ------------------------------------------------------------------ one act

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let ms = Date.now();
  for (let at = 5; at >= 0; at -= 1) { bytes[at] = ms % 256; ms = Math.floor(ms / 256); }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function perform(form, submitter) {
  const values = {};
  for (const [name, value] of new FormData(form, submitter)) if (typeof value === "string") values[name] = value;
  const said = (submitter?.dataset.says || form.dataset.act || "Entry").replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  act(form.getAttribute("action"), values, said);
  if (!("keep" in form.dataset)) form.reset();
  for (const field of form.querySelectorAll("[data-who]")) field.value = localStorage.getItem(WHO) ?? "";
  form.querySelector("[data-scan]")?.focus();
}

export function act(address, values, said) {
  const acts = kept();
  if (acts.length >= MAX_KEPT) {
    tell("refused", `Not kept: ${MAX_KEPT} entries wait already. Bring the network back first.`);
    return null;
  }
  const id = newId();
  const time = new Date(plantNow() * 1000).toISOString();
  const by = values.by || localStorage.getItem(WHO) || "";
  acts.push({ id, address, said, values: { ...values, act_id: id, act_time: time, by } });
  try {
    keep(acts);
  } catch {
    tell("refused", "Not kept: this browser has no room. Nothing was saved.");
    return null;
  }
  show();
  flush();
  return id;
}

// ------------------------------------------------------------------ what is kept

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? []; } catch { return []; }
}
const keep = (acts) => localStorage.setItem(KEPT, JSON.stringify(acts));
const waiting = () => kept().filter((act) => !act.refused);

async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    // Several tabs share what is kept; one sends at a time. Sent twice is harmless, out of turn is not.
    if (navigator.locks) await navigator.locks.request("asbuilt-acts", sendAll);
    else await sendAll();
  } finally {
    sending = false;
    show();
  }
  if (waiting().length) timer = setTimeout(flush, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
}

async function sendAll() {
  for (let next = waiting()[0]; next; next = waiting()[0]) {
    let answer, told;
    try {
      answer = await fetch(next.address, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json", "x-act-token": next.values.token ?? "" },
        body: JSON.stringify(next.values),
        signal: AbortSignal.timeout(15000),
      });
      told = await answer.json();
    } catch {
      failures += 1;
      return;
    }
    if (told.status === "waiting" || answer.status >= 500) {
      failures += 1;
      return;
    }
    failures = 0;
    if (told.status === "saved" || told.status === "again") {
      keep(kept().filter((act) => act.id !== next.id));
      lastSaved = { said: next.said, at: plantNow() };
      tell("saved", `Saved: ${next.said}.`, next);
    } else {
      // Refused for good: it stays here with the reason until somebody has read it.
      keep(kept().map((act) => (act.id === next.id ? { ...act, refused: told.error, remedy: told.remedy } : act)));
      tell("refused", `Not saved: ${told.error}. ${told.remedy ?? ""}`, next);
    }
    show();
  }
}

// ------------------------------------------------------------------ what is said

function tell(kind, words, act = null) {
  const place = document.getElementById("said");
  if (place) place.textContent = words;
  const answer = document.getElementById("act-said");
  if (answer) { answer.textContent = words; answer.dataset.kind = kind; }
  document.dispatchEvent(new CustomEvent("asbuilt-act", { detail: { kind, words, act } }));
}

function show() {
  const button = document.getElementById("acts"), list = document.getElementById("acts-list");
  if (!button || !list) return;
  const acts = kept();
  const refused = acts.filter((act) => act.refused).length, unsent = acts.length - refused;
  button.hidden = !acts.length;
  button.dataset.kind = refused ? "refused" : "waiting";
  const words = [];
  if (unsent) words.push(`${unsent} not saved yet`);
  if (refused) words.push(`${refused} refused`);
  button.textContent = words.join(", ");
  list.replaceChildren(...acts.map(row));
  for (const place of document.querySelectorAll("[data-kept]")) place.replaceChildren(...acts.map(row));
  const answer = document.getElementById("act-said");
  if (answer && unsent && failures) {
    answer.dataset.kind = "waiting";
    answer.textContent = `${unsent} not saved yet: the server does not answer. Kept in this browser and sent again by itself.`;
  }
}

function row(act) {
  const item = document.createElement("li");
  const what = document.createElement("span");
  what.className = "v";
  what.textContent = act.said;
  const why = document.createElement("span");
  why.textContent = act.refused ? `refused: ${act.refused}. ${act.remedy ?? ""}` : `done ${act.values.act_time.slice(11, 19)} UTC, not saved yet`;
  item.append(what, why);
  if (act.refused) {
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "btn";
    drop.dataset.drop = act.id;
    drop.textContent = "Read, take away";
    item.append(drop);
  }
  return item;
}

export const notSaved = () => kept().length;
export const saved = () => lastSaved;
