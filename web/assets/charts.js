// The charts: six of them over the last minutes, of the server or of one model. uPlot draws them. The caption of each gives the newest
// values, or those under the pointer, as text for screen readers too.

import { $, el, text, number, duration, share, clock } from "./dom.js";

const SHORTEST = 60; // seconds that the charts show at least; they grow with what is known
const COLOURS = ["--one", "--two", "--three", "--four"];

// Each chart: whole numbers only (whole), a fixed top (max), a logarithmic scale (log), figures of the machine and not of a model
// (machine). A series that may hide another comes first, with the other's colour left to it (colour), and dashed.
const FIGURES = [
  { id: "requests", title: "Requests/s", write: number, series: [["answered", (f) => Math.max((f.rps || 0) - (f.eps || 0), 0)], ["errors", (f) => f.eps || 0]] },
  { id: "latency", title: "Latency", note: "log scale", write: duration, log: true, series: [["p50", (f) => f.p50], ["p99", (f) => f.p99]] },
  { id: "queue", title: "Requests waiting", write: number, whole: true, series: [["waiting", (f) => f.queue || 0]] },
  { id: "batch", title: "Batch size", write: number, series: [["with padding", (f) => f.padded, { colour: 1, dash: [6, 4] }], ["rows", (f) => f.rows, { colour: 0 }]] },
  { id: "run", title: "Run of a batch", note: "log scale", write: duration, log: true, series: [["p50", (f) => f.run50], ["p99", (f) => f.run99]] },
];
const BUSY = { id: "busy", title: "Instances busy", ofModel: true, write: number, whole: true, series: [["busy", (f) => f.busy || 0]] };

export class Charts {
  constructor() {
    this.keep = 300;
    this.ticks = [];
    this.devices = null; // names; null: not known yet
    this.charts = [];
    this.selected = "";
    $("chart-model").addEventListener("change", (e) => {
      this.selected = e.target.value;
      this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    this.observer = new ResizeObserver((entries) => {
      for (const e of entries) {
        const chart = this.charts.find((c) => c.plot === e.target);
        if (chart && e.contentRect.width > 0) chart.uplot.setSize({ width: e.contentRect.width, height: 150 });
      }
    });
  }

  state(state) {
    const names = state.models.map((m) => m.name);
    const select = $("chart-model");
    const options = ["", ...names];
    if ([...select.options].map((o) => o.value).join("\n") !== options.join("\n")) {
      select.replaceChildren(...options.map((n) => el("option", { value: n }, n || "all models")));
      if (!options.includes(this.selected)) this.selected = "";
      select.value = this.selected;
    }
    const devices = state.devices.map((d) => d.name);
    if (this.devices === null || devices.join() !== this.devices.join()) {
      this.devices = devices;
      this.build();
    }
  }

  history(ticks) {
    this.ticks = ticks;
    this.draw();
  }

  tick(tick) {
    this.ticks.push(tick);
    if (this.ticks.length > this.keep) this.ticks.splice(0, this.ticks.length - this.keep);
    if (!document.hidden) this.draw();
  }

  /** build makes the charts again, because the colours or the devices have changed. */
  build() {
    for (const c of this.charts) {
      this.observer.unobserve(c.plot);
      c.uplot.destroy();
    }
    const last = this.devices?.length
      ? { id: "devices", title: "Device use", note: "whole machine, all programs", write: share, max: 1, machine: true,
          series: this.devices.slice(0, COLOURS.length).map((d) => [d, (t) => t.devices?.[d]?.use]) }
      : BUSY;
    this.charts = [...FIGURES, last].map((spec) => makeChart(spec));
    $("charts").replaceChildren(...this.charts.map((c) => c.figure));
    for (const c of this.charts) this.observer.observe(c.plot);
    this.draw();
  }

  draw() {
    const end = this.ticks.length ? this.ticks[this.ticks.length - 1].at / 1000 : 0;
    const times = this.ticks.map((t) => t.at / 1000);
    const span = Math.max(SHORTEST, end - (times[0] ?? end));
    const minutes = Math.round(span / 60);
    text($("charts-title"), minutes > 1 ? `The last ${minutes} minutes` : "The last minute");
    const figures = this.selected ? this.ticks.map((t) => t.models?.[this.selected] || {}) : this.ticks;
    for (const c of this.charts) {
      const source = c.spec.machine ? this.ticks : figures;
      if (c.spec.ofModel) text(c.note, this.selected ? `of ${this.selected}` : "of all models");
      [c.start, c.end] = [end - span, end];
      c.uplot.setData([times, ...c.spec.series.map(([, value]) => source.map((f) => (c.spec.log ? value(f) || null : value(f) ?? null)))]);
      c.caption();
    }
  }
}

/** plain leaves out zeros after the point: 5.00 ms is 5 ms on an axis. */
const plain = (value) => value.replace(/(\.\d*?)0+(?=\D*$)/, (_, kept) => (kept === "." ? "" : kept));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function makeChart(spec) {
  const plot = el("div", { class: "plot", "aria-hidden": "true" });
  const time = el("span");
  const values = spec.series.map(() => el("span"));
  const keys = spec.series.map(([name, , style], i) => el("span", {}, el("i", { class: `c${(style?.colour ?? i) + 1}` }), `${name} `, values[i]));
  const note = el("small", { class: "quiet" }, spec.note || "");
  const figure = el("figure", { class: "chart", id: `chart-${spec.id}` },
    el("figcaption", {}, el("span", {}, el("b", {}, spec.title), " ", note), el("span", { class: "values" }, time, ...keys)), plot);
  const chart = { spec, figure, plot, note, start: 0, end: SHORTEST };

  const axis = { stroke: colour("--quiet"), font: "11px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: colour("--grid"), width: 1 } };
  chart.uplot = new uPlot({
    width: plot.clientWidth || 320,
    height: 150,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "status" }, points: { size: 6 } },
    scales: {
      x: { range: () => [chart.start, chart.end] },
      y: spec.log ? { distr: 3, range: (u, min, max) => decades(min, max) } : { range: (u, min, max) => [0, spec.max || niceTop(max, spec.whole)] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 80, size: 26, incrs: [15, 30, 60, 120, 300],
        values: (u, ticks, i, space, step) => ticks.map((t) => clock(t * 1000).slice(0, step < 60 ? 8 : 5)) },
      { ...axis, size: 56, space: 34, filter: spec.log ? (u, splits) => readable(u, splits) : undefined, incrs: spec.whole ? [1, 2, 4, 5, 8].flatMap((n) => [n, 10 * n, 100 * n, 1000 * n]).sort((a, b) => a - b) : undefined,
        values: (u, ticks) => ticks.map((t) => (t === null ? "" : plain(spec.write(t)))) },
    ],
    series: [{}, ...spec.series.map(([name, , style], i) => ({
      label: name, stroke: colour(COLOURS[style?.colour ?? i]), dash: style?.dash, width: 1.6, points: { show: false }, spanGaps: false,
      fill: i === 0 && spec.series.length === 1 ? colour(COLOURS[i]) + "22" : undefined,
    }))],
    hooks: { setCursor: [() => chart.caption?.()] },
  }, [[], ...spec.series.map(() => [])], plot);

  chart.caption = () => {
    const u = chart.uplot;
    if (!u) return;
    const under = u.cursor.idx !== null && u.cursor.idx !== undefined && u.cursor.left >= 0;
    const at = under ? u.cursor.idx : u.data[0].length - 1;
    text(time, under ? clock(u.data[0][at] * 1000) : "");
    values.forEach((v, i) => text(v, at < 0 ? "–" : spec.write(u.data[i + 1][at])));
  };
  return chart;
}

/** niceTop is a round number above max, so that the axis does not jump with every reading. */
function niceTop(max, whole) {
  if (!max || max <= 0) return whole ? 4 : 1;
  const unit = 10 ** Math.floor(Math.log10(max));
  for (const step of [1, 2, 4, 5, 8, 10]) if (max * 1.08 <= step * unit) return step * unit;
  return 20 * unit;
}

/** decades are the powers of ten around the values, one of them at least. */
function decades(min, max) {
  if (!(max > 0)) return [1, 100];
  const low = 10 ** Math.floor(Math.log10(min > 0 ? min : max));
  const high = 10 ** Math.ceil(Math.log10(max));
  return [low, high > low ? high : low * 10];
}

/** readable keeps the ticks of a logarithmic axis that have room for a number: 1, 2 and 5 of each power of ten, or 1 alone. */
function readable(u, splits) {
  const powers = Math.log10(u.scales.y.max / u.scales.y.min);
  const leading = powers > 2.5 ? [1] : powers > 1.5 ? [1, 3] : [1, 2, 5];
  return splits.map((v) => (leading.includes(Math.round(v / 10 ** Math.floor(Math.log10(v) + 1e-9))) ? v : null));
}
