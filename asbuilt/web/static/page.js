// Keeps a page as live as it claims to be: morphs changed fragments in, lets durations and ages run
// in plant time, and says plainly when nothing has been heard. Without it the page is a picture.

import { morph } from "./morph.js";
import { startKeys } from "./keys.js";
import { startActing } from "./acting.js";

const LATE_S = 3, DEAD_S = 8; // no beat for so long
const root = document.documentElement;
const body = document.body;
const streamAddress = body.dataset.stream;

// ------------------------------------------------------------------ plant time

let rate = Number(body.dataset.rate) || 1;
let plantAtBeat = Number(body.dataset.now);
let beatAt = performance.now();
let offset = Number(body.dataset.utcOffset) || 0;

const plantNow = () => plantAtBeat + ((performance.now() - beatAt) / 1000) * rate;

function clockText(epoch) {
  const time = new Date((epoch + offset) * 1000);
  return [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

export function durationText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole >= 172800) return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)} h` : `${minutes}:${two(whole % 60)}`;
}

export function ageText(seconds) {
  const age = Math.max(0, seconds);
  if (age < 10) return `${age.toFixed(1)} s`;
  if (age < 120) return `${Math.floor(age)} s`;
  if (age < 7200) return `${Math.floor(age / 60)} min`;
  if (age < 172800) return `${Math.floor(age / 3600)} h`;
  return `${Math.floor(age / 86400)} d`;
}

function say(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

// ------------------------------------------------------------------ what runs by itself

const heard = new Map(); // source → epoch seconds

function tick() {
  const now = plantNow();
  say(document.getElementById("clock"), clockText(now));
  // Whether a state lasts, nobody knows while nothing is heard: what is last known stands still.
  if (root.dataset.live !== "dead") {
    for (const element of document.querySelectorAll("[data-since]")) say(element, durationText(now - Number(element.dataset.since)));
    for (const bar of document.querySelectorAll("[data-grow]")) {
      const share = Math.min(1, Math.max(0, ((now - Number(bar.dataset.grow)) / Number(bar.dataset.target)) * 0.8));
      bar.querySelector(".grow")?.setAttribute("width", (172 * share).toFixed(1));
    }
  }
  for (const tile of document.querySelectorAll("[data-source]")) ageTile(tile, now);
  showLiveness();
}

// Staleness by the source's own period: bold at 2, hatched at 5, value withdrawn at 60 periods.
function ageTile(tile, now) {
  const period = Number(tile.dataset.fresh);
  const seen = Math.max(heard.get(tile.dataset.source) ?? 0, Number(tile.dataset.seen) || 0);
  if (!seen) return;
  const age = now - seen;
  const isSilent = tile.classList.contains("silent");
  const words = isSilent ? `${ageText(age)} old` : ageText(age);
  say(tile.querySelector("[data-age]"), words);
  if (!period) return;
  tile.dataset.aging = age > 60 * period ? "gone" : age > 5 * period ? "stale" : age > 2 * period ? "old" : "";
  tile.classList.toggle("hatch", age > 5 * period || isSilent);
  for (const value of tile.querySelectorAll(".val")) {
    if (age > 60 * period) {
      value.dataset.was ??= value.textContent;
      say(value, "—");
    } else if (value.dataset.was) {
      say(value, value.dataset.was);
      delete value.dataset.was;
    }
  }
}

function showLiveness() {
  if (!streamAddress) return;
  const silent = (performance.now() - beatAt) / 1000;
  const state = silent > DEAD_S ? "dead" : silent > LATE_S ? "late" : everBeaten ? "live" : "yes";
  if (root.dataset.live !== state) root.dataset.live = state;
  say(document.getElementById("live-word"), { dead: "Not live", late: "Late", live: "Live", yes: "Loaded" }[state]);
  say(document.getElementById("live-age"), ageText(state === "live" ? Math.min(silent, 9.9) : silent));
  const bar = document.getElementById("dead");
  bar.hidden = state !== "dead";
  if (state === "dead") {
    say(bar, `Not live. Last update ${clockText(plantAtBeat)}, ${ageText(silent)} ago. Values below are last known. Reconnecting, attempt ${attempts}.`);
  }
}

// ------------------------------------------------------------------ the stream

let source = null, seen = "", attempts = 0, everBeaten = false, retry = 0;

function connect() {
  if (!streamAddress || source) return;
  const address = new URL(streamAddress, location.href);
  if (seen) address.searchParams.set("since", seen);
  source = new EventSource(address);
  source.addEventListener("frag", (event) => take(event.data));
  source.addEventListener("seen", (event) => (seen = event.lastEventId));
  source.addEventListener("beat", (event) => {
    const beat = JSON.parse(event.data);
    plantAtBeat = beat.now;
    rate = beat.rate;
    offset = beat.offset;
    say(document.getElementById("day"), beat.day);
    beatAt = performance.now();
    everBeaten = true;
    attempts = 0;
    const behind = document.getElementById("behind");
    say(behind, beat.behind);
    behind.hidden = !beat.behind;
    for (const [name, time] of Object.entries(beat.heard)) heard.set(name, time);
    tick();
    // Another plant file or another version of asbuilt: this document no longer fits.
    outdated ||= beat.version !== body.dataset.version;
    if (outdated) reloadSoon();
  });
  // The browser's own reconnecting gives up on some errors and cannot be seen; ours can.
  source.addEventListener("error", () => {
    disconnect();
    attempts += 1;
    retry = setTimeout(connect, Math.min(2000, 250 * 2 ** Math.min(attempts, 3)));
  });
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

const spoken = new Set();

function take(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  if (!fresh) return;
  const old = document.getElementById(fresh.id);
  if (old) {
    morph(old, fresh);
    announce(old);
    tick();
  } else {
    // A piece that was not on the page when it was loaded: only a reload places it.
    outdated = true;
  }
}

let outdated = false, reloading = 0;

function reloadSoon() {
  reloading ||= setTimeout(() => {
    reloading = 0;
    // Never under the fingers of somebody who types; the next sign of life asks again.
    if (!document.activeElement?.matches("input, textarea, select")) location.reload();
  }, 1000);
}

// New alarms only, and politely.
function announce(fragment) {
  for (const row of fragment.querySelectorAll("[data-say]")) {
    if (spoken.has(row.id)) continue;
    spoken.add(row.id);
    say(document.getElementById("said"), row.dataset.say);
  }
}
for (const row of document.querySelectorAll("[data-say]")) spoken.add(row.id);

// A browser allows six streams to a host: a hidden tab gives its place up, a wall never does.
document.addEventListener("visibilitychange", () => {
  if (root.dataset.wall) return;
  if (document.hidden) disconnect();
  else { attempts = 0; connect(); }
});
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);

// Without a choice the page follows the system; the first press must change what is seen.
const theme = document.getElementById("theme");
if (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches) {
  theme.href = theme.getAttribute("href").replace("/theme/dark", "/theme/light");
}

for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
addEventListener("click", (event) => { if (event.target.closest?.("[data-print]")) print(); });

startKeys();
startActing(plantNow);
connect();
if (streamAddress) {
  tick();
  setInterval(tick, 250);
}
