// Links: network namespaces as boxes, interfaces as ports, cables between them.
//
//   host ┌──────────┐         ┌──────────┐ box
//        │ br0      │         │ lo       │
//        │ └ veth1 ─┼─────────┼─ eth0    │      `master br0` is a branch, `peer box:eth0` a cable
//        └──────────┘         └──────────┘
//
// Routes and what a bridge has learnt are no ports: they stand as lines below them. A probe cannot tell where the other
// end of a cable lies; the call that laid it can.

const PORT = { height: 44, gap: 10, head: 38, pad: 14 };

/** What a link's line says: "veth up 10.0.0.2/24 master br0 peer box:eth0". */
function linkOf(fact, subject, hot) {
  const words = fact.value.split(/\s+/).filter(Boolean);
  const after = (word) => words[words.indexOf(word) + 1];
  const master = words.includes("master") ? after("master") : undefined;
  const peer = words.includes("peer") ? after("peer") : undefined;
  const addresses = words.filter((word) => /^[\da-f:.]+\/\d+$/i.test(word));
  const up = words.some((word) => /^up$/i.test(word));
  return { subject, name: fact.key, type: words[0] ?? "", up, master, peer, addresses, hot, value: fact.value };
}

/** Whether a fact tells of a link, and not of a route or of what a bridge has learnt. */
const isLink = (fact) => !/^route | learnt /.test(fact.key);

/** A namespace's ports: each bridge is followed by what is plugged into it. */
function portsOf(view) {
  const links = view.facts.filter(isLink).map((fact) => linkOf(fact, view.subject, touched(view, fact.key)));
  const names = new Set(links.map((link) => link.name));
  const free = links.filter((link) => !names.has(link.master));
  return free.flatMap((link) => [link, ...links.filter((other) => other.master === link.name)]);
}

/** One interface. */
function port(link, x, y, width) {
  const inset = link.branch ? 22 : 0;
  const room = width - inset - 32;
  const whole = [link.type, ...link.addresses].filter((text) => text && text !== link.name).join(" ");
  const note = whole.length * 10.5 * MONO > room && link.addresses.length ? link.addresses.join(" ") : whole;
  const lane = LANE[link.subject] ?? "box";
  return draw("g", { class: `link ${lane}${link.up ? " up" : " down"}${link.hot ? " touched" : ""}` },
    draw("title", {}, visible(`${link.name}  ${link.value}`)),
    link.branch ? draw("path", { d: `M${x + 9} ${y - PORT.gap} V${y + PORT.height / 2} H${x + inset}`, class: "branch" }) : "",
    box(x + inset, y, width - inset, PORT.height, { class: link.type === "bridge" ? "port bridge" : "port" }),
    draw("circle", { cx: x + inset + 14, cy: y + 16, r: 4, class: "lamp" }),
    textAt(x + inset + 25, y + 20, link.name, { class: "name", room: width - inset - 62 }),
    textAt(x + width - 12, y + 20, link.up ? "up" : "down", { size: 10.5, class: "note", "text-anchor": "end" }),
    textAt(x + inset + 25, y + 36, note, { size: 10.5, class: "note", room }));
}

/** One network namespace with its ports; remembers where each port's ends are. */
function netRoom(view, x, y, width, ends) {
  const links = portsOf(view);
  const lane = LANE[view.subject] ?? "box";
  const shapes = links.map((link, at) => {
    const top = y + PORT.head + at * (PORT.height + PORT.gap);
    link.branch = links.some((other) => other.name === link.master);
    ends.set(`${view.subject}:${link.name}`, { link, left: x + PORT.pad, right: x + width - PORT.pad, y: top + PORT.height / 2 });
    return port(link, x + PORT.pad, top, width - 2 * PORT.pad);
  });
  const below = y + PORT.head + links.length * (PORT.height + PORT.gap);
  const room = width - 2 * PORT.pad;
  const rows = view.facts.filter((fact) => !isLink(fact)).flatMap((fact) => {
    const fits = (fact.key.length + fact.value.length + 1) * 10.5 * MONO <= room;
    return (fits ? [`${fact.key} ${fact.value}`] : [fact.key, `  ${fact.value}`]).map((text) => ({ text, hot: touched(view, fact.key) }));
  });
  const lines = rows.map(({ text, hot }, at) => textAt(x + PORT.pad + (text.startsWith(" ") ? 12 : 0), below + 12 + at * 17,
    text.trim(), { size: 10.5, class: hot ? "strong" : "note", room }));
  const height = Math.max(PORT.head + PORT.height + PORT.gap, below - y + lines.length * 17) + 4;
  const frame = box(x + 1, y + 1, width - 2, height - 2, { class: `room ${lane}`, rx: 12 });
  const title = textAt(x + PORT.pad, y + 25, view.subject, { size: 13, class: `title ${lane}`, room: width - 24 });
  return { height, shapes: [frame, title, ...shapes, ...lines] };
}

/** A cable from one port to its peer, drawn once. */
function cable(end, ends) {
  const { link } = end;
  if (!link.peer) return "";
  const other = ends.get(link.peer) ?? ends.get(`${link.subject}:${link.peer}`);
  const hot = link.hot || other?.link.hot ? " touched" : "";
  if (!other) return draw("path", { d: `M${end.right} ${end.y} h12`, class: `cable loose${hot}` });
  if (other === end || (`${other.link.subject}:${other.link.name}` < `${link.subject}:${link.name}` && other.link.peer)) return "";
  const [a, b] = end.left <= other.left ? [end, other] : [other, end];
  const path = a.left === b.left
    ? `M${a.right} ${a.y} C${a.right + 36} ${a.y} ${a.right + 36} ${b.y} ${b.right} ${b.y}`
    : `M${a.right} ${a.y} C${(a.right + b.left) / 2} ${a.y} ${(a.right + b.left) / 2} ${b.y} ${b.left} ${b.y}`;
  const plug = (x, y) => draw("circle", { cx: x, cy: y, r: 4.5, class: "plug" });
  return draw("g", { class: `cable${hot}` }, draw("path", { d: path }), plug(a.right, a.y), plug(a.left === b.left ? b.right : b.left, b.y));
}

/** The cables into the box that lives now: "host:red0" to "box:eth0", from the calls that laid them. */
function cablesLaid(events) {
  const laid = new Map();
  for (const { event } of events) {
    if (event.event !== "step") continue;
    if (event.result === "[BOX]") laid.clear();
    const found = /RTM_NEWLINK (\S+) kind=veth peer=(\S+) .*netns=\[BOX\]/.exec(event.call);
    if (found) laid.set(`host:${found[1]}`, `box:${found[2]}`).set(`box:${found[2]}`, `host:${found[1]}`);
  }
  return laid;
}

/** The first namespace (the host) on the left, all others on the right. */
function linksFigure(views, width, events) {
  const laid = cablesLaid(events);
  const sorted = [...views].sort((a, b) => (b.subject === "host") - (a.subject === "host"));
  const ends = new Map();
  const gap = Math.max(24, Math.min(96, width * 0.14));
  const room = sorted.length > 1 ? (width - gap) / 2 : Math.min(width, 420);
  const left = netRoom(sorted[0], 0, 0, room, ends);
  const shapes = [...left.shapes];
  let y = 0;
  for (const view of sorted.slice(1)) {
    const right = netRoom(view, room + gap, y, room, ends);
    shapes.push(...right.shapes);
    y += right.height + 14;
  }
  for (const [name, { link }] of ends) link.peer = laid.get(name) ?? link.peer;
  const cables = [...ends.values()].map((end) => cable(end, ends)).filter(Boolean);
  return canvas(width, Math.max(left.height, y - 14), "network namespaces, links and cables", ...shapes, ...cables);
}
