// The verifier in a browser: the second implementation of docs/record-format.md, section 6 onward.
// It needs WebCrypto (SHA-256, Ed25519) and nothing from any network. ML-DSA-44 is not checked here.

const MAX_FILE = 64 * 1024 * 1024, MAX_PARTS = 2000000;
const FORMATS = { "asbuilt.passport/1": "passport", "asbuilt.claim/1": "claim" };
const DIGESTS = 32, SALT_BYTES = 16, STATUS_PLACES = 1 << 14, MAX_COUNT = 1000000, MAX_LEAVES = 50000, MAX_DEPTH = 64;
const COUNTS = { run_in_passed: "passed their run-in", completed: "were completed", shipped: "were shipped" };
const COUNTED = { run_in_passed: "run_recorded.v1", completed: "unit_completed.v1", shipped: "unit_shipped.v1" };
const SHOWS_NOT = [
  "that the engine exists, or that what was measured and written down is true",
  "that nothing was made outside this record, or is kept in a second one",
  "when something happened more exactly than the minute its block closed; times inside facts are the plant's word",
  "that other readers were shown the same log: only witnesses, or checkpoints that readers exchange, show that",
  "that what was told can be untold: an expired or revoked file can still be read",
];
const CLAIM_SHOWS_NOT = [
  "that each one counted is a different, real engine: only inspection and spot checks show that",
  "how many were made without being counted",
  "anything about late reports: the lane counts what the record held when it was closed",
];

class Flaw extends Error {
  constructor(reason, message) { super(message); this.reason = reason; }
}
const flaw = (reason, message) => { throw new Flaw(reason, message); };
const malformed = (message) => flaw("malformed", message);

// ---------------------------------------------------------------- bytes

const utf8 = new TextEncoder();
const fromUtf8 = (bytes) => {
  try { return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes); } catch { return malformed("not UTF-8"); }
};
const concat = (...parts) => {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { joined.set(part, at); at += part.length; }
  return joined;
};
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const b64 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};
const b64url = (bytes) => b64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
function unb64(text, length) {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) malformed("not base64");
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  if (b64(bytes) !== text) malformed("base64 with stray bits");
  if (length !== undefined && bytes.length !== length) malformed(`${bytes.length} bytes where ${length} are needed`);
  return bytes;
}
function unb64url(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) malformed("not base64url");
  const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  if (b64url(bytes) !== text) malformed("base64url with stray bits");
  return bytes;
}

// ---------------------------------------------------------------- JSON, strictly

const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const STRING = /"((?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;

// No name twice, numbers nobody has to round (others stay text), nothing hidden, not too deep.
function readJson(text) {
  let at = 0;
  const skip = () => { SPACE.lastIndex = at; SPACE.exec(text); at = SPACE.lastIndex; };
  const take = (pattern) => { pattern.lastIndex = at; const found = pattern.exec(text); if (found) at = pattern.lastIndex; return found; };
  const expect = (char) => { if (text[at] !== char) malformed(`not JSON at character ${at}`); at += 1; };
  const string = () => {
    const found = take(STRING) || malformed(`not JSON at character ${at}`);
    const value = found[1].includes("\\") ? JSON.parse(found[0]) : found[1];
    if (HIDDEN.test(value)) malformed("a hidden character");
    return value;
  };
  const value = (depth) => {
    if (depth > MAX_DEPTH) malformed("nested too deeply");
    skip();
    const char = text[at];
    if (char === '"') return string();
    if (char === "{") {
      at += 1;
      const found = new Map();
      for (skip(); text[at] !== "}"; skip()) {
        if (found.size) { expect(","); skip(); }
        const name = string();
        skip(); expect(":");
        if (found.has(name)) malformed("a name stands twice in one object");
        found.set(name, value(depth + 1));
      }
      at += 1;
      return Object.assign(Object.create(null), Object.fromEntries(found));
    }
    if (char === "[") {
      at += 1;
      const found = [];
      for (skip(); text[at] !== "]"; skip()) {
        if (found.length) expect(",");
        found.push(value(depth + 1));
      }
      at += 1;
      return found;
    }
    for (const [word, meant] of [["true", true], ["false", false], ["null", null]]) {
      if (text.startsWith(word, at)) { at += word.length; return meant; }
    }
    const number = take(NUMBER) || malformed(`not JSON at character ${at}`);
    const exact = Number(number[0]);
    return number[1] || number[2] || !Number.isSafeInteger(exact) ? number[0] : exact;
  };
  const found = value(0);
  skip();
  if (at !== text.length) malformed("something follows the JSON");
  return found;
}

const isText = (value) => typeof value === "string";
const isNatural = (value) => Number.isSafeInteger(value) && value >= 0;
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const listOf = (check, least = 0, most = Infinity) => (value) => Array.isArray(value) && value.length >= least && value.length <= most && value.every(check);
const shape = (members) => (value) => isObject(value) && Object.keys(value).length === Object.keys(members).length && Object.entries(members).every(([name, check]) => name in value && check(value[name]));

const PATH = listOf(isText, 0, 64);
const SHARED = {
  kind: isText,
  log: shape({ founding: isText, founding_path: PATH, manifests: listOf(isText, 1, 1000) }),
  checkpoint: isText,
  blocks: listOf(shape({ record: isText, path: PATH }), 1, MAX_LEAVES),
  leaves: listOf(shape({ block: isNatural, slot: isNatural, path: PATH, leaf: isText, disclosures: listOf(isText, 0, 64) }), 1, MAX_LEAVES),
  status: isText,
};
const CONTENT = {
  passport: shape({
    ...SHARED,
    units: listOf(shape({ unit: isText, leaves: listOf(isNatural, 1, MAX_LEAVES) }), 1, 1000),
    others: listOf(isNatural, 0, 1000),
    curves: listOf(shape({ digest: isText, content: isText }), 0, 1000),
  }),
  claim: shape({
    ...SHARED, lane: isText, says: (value) => value === "exactly" || value === "at_least", count: isNatural, reveal: isText,
    registered: isNatural, closed: isNatural, checks: listOf(shape({ number: isNatural, leaf: isNatural, path: PATH }), 0, 1000),
  }),
};

// ---------------------------------------------------------------- the file

function readFile(bytes) {
  if (bytes.length > MAX_FILE) flaw("too_large", `the file has ${bytes.length} bytes, at most ${MAX_FILE} are read`);
  let data = bytes;
  if (new TextDecoder("latin1").decode(bytes.subarray(0, 15)).toLowerCase() === "<!doctype html>") {
    const [opening, closing] = ['<script type="application/json" id="proof">\n', "<" + "/script>"];
    const text = new TextDecoder("latin1").decode(bytes);
    const start = text.indexOf(opening), end = text.indexOf(closing, start + opening.length);
    if (start < 0 || end < 0) flaw("truncated", "the page carries no whole passport");
    if (text.indexOf(opening, end) >= 0) malformed("the page carries two passports");
    data = bytes.subarray(start + opening.length, end);
  }
  const line = data.indexOf(10);
  const first = new TextDecoder("latin1").decode(line < 0 ? data.subarray(0, 300000) : data.subarray(0, line));
  const found = /^\{"format":"([a-z]+\.[a-z]+\/[0-9]+)","statement":"([A-Za-z0-9._-]+)"\}$/.exec(first);
  if (!found) {
    if (data.length < 50 || (first.startsWith('{"format":"asbuilt.') && line < 0)) flaw("truncated", "the file ends early");
    flaw("unknown_format", "this is not a passport or claim of asbuilt");
  }
  if (!Object.hasOwn(FORMATS, found[1])) flaw("unknown_format", `the format ${found[1]} is not known to this version`);
  const rest = data.subarray(line < 0 ? data.length : line + 1);
  if (!rest.length || rest[rest.length - 1] !== 10) flaw("truncated", "the file ends early");
  const content = rest.subarray(0, -1);
  if (content.includes(10)) malformed("the file has more than two lines");
  return { format: found[1], statement: found[2], content };
}

// ---------------------------------------------------------------- trees

const leafHash = (bytes) => sha256(concat(Uint8Array.of(0), bytes));
const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

async function checkInclusion(index, size, leaf, path, root) {
  if (!(index < size)) flaw("not_included", `there is no such place as ${index} of ${size}`);
  let at = BigInt(index), last = BigInt(size) - 1n, found = leaf;
  for (const step of path) {
    if (last === 0n) flaw("not_included", "the path is too long");
    if (at & 1n || at === last) {
      found = await nodeHash(step, found);
      while (!(at & 1n) && at) { at >>= 1n; last >>= 1n; }
    } else found = await nodeHash(found, step);
    at >>= 1n; last >>= 1n;
  }
  if (last) flaw("not_included", "the path is too short");
  if (!same(found, root)) flaw("not_included", `leaf ${index} is not in the tree of ${size} with this root`);
}

async function checkConsistency(old, size, oldRoot, newRoot, path) {
  if (!(0 < old && old <= size)) flaw("not_consistent", `a tree of ${old} cannot be held against a tree of ${size}`);
  if (old === size) {
    if (path.length || !same(oldRoot, newRoot)) flaw("not_consistent", `two trees of ${old} differ`);
    return;
  }
  const power = (BigInt(old) & (BigInt(old) - 1n)) === 0n;
  const steps = power ? [oldRoot, ...path] : path;
  if (!steps.length) flaw("not_consistent", "the proof is too short");
  let at = BigInt(old) - 1n, last = BigInt(size) - 1n;
  while (at & 1n) { at >>= 1n; last >>= 1n; }
  let fromOld = steps[0], fromNew = steps[0];
  for (const step of steps.slice(1)) {
    if (last === 0n) flaw("not_consistent", "the proof is too long");
    if (at & 1n || at === last) {
      fromOld = await nodeHash(step, fromOld); fromNew = await nodeHash(step, fromNew);
      while (!(at & 1n) && at) { at >>= 1n; last >>= 1n; }
    } else fromNew = await nodeHash(fromNew, step);
    at >>= 1n; last >>= 1n;
  }
  if (last) flaw("not_consistent", "the proof is too short");
  if (!same(fromOld, oldRoot) || !same(fromNew, newRoot)) flaw("not_consistent", `the tree of ${old} does not begin the tree of ${size}: the log was forked`);
}

// ---------------------------------------------------------------- notes and keys

const KEY_BYTES = { 1: 32, 4: 32, 6: 1312 }, SIGNATURE_BYTES = { 1: 64, 4: 72, 6: 2428 };
const NAME = "([^\\s+]+)";

async function readKey(text) {
  const found = new RegExp(`^${NAME}\\+([0-9a-f]{8})\\+([A-Za-z0-9+/=]+)$`).exec(text) || malformed("not a key: name+id+base64");
  const material = unb64(found[3]);
  const kind = material[0];
  if (!(kind in KEY_BYTES) || material.length !== 1 + KEY_BYTES[kind]) flaw("unknown_key", "a key of this kind is not known here");
  const id = (await sha256(concat(utf8.encode(`${found[1]}\n`), material))).subarray(0, 4);
  if (hex(id) !== found[2]) malformed("the id does not belong to the key");
  const spelled = hex(await sha256(utf8.encode(text))).slice(0, 32).replace(/(.{4})(?=.)/g, "$1 ");
  return { name: found[1], kind, public: material.subarray(1), id: hex(id), vkey: text, spelled };
}

function readNote(text) {
  if (text.length > 1000000) malformed("a note is too long");
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) malformed("a control character in a note");
  const blank = text.lastIndexOf("\n\n");
  if (blank < 0 || blank + 2 >= text.length || !text.endsWith("\n")) malformed("a note ends with a blank line and signatures");
  const lines = text.slice(blank + 2, -1).split("\n");
  if (lines.length > 64) malformed("too many signatures under a note");
  const signatures = lines.map((line) => {
    const found = new RegExp(`^— ${NAME} ([A-Za-z0-9+/=]+)$`).exec(line) || malformed("a line under a note is not a signature");
    const material = unb64(found[2]);
    if (material.length < 5) malformed("a signature is too short");
    return { name: found[1], id: hex(material.subarray(0, 4)), data: material.subarray(4) };
  });
  return { text: text.slice(0, blank + 1), signatures };
}

async function isSigned(key, signature, message) {
  if (signature.length !== 64) return false;
  try {
    const held = await crypto.subtle.importKey("raw", key.public, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, held, signature, message);
  } catch (error) {
    if (error.name === "NotSupportedError") flaw("browser", "this browser cannot check Ed25519 signatures; use a newer one, or the command line");
    return false;
  }
}

// Whose signatures hold, and whose could not be looked at.
async function signedBy(note, keys) {
  const found = [], unchecked = [];
  for (const signature of note.signatures) {
    const key = keys.find((one) => one.name === signature.name && one.id === signature.id);
    if (!key || found.includes(key)) continue;
    if (key.kind === 6) { unchecked.push(key); continue; }
    if (signature.data.length !== SIGNATURE_BYTES[key.kind]) flaw("bad_signature", `the signature of ${key.name} does not belong to this text`);
    let message = utf8.encode(note.text), bare = signature.data;
    if (key.kind === 4) {
      const stamp = new DataView(bare.buffer, bare.byteOffset, 8).getBigUint64(0);
      message = utf8.encode(`cosignature/v1\ntime ${stamp}\n${note.text}`);
      bare = bare.subarray(8);
    }
    if (!await isSigned(key, bare, message)) flaw("bad_signature", `the signature of ${key.name} does not belong to this text`);
    found.push(key);
  }
  if (!found.length) flaw("unknown_key", `signed by ${[...new Set(note.signatures.map((one) => one.name))].join(", ")}, by no key that is trusted here`);
  return { found, unchecked };
}

function decimal(text) {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || !Number.isSafeInteger(Number(text))) malformed(`${text.slice(0, 30)} is not a number of a log`);
  return Number(text);
}

function readCheckpoint(text) {
  const lines = text.slice(0, -1).split("\n");
  if (!text.endsWith("\n") || lines.length < 3 || !lines.every(Boolean)) malformed("a checkpoint has a name, a size and a root");
  return { origin: lines[0], size: decimal(lines[1]), root: unb64(lines[2], 32) };
}

async function readManifest(text) {
  const note = readNote(text);
  const lines = note.text.slice(0, -1).split("\n");
  if (lines.length < 5 || lines.length > 100 || lines[0] !== "asbuilt.keys/1") malformed("not a manifest of keys");
  decimal(lines[2]);
  const keys = [];
  for (const [at, line] of lines.slice(3).entries()) {
    const [use, ...rest] = line.split(" ");
    if (at ? use !== "checkpoint" && use !== "statement" : use !== "root") malformed("a manifest of keys names a root, then checkpoint and statement keys");
    const key = await readKey(rest.join(" "));
    const wanted = { root: `${lines[1]}/root`, checkpoint: lines[1], statement: `${lines[1]}/statements` }[use];
    if (key.name !== wanted || (use === "statement" && key.kind !== 1)) flaw("wrong_origin", "a key of the manifest has a name that does not belong to the log");
    keys.push({ use, key });
  }
  await signedBy(note, [keys[0].key]);
  return { origin: lines[1], digest: b64(await sha256(utf8.encode(note.text))), of: (use) => keys.filter((one) => one.use === use).map((one) => one.key) };
}

// A policy file, as far as one log and no witnesses ask for; groups of witnesses need `asbuilt verify`.
export async function readPolicy(text) {
  const logs = [];
  let quorum = "";
  for (const line of text.split("\n")) {
    const words = line.split(/[ \t]+/).filter(Boolean);
    if (!words.length || words[0].startsWith("#")) continue;
    if (words[0] === "log" && (words.length === 2 || words.length === 3)) logs.push(await readKey(words[1]));
    else if (words[0] === "quorum" && words.length === 2 && !quorum) quorum = words[1];
    else flaw("policy", "a page reads policies of logs without witnesses only; use the command line");
  }
  if (quorum !== "none") flaw("policy", "a page reads policies of logs without witnesses only; use the command line");
  return { logs };
}

// ---------------------------------------------------------------- entries and leaves

const PLACES = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/;

function entryLines(text, head, count) {
  const lines = text.split("\n");
  if (lines.length !== count + 1 || lines[0] !== head || lines[count] || !lines[1]) malformed(`not an entry of the kind ${head}`);
  return lines;
}
function slotsOf(text) {
  const slots = decimal(text);
  if (slots < 2 || slots > 65536 || slots & (slots - 1)) malformed("the places of a block are a power of two");
  return slots;
}
function readFounding(text) {
  const lines = entryLines(text, "asbuilt.log/1", 7);
  const start = PLACES.test(lines[2]) ? Date.parse(lines[2]) : NaN;
  if (Number.isNaN(start)) malformed("a log's start is a time in UTC");
  const found = { origin: lines[1], start, cadence: decimal(lines[3]), slots: slotsOf(lines[4]), backlog: decimal(lines[5]), keys: unb64(lines[6], 32) };
  if (found.cadence < 1 || found.cadence > 86400 || found.backlog > 1000000) malformed("a log's cadence or backlog is impossible");
  return found;
}
function closes(founding, number) {
  const time = founding.start + 1000 * founding.cadence * Math.max(0, number - founding.backlog);
  if (time > 253402300799000) malformed(`block ${number} would close beyond the calendar`);
  return time;
}
function readBlock(text) {
  const lines = entryLines(text, "asbuilt.block/1", 6);
  return { origin: lines[1], number: decimal(lines[2]), slots: slotsOf(lines[3]), root: unb64(lines[4], 32), keys: b64(unb64(lines[5], 32)) };
}

const HEAD = '{"_sd":["', TAIL = '"],"_sd_alg":"sha-256","v":"asbuilt.event/1"}';
function digestsOf(leaf) {
  const found = leaf.startsWith(HEAD) && leaf.endsWith(TAIL) ? leaf.slice(HEAD.length, -TAIL.length).split('","') : [];
  const sorted = [...new Set(found)].sort();
  if (found.length !== DIGESTS || !found.every((one) => /^[A-Za-z0-9_-]{43}$/.test(one)) || sorted.some((one, at) => one !== found[at]) || sorted.length !== found.length) malformed("not a leaf");
  return new Set(found);
}
function readDisclosure(text) {
  if (text.length > 2000000) malformed("a disclosure is too long");
  const found = readJson(fromUtf8(unb64url(text)));
  if (!Array.isArray(found) || found.length !== 3 || !isText(found[0]) || !isText(found[1])) malformed("a disclosure holds a salt, a name and a value");
  if (unb64url(found[0]).length < SALT_BYTES) malformed("a salt of a disclosure is too short");
  if (found[1] === "_sd" || found[1] === "...") malformed("a disclosure has a name that no member can have");
  return found;
}
async function openLeaf(at, part, parts) {
  const own = digestsOf(part.leaf), members = new Map();
  for (const text of part.disclosures) {
    const digest = b64url(await sha256(utf8.encode(text)));
    if (!own.has(digest)) {
      if (parts.some((other) => other !== part && digestsOf(other.leaf).has(digest))) flaw("disclosure_of_another_leaf", `a field of leaf ${at} belongs to another fact`);
      flaw("disclosure_not_in_leaf", `leaf ${at}: a field is not one that this fact was sealed with`);
    }
    const [, name, value] = readDisclosure(text);
    if (members.has(name)) malformed("a field is disclosed twice");
    members.set(name, value);
  }
  const links = [];
  for (const [name, value] of members) {
    if (!name.startsWith("link_")) continue;
    if (!Array.isArray(value) || value.length !== 3 || !isText(value[0]) || !isNatural(value[1]) || value[1] < 1 || !isText(value[2])) malformed("a link holds a unit, a number and the leaf before it");
    const before = unb64url(value[2]);
    if (before.length !== (value[1] > 1 ? 32 : 0)) malformed("a link's leaf before it has the wrong length");
    links.push({ unit: value[0], number: value[1], before });
  }
  return { members, links };
}

// ---------------------------------------------------------------- tokens

function readToken(token, kind) {
  const parts = token.split(".");
  if (token.length > 200000 || parts.length !== 3) malformed("not a signed token");
  const [header, payload] = parts.slice(0, 2).map((part) => readJson(fromUtf8(unb64url(part))));
  if (!isObject(header) || !isObject(payload)) malformed("a token holds objects");
  if (Object.keys(header).length !== 3 || header.alg !== "EdDSA" || header.typ !== kind || !("kid" in header)) malformed(`not a token of the kind ${kind}`);
  return { payload, kid: String(header.kid) };
}
async function checkToken(token, kind, keys) {
  const { kid } = readToken(token, kind);
  const dot = token.lastIndexOf(".");
  const known = keys.filter((key) => key.id === kid);
  if (!known.length) flaw("unknown_key", `signed with the key ${kid.slice(0, 20)}, which the log does not name for statements`);
  for (const key of known) if (await isSigned(key, unb64url(token.slice(dot + 1)), utf8.encode(token.slice(0, dot)))) return;
  flaw("bad_statement_signature", "the statement was altered after it was signed");
}
function readStatement(token) {
  const { payload: told } = readToken(token, "asbuilt-statement+jwt");
  const status = isObject(told.status) && isObject(told.status.status_list) ? told.status.status_list.idx : undefined;
  const texts = ["iss", "format", "disclosure", "recipient", "purpose", "profile", "content"];
  const expires = "exp" in told ? told.exp : 0;
  if (!texts.every((name) => isText(told[name])) || ![told.iat, expires, status].every(isNatural) || status >= STATUS_PLACES) malformed("a statement lacks what it must say");
  return { ...told, expires, place: status, digest: unb64url(told.content) };
}
async function readStatus(token) {
  const { payload: told } = readToken(token, "statuslist+jwt");
  const list = told.status_list;
  if (!isObject(list) || list.bits !== 1 || !isText(list.lst) || !isNatural(told.iat) || !isNatural(told.log_size) || !isText(told.iss) || told.sub !== `${told.iss}/status`) malformed("not a status list of this kind");
  const unpacked = new Blob([unb64url(list.lst)]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let bits = new Uint8Array();
  try {
    for (let part = await unpacked.read(); !part.done; part = await unpacked.read()) {
      bits = concat(bits, part.value);
      if (bits.length > STATUS_PLACES / 8) break;
    }
  } catch { malformed("a status list cannot be unpacked"); }
  if (bits.length !== STATUS_PLACES / 8) malformed("a status list has the wrong size");
  return { issuer: told.iss, issued: told.iat, size: told.log_size, revoked: (place) => Boolean(bits[place >> 3] >> (place & 7) & 1) };
}

// ---------------------------------------------------------------- lanes

const day = (year, month, date) => {
  const time = Date.UTC(year, month - 1, date);
  const back = new Date(time);
  return back.getUTCMonth() === month - 1 && back.getUTCDate() === date ? time : malformed(`there is no day ${year}-${month}-${date}`);
};
function readLane(name) {
  const parts = name.split("/");
  if (parts.length !== 3 || !Object.hasOwn(COUNTS, parts[0]) || !parts[1] || name.length > 700) malformed("not the name of a lane");
  let product;
  try { product = decodeURIComponent(parts[1]); } catch { malformed("not the name of a lane"); }
  const written = encodeURIComponent(product).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  if (written !== parts[1]) malformed("a lane writes its product in another way than lanes do");
  const found = /^([0-9]{4})(?:-(?:Q([1-4])|([0-9]{2})(?:-([0-9]{2}))?))?$/.exec(parts[2]) || malformed("not a period");
  const [year, quarter, month, date] = found.slice(1).map((part) => Number(part || 0));
  if (year < 1970 || year > 9000) malformed("not a period");
  const first = quarter ? quarter * 3 - 2 : month || (found[3] ? malformed("not a period") : 1);
  const start = day(year, first, date || (found[4] ? malformed("not a period") : 1));
  const after = first + (quarter ? 3 : month ? 1 : 12);
  const end = date ? start + 86400000 : Date.UTC(year + Math.floor((after - 1) / 12), (after - 1) % 12, 1);
  return { name, counts: parts[0], product, period: parts[2], start, end };
}
async function placeOfLane(lane, founding) {
  const digest = await sha256(utf8.encode(`asbuilt.lane/1\n${lane.name}`));
  const block = founding.backlog + Math.max(0, Math.ceil((lane.end - founding.start) / 1000 / founding.cadence));
  return [block, new DataView(digest.buffer).getUint32(0) % founding.slots];
}
async function chained(name, value, steps) {
  const head = utf8.encode(`asbuilt.chain/1\n${name}\n`);
  for (let step = 0; step < steps; step += 1) value = await sha256(concat(head, value));
  return value;
}

// ---------------------------------------------------------------- consistency

export function readConsistency(text) {
  const lines = text.split("\n");
  if (lines.length < 5 || lines[0] !== "asbuilt.consistency/1" || lines[lines.length - 1] || lines.length > 69) malformed("not a proof of consistency");
  return { origin: lines[1], old: decimal(lines[2]), size: decimal(lines[3]), path: lines.slice(4, -1).map((line) => unb64(line, 32)) };
}
async function compare(kept, said, proof) {
  if (kept.origin !== said.origin) flaw("wrong_origin", `the checkpoint that was kept is of ${kept.origin}, this one of ${said.origin}`);
  if (kept.size === said.size) {
    if (!same(kept.root, said.root)) flaw("forked_log", `two different logs of ${said.size} entries were signed by ${said.origin}`);
    return true;
  }
  const [older, newer] = kept.size < said.size ? [kept, said] : [said, kept];
  if (!proof || proof.origin !== said.origin || proof.old !== older.size || proof.size !== newer.size) {
    if (said.size < kept.size) flaw("stale_checkpoint", `the checkpoint at hand has ${said.size} entries, the one that was kept ${kept.size}`);
    return false;
  }
  try { await checkConsistency(older.size, newer.size, older.root, newer.root, proof.path); } catch (error) { flaw("forked_log", error.message); }
  return true;
}

// ---------------------------------------------------------------- words

const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
const minute = (ms) => {
  if (ms > 253402300799000) malformed("a time beyond the calendar");
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
};

// ---------------------------------------------------------------- all steps

// `known`: now (milliseconds), policy (readPolicy), oldCheckpoint (text), consistency (readConsistency), status, recipient.
export async function verify(bytes, known = {}) {
  const report = {
    ok: false, decided: false, reason: "", message: "", headline: "", file_digest: "", key: "", told: {}, steps: [],
    proved: [], asserted: [], hidden: [], not_checked: [], shows_not: [...SHOWS_NOT], entries: [],
  };
  let title = "";
  const begin = (words) => { title = words; };
  const done = (detail, outcome = "proved") => report.steps.push({ number: report.steps.length + 1, title, outcome, detail });
  try {
    await steps(bytes, known, report, begin, done);
    report.ok = true;
    if (!report.decided) report.headline = report.headline.replace("Valid: ", "Whole in itself, by a key that nobody here vouches for: ");
  } catch (error) {
    report.reason = error.reason || (error instanceof RangeError ? "malformed" : "browser");
    report.message = error.message;
    done(error.message, "failed");
    report.headline = `Not valid: ${error.message}.`;
    report.proved = [];
  }
  report.exit_code = !report.ok ? 1 : report.decided ? 0 : 2;
  return report;
}

async function steps(bytes, known, report, begin, done) {
  const now = known.now ?? Date.now();
  begin("The file is whole");
  report.file_digest = hex(await sha256(bytes));
  const file = readFile(bytes);
  const told = readStatement(file.statement);
  if (told.format !== file.format) malformed("the statement is about another kind of file");
  if (!same(told.digest, await sha256(file.content))) flaw("content_altered", "the content is not what the statement was made for");
  const kind = FORMATS[file.format];
  let parts = 0;
  for (const byte of file.content) if (byte === 44 || byte === 91 || byte === 123) parts += 1;
  if (parts > MAX_PARTS) flaw("too_large", `the content has more than ${number(MAX_PARTS)} parts`);
  const content = readJson(fromUtf8(file.content));
  if (!isObject(content) || content.kind !== kind) malformed("the file holds something else than its first line says");
  if (!CONTENT[kind](content)) malformed("the content is not as it should be");
  if (content.leaves.some((leaf) => leaf.block >= content.blocks.length)) malformed("a leaf names a block that is not there");
  done(`${number(bytes.length)} bytes, ${file.format}; its content is the one the statement names`);

  begin("The log's checkpoint is signed");
  const manifests = new Map();
  for (const text of content.log.manifests) {
    const manifest = await readManifest(text);
    manifests.set(manifest.digest, manifest);
  }
  const own = [...manifests.values()].flatMap((manifest) => manifest.of("checkpoint"));
  const said = await checkpointSignedBy(content.checkpoint, own, known.policy);
  report.key = said.found[0].spelled;
  const kinds = said.found.map((key) => ({ 1: "Ed25519", 4: "Ed25519 cosignature" }[key.kind])).join(", ");
  const size = said.checkpoint.size, origin = said.checkpoint.origin;
  if (known.policy) { report.decided = true; done(`${origin}, ${number(size)} entries, by ${kinds}; the policy trusts the key`); }
  else {
    done(`${origin}, ${number(size)} entries, by ${kinds}; with the key the file brings itself, ${report.key}`, "not checked");
    report.not_checked.push(`whose key it is: compare ${report.key} with what the plant told you another way, or give a policy`);
  }
  if (said.unchecked.length) report.not_checked.push("the ML-DSA-44 signature: browsers cannot check it yet, the command line does");
  report.not_checked.push("whether others were shown the same log: no witness has signed the checkpoint");

  begin("The blocks are in the log");
  const founding = readFounding(content.log.founding);
  if (founding.origin !== origin) flaw("wrong_origin", `the log's first entry names ${founding.origin}, its checkpoint ${origin}`);
  await inLog(0, content.log.founding, content.log.founding_path, said.checkpoint);
  const records = [];
  for (const part of content.blocks) {
    const record = readBlock(part.record);
    if (record.origin !== origin) flaw("wrong_origin", `a block of ${record.origin} in the log ${origin}`);
    if (record.slots !== founding.slots) malformed(`block ${record.number} has ${record.slots} places, the log was begun with ${founding.slots}`);
    if (!manifests.has(record.keys) || manifests.get(record.keys).origin !== origin) flaw("unknown_key", `the manifest of keys that block ${record.number} names is not in the file`);
    await inLog(record.number, part.record, part.path, said.checkpoint);
    records.push(record);
  }
  const last = records[records.length - 1];
  if (last.number !== size - 1) malformed("the last block of the file is not the last of the log");
  const sealedBy = closes(founding, size - 1);
  done(`${number(new Set(records.map((one) => one.number)).size)} blocks of ${number(founding.slots)} places; the log was begun ${minute(founding.start)}`);

  begin("The statement is the plant's");
  const keys = manifests.get(last.keys).of("statement");
  await checkToken(file.statement, "asbuilt-statement+jwt", keys);
  if (told.iss !== origin) flaw("wrong_origin", `the statement is of ${told.iss}, the log is ${origin}`);
  report.told = {
    issuer: told.iss, format: file.format, disclosure: told.disclosure, recipient: told.recipient, purpose: told.purpose,
    profile: told.profile, issued: minute(1000 * told.iat), expires: told.expires ? minute(1000 * told.expires) : null,
  };
  if (known.recipient && known.recipient !== told.recipient) flaw("wrong_recipient", `the file is for ${told.recipient}, not for ${known.recipient}`);
  done(`made for ${told.recipient}, for: ${told.purpose}`);
  report.proved.push(`${origin} made this file for ${told.recipient}, for: ${told.purpose}`);
  report.asserted.push(`that it was made ${minute(1000 * told.iat)}`);

  begin("Every fact is in its block");
  const opened = [], taken = new Set();
  for (const [at, part] of content.leaves.entries()) {
    const record = records[part.block], hash = await leafHash(utf8.encode(part.leaf)), path = part.path.map((step) => unb64(step, 32));
    try { await checkInclusion(part.slot, record.slots, hash, path, record.root); } catch (error) {
      flaw("leaf_not_in_block", `leaf ${at} is not at place ${part.slot} of block ${record.number}: ${error.message}`);
    }
    const place = `${record.number}/${part.slot}`;
    if (taken.has(place)) flaw("entry_doubled", `place ${part.slot} of block ${record.number} is shown twice`);
    taken.add(place);
    opened.push({ hash, block: record.number, slot: part.slot, ...await openLeaf(at, part, content.leaves) });
  }
  done(`${opened.length} facts, each with the fields it was sealed with`);
  if (kind === "passport") await passport(content, opened, sealedBy, report, begin, done);
  else await claim(content, opened, founding, report, begin, done);

  begin("The log is the one seen before");
  if (!known.oldCheckpoint) {
    done("no checkpoint from before was given", "not checked");
    report.not_checked.push("whether the log is the one seen before: no older checkpoint was given");
  } else {
    const kept = (await checkpointSignedBy(known.oldCheckpoint, said.found, known.policy)).checkpoint;
    if (await compare(kept, said.checkpoint, known.consistency)) {
      done(`the checkpoint of ${number(kept.size)} entries that was kept belongs to this log`);
      report.proved.push(`the log still holds the ${number(kept.size)} entries that were seen before, unchanged`);
    } else {
      done(`the checkpoint of ${number(kept.size)} entries needs a proof of consistency`, "not checked");
      report.not_checked.push("whether the log still holds what was seen before: give the plant's proof of consistency");
    }
  }
  begin("The file still stands");
  if (told.expires && told.expires <= now / 1000) flaw("expired", `the file ended ${minute(1000 * told.expires)}`);
  const lists = [];
  for (const token of [content.status, known.status].filter(Boolean)) {
    await checkToken(token, "statuslist+jwt", keys);
    lists.push(await readStatus(token));
  }
  if (lists.some((one) => one.issuer !== origin)) flaw("wrong_origin", "the status list is of another plant");
  if (!lists.length) {
    done("no status list was given", "not checked");
    report.not_checked.push("whether the file was revoked: there is no status list");
    return;
  }
  const newest = lists.reduce((a, b) => (b.issued > a.issued || (b.issued === a.issued && b.size > a.size) ? b : a));
  const asOf = minute(1000 * newest.issued);
  if (newest.revoked(told.place)) flaw("revoked", `the plant had revoked the file by ${asOf}`);
  done(`${told.expires ? `it ends ${minute(1000 * told.expires)}` : "it has no end"}; not revoked as of ${asOf}`);
  report.not_checked.push(`whether it was revoked after ${asOf}`);
}

async function checkpointSignedBy(text, own, policy) {
  const note = readNote(text), checkpoint = readCheckpoint(note.text);
  if (policy && !policy.logs.some((key) => key.name === checkpoint.origin)) flaw("wrong_origin", `this is the log ${checkpoint.origin}; the policy trusts ${policy.logs.map((key) => key.name).join(", ") || "no log"}`);
  const { found, unchecked } = await signedBy(note, policy ? policy.logs : own);
  const byLog = found.filter((key) => key.name === checkpoint.origin);
  if (!byLog.length) flaw("wrong_origin", `the checkpoint of ${checkpoint.origin} is not signed by that log`);
  return { checkpoint, found: byLog, unchecked };
}
async function inLog(index, text, path, said) {
  const steps = path.map((step) => unb64(step, 32));
  try { await checkInclusion(index, said.size, await leafHash(utf8.encode(text)), steps, said.root); } catch (error) {
    flaw("block_not_in_log", `entry ${index} is not in the log: ${error.message}`);
  }
}

async function passport(content, opened, sealedBy, report, begin, done) {
  begin("No fact about the unit is left out");
  const numbered = new Set();
  for (const part of content.units) {
    numbering(part, opened);
    part.leaves.forEach((at) => numbered.add(at));
    report.entries.push(...shown(part.unit, part.leaves.map((at) => opened[at])));
  }
  for (let at = 0; at < opened.length; at += 1) if (!numbered.has(at) && !content.others.includes(at)) malformed(`leaf ${at} belongs to nothing`);
  if (content.others.some((at) => at >= opened.length || numbered.has(at))) malformed("the leaves beside the numbering are not as they should be");
  const main = content.units[0], count = main.leaves.length, name = main.unit.replace(/^unit:/, "");
  const redacted = report.entries.filter((entry) => entry.redacted).length;
  done(`${main.unit}: entries 1 to ${count} without a gap; ${content.units.length - 1} components likewise`);
  const named = new Set(opened.filter((one) => one.members.has("curve_digest")).map((one) => String(one.members.get("curve_digest"))));
  for (const curve of content.curves) {
    if (hex(await sha256(unb64(curve.content))) !== curve.digest) flaw("curve_altered", `the curve ${curve.digest.slice(0, 12)}… is not the one that was recorded`);
    if (!named.has(curve.digest)) flaw("curve_altered", `no fact names the curve ${curve.digest.slice(0, 12)}…`);
  }
  if (content.curves.length) { begin("The curves are those that were recorded"); done(`${content.curves.length} files have the digests that facts name`); }
  const missing = [...named].filter((digest) => !content.curves.some((curve) => curve.digest === digest)).length;
  if (missing) report.not_checked.push(`${missing} curves: facts name them, the file does not bring them`);
  report.headline = `Valid: ${count} facts about ${name} stand in the log, none left out before the last.`;
  report.proved.push(
    `${count} facts about ${name} stand in the log in this order, unchanged since they were sealed`,
    `they were sealed by ${minute(sealedBy)}, when the checkpoint's last block closed by the log's cadence`,
  );
  report.asserted.push(
    `that nothing about ${name} was recorded after entry ${count}: the file cannot show its own end`,
    "what the facts say: values, names and times are the plant's word",
  );
  report.hidden.push(redacted ? `${redacted} facts are redacted: they exist, at their places, and say nothing else` : "no fact is redacted");
  if (report.entries.length > redacted) report.hidden.push("fields of shown facts may be withheld; which and how many cannot be seen");
}

function numbering(part, opened) {
  const seen = new Set();
  let before = new Uint8Array();
  part.leaves.forEach((at, index) => {
    const wanted = index + 1;
    if (at >= opened.length) malformed(`${part.unit} names a leaf that is not there`);
    if (seen.has(at)) flaw("entry_doubled", `one fact stands twice among those about ${part.unit}`);
    seen.add(at);
    const links = opened[at].links.filter((link) => link.unit === part.unit);
    if (links.length !== 1) flaw("entry_of_another_unit", `entry ${wanted} is not shown to be about ${part.unit}`);
    const found = links[0].number;
    if (found !== wanted) {
      if (found < wanted) flaw("entry_doubled", `number ${found} of ${part.unit} stands twice`);
      flaw("entry_missing", `number ${wanted} of ${part.unit} is missing; ${found} follows`);
    }
    if (!same(links[0].before, before)) flaw("numbering_broken", `entry ${wanted} of ${part.unit} follows another one than is shown`);
    before = opened[at].hash;
  });
}

function shown(unit, opened) {
  const corrections = new Map();
  opened.forEach(({ members }, at) => {
    if (!members.has("corrects")) return;
    const time = Date.parse(String(members.get("event_time")));
    const rank = [Number.isNaN(time) ? -Infinity : time, String(members.get("id") ?? ""), at + 1];
    const known = corrections.get(String(members.get("corrects")));
    if (!known || rank[0] > known[0] || (rank[0] === known[0] && rank[1] > known[1])) corrections.set(String(members.get("corrects")), rank);
  });
  return opened.map(({ members, block }, at) => {
    const told = Object.fromEntries([...members].filter(([name]) => !name.startsWith("link_")));
    const by = corrections.get(String(members.get("id")));
    return { unit, number: at + 1, block, redacted: !Object.keys(told).length, members: told, corrected_by: by ? by[2] : null };
  });
}

async function claim(content, opened, founding, report, begin, done) {
  begin("The lane was closed once, at its place");
  const lane = readLane(content.lane);
  const [block, slot] = await placeOfLane(lane, founding);
  const used = [content.closed, content.registered, ...content.checks.map((one) => one.leaf)].sort((one, other) => one - other);
  if (used.length !== opened.length || used.some((leaf, at) => leaf !== at)) malformed("a claim holds its registration, its closing, and what was opened, each once");
  const closed = opened[content.closed], registered = opened[content.registered];
  if (closed.block !== block || closed.slot !== slot) flaw("lane_elsewhere", `${lane.name} can only be closed at place ${slot} of block ${block}, this closing is at ${closed.slot} of ${closed.block}`);
  if (closed.members.get("lane") !== lane.name) flaw("lane_not_closed", `what stands at the place of ${lane.name} is not its closing`);
  if (registered.members.get("type") !== "lane_registered.v1" || registered.members.get("lane") !== lane.name) flaw("lane_not_registered", `${lane.name} is not shown to have been registered`);
  if (registered.block >= closed.block) flaw("lane_not_registered", `${lane.name} was registered only when it was closed`);
  done(`${lane.name}: closed at place ${slot} of block ${block}, the only one it can be closed at`);
  begin("The number is the one committed to");
  const words = content.says === "exactly" ? "exactly" : "at least";
  const refuse = () => flaw("count_not_committed", `the closing does not commit to ${words} ${number(content.count)}`);
  if (content.says === "exactly") {
    if (closed.members.get("size") !== content.count || !closed.members.has("root")) refuse();
  } else {
    const floor = closed.members.get("floor");
    if (!isText(floor) || content.count > MAX_COUNT) refuse();
    const revealed = unb64url(content.reveal);
    if (revealed.length !== 32 || !same(await chained(lane.name, revealed, content.count), unb64url(floor))) refuse();
  }
  done(`${words} ${number(content.count)}`);
  const what = `${words} ${number(content.count)} ${lane.product} ${COUNTS[lane.counts]} in ${lane.period} (UTC)`;
  report.headline = `Valid: the plant committed to “${what}”.`;
  report.proved.push(
    `the plant irrevocably committed to: ${what}; it cannot show another closing of this lane in this log`,
    `the lane was registered in block ${registered.block}, ${closes(founding, registered.block) <= lane.start ? "before the period began" : "after the period began and before it was closed"}`,
  );
  if (content.checks.length) {
    begin("Those that were opened were counted");
    const serials = await openedCounts(content, opened, closed.members, lane);
    done(`${serials.length} of ${number(content.count)}, all different: ${serials.slice(0, 20).join(", ")}${serials.length > 20 ? " …" : ""}`);
    report.proved.push(`${serials.length} of those counted, at numbers that whoever asked for them can compare, are different units of the kind`);
  }
  report.asserted.push("that the count follows from the record, and the record from what was made");
  report.hidden.push("which units were counted, when, and how many were not");
  if (content.says === "at_least") report.hidden.push("the number itself: only that it is not smaller");
  report.shows_not.push(...CLAIM_SHOWS_NOT);
}

async function openedCounts(content, opened, closing, lane) {
  const serials = [];
  for (const one of content.checks) {
    const { members, hash } = opened[one.leaf], time = Date.parse(String(members.get("event_time")));
    if (content.says !== "exactly" || members.get("type") !== COUNTED[lane.counts] || members.get("product") !== lane.product
      || !isText(members.get("serial")) || (lane.counts === "run_in_passed" && members.get("verdict") !== "pass")
      || !(lane.start <= time && time < lane.end)) flaw("check_not_counted", `what is opened as number ${one.number} is not of the kind that is counted`);
    const path = one.path.map((step) => unb64(step, 32));
    const root = unb64url(String(closing.get("root")));
    try { await checkInclusion(one.number, content.count, hash, path, root); } catch (error) {
      flaw("check_not_counted", `number ${one.number} is not among those counted: ${error.message}`);
    }
    serials.push(members.get("serial"));
  }
  if (new Set(serials).size !== serials.length) flaw("check_not_counted", "one unit was counted twice");
  return serials;
}
