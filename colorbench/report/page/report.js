"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8f5bd1", "#e3494f", "#5b8c1a", "#a0522d", "#20b2aa", "#c0399f", "#4f6bed", "#c2b000", "#e88f5a", "#7d8c00"];
const lines = data.lines, models = lines.filter(l => !l.trivial);
const colorOf = {};
lines.forEach(l => { colorOf[l.label] = l.trivial ? "#8b8f97" : PALETTE[models.indexOf(l) % PALETTE.length]; });
const columns = data.columns, columnOf = Object.fromEntries(columns.map(c => [c.name, c]));

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter(c => c !== null && c !== undefined));
  return node;
}
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
const option = (value, text, selected) => el("option", { value, selected }, text ?? value);
function fill(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => option(value, text, value === chosen)));
}
const breakable = title => title.replace(/ ([↑↓▾▴])/g, "\u00a0$1").replace(/([(:@,])/g, "$1\u200b");  // where a head may wrap
const dot = label => el("span", { class: "dot", style: `background:${colorOf[label]}`, "aria-hidden": "true" });
const text = (x, y, content, attributes = {}) => svg("text", { x, y, ...attributes }, content);
// A row's name, and the settings that tell it from others.
function parted(label) { const [name, ...settings] = label.split(/ (?=\S*=)/); return [name, settings.join(" ")]; }
const GLYPH = 7.3;  // px, about, of a letter in a plot
const cut = (words, width) => words.length * GLYPH <= width ? words : `${words.slice(0, Math.max(1, Math.floor(width / GLYPH) - 1))}…`;
function wrapped(words, width, most) {
  const rows = [""];
  for (const word of words.split(" ")) {
    const longer = `${rows.at(-1)} ${word}`.trim();
    if (longer.length * GLYPH <= width || !rows.at(-1) || rows.length === most) rows[rows.length - 1] = longer; else rows.push(word);
  }
  return rows.map(row => cut(row, width));
}
function short(v) {
  if (v === null || v === undefined) return "–";
  const a = Math.abs(v);
  if (a >= 1e9) return (v / 1e9).toFixed(1) + "G";
  if (a >= 1e6) return (v / 1e6).toFixed(a >= 1e7 ? 0 : 1) + "M";
  if (a >= 1e4) return (v / 1e3).toFixed(0) + "k";
  if (a >= 100 || Number.isInteger(v)) return v.toLocaleString("en-US", { maximumFractionDigits: 0 });
  return v.toPrecision(3).replace(/\.?0+$/, "");
}
const number = (v, c) => v === null || v === undefined ? "–" : v.toFixed(c.digits);

// ------------------------------------------------------------------------------------------------------- theme, head
$("lead").textContent = data.lead;
$("caption").textContent = data.caption;
$("notes").replaceChildren(...data.notes.map(n => el("p", {}, n)));
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// ----------------------------------------------------------------------------------------------------- results table
const shown = new Set(columns.filter(c => c.headline).map(c => c.name));
const costNames = Object.keys(data.costs);
let sorting = { key: null, down: false };
$("columns").replaceChildren(...columns.map(c => el("label", {},
  el("input", { type: "checkbox", checked: shown.has(c.name), onchange: e => { e.target.checked ? shown.add(c.name) : shown.delete(c.name); drawTable(); } }), c.title)));
const MARKS = { better: ["▲", "beats", "better than what learned nothing"], equivalent: ["≈", "tied", "no better than"], inconclusive: ["?", "tied", "not certain against"], worse: ["▼", "loses", "worse than"] };

function cellValue(label, key) {
  if (key === "model") return label;
  if (key in data.costs) return lines.find(l => l.label === label).costs[key] ?? null;
  return data.cells[label][key]?.m ?? null;
}
function drawTable() {
  const visible = columns.filter(c => shown.has(c.name));
  const head = (key, title) => {
    const state = sorting.key === key ? (sorting.down ? "descending" : "ascending") : "none";
    const arrow = state === "none" ? "" : sorting.down ? " ▾" : " ▴";
    return el("th", { scope: "col", "aria-sort": state }, el("button", { type: "button", "data-key": key, onclick: () => sortBy(key) }, breakable(title + arrow)));
  };
  const wanted = $("find").value.trim().toLowerCase();
  let rows = lines.filter(l => (!l.trivial || $("show-trivial").checked) && l.label.toLowerCase().includes(wanted));
  if (sorting.key) {
    const sign = sorting.down ? -1 : 1;
    rows = [...rows].sort((a, b) => {
      const [x, y] = [cellValue(a.label, sorting.key), cellValue(b.label, sorting.key)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    });
  }
  const body = rows.map(l => el("tr", { class: l.trivial ? "trivial" : null },
    el("th", { scope: "row" }, dot(l.label), ...named(l.label), l.seeds > 1 ? el("small", {}, `  ${l.seeds} seeds`) : null),
    ...visible.map(c => tableCell(data.cells[l.label][c.name], c)),
    ...costNames.map(k => el("td", {}, l.costs[k] === undefined ? "" : short(l.costs[k])))));
  $("table").replaceChildren(
    el("thead", {}, el("tr", {}, head("model", "model"), ...visible.map(c => head(c.name, `${c.title} ${c.arrow}`.trim())), ...costNames.map(k => head(k, data.costs[k])))),
    el("tbody", {}, ...body));
}
function named(label) {
  const [name, settings] = parted(label);
  return settings ? [name, el("span", { class: "settings" }, ` ${settings}`)] : [name];
}
function tableCell(cell, c) {
  if (!cell) return el("td", {}, "–");
  if (cell.m === undefined) return el("td", { title: cell.why || null }, cell.why ? "n/a" : "–");
  const td = el("td", {}, el("span", { class: cell.r && cell.r <= 3 ? `r${cell.r}` : null }, number(cell.m, c)));
  if (cell.g) { const [mark, style, word] = MARKS[cell.g], words = `${word} (closest: ${cell.a})`; td.append(el("span", { class: `mark ${style}`, title: words, "aria-label": words, role: "img" }, mark)); }
  if (cell.l !== undefined && $("show-intervals").checked) td.append(el("small", {}, `${number(cell.l, c)} … ${number(cell.h, c)}`));
  return td;
}
function sortBy(key) {
  const good = columnOf[key]?.better === "higher";
  if (sorting.key !== key) sorting = { key, down: good };
  else sorting = sorting.down === good ? { key, down: !good } : { key: null, down: false };
  drawTable();
  document.querySelector(`#table button[data-key="${CSS.escape(key)}"]`)?.focus();
}
["find", "show-trivial", "show-intervals"].forEach(id => $(id).addEventListener("input", drawTable));
drawTable();
function sayMore() {
  const table = $("scroll");
  $("more-columns").hidden = table.scrollLeft + table.clientWidth >= table.scrollWidth - 2;
}
$("scroll").addEventListener("scroll", sayMore);
addEventListener("resize", sayMore);
new MutationObserver(sayMore).observe($("table"), { childList: true });
sayMore();

// ------------------------------------------------------------------------------------------------------------- plots
function ticks(low, high, count = 5) {
  const span = high - low || 1, raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => span / s <= count) ?? 10 * power;
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9 * span; t += step) found.push(Math.abs(t) < step / 1e6 ? 0 : t);
  return found;
}
const room = () => {  // px that a plot may take: it is drawn as wide as it is shown, so that its words keep their size
  const section = $("results"), style = getComputedStyle(section);
  return Math.max(280, Math.min(1240, section.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)));
};
function frame({ width = room(), height = 380, x, y, xLabel, yLabel, logX = false, left = 64, bottom = 46, label }) {
  const box = { l: left, r: width - 18, t: 14, b: height - bottom };
  const fx = v => logX ? Math.log10(v) : v;
  const X = v => box.l + (fx(v) - fx(x[0])) / (fx(x[1]) - fx(x[0]) || 1) * (box.r - box.l);
  const Y = v => box.b - (v - y[0]) / (y[1] - y[0] || 1) * (box.b - box.t);
  const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const few = width < 420;
  for (const t of ticks(...y)) node.append(svg("line", { class: "grid", x1: box.l, x2: box.r, y1: Y(t), y2: Y(t) }), text(box.l - 8, Y(t) + 4, short(t), { "text-anchor": "end" }));
  let xs = ticks(...x, few ? 3 : 5);
  if (logX) {
    const decades = fx(x[1]) - fx(x[0]);
    xs = [];
    for (let p = Math.floor(fx(x[0])); p <= Math.ceil(fx(x[1])); p++)
      for (const m of decades > 2.5 ? [1] : decades > 1 || few ? [1, 3] : [1, 1.5, 2, 3, 5, 7]) { const t = m * 10 ** p; if (t >= x[0] && t <= x[1]) xs.push(t); }
  }
  for (const t of xs) node.append(text(X(t), box.b + 18, short(t), { "text-anchor": "middle" }));
  node.append(svg("line", { class: "axis", x1: box.l, x2: box.r, y1: box.b, y2: box.b }),
    text((box.l + box.r) / 2, height - 8, xLabel, { "text-anchor": "middle" }));
  if (yLabel) node.append(text(0, 0, yLabel, { "text-anchor": "middle", transform: `translate(14 ${(box.t + box.b) / 2}) rotate(-90)` }));
  return { node, X, Y, box };
}
const pad = (low, high, share = 0.06) => { const d = (high - low || Math.abs(high) || 1) * share; return [low - d, high + d]; };
const scored = columns.filter(c => models.some(l => data.cells[l.label][c.name]?.m !== undefined));
const judged = scored.filter(c => c.better !== "neither");
const first = (judged.find(c => c.headline) ?? scored[0])?.name;
const options = list => list.map(c => [c.name, `${c.title} ${c.arrow}`.trim()]);

fill($("pareto-y"), options(judged.length ? judged : scored), first);
const priced = costNames.filter(k => models.some(l => l.costs[k] > 0));
fill($("pareto-x"), priced.map(k => [k, data.costs[k]]), priced.includes("parameters") ? "parameters" : priced[0]);
function drawPareto() {
  const c = columnOf[$("pareto-y").value], k = $("pareto-x").value;
  const points = models.filter(l => l.costs[k] > 0 && data.cells[l.label][c.name]?.m !== undefined).map(l => ({ label: l.label, x: l.costs[k], cell: data.cells[l.label][c.name] }));
  if (!points.length) { $("pareto").replaceChildren(el("p", { class: "hint" }, "No model has both.")); return; }
  const gray = data.cells.gray?.[c.name]?.m;
  const heights = points.flatMap(p => [p.cell.l ?? p.cell.m, p.cell.h ?? p.cell.m]);
  if (gray !== undefined) heights.push(gray);
  const xs = points.map(p => p.x), low = Math.min(...xs), high = Math.max(...xs);
  const { node, X, Y, box } = frame({ x: [low / 1.35, high * 1.35], logX: true, y: pad(Math.min(...heights), Math.max(...heights)), xLabel: data.costs[k], yLabel: `${c.title} ${c.arrow}`, label: `${c.title} against ${data.costs[k]}: ` + points.map(p => `${p.label} ${number(p.cell.m, c)} at ${short(p.x)}`).join(", ") });
  if (gray !== undefined) node.append(svg("line", { x1: box.l, x2: box.r, y1: Y(gray), y2: Y(gray), stroke: "#8b8f97", "stroke-dasharray": "5 4" }), text(box.r - 4, Y(gray) - 5, "gray", { "text-anchor": "end" }));
  const moreIsBetter = k === "images_per_second", up = c.better === "higher";
  const atLeast = (q, p) => (moreIsBetter ? q.x >= p.x : q.x <= p.x) && (up ? q.cell.m >= p.cell.m : q.cell.m <= p.cell.m) && (q.x !== p.x || q.cell.m !== p.cell.m);
  const front = points.filter(p => !points.some(q => atLeast(q, p))).sort((a, b) => a.x - b.x);
  if (front.length > 1) node.append(svg("polyline", { points: front.map(p => `${X(p.x)},${Y(p.cell.m)}`).join(" "), fill: "none", stroke: "var(--accent)", "stroke-width": 2, opacity: 0.55 }));
  const dots = points.map(p => [X(p.x) - 7, Y(p.cell.m) - 7, X(p.x) + 7, Y(p.cell.m) + 7]), taken = [...dots];
  const free = ([l, t, r, b]) => l >= box.l && r <= box.r && t >= box.t && b <= box.b && !taken.some(q => l < q[2] && r > q[0] && t < q[3] && b > q[1]);
  const unnamed = [];
  for (const p of points) {
    if (p.cell.l !== undefined) node.append(svg("line", { x1: X(p.x), x2: X(p.x), y1: Y(p.cell.l), y2: Y(p.cell.h), stroke: colorOf[p.label], "stroke-width": 1.5, opacity: 0.6 }));
    node.append(svg("circle", { cx: X(p.x), cy: Y(p.cell.m), r: 6, fill: colorOf[p.label] }, svg("title", {}, `${p.label}: ${number(p.cell.m, c)}, ${data.costs[k]} ${short(p.x)}`)));
  }
  for (const p of [...front, ...points.filter(p => !front.includes(p)).sort((a, b) => a.label.length - b.label.length)]) {
    const words = front.includes(p) ? cut(p.label, 250) : p.label, wide = words.length * GLYPH, x = X(p.x), y = Y(p.cell.m);
    const spots = [[11, 4], [-11 - wide, 4], [11, -9], [11, 17], [-11 - wide, -9], [-11 - wide, 17], [-wide / 2, -14], [-wide / 2, 22]];
    const spot = wide < 260 && spots.find(([dx, dy]) => free([x + dx, y + dy - 11, x + dx + wide, y + dy + 2]));
    if (!spot) { unnamed.push(p); continue; }
    taken.push([x + spot[0], y + spot[1] - 11, x + spot[0] + wide, y + spot[1] + 2]);
    node.append(text(x + spot[0], y + spot[1], words, { class: "strong" }));
  }
  const rest = unnamed.map(p => el("span", {}, dot(p.label), p.label));
  $("pareto").replaceChildren(node, rest.length ? el("p", { class: "hint unnamed" }, ...rest) : "", el("p", { class: "hint" }, "Bars are 95 % intervals; the line joins what nothing cheaper beats."));
}
if (priced.length) { ["pareto-x", "pareto-y"].forEach(id => $(id).addEventListener("change", drawPareto)); drawPareto(); }
else $("tradeoffs").hidden = true;

const spread = columns.filter(c => data.values[c.name]);
fill($("dist-metric"), options(spread), spread.some(c => c.name === first) ? first : spread[0]?.name);
function drawDistributions() {
  const c = columnOf[$("dist-metric").value], values = data.values[c.name];
  const rows = lines.filter(l => values[l.label] && l.label !== "truth").map(l => ({ l, v: values[l.label].filter(v => v !== null).sort((a, b) => a - b) }));
  const at = (v, q) => v[Math.min(v.length - 1, Math.max(0, Math.round(q * (v.length - 1))))];
  const low = Math.min(...rows.map(r => at(r.v, 0.005))), high = Math.max(...rows.map(r => at(r.v, 0.995)));
  const height = 40 * rows.length + 60, left = Math.min(250, Math.max(130, room() * 0.26));
  const { node, X, box } = frame({ height, left, x: pad(low, high, 0.03), y: [0, 1], xLabel: `${c.title} ${c.arrow}${c.unit ? ` (${c.unit})` : ""}`, label: `Distribution of ${c.title}: ` + rows.map(r => `${r.l.label} median ${number(at(r.v, 0.5), c)}`).join(", ") });
  node.querySelectorAll(".grid, text[text-anchor=end]").forEach(n => n.remove());
  rows.forEach((r, i) => {
    const y = box.t + 20 + 40 * i, bins = 60, counts = new Array(bins).fill(0), [x0, x1] = pad(low, high, 0.03);
    r.v.forEach(v => { const b = Math.floor((v - x0) / (x1 - x0) * bins); if (b >= 0 && b < bins) counts[b]++; });
    const smooth = counts.map((_, b) => [-2, -1, 0, 1, 2].reduce((s, d) => s + (counts[b + d] ?? 0) * [1, 4, 6, 4, 1][d + 2], 0));
    const most = Math.max(...smooth) || 1, px = b => box.l + (b + 0.5) / bins * (box.r - box.l);
    const top = smooth.map((s, b) => `${px(b)},${y - 17 * s / most}`), under = smooth.map((s, b) => `${px(b)},${y + 17 * s / most}`).reverse();
    node.append(svg("polygon", { points: [...top, ...under].join(" "), fill: colorOf[r.l.label], opacity: 0.28 }));
    node.append(svg("line", { x1: X(at(r.v, 0.25)), x2: X(at(r.v, 0.75)), y1: y, y2: y, stroke: colorOf[r.l.label], "stroke-width": 5, "stroke-linecap": "round" }, svg("title", {}, `${r.l.label}: median ${number(at(r.v, 0.5), c)}, middle half ${number(at(r.v, 0.25), c)} to ${number(at(r.v, 0.75), c)}`)));
    node.append(svg("circle", { cx: X(at(r.v, 0.5)), cy: y, r: 4.5, fill: "var(--card)", stroke: colorOf[r.l.label], "stroke-width": 2.5 }));
    const [name, settings] = parted(r.l.label);
    const below = settings ? wrapped(settings, left - 18, 2) : [], first = y + 4 - 6 * below.length;
    node.append(text(left - 14, first, cut(name, left - 18), { class: "strong", "text-anchor": "end" }));
    below.forEach((words, n) => node.append(text(left - 14, first + 12 * (n + 1), words, { "text-anchor": "end" })));
  });
  $("dist").replaceChildren(node, el("p", { class: "hint" }, "Circle: median over pictures; bar: middle half."));
}
if (spread.length) { $("dist-metric").addEventListener("change", drawDistributions); drawDistributions(); } else $("distributions").hidden = true;

// --------------------------------------------------------------------------------------------------- training curves
const curveKeys = [...new Set(Object.values(data.curves).flatMap(c => Object.keys(c)))].sort((a, b) => a.startsWith("val/") === b.startsWith("val/") ? a.localeCompare(b) : a.startsWith("val/") ? -1 : 1);
fill($("curve-key"), curveKeys.map(k => [k, data.curveTitles[k]]), ["val/joint", "val/delta_e76"].find(k => curveKeys.includes(k)) ?? curveKeys[0]);
function drawCurves() {
  const key = $("curve-key").value;
  const series = Object.entries(data.curves).filter(([, c]) => c[key]?.length).map(([label, c]) => ({ label, points: c[key] }));
  const xs = series.flatMap(s => s.points.map(p => p[0])), ys = series.flatMap(s => s.points.map(p => p[1])).sort((a, b) => a - b);
  const q = s => ys[Math.round(s * (ys.length - 1))];
  const { node, X, Y, box } = frame({ x: [Math.min(...xs), Math.max(...xs)], y: pad(ys.length > 40 ? q(0.01) : q(0), ys.length > 40 ? q(0.99) : q(1)), xLabel: "images seen", yLabel: data.curveTitles[key], label: `${data.curveTitles[key]} during training of ${series.map(s => s.label).join(", ")}` });
  const clip = svg("clipPath", { id: "clip" }, svg("rect", { x: box.l, y: box.t - 6, width: box.r - box.l + 4, height: box.b - box.t + 8 }));
  node.prepend(clip);
  for (const s of series) node.append(svg("polyline", { points: s.points.map(p => `${X(p[0])},${Y(p[1])}`).join(" "), fill: "none", stroke: colorOf[s.label] ?? "#888", "stroke-width": 1.8, "clip-path": "url(#clip)" }, svg("title", {}, s.label)));
  $("curve").replaceChildren(node, el("div", { class: "key" }, ...series.map(s => el("span", {}, dot(s.label), s.label))));
}
if (curveKeys.length) { $("curve-key").addEventListener("change", drawCurves); drawCurves(); } else $("curves").hidden = true;

let drawnAt = room();
addEventListener("resize", () => {
  if (room() === drawnAt) return;
  drawnAt = room();
  for (const [id, draw] of [["tradeoffs", drawPareto], ["distributions", drawDistributions], ["curves", drawCurves]]) if (!$(id).hidden) draw();
});

// --------------------------------------------------------------------------------------------------------------- hue
function wheel(label) {
  const node = svg("svg", { viewBox: "0 0 220 220", role: "img", "aria-label": `Chroma at each hue: ${label} against the truth` });
  const mine = data.hue[label], truth = data.hue.truth, n = mine.length, most = Math.max(...truth, ...mine) || 1;
  const point = (share, i) => { const r = 96 * Math.sqrt(share / most), a = 2 * Math.PI * i / n; return [110 + r * Math.cos(a), 110 - r * Math.sin(a)]; };
  for (const r of [48, 96]) node.append(svg("circle", { cx: 110, cy: 110, r, fill: "none", class: "grid" }));
  mine.forEach((share, i) => {
    const [x1, y1] = point(share, i - 0.5), [x2, y2] = point(share, i + 0.5);
    node.append(svg("path", { d: `M110,110 L${x1},${y1} L${x2},${y2} Z`, fill: data.hueColors[i] }));
  });
  const outline = truth.flatMap((share, i) => [point(share, i - 0.5), point(share, i + 0.5)]);
  node.append(svg("polygon", { points: outline.map(p => p.join(",")).join(" "), fill: "none", stroke: "var(--ink)", "stroke-width": 1.3, opacity: 0.75 }));
  return node;
}
const hued = lines.filter(l => data.hue[l.label] && l.label !== "gray" && l.label !== "truth");
if (hued.length && data.hue.truth) $("hues").replaceChildren(...hued.map(l => el("figure", {}, el("h4", {}, l.label), wheel(l.label))));
else $("hue").hidden = true;

// ------------------------------------------------------------------------------------------------------- calibration
const small = { width: 300, height: 230, left: 48, bottom: 42 };
function drawCalibration(label, c) {
  const parts = [];
  const cover = frame({ ...small, x: [0, 1], y: [0, 1], xLabel: "promised", yLabel: "covered", label: `Coverage of ${label}: ` + c.nominal.map((n, i) => `${n.toFixed(2)} promised, ${c.actual[i].toFixed(2)} covered`).join("; ") });
  cover.node.append(svg("line", { x1: cover.X(0), y1: cover.Y(0), x2: cover.X(1), y2: cover.Y(1), class: "axis", "stroke-dasharray": "4 4" }),
    svg("polyline", { points: c.nominal.map((n, i) => `${cover.X(n)},${cover.Y(c.actual[i])}`).join(" "), fill: "none", stroke: colorOf[label], "stroke-width": 2 }),
    ...c.nominal.map((n, i) => svg("circle", { cx: cover.X(n), cy: cover.Y(c.actual[i]), r: 4, fill: colorOf[label] })));
  parts.push(el("figure", {}, cover.node));
  const top = Math.max(...c.ranks) * 1.1, n = c.ranks.length;
  const rank = frame({ ...small, x: [-0.6, n - 0.4], y: [0, top], xLabel: "draws below the truth", yLabel: "share", label: `Rank histogram of ${label}` });
  c.ranks.forEach((r, i) => rank.node.append(svg("rect", { x: rank.X(i - 0.42), width: rank.X(i + 0.42) - rank.X(i - 0.42), y: rank.Y(r), height: rank.box.b - rank.Y(r), fill: colorOf[label], opacity: 0.75 })));
  rank.node.append(svg("line", { x1: rank.box.l, x2: rank.box.r, y1: rank.Y(1 / n), y2: rank.Y(1 / n), class: "axis", "stroke-dasharray": "4 4" }));
  parts.push(el("figure", {}, rank.node));
  for (const [metric, curve] of Object.entries(c.best)) {
    const col = columnOf[metric], best = frame({ ...small, x: [1, curve.length], y: pad(Math.min(...curve), Math.max(...curve)), xLabel: "best of k draws", yLabel: `${col.title} ${col.arrow}`, label: `Best of k of ${label}: ` + curve.map((v, i) => `${i + 1}: ${number(v, col)}`).join(", ") });
    best.node.append(svg("polyline", { points: curve.map((v, i) => `${best.X(i + 1)},${best.Y(v)}`).join(" "), fill: "none", stroke: colorOf[label], "stroke-width": 2 }));
    parts.push(el("figure", {}, best.node));
  }
  const skill = data.cells[label].spread_skill?.m;
  return el("div", { class: "calibration" }, el("h4", {}, dot(label), `${label}${skill === undefined ? "" : `: spread / skill ${skill.toFixed(2)} (1 is calibrated)`}`), ...parts);
}
const drawing = Object.entries(data.calibration);
if (drawing.length) $("calibrations").replaceChildren(...drawing.map(([label, c]) => drawCalibration(label, c)));
else $("calibration").hidden = true;

// ----------------------------------------------------------------------------------------------------------- gallery
const pictures = data.gallery.images, count = data.gallery.names.length;
const withPictures = lines.filter(l => pictures[l.label]);
const who = new Set(withPictures.filter(l => !l.trivial || l.label === "gray" || l.label === "truth").map(l => l.label));
const rankable = columns.filter(c => data.values[c.name] && c.better !== "neither");
fill($("order-metric"), options(rankable), rankable.some(c => c.name === first) ? first : rankable[0]?.name);
fill($("order-model"), [["*", "all models (mean)"], ...models.filter(l => pictures[l.label]).map(l => [l.label, l.label])], "*");
$("who").replaceChildren(...withPictures.map(l => el("label", {}, el("input", { type: "checkbox", checked: who.has(l.label), onchange: e => { e.target.checked ? who.add(l.label) : who.delete(l.label); drawCards(); } }), dot(l.label), l.label)));
let visibleCards = 12, order = [];
const score = (label, metric, i) => data.values[metric]?.[label]?.[i] ?? null;
function reorder() {
  const metric = $("order-metric").value, how = $("order").value, chosen = $("order-model").value, up = columnOf[metric]?.better === "higher";
  const judges = chosen === "*" || how === "disputed" ? models.filter(l => pictures[l.label]).map(l => l.label) : [chosen];
  const value = i => {
    const v = judges.map(l => score(l, metric, i)).filter(x => x !== null), mean = v.reduce((a, b) => a + b, 0) / (v.length || 1);
    if (how === "disputed") return -Math.sqrt(v.reduce((a, b) => a + (b - mean) ** 2, 0) / (v.length || 1));
    return (up === (how === "best")) ? -mean : mean;
  };
  order = [...Array(count).keys()];
  if (how !== "given" && metric) { const keys = order.map(value); order.sort((a, b) => keys[a] - keys[b]); }
  visibleCards = 12;
  drawCards();
}
const altOf = (label, i) => label === "truth" ? `True picture ${data.gallery.names[i]}` : label === "gray" ? `Gray input ${data.gallery.names[i]}` : `${data.gallery.names[i]} colored by ${label}`;
function drawCards() {
  const metric = $("order-metric").value, c = columnOf[metric], up = c?.better === "higher";
  const labels = withPictures.map(l => l.label).filter(l => who.has(l));
  const ordered = ["gray", "truth"].filter(l => labels.includes(l)).concat(labels.filter(l => l !== "gray" && l !== "truth"));
  $("cards").style.setProperty("--n", Math.min(ordered.length, 10));
  $("cards").replaceChildren(...order.slice(0, visibleCards).map(i => {
    const marks = ordered.filter(l => models.some(m => m.label === l)).map(l => [l, score(l, metric, i)]).filter(x => x[1] !== null);
    const best = marks.length > 1 ? marks.reduce((a, b) => (up ? b[1] > a[1] : b[1] < a[1]) ? b : a)[0] : null;
    return el("div", { class: "card", "data-i": i }, el("h3", {}, data.gallery.names[i]), el("div", { class: "tiles" }, ...ordered.map(l => {
      const v = score(l, metric, i);
      return el("button", { type: "button", class: `tile${l === best ? " best" : ""}`, onclick: () => openViewer(i, l), "aria-label": `Open ${altOf(l, i)}${v === null ? "" : `, ${c.title} ${number(v, c)}`}` },
        el("img", { src: pictures[l][i][0], alt: altOf(l, i), loading: "lazy", width: data.gallery.size, height: data.gallery.size }),
        el("span", {}, el("b", {}, l), v === null || l === "truth" ? "" : number(v, c)));
    })));
  }));
  $("more").hidden = visibleCards >= order.length;
}
["order", "order-metric", "order-model"].forEach(id => $(id).addEventListener("change", reorder));
$("more").addEventListener("click", () => { visibleCards += 24; drawCards(); });
if (count && withPictures.length) reorder(); else $("gallery").hidden = true;

// ------------------------------------------------------------------------------------------------------------ viewer
const viewer = $("viewer");
let current = 0;
fill($("left"), withPictures.map(l => [l.label, l.label]), "gray");
fill($("right"), withPictures.map(l => [l.label, l.label]), "truth");
function openViewer(i, label) {
  current = i;
  const known = withPictures.map(l => l.label);
  if (label !== "gray" && label !== "truth") { $("left").value = label; $("right").value = known.includes("truth") ? "truth" : known[0]; }
  else { $("left").value = known.includes("gray") ? "gray" : known[0]; $("right").value = known.includes("truth") ? "truth" : known[0]; }
  drawViewer();
  if (!viewer.open) viewer.showModal();
}
function drawViewer() {
  const left = $("left").value, right = $("right").value;
  $("viewer-title").textContent = data.gallery.names[current];
  $("img-left").src = pictures[left][current][0]; $("img-left").alt = altOf(left, current);
  $("img-right").src = pictures[right][current][0]; $("img-right").alt = altOf(right, current);
  const shownLines = withPictures.filter(l => !l.trivial || l.label === "gray");
  const ranked = rankable.filter(c => shown.has(c.name));
  $("scores").replaceChildren(el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "model"), ...ranked.map(c => el("th", { scope: "col" }, `${c.title} ${c.arrow}`)))),
    el("tbody", {}, ...shownLines.map(l => el("tr", {}, el("th", { scope: "row" }, dot(l.label), l.label), ...ranked.map(c => el("td", {}, number(score(l.label, c.name, current), c)))))));
  const drawn = withPictures.filter(l => pictures[l.label][current].length > 1);
  $("samples").replaceChildren(...drawn.flatMap(l => [el("h4", {}, `Samples of ${l.label}`), el("div", { class: "tiles" }, ...pictures[l.label][current].map((src, k) => el("div", { class: "tile" }, el("img", { src, alt: `${altOf(l.label, current)}, sample ${k + 1}`, width: data.gallery.size, height: data.gallery.size }))))]));
  drawHeat(left === "truth" ? right : left);
}
function labOf(pixels, i) {
  const f = [0, 1, 2].map(c => { const v = pixels[i + c] / 255; return v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92; });
  const t = [(0.412453 * f[0] + 0.35758 * f[1] + 0.180423 * f[2]) / 0.95047, 0.212671 * f[0] + 0.71516 * f[1] + 0.072169 * f[2], (0.019334 * f[0] + 0.119193 * f[1] + 0.950227 * f[2]) / 1.08883]
    .map(v => v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116);
  return [500 * (t[0] - t[1]), 200 * (t[1] - t[2])];
}
const RAMP = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
function heatColor(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (RAMP.length - 1), k = Math.floor(at), s = at - k;
  return RAMP[k].map((v, c) => Math.round(v + s * (RAMP[k + 1][c] - v)));
}
async function pixelsOf(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const canvas = el("canvas", { width: image.naturalWidth, height: image.naturalHeight }), context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
let heatTicket = 0;
async function drawHeat(label) {
  const ticket = ++heatTicket, i = current;
  $("heat-name").textContent = label;
  if (!pictures.truth) return;
  const [hat, truth] = await Promise.all([pixelsOf(pictures[label][i][0]), pixelsOf(pictures.truth[i][0])]);
  if (ticket !== heatTicket) return;
  const canvas = $("heat"), context = canvas.getContext("2d");
  canvas.width = truth.width; canvas.height = truth.height;
  const out = context.createImageData(truth.width, truth.height);
  let total = 0;
  for (let p = 0; p < truth.data.length; p += 4) {
    const [a1, b1] = labOf(hat.data, p), [a2, b2] = labOf(truth.data, p), error = Math.hypot(a1 - a2, b1 - b2);
    total += error;
    out.data.set([...heatColor(error / 60), 255], p);
  }
  context.putImageData(out, 0, 0);
  canvas.setAttribute("aria-label", `Error map of ${label}: mean a*b* distance ${(4 * total / truth.data.length).toFixed(1)}`);
}
["left", "right"].forEach(id => $(id).addEventListener("change", drawViewer));
const setCut = v => { $("slider").style.setProperty("--cut", `${v}%`); $("cut").value = v; };
$("cut").addEventListener("input", e => setCut(e.target.value));
const drag = e => { if (e.buttons || e.type === "pointerdown") { const box = $("slider").getBoundingClientRect(); setCut(Math.min(100, Math.max(0, 100 * (e.clientX - box.left) / box.width))); } };
["pointerdown", "pointermove"].forEach(type => $("slider").addEventListener(type, drag));
function step(by) { current = order[(order.indexOf(current) + by + order.length) % order.length]; drawViewer(); }
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", e => { if (e.target === viewer) viewer.close(); });
viewer.addEventListener("keydown", e => {
  if (["INPUT", "SELECT"].includes(e.target.tagName)) return;
  if (e.key === "ArrowRight") step(1);
  if (e.key === "ArrowLeft") step(-1);
});

// ---------------------------------------------------------------------------------------------------- configurations
const configured = Object.keys(data.configs);
fill($("config-a"), configured.map(l => [l, l]), configured[0]);
fill($("config-b"), configured.map(l => [l, l]), configured[1] ?? configured[0]);
function drawConfigs() {
  const a = $("config-a").value, b = $("config-b").value, [x, y] = [data.configs[a], data.configs[b]];
  const keys = [...new Set([...Object.keys(x), ...Object.keys(y)])].sort();
  const show = v => v === undefined ? "–" : typeof v === "string" ? v : JSON.stringify(v);
  const rows = keys.map(k => [k, show(x[k]), show(y[k])]).filter(r => $("config-all").checked || r[1] !== r[2]);
  $("config-table").replaceChildren(el("thead", {}, el("tr", {}, ...["key", a, b].map(t => el("th", { scope: "col" }, t)))),
    el("tbody", {}, ...(rows.length ? rows.map(r => el("tr", { class: r[1] === r[2] ? "same" : null }, el("th", { scope: "row" }, r[0]), el("td", {}, r[1]), el("td", {}, r[2]))) : [el("tr", {}, el("td", { colspan: 3 }, "Nothing differs."))])));
}
if (configured.length) { ["config-a", "config-b", "config-all"].forEach(id => $(id).addEventListener("change", drawConfigs)); drawConfigs(); } else $("configs").hidden = true;

// ------------------------------------------------------------------------------------------------------------ method
const ways = { higher: "higher is better", lower: "lower is better", neither: "described, not ranked" };
$("definitions").replaceChildren(el("thead", {}, el("tr", {}, ...["column", "good", "what it is fed", "weights"].map(t => el("th", { scope: "col" }, t)))),
  el("tbody", {}, ...columns.map(c => el("tr", {}, el("th", { scope: "row" }, c.title), el("td", {}, ways[c.better]), el("td", {}, c.note || c.fed || ""), el("td", {}, c.weights || "")))));
document.querySelectorAll("nav a").forEach(a => { if (document.querySelector(a.getAttribute("href")).hidden) a.parentElement.hidden = true; });
document.documentElement.dataset.ready = "true";
