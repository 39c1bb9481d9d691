// Small helpers that every part of the page uses. Text always goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** el makes an element: el("td", {class: "number"}, "12", child). Attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  const e = name === "svg" || name === "rect" || name === "title"
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

/** text sets an element's text, and does not touch the document if it is the same. */
export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

/** number writes a count or a rate: 0, 0.4, 12, 1,234, 56.7k. */
export function number(n) {
  if (n === undefined || n === null || Number.isNaN(n)) return "–";
  if (n >= 1e6) return (n / 1e6).toFixed(1) + "M";
  if (n >= 1e4) return (n / 1e3).toFixed(1) + "k";
  if (n >= 100 || Number.isInteger(n)) return Math.round(n).toLocaleString("en");
  return n >= 10 ? n.toFixed(1).replace(/\.0$/, "") : n.toFixed(n < 0.095 ? 2 : 1).replace(/\.0$/, "");
}

/** duration writes milliseconds: 35 µs, 0.35 ms, 12.4 ms, 1.20 s. */
export function duration(ms) {
  if (ms === undefined || ms === null) return "–";
  if (ms >= 1000) return (ms / 1000).toFixed(ms >= 10000 ? 1 : 2) + " s";
  if (ms >= 100) return ms.toFixed(0) + " ms";
  if (ms > 0 && ms < 0.1) return Math.round(ms * 1000) + " µs";
  return ms.toFixed(ms >= 10 ? 1 : 2) + " ms";
}

export function bytes(n) {
  for (const [unit, size] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (n >= size) return (n / size).toFixed(n / size >= 100 ? 0 : 1) + " " + unit;
  }
  return n + " B";
}

/** megabytes is for estimates: as the log has them. */
export const megabytes = (n) => (n / 1e6).toFixed(n >= 1e8 ? 0 : 1) + " MB";

export const share = (n) => (n === undefined || n === null ? "–" : Math.round(n * 100) + " %");

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

const PHASES = ["decode", "queue", "run", "encode"];

/** phasesBar draws where a request's time went; full is the time that the whole width stands for. */
export function phasesBar(call, full) {
  const bar = el("svg", { class: "bar", viewBox: "0 0 1000 12", preserveAspectRatio: "none", "aria-hidden": "true" });
  let x = 0;
  const add = (phase, ms) => {
    const width = Math.min((ms / full) * 1000, 1000 - x);
    if (width > 0) bar.append(el("rect", { class: phase, x, y: 0, height: 12, width: Math.max(width, 1) }));
    x += Math.max(width, 0);
  };
  let known = 0;
  for (const phase of PHASES) {
    add(phase, call[phase] || 0);
    known += call[phase] || 0;
  }
  add("rest", Math.max(call.total - known, 0));
  return bar;
}

/** phasesText describes the same in words. */
export function phasesText(call) {
  const known = PHASES.filter((phase) => call[phase]).map((phase) => `${phase} ${duration(call[phase])}`);
  return known.length ? known.join(" · ") : "phases not measured";
}
