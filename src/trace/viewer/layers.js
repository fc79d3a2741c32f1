// Layers: a tree as an overlay's stack.
//
//   merged   [fileA] [fileB]     what the container sees: for each file, the topmost layer that has it
//   upper       ┆    [fileB]     a whiteout is crossed out
//   lower    [fileA]             one column a file, so that looking down a column answers where it comes from

const LAYER = /^(?:(.*?)\/)?(lower[\w.-]*|upper|merged)(?:\/(.*))?$/s;

/** Which stack, layer and file a key of a tree names; the layer's directory may stand in the key or in the subject. */
function fileOf(subject, key) {
  const [, root, layer, name = ""] = LAYER.exec(key) ?? [];
  if (layer) return { root: root ?? subject, layer, name };
  const [, around, whole, below] = LAYER.exec(subject) ?? [];
  return whole ? { root: around ?? "", layer: whole, name: below ? `${below}/${key}` : key } : undefined;
}

/** The stacks: a map from root to layers, each a map from layer to a map from name to its value and state. */
function stacksOf(views) {
  const stacks = new Map();
  const put = (subject, fact, state) => {
    const file = fileOf(subject, fact.key);
    if (!file) return false;
    if (!stacks.has(file.root)) stacks.set(file.root, { root: file.root, layers: new Map(), hot: false });
    const stack = stacks.get(file.root);
    stack.hot ||= Boolean(state.hot || state.lost);
    if (!stack.layers.has(file.layer)) stack.layers.set(file.layer, new Map());
    if (file.name !== "") stack.layers.get(file.layer).set(file.name, { value: fact.value, ...state });
    return true;
  };
  let others = 0;
  for (const view of views) {
    const moved = new Set(view.changed.filter((row) => row.sign !== "-").map((row) => row.key));
    for (const fact of view.facts) others += put(view.subject, fact, { hot: moved.has(fact.key) }) ? 0 : 1;
    for (const row of view.changed.filter((row) => row.sign === "-")) put(view.subject, row, { lost: true });
  }
  return { stacks: [...stacks.values()].sort((a, b) => b.hot - a.hot), others };
}

/** Top to bottom: merged, upper, then the lower layers in the order of `lowerdir=`, else as they were seen. */
function layerOrder(layers) {
  const mounted = /lowerdir=([^,"\s]+)/.exec(JSON.stringify(trace.events))?.[1] ?? "";
  const stated = mounted.split(":").map((path) => path.split("/").pop());
  const place = (name) => (name === "merged" ? -2 : name === "upper" ? -1 : stated.includes(name) ? stated.indexOf(name) : 99);
  return [...layers.keys()].sort((a, b) => place(a) - place(b));
}

function isWhiteout(value) {
  return /whiteout|character device 0[:,] ?0/.test(value);
}

/** The columns: files that changed or lie in several layers first when there are more than fit. */
function columnsOf(layers, fits) {
  const names = [...new Set([...layers.values()].flatMap((files) => [...files.keys()]))].sort();
  const hides = (name) => names.some((other) => other !== name && name.endsWith("/") && other.startsWith(name));
  const files = names.filter((name) => !hides(name));
  if (files.length <= fits) return { names: files, more: 0 };
  const cells = (name) => [...layers.values()].map((items) => items.get(name)).filter(Boolean);
  const weight = (name) => cells(name).length + (cells(name).some((cell) => cell.hot || cell.lost) ? 100 : 0);
  const best = new Set([...files].sort((a, b) => weight(b) - weight(a)).slice(0, fits));
  return { names: files.filter((name) => best.has(name)), more: files.length - fits };
}

const NOTES = { merged: "what is seen", upper: "written to", lower: "read only" };

/** A file in a layer. */
function fileChip(name, cell, x, y, width) {
  const white = isWhiteout(cell.value);
  const state = `${white ? " whiteout" : ""}${cell.hot ? " touched" : ""}${cell.lost ? " lost" : ""}${name.endsWith("/") ? " folder" : ""}`;
  const size = /^file (\d+) "(.*)"$/.exec(cell.value);
  const below = white ? "whiteout" : cell.lost ? "gone" : size ? `“${size[2]}”` : cell.value;
  return draw("g", { class: `file${state}` }, draw("title", {}, visible(`${name}  ${cell.value}`)),
    box(x, y, width, 40),
    white ? draw("path", { d: `M${x + 5} ${y + 35} L${x + width - 5} ${y + 5}`, class: "cross" }) : "",
    textAt(x + 9, y + 17, name, { class: "name", room: width - 16 }),
    textAt(x + 9, y + 32, below, { size: 10.5, class: "note", room: width - 16 }));
}

/** Where things are in the stack: beside the layers' names, or below them where the page is narrow. */
function stackPlan(layers, width) {
  const narrow = width < 440;
  const longest = Math.max(8, ...[...layers.values()].flatMap((files) => [...files.keys()].map((name) => name.length)));
  const chip = Math.min(narrow ? 110 : 150, Math.max(84, longest * 12 * MONO + 22));
  const plan = narrow ? { height: 76, left: 12, head: 27, chip } : { height: 62, left: 100, head: 11, chip };
  const fits = Math.max(1, Math.floor((width - plan.left - 2) / (chip + 10)));
  return { ...plan, narrow, fits, top: (at) => at * (plan.height + 14) + 1 };
}

/** The line from what is seen in merged down to the layer that it comes from. */
function sightLine(name, order, layers, x, plan) {
  if (!layers.get("merged")?.has(name) || layers.get("merged").get(name).lost) return "";
  const from = order.findIndex((layer, at) => at > 0 && layers.get(layer).has(name) && !layers.get(layer).get(name).lost);
  if (from < 0) return "";
  const [start, end] = [plan.top(0) + plan.head + 40, plan.top(from) + plan.head];
  return draw("path", { d: `M${x} ${start} V${end}`, class: "sight" });
}

/** A layer without its files: its slab, and what is written on it, which no line may cross. */
function slabOf(layer, files, at, width, plan) {
  const y = plan.top(at);
  const kind = layer.startsWith("lower") ? "lower" : layer;
  const note = plan.narrow ? { x: width - 14, y: y + 18, "text-anchor": "end" } : { x: 14, y: y + 44 };
  const nothing = layer === "merged" ? "nothing mounted" : "empty";
  const slab = draw("g", { class: `slab ${kind}` }, box(1, y, width - 2, plan.height, { rx: 10 }));
  const words = draw("g", { class: `words ${kind}` },
    textAt(14, y + (plan.narrow ? 18 : 27), layer, { size: 13, class: "title", room: plan.narrow ? width / 2 : plan.left - 16 }),
    textAt(note.x, note.y, NOTES[kind], { size: 10.5, class: "note", "text-anchor": note["text-anchor"] }),
    files.size ? "" : textAt(plan.left + 6, y + plan.head + 25, nothing, { class: "note" }));
  return { slab, words };
}

/** One stack, and how many files did not fit. */
function stackDrawing(layers, width) {
  const order = layerOrder(layers);
  const plan = stackPlan(layers, width);
  const { names, more } = columnsOf(layers, plan.fits);
  const slabs = order.map((layer, at) => slabOf(layer, layers.get(layer), at, width, plan));
  const [lines, chips] = [[], []];
  names.forEach((name, column) => {
    const x = plan.left + column * (plan.chip + 10);
    lines.push(sightLine(name, order, layers, x + plan.chip * (plan.narrow ? 0.84 : 0.5), plan));
    order.forEach((layer, at) => {
      const cell = layers.get(layer).get(name);
      if (cell) chips.push(fileChip(name, cell, x, plan.top(at) + plan.head, plan.chip));
    });
  });
  const shapes = [...slabs.map(({ slab }) => slab), ...lines.filter(Boolean), ...slabs.map(({ words }) => words), ...chips];
  const drawing = canvas(width, plan.top(order.length) - 13, `layers: ${order.map(plain).join(" over ")}`, ...shapes);
  return more ? [drawing, make("p", { class: "quiet" }, `… and ${more} more`)] : [drawing];
}

/** Every stack, the one that this step changed first; trees without layers are a table. */
function treeFigure(views, width) {
  const { stacks, others } = stacksOf(views);
  if (!stacks.length) return tableFigure(views);
  const parts = stacks.flatMap(({ root, layers }) =>
    [stacks.length > 1 ? make("p", { class: "source" }, say(root)) : "", ...stackDrawing(layers, width)]);
  const rest = others ? make("p", { class: "quiet" }, `… and ${others} outside the layers`) : "";
  return make("div", { class: "stacks" }, parts, rest);
}

/** An image's layers as slabs, the last one on top. */
function slabsFigure(views, width) {
  const parts = [];
  let y = 0;
  for (const view of views) {
    if (views.length > 1) parts.push(textAt(0, (y += 18) - 4, view.subject, { class: "title", room: width }));
    for (const fact of [...view.facts].reverse()) {
      parts.push(draw("g", { class: `slab lower${touched(view, fact.key) ? " touched" : ""}` }, box(1, y + 1, width - 2, 34),
        textAt(14, y + 22, fact.key, { class: "title", room: width * 0.3 }),
        textAt(width * 0.3 + 20, y + 22, fact.value, { size: 11, class: "note", room: width * 0.7 - 34 })));
      y += 42;
    }
  }
  return canvas(width, Math.max(y, 1), "layers", ...parts);
}
