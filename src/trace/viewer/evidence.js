// Evidence: what the kernel showed, as elements.
//
//   before, after ──> differences ──> rows with a sign, a key and a value
//
// Whatever comes from the trace is put in as text nodes, by `make` and `say` alone; nothing is parsed as markup.

const { trace, labels } = JSON.parse(document.getElementById("trace").textContent);
const NAMESPACE = /\b(cgroup|ipc|mnt|net|pid_for_children|pid|time_for_children|time|user|uts):\[(\d+)\]/g;
// Control characters and direction marks would be invisible, or turn a line around.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const LANE = { host: "host", box: "box" };

/** An element with attributes and children; strings become text nodes. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
}

// An id of 64 digits: its first twelve tell it from all others. Behind `sha256:` stands a digest, which may be what is to be seen.
const LONG_ID = /(?<![\da-f]|sha256:)([\da-f]{12})[\da-f]{52}(?![\da-f])/gi;

/** The text with what cannot be seen written out, and short ids. */
function visible(text) {
  return text.replace(LONG_ID, "$1…").replace(UNSEEN, (c) => {
    const code = c.codePointAt(0).toString(16);
    const short = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[c];
    return short ?? (code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`);
  });
}

/** The text with labels for the numbers of namespaces, as one string. */
function plain(text) {
  return visible(text).replace(NAMESPACE, (_, kind, number) => `${kind}:[${labels[number] ?? number}]`);
}

/** The text as nodes: each namespace number is shown by its label and keeps the number as its tooltip. */
function say(text) {
  const seen = visible(text);
  const nodes = [];
  let from = 0;
  for (const found of seen.matchAll(NAMESPACE)) {
    nodes.push(seen.slice(from, found.index));
    nodes.push(make("abbr", { class: "ns", title: found[0] }, plain(found[0])));
    from = found.index + found[0].length;
  }
  nodes.push(seen.slice(from));
  return nodes.filter((node) => node !== "");
}

const paired = new WeakMap();

/** What differs between before and after; worked out once a change. */
function differences(change) {
  if (!paired.has(change)) paired.set(change, pairOff(change));
  return paired.get(change);
}

/** Equal facts are paired off first, then those with the same key. */
function pairOff(change) {
  const old = [...change.before];
  const take = (fits) => {
    const at = old.findIndex(fits);
    return at < 0 ? undefined : old.splice(at, 1)[0];
  };
  const rows = [];
  const fresh = change.after.filter((fact) => !take((was) => was.key === fact.key && was.value === fact.value));
  for (const fact of fresh) {
    const was = take((other) => other.key === fact.key);
    rows.push(was ? { sign: "~", key: fact.key, was: was.value, value: fact.value } : { sign: "+", ...fact });
  }
  return [...old.map((fact) => ({ sign: "-", ...fact })), ...rows];
}

/** The facts of `after` that were there before, unchanged. */
function unchanged(change) {
  const name = (fact) => JSON.stringify([fact.key, fact.value]);
  const differ = new Set(differences(change).map(name));
  return change.after.filter((fact) => !differ.has(name(fact)));
}

/** The same nodes; a long path is best broken behind a slash. */
const breakable = (nodes) => nodes.flatMap((node) => (typeof node !== "string" ? [node]
  : node.split(/(?<=\/)/).flatMap((part, at) => (at ? [make("wbr"), part] : [part]))));

const MEANING = { "+": "new", "-": "gone", "~": "changed", " ": "unchanged" };
const CLASS = { "+": "new", "-": "gone", "~": "changed", " ": "same" };

/** One line of evidence. */
function factRow(sign, key, value, was) {
  const empty = (text) => (text === "" ? [make("i", {}, "empty")] : say(text));
  const both = () => [make("del", {}, empty(was)), " → ", make("ins", {}, empty(value))];
  const parts = was === undefined ? say(value) : both();
  return make("li", { class: `fact ${CLASS[sign]}` },
    make("span", { class: "sign", "aria-hidden": "true" }, sign.trim() || "\u00a0"),
    make("span", { class: "hidden" }, `${MEANING[sign]}: `),
    make("span", { class: "key" }, breakable(say(key))),
    make("span", { class: "value" }, parts));
}

const KINDS = { caps: "capabilities", ids: "id maps", cgroup: "control group", tree: "files", links: "network links" };

/** "namespaces of box", with the lane's colour on whose they are. */
function whose(kind, subject) {
  const lane = LANE[subject] ? `who ${subject}` : "who";
  return [make("span", { class: "kind" }, plain(KINDS[kind] ?? kind)), " of ", make("span", { class: lane }, ...say(subject))];
}

const LONG = 200; // rows of one list; an unpacked image has thousands

/** A list of facts, cut when it is very long. */
function factList(rows) {
  const list = rows.slice(0, LONG).map((row) => factRow(row.sign ?? " ", row.key, row.value, row.was));
  if (rows.length > LONG) list.push(make("li", { class: "fact-more quiet" }, `… ${rows.length - LONG} more`));
  return make("ul", { class: "facts-list" }, list);
}

/** One probe's view: the differences, and the rest folded away unless `open` and there is nothing else to show. */
function changeBlock(change, open) {
  const rows = differences(change);
  const same = unchanged(change);
  const block = make("section", { class: "change" },
    make("h3", {}, whose(change.kind, change.subject)),
    change.source === change.subject ? "" : make("p", { class: "source" }, say(change.source)));
  if (rows.length) block.append(factList(rows));
  if (same.length && !rows.length && open) block.append(factList(same));
  else if (same.length) block.append(make("details", {}, make("summary", {}, `${same.length} unchanged`), factList(same)));
  if (!rows.length && !same.length) block.append(make("p", { class: "quiet" }, "nothing there"));
  return block;
}

// A call's tokens: a string, the call's name, a flag, anything else.
const TOKEN = /"(?:[^"\\]|\\.)*"|^[a-z_0-9]+(?=\()|\b[A-Z][A-Z0-9_]{2,}\b|[^"A-Za-z]+|[A-Za-z][A-Za-z0-9_]*|./gs;

/** The call as strace prints it, with its name, strings and flags set apart. */
function callCode(call) {
  const code = make("code", {});
  for (const [token] of visible(call).matchAll(TOKEN)) {
    if (token.startsWith('"') && token.length > 1) code.append(make("span", { class: "string" }, say(token)));
    else if (/^[A-Z][A-Z0-9_]{2,}$/.test(token)) code.append(make("span", { class: "flag" }, token));
    else if (code.childNodes.length === 0 && /^[a-z]/.test(token)) code.append(make("b", {}, token));
    else code.append(token);
  }
  return code;
}

/** The call and the kernel's answer to it. */
function callBlock(call, result, provoked) {
  const kind = result.startsWith("-") ? "result bad" : "result good";
  const answer = make("span", { class: kind }, make("span", { class: "equals" }, "=\u00a0"), say(result));
  const block = make("p", { class: "call" }, callCode(call), " ", answer);
  if (provoked) block.append(" ", make("span", { class: "expected", title: "the step was meant to fail" }, "expected"));
  return block;
}
