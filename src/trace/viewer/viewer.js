// Viewer: the timeline and the place in it.
//
//   position 0        the question, before anything happened
//   position 1..n     steps, scopes, undos and the end; an act is the heading of what follows it
//
// The address keeps the place: `#12` is step 12 of the plan; `#@7` is the seventh place of the timeline, for what
// has no number of its own.

const $ = (id) => document.getElementById(id);
const timeline = [{ event: { event: "start" } }];
let act;
for (const event of trace.events) {
  if (event.event === "act") act = event;
  else timeline.push({ event, act, opens: act && timeline[timeline.length - 1].act !== act });
}
const last = timeline.length - 1;
let position = 0;

const number = (at) => (timeline[at].event.event === "step" ? timeline[at].event.index : undefined);
const firstWith = (index) => timeline.findIndex((_, at) => number(at) === index);
const steps = timeline.filter(({ event }) => event.event === "step").length;
const laneOf = ({ event }) => event.lane ?? (["end", "start"].includes(event.event) ? "both" : "host");

function addressOf(at) {
  if (at === 0) return "";
  return number(at) !== undefined && firstWith(number(at)) === at ? `#${number(at)}` : `#@${at}`;
}

/** What an event is called. */
function nameOf({ event }) {
  if (event.event === "start") return trace.question || trace.title;
  if (event.event === "end") return event.outcome;
  return event.event === "undo" ? `undo ${event.index}: ${event.name}` : event.name;
}

/** Its number in the plan, or a sign. */
function markOf({ event }) {
  return { step: `${event.index}`, scope: "·", undo: "↶", end: "■", start: "▸" }[event.event];
}

function placeOf(address) {
  const found = /^#(@?)(\d+)$/.exec(address);
  if (!found) return 0;
  const at = found[1] ? Number(found[2]) : firstWith(Number(found[2]));
  return Math.min(last, Math.max(0, at));
}

/** The list at the left: two lanes, time runs down. */
function buildList() {
  const alive = timeline.findIndex(({ event }) => event.lane === "box" || /^(clone|fork|unshare)/.test(event.call ?? ""));
  timeline.forEach((item, at) => {
    if (item.opens) $("list").append(make("li", { class: "act" }, make("span", {}, say(item.act.title))));
    const lane = laneOf(item);
    const kind = item.event.event;
    const failed = (item.event.result ?? "").startsWith("-");
    const button = make("button", { type: "button", class: `stop ${kind}${failed ? " failed" : ""}`, "data-at": at },
      make("span", { class: "number" }, markOf(item)),
      make("span", { class: "hidden" }, lane === "both" ? "" : `${lane}: `),
      make("span", { class: "name" }, say(kind === "start" ? "the question" : nameOf(item))));
    button.addEventListener("click", () => go(at));
    const living = alive >= 0 && at >= alive && kind !== "end" && kind !== "undo";
    $("list").append(make("li", { class: `row ${lane}${living ? " alive" : ""}` }, button));
    $("ticks").append(make("span", { class: `tick ${lane} ${kind}${item.opens && at > 1 ? " opens" : ""}` }));
  });
}

function badge(lane) {
  return make("span", { class: `badge ${lane}` }, lane);
}

/** The card of the start: the question, and how to go on. */
function startCard() {
  const acts = trace.events.filter((event) => event.event === "act");
  const begin = make("button", { type: "button", class: "begin" }, "Begin ", make("span", { "aria-hidden": "true" }, "→"));
  begin.addEventListener("click", () => go(1));
  const key = (name) => make("kbd", {}, name);
  const row = (event) => make("li", {}, make("b", {}, say(event.title)), make("span", {}, say(event.text.split("\n")[0])));
  return [make("p", { class: "eyebrow" }, say(trace.title), ` · ${steps} steps`), make("h2", {}, say(nameOf(timeline[0]))),
    acts.length ? make("ol", { class: "acts" }, acts.map(row)) : "",
    make("p", { class: "begin-line" }, begin,
      make("span", { class: "quiet" }, "or ", key("→"), " forward, ", key("←"), " back, ", key("?"), " all keys"))];
}

/** The sentence of an act, and the listing below it where it has one. */
function actText(text) {
  const [first, ...listing] = text.split("\n");
  const rows = listing.flatMap((line) => [...say(line), "\n"]);
  return [make("p", { class: "act-text" }, say(first)), rows.length ? make("pre", { class: "listing" }, rows) : ""];
}

/** The card of any event: name, reason, call, answer. */
function cardOf(item, at) {
  const { event } = item;
  if (event.event === "start") return startCard();
  const lane = laneOf(item);
  // a lab has several plans, and a run may end before its plan does
  const total = event.event === "step" ? ` of ${Math.max(event.total, steps)}` : "";
  const heading = { step: `step ${markOf(item)}${total}`, scope: "work of the engine", undo: "undo", end: "the end" }[event.event];
  const micros = event.micros < 1000 ? `${event.micros} µs` : `${(event.micros / 1000).toFixed(1)} ms`;
  const eyebrow = make("p", { class: "eyebrow" }, lane === "both" ? "" : badge(lane), make("span", { class: "count" }, heading),
    item.act ? make("span", { class: "more" }, say(item.act.title)) : "", event.micros ? make("span", { class: "more" }, micros) : "");
  const parts = [eyebrow, make("h2", {}, say(nameOf(item)))];
  if (item.opens && item.act.text) parts.push(...actText(item.act.text));
  if (event.why) parts.push(make("p", { class: "why" }, say(event.why)));
  if (event.call) parts.push(callBlock(event.call, event.result, event.provoked));
  const undo = event.undo ? make("span", {}, "undo: ", make("code", {}, say(event.undo))) : "";
  const code = typeof event.exit_code === "number" ? make("span", {}, `exit code ${event.exit_code}`) : "";
  if (undo || code) parts.push(make("p", { class: "small" }, undo, code));
  return parts;
}

/** What the event's probes saw. An act's first look is shown whole when nothing differs anywhere. */
function evidenceOf(at) {
  const name = (change) => JSON.stringify([change.kind, change.subject]);
  const earlier = new Set(timeline.slice(0, at).filter(({ act }) => act === timeline[at].act).flatMap(({ event }) => (event.evidence ?? []).map(name)));
  const evidence = timeline[at].event.evidence ?? [];
  const still = evidence.every((change) => differences(change).length === 0);
  return evidence.map((change) => changeBlock(change, still && !earlier.has(name(change))));
}

/** Draws the picture as wide as its pane; where the page has one column, its figures lie in the pane around it. */
function showPicture() {
  const pane = $("picture");
  const around = getComputedStyle(pane).display === "contents" ? pane.parentElement : pane;
  const stale = ["undo", "end"].includes(timeline[position].event.event);
  const figures = picture(position, timeline, Math.max(280, Math.floor(around.clientWidth)));
  const told = "Nothing was read after the steps were undone: this is the last state that was seen.";
  pane.classList.toggle("stale", stale);
  pane.replaceChildren(...(stale && figures.length ? [make("p", { class: "quiet" }, told)] : []), ...figures);
  return figures.length;
}

function showEvidence() {
  const blocks = evidenceOf(position);
  const quiet = make("p", { class: "quiet" }, "No probe looked at this step.");
  $("evidence").replaceChildren(make("h3", { class: "pane-title" }, "What the kernel showed"), ...(blocks.length ? blocks : [quiet]));
}

/** Brings the current step into view in its own list, without moving the page. */
function scrollList(button) {
  const list = $("list").parentElement;
  const [outer, inner] = [list.getBoundingClientRect(), button.getBoundingClientRect()];
  if (inner.top < outer.top + 90 || inner.bottom > outer.bottom - 60) list.scrollTop += inner.top - outer.top - outer.height / 2;
}

/** Shows the current place. */
function show() {
  const item = timeline[position];
  $("card").className = `card ${laneOf(item)} ${item.event.event}`;
  $("card").replaceChildren(...cardOf(item, position).filter(Boolean));
  showEvidence();
  const drawn = showPicture();
  $("stage").classList.toggle("bare", drawn === 0 && !(item.event.evidence ?? []).length);
  for (const button of document.querySelectorAll(".stop")) {
    const at = Number(button.dataset.at);
    button.classList.toggle("ahead", at > position);
    if (at === position) { button.setAttribute("aria-current", "step"); scrollList(button); } else button.removeAttribute("aria-current");
  }
  [...$("ticks").children].forEach((tick, at) => tick.classList.toggle("past", at <= position));
  $("scrub").value = position;
  $("scrub").setAttribute("aria-valuetext", `${markOf(item)} ${plain(nameOf(item))}`);
  $("first").disabled = $("back").disabled = position === 0;
  $("last").disabled = $("next").disabled = position === last;
  const lane = laneOf(item) === "both" ? "" : `${laneOf(item)}, `;
  const answer = item.event.result ? ` Result ${item.event.result}.` : "";
  $("live").textContent = plain(`${item.event.event} ${number(position) ?? ""}: ${lane}${nameOf(item)}.${answer}`);
}

/** Goes to a place and writes it into the address. */
function go(at) {
  const next = Math.min(last, Math.max(0, at));
  if (next === position) return;
  position = next;
  history.replaceState(null, "", addressOf(position) || location.pathname + location.search);
  show();
  $("stage").scrollTop = 0;
}

function theme() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
}

const KEYS = {
  ArrowRight: () => go(position + 1), j: () => go(position + 1), PageDown: () => go(position + 1),
  ArrowLeft: () => go(position - 1), k: () => go(position - 1), PageUp: () => go(position - 1),
  Home: () => go(0), End: () => go(last), t: theme, "?": () => $("help").showModal(),
};

/** The scrubber handles its own arrow keys; everything else is the page's. */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
}

/** A swipe to the left goes on; one that scrolls, or starts in something that scrolls sideways, does not count. */
function onSwipe(stage) {
  let from;
  stage.addEventListener("touchstart", (event) => { from = event.touches.length === 1 ? event.touches[0] : undefined; }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    if (!from) return;
    const [x, y] = [event.changedTouches[0].clientX - from.clientX, event.changedTouches[0].clientY - from.clientY];
    if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) go(position + (x < 0 ? 1 : -1));
  }, { passive: true });
}

/** The sheet that is printed: every step, one after the other. */
function buildPrint() {
  const sheet = (item, at) => make("article", { class: `card ${laneOf(item)} ${item.event.event}` },
    ...cardOf(item, at).filter(Boolean), ...evidenceOf(at));
  $("print").replaceChildren(make("h1", {}, say(trace.title)), ...timeline.map(sheet));
}

function begin() {
  $("title").append(...say(trace.title));
  $("facts").append(...say(`${trace.host} host · kernel ${trace.kernel}`));
  $("scrub").max = last;
  buildList();
  $("app").hidden = false;
  position = placeOf(location.hash);
  show();
  document.addEventListener("keydown", onKey);
  const buttons = { first: KEYS.Home, back: KEYS.k, next: KEYS.j, last: KEYS.End, theme, keys: KEYS["?"] };
  for (const [id, act] of Object.entries(buttons)) $(id).addEventListener("click", act);
  $("scrub").addEventListener("input", () => go(Number($("scrub").value)));
  addEventListener("hashchange", () => { position = placeOf(location.hash); show(); });
  addEventListener("resize", () => requestAnimationFrame(showPicture));
  addEventListener("beforeprint", buildPrint);
  onSwipe($("stage"));
}

begin();
