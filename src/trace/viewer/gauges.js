// Gauges: a control group's limits against its use, and capability sets as a grid.

const UNLIMITED = 2 ** 62; // cgroup v1 writes the largest page-aligned number for "no limit"
const PAIRS = [
  { limit: /^(.+)\.max$/, use: (base) => `${base}.current` },
  { limit: /^(.+)\.limit_in_bytes$/, use: (base) => `${base}.usage_in_bytes` },
];

/** 33554432 as "32 MiB". */
function amount(number, bytes) {
  if (!bytes || number < 1024) return `${number}`;
  const step = Math.min(5, Math.floor(Math.log2(number) / 10));
  const value = number / 2 ** (10 * step);
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB", "PiB"][step]}`;
}

/** "50000 100000" is half a processor. */
function cpuGauge(value) {
  const [quota, period] = value.split(/\s+/).map(Number);
  if (!(quota > 0) || !(period > 0)) return { name: "cpu", free: true, text: "no limit" };
  const share = quota / period;
  return { name: "cpu", part: Math.min(1, share), text: `${share} processor${share > 1 ? "s" : ""} at most` };
}

/** A limit and its use: how full the bar is, and what stands above it. */
function limitGauge(name, limit, use, bytes) {
  const free = limit >= UNLIMITED;
  const top = free ? "no limit" : amount(limit, bytes);
  const text = use === undefined ? `limit ${top}` : `${amount(use, bytes)}${free ? ", " : " of "}${top}`;
  return { name, free, text, part: free || use === undefined ? 0 : Math.min(1, use / Math.max(limit, 1)) };
}

/** A view's gauges, and the facts that are plain counters. */
function gaugesOf(view) {
  const used = new Set();
  const gauges = [];
  for (const { key, value } of view.facts) {
    const { pair, found } = PAIRS.map((pair) => ({ pair, found: pair.limit.exec(key) })).find(({ found }) => found) ?? {};
    if (key === "cpu.max") gauges.push({ ...cpuGauge(value), key, hot: touched(view, key) });
    else if (!found || !/^(max|\d+)$/.test(value.trim())) continue;
    else {
      const other = pair.use(found[1]);
      const use = view.facts.find((fact) => fact.key === other)?.value;
      const limit = value.trim() === "max" ? Infinity : Number(value);
      const gauge = limitGauge(found[1], limit, use === undefined ? undefined : Number(use), /memory|bytes|swap|hugetlb/.test(key));
      gauges.push({ ...gauge, key, hot: touched(view, key) || touched(view, other) });
      used.add(other);
    }
    used.add(key);
  }
  return { gauges, counters: view.facts.filter((fact) => !used.has(fact.key)) };
}

/** Bars, then the counters. */
function cgroupFigure(views, width) {
  const parts = [];
  let y = 0;
  for (const view of views) {
    const { gauges, counters } = gaugesOf(view);
    parts.push(textAt(0, (y += 20) - 6, view.subject, { size: 11, class: "note", room: width }));
    for (const gauge of gauges) {
      const full = gauge.part > 0.9 && gauge.key !== "cpu.max" ? " full" : "";
      const state = `${gauge.hot ? " touched" : ""}${gauge.free ? " free" : ""}${full}`;
      parts.push(draw("g", { class: `gauge${state}` }, draw("title", {}, visible(gauge.key)),
        textAt(0, y + 14, gauge.name, { class: "name", room: width * 0.4 }),
        textAt(width - 1, y + 14, gauge.text, { class: "note", "text-anchor": "end", room: width * 0.6 }),
        box(1, y + 22, width - 2, 12, { class: "rail" }),
        gauge.part > 0 ? box(1, y + 22, Math.max(6, gauge.part * (width - 2)), 12, { class: "level" }) : ""));
      y += 50;
    }
    counters.forEach((fact) => {
      parts.push(draw("g", { class: touched(view, fact.key) ? "counter touched" : "counter" },
        textAt(0, y + 14, fact.key, { class: "name", room: width * 0.6 }),
        textAt(width - 1, y + 14, fact.value, { class: "strong", "text-anchor": "end", room: width * 0.4 })));
      y += 24;
    });
  }
  return canvas(width, Math.max(1, y), "limits and use of the control group", ...parts);
}

const CAPABILITIES = ("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable " +
  "net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace " +
  "sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control " +
  "setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore").split(" ");

/** A set, as probes tell it ("all", "none", "CHOWN|KILL") or as the hexadecimal mask of /proc/PID/status. */
function capSet(value) {
  if (value.trim() === "all") return new Set(CAPABILITIES);
  if (/^(0x)?[0-9a-f]{8,16}$/i.test(value.trim())) {
    const mask = BigInt(`0x${value.trim().replace(/^0x/i, "")}`);
    return new Set(CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n));
  }
  return new Set(value.toLowerCase().split(/[\s,|]+/).map((name) => name.replace(/^cap_/, "")));
}

/** One square a capability: filled when it is in the effective set, hollow when only a program could gain it. */
function capsFigure(views, width) {
  const parts = [];
  let y = 0;
  for (const view of views) {
    const fact = (name) => view.facts.find((other) => other.key.toLowerCase().includes(name));
    const shown = fact("eff") ?? view.facts[0];
    if (!shown) continue;
    const now = capSet(shown.value);
    const bound = fact("bnd") ? capSet(fact("bnd").value) : now;
    const was = view.changed.find((row) => row.key === shown.key && row.sign === "~")?.was;
    const before = was === undefined ? now : capSet(was);
    const count = CAPABILITIES.filter((name) => now.has(name)).length;
    const lane = LANE[view.subject] ?? "box";
    parts.push(textAt(0, y + 15, view.subject, { size: 13, class: `title ${lane}`, room: width / 3 }),
      textAt(width - 1, y + 15, `${count} of ${CAPABILITIES.length} effective`, { size: 11, class: "note", "text-anchor": "end" }));
    y += 28;
    const columns = Math.max(2, Math.floor(width / 128));
    const room = (width - (columns - 1) * 5) / columns;
    CAPABILITIES.forEach((name, at) => {
      const [x, top] = [(at % columns) * (room + 5), y + Math.floor(at / columns) * 25];
      const state = now.has(name) ? `on ${lane}` : bound.has(name) ? "possible" : "off";
      const hot = now.has(name) !== before.has(name) ? " touched" : "";
      const told = { possible: "only in the bounding set", off: "dropped" }[state] ?? "effective";
      parts.push(draw("g", { class: `cap ${state}${hot}` }, draw("title", {}, `CAP_${name.toUpperCase()}: ${told}`),
        box(x + 0.5, top + 0.5, room - 1, 20, { rx: 4 }), textAt(x + 7, top + 14.5, name, { size: 10.5, room: room - 12 })));
    });
    y += Math.ceil(CAPABILITIES.length / columns) * 25 + 12;
  }
  return canvas(width, Math.max(1, y - 12), "capability sets", ...parts);
}
