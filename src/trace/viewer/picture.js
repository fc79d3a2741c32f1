// Picture: the state after a step, drawn from the evidence of all steps up to it.
//
//   changes of steps 1..n ──> views: (kind, subject) ──> { facts now, what this step changed } ──> one figure a kind
//
// A figure knows one kind of evidence; kinds without one become a table. What changed last stands on top: the
// figure that a step is about is seen without scrolling.

const SVG = "http://www.w3.org/2000/svg";
const MONO = 0.605; // the width of a character of a fixed-width font, in its size

/** An SVG element; strings become text nodes. */
function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
}

/** A drawing of this size, with a sentence for those who do not see it. */
function canvas(width, height, label, ...children) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, ...children);
}

/** A text cut to a width; the whole is its tooltip. */
function textAt(x, y, text, { size = 12, room = Infinity, ...attributes } = {}) {
  const shown = plain(text);
  const fits = Math.max(1, Math.floor(room / (size * MONO)));
  const cut = shown.length > fits ? `${shown.slice(0, fits - 1)}…` : shown;
  const tip = visible(text) === cut ? "" : draw("title", {}, visible(text));
  return draw("text", { x, y, "font-size": size, ...attributes }, cut, tip);
}

function box(x, y, width, height, attributes = {}) {
  return draw("rect", { x, y, width, height, rx: 6, ...attributes });
}

/** Forgets what was seen of a box that is no longer the one that is meant. */
function forgetBox(kinds) {
  for (const { views } of kinds.values()) {
    for (const [subject, { source }] of views) if (subject === "box" || source.includes("[BOX]")) views.delete(subject);
  }
}

/**
 * Where each kind of evidence stands after step `position`: what changed last first, each with its views. What was
 * seen before a plan was undone, or of an earlier box, is no state any more.
 */
function stateAt(position, timeline) {
  const kinds = new Map();
  timeline.slice(0, position + 1).forEach((item, at) => {
    if (timeline[at - 1]?.event.event === "undo" && ["step", "scope"].includes(item.event.event)) kinds.clear();
    if (item.event.result === "[BOX]") forgetBox(kinds);
    for (const change of item.event.evidence ?? []) {
      if (!kinds.has(change.kind)) kinds.set(change.kind, { kind: change.kind, views: new Map(), changedAt: at });
      const state = kinds.get(change.kind);
      const rows = differences(change);
      if (rows.length) state.changedAt = at;
      const earlier = state.views.get(change.subject);
      const changed = at < position ? [] : [...(earlier?.changed ?? []), ...rows];
      state.views.set(change.subject, { subject: change.subject, source: change.source, facts: change.after, changed });
    }
  });
  return [...kinds.values()].filter(({ views }) => views.size).sort((a, b) => b.changedAt - a.changedAt);
}

/** Whether this step changed the fact with this key. */
function touched(view, key) {
  return view.changed.some((row) => row.key === key && row.sign !== "-");
}

const ORDER = ["user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time"];

/** The namespaces of one subject: kind, label, number. */
function namespaces(view) {
  const rows = view.facts.map((fact) => {
    const number = /\[(\d+)\]/.exec(fact.value)?.[1];
    return { kind: fact.key, number, label: labels[number] ?? fact.value, touched: touched(view, fact.key) };
  });
  const place = (row) => (ORDER.indexOf(row.kind) + 99) % 99;
  return rows.sort((a, b) => place(a) - place(b));
}

/** Chips in a grid: one namespace each. A shared one is hollow, an own one is filled. */
function chips(rows, lane, x, y, width, shared) {
  const columns = Math.max(1, Math.min(4, rows.length, Math.floor(width / 96)));
  const [gap, height] = [8, 30];
  const room = (width - gap * (columns - 1)) / columns;
  const shapes = rows.map((row, at) => {
    const left = x + (at % columns) * (room + gap);
    const top = y + Math.floor(at / columns) * (height + gap);
    const own = !shared.has(row.number);
    return draw("g", { class: `chip ${lane} ${own ? "own" : "shared"}${own && row.touched ? " touched" : ""}` },
      draw("title", {}, visible(`${row.kind}:[${row.number ?? row.label}]${own ? "" : ", the host's"}`)),
      box(left, top, room, height),
      textAt(left + 9, top + 19.5, row.kind, { class: "name", room: room - 24 - row.label.length * 12 * MONO }),
      textAt(left + room - 9, top + 19.5, row.label, { class: "label", "text-anchor": "end", room: room / 2 }));
  });
  return { shapes, height: Math.ceil(rows.length / columns) * (height + gap) - gap };
}

/** The host as a box, and in it each container; a namespace that is the host's own is drawn hollow in a container. */
function namespacesFigure(views, width) {
  const host = views.find((view) => view.subject === "host");
  const inner = views.filter((view) => view !== host);
  const known = host ? namespaces(host) : [];
  const numbers = new Set(known.map((row) => row.number));
  const parts = [];
  const pad = 16;
  let y = 40;
  if (known.length) {
    const grid = chips(known, "host", pad, y, width - 2 * pad, new Set());
    parts.push(...grid.shapes);
    y += grid.height + pad;
  }
  for (const view of inner) {
    const rows = namespaces(view);
    const own = rows.filter((row) => !numbers.has(row.number)).length;
    const grid = chips(rows, "box", 2 * pad, y + 38, width - 4 * pad, numbers);
    const height = grid.height + 38 + pad;
    const [mine, theirs] = width < 420 ? ["own", "shared"] : ["of its own", "shared with the host"];
    const note = rows.length === 0 ? "gone" : `${own} ${mine}, ${rows.length - own} ${theirs}`;
    parts.push(box(pad, y, width - 2 * pad, height, { class: "room box", rx: 10 }),
      textAt(2 * pad, y + 24, view.subject, { size: 13, class: "title box", room: width / 3 }),
      textAt(width - 2 * pad, y + 24, note, { size: 11, class: "note", "text-anchor": "end", room: width * 0.6 }),
      ...grid.shapes);
    y += height + pad;
  }
  const frame = box(1, 1, width - 2, y - 2, { class: "room host", rx: 14 });
  const title = textAt(pad, 26, "host", { size: 13, class: "title host" });
  return canvas(width, y, "namespaces as nested boxes", frame, title, ...parts);
}

/** "0 65534 1" as an arrow from the ids inside to the ids outside. */
function idsFigure(views, width) {
  const whose = (view) => (views.length > 1 ? [{ name: view.subject, text: "", hot: false }] : []);
  const rows = views.flatMap((view) => whose(view).concat(view.facts.flatMap((fact) => {
    const numbers = fact.value.match(/\d+/g) ?? [];
    const maps = numbers.length && numbers.length % 3 === 0 ? numbers.length / 3 : 0;
    const hot = touched(view, fact.key);
    if (!maps) return [{ name: fact.key, text: fact.value || "nobody is mapped", hot }];
    const triple = (_, at) => ({ name: fact.key, map: numbers.slice(at * 3, at * 3 + 3).map(Number), hot });
    return Array.from({ length: maps }, triple);
  })));
  const range = (start, count) => (count === 1 ? `${start}` : `${start} … ${start + count - 1}`);
  const [left, middle] = [Math.min(96, width * 0.24), width * 0.55];
  const shapes = rows.map((row, at) => {
    const y = at * 42 + 6;
    const name = textAt(0, y + 20, row.name, { class: "name", room: left });
    if (!row.map) return draw("g", {}, name, textAt(left, y + 20, row.text, { class: "note", room: width - left }));
    const [inside, outside, count] = row.map;
    const room = middle - left - 24;
    const rest = width - middle - 16;
    return draw("g", { class: row.hot ? "touched" : "" }, name,
      box(left, y, room, 30, { class: "port box" }),
      textAt(left + 10, y + 19.5, range(inside, count), { class: "strong", room: room - 12 }),
      draw("path", { d: `M${left + room + 5} ${y + 15} H${middle + 6} m-6 -4 l6 4 l-6 4`, class: "arrow" }),
      box(middle + 14, y, rest, 30, { class: "port host" }),
      textAt(middle + 24, y + 19.5, range(outside, count), { class: "strong", room: rest - 20 }));
  });
  return canvas(width, rows.length * 42, "id maps: inside, outside", ...shapes);
}

/** Any other evidence: keys and values. */
function tableFigure(views) {
  const row = (view) => (fact) => make("tr", { class: touched(view, fact.key) ? "touched" : undefined },
    make("th", { scope: "row" }, say(fact.key)), make("td", {}, say(fact.value)));
  return make("div", { class: "tables" }, views.flatMap((view) => {
    const rows = view.facts.slice(0, 40).map(row(view));
    const more = view.facts.length - rows.length;
    if (more) rows.push(make("tr", {}, make("td", { colspan: "2" }, `… ${more} more`)));
    if (!rows.length) rows.push(make("tr", {}, make("td", { colspan: "2" }, "nothing there")));
    const long = view.facts.some((fact) => fact.key.length > 28);
    return [make("p", { class: LANE[view.subject] ? `who ${view.subject}` : "who" }, say(view.subject)),
      make("table", { class: long ? "long" : undefined, "aria-label": visible(view.subject) }, make("tbody", {}, rows))];
  }));
}

const FIGURES = {
  tree: { title: (views) => (stacksOf(views).stacks.length ? "Files, layer on layer" : "Files"), figure: (views, width) => treeFigure(views, width) },
  namespaces: { title: "Namespaces", figure: namespacesFigure },
  links: { title: "Network", figure: (views, width, events) => linksFigure(views, width, events) },
  ids: { title: "User and group ids: inside → outside", figure: idsFigure },
  cgroup: { title: "Control group", figure: (views, width) => cgroupFigure(views, width) },
  caps: { title: "Capabilities", figure: (views, width) => capsFigure(views, width) },
  layers: { title: "Layers, newest on top", figure: (views, width) => slabsFigure(views, width) },
  mounts: { title: "Mounts", figure: tableFigure },
  file: { title: "What a file says", figure: tableFigure },
  process: { title: "Process", figure: tableFigure },
};

/** All figures of a state. What this step changed is marked. */
function picture(position, timeline, width) {
  return stateAt(position, timeline).map(({ kind, views }) => {
    const list = [...views.values()];
    const hot = list.some((view) => view.changed.length > 0);
    const named = plain(kind).replace(/^./, (letter) => letter.toUpperCase());
    const { title, figure } = FIGURES[kind] ?? { title: named, figure: tableFigure };
    const caption = make("figcaption", {}, typeof title === "function" ? title(list) : title, hot ? make("span", { class: "mark" }, "changed here") : "");
    return make("figure", { "data-kind": visible(kind), class: hot ? "hot" : "" }, caption, figure(list, width, timeline.slice(0, position + 1)));
  });
}
