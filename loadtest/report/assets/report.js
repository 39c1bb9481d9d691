"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const font = "12px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

  const short = (v) => {
    if (v == null) return "";
    const a = Math.abs(v);
    return a >= 100 ? v.toLocaleString("en", { maximumFractionDigits: 0 }) : a >= 1 ? String(+v.toFixed(2)) : String(+v.toPrecision(2));
  };
  const axis = (more) => Object.assign({
    stroke: colour("muted"), font, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 }, gap: 4, size: 30,
    values: (u, ticks) => ticks.map((v) => v == null ? "" : short(v)),
  }, more);
  // A logarithmic scale over less than a decade shows hardly any tick: 1, 2, 5 of each decade are its own.
  const logTicks = (u, i, low, high) => {
    const ticks = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const m of high / low > 300 ? [1] : [1, 2, 5]) {
        const v = m * 10 ** e;
        if (v >= low * 0.999 && v <= high * 1.001) ticks.push(v);
      }
    return ticks;
  };
  const logRange = (u, low, high) => low == null || high == null ? [0.1, 10] : [low / 1.15, high * 1.15];
  const line = (label, c, more) => Object.assign({ label, stroke: colour(c), width: 2, points: { show: false }, value: (u, v) => short(v) }, more);
  const dots = (c) => ({ points: { show: true, size: 6, fill: colour(c), stroke: colour(c) } });
  const logY = { distr: 3, range: logRange };
  const msAxis = () => axis({ splits: logTicks, filter: (u, t) => t, size: 52 });
  // One answer in so many was slower: 2, 10, 100, … stand at even distances.
  const nines = (q) => -Math.log10(Math.max(1 - q, 1e-9));
  const nineTicks = [[0, ""], [Math.log10(2), "50%"], [1, "90%"], [2, "99%"], [3, "99.9%"], [4, "99.99%"], [5, "99.999%"], [6, "99.9999%"]];

  const charts = {
    curve() {
      const steps = data.curve.map((s) => s.summary), x = data.curve.map((s) => s.rate);
      const cols = ["p50", "p90", "p99", "p999"].map((p) => steps.map((s) => s.latency_ms[p] || null));
      const series = [{ label: "offered requests/s", value: (u, v) => short(v) }, line("p50", "c1", dots("c1")), line("p90", "c2", dots("c2")), line("p99", "c3", dots("c3")), line("p99.9", "c4", dots("c4"))];
      if (data.search) {
        cols.push(x.map(() => data.search.objective_ms));
        series.push(line("objective", "muted", { dash: [6, 5], width: 1.5 }));
      }
      return { height: 340, series, scales: { x: { time: false, range: (u, a, b) => [0, b * 1.03] }, y: logY }, axes: [axis(), msAxis()], data: [x, ...cols] };
    },
    cdf(run) {
      const points = run.cdf || [];
      const last = points.length > 1 ? nines(points[points.length - 2].q) : 1;
      const x = points.map((p) => p.q < 1 ? nines(p.q) : last + 0.15);
      return {
        height: 260, data: [x, points.map((p) => p.ms || 0.001)],
        series: [{ label: "share", value: (u, v) => v == null ? "" : (100 * (1 - 10 ** -v)).toFixed(Math.max(0, Math.ceil(v) - 1)) + "%" }, line("at most, ms", "c1")],
        scales: { x: { time: false, range: (u, a, b) => [0, b] }, y: logY },
        axes: [axis({ splits: (u) => nineTicks.map((t) => t[0]).filter((v) => v <= u.scales.x.max), values: (u, t) => t.map((v) => (nineTicks.find((n) => n[0] === v) || ["", ""])[1]) }), msAxis()],
      };
    },
    time(run) {
      const t = run.over_time || [];
      return {
        height: 260, data: [t.map((i) => i.at), ...["p50", "p90", "p99"].map((p) => t.map((i) => i[p] || null))],
        series: [{ label: "s", value: (u, v) => short(v) }, line("p50", "c1"), line("p90", "c2"), line("p99", "c3")],
        scales: { x: { time: false }, y: { range: (u, a, b) => [0, (b || 1) * 1.08] } }, axes: [axis(), axis({ size: 52 })],
      };
    },
    batches(run) {
      const all = run.server.batches, total = all.reduce((n, b) => n + b.count, 0), largest = all[all.length - 1].size;
      const width = Math.max(1, Math.ceil(largest / 64)), count = Math.ceil(largest / width);
      const x = [], y = new Array(count).fill(0);
      for (let i = 0; i < count; i++) x.push(width === 1 ? i + 1 : i * width + (width + 1) / 2);
      for (const b of all) y[Math.ceil(b.size / width) - 1] += 100 * b.count / total;
      return {
        height: 240, data: [x, y],
        series: [{ label: "rows", value: (u, v) => short(v) }, line("% of requests", "c1", { width: 0, fill: colour("fill"), paths: uPlot.paths.bars({ size: [0.8, 60] }) })],
        scales: { x: { time: false, range: (u, a, b) => [0.5, largest + 0.5] }, y: { range: (u, a, b) => [0, (b || 1) * 1.08] } },
        axes: [axis({ incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], grid: { show: false } }), axis({ size: 52, values: (u, t) => t.map((v) => short(v) + "%") })],
      };
    },
    stages(run) {
      const names = ["decode", "queue", "run", "encode"], x = [0, 1, 2, 3];
      const bar = (label, c, shift) => line(label, c, { width: 0, fill: colour(c), paths: uPlot.paths.bars({ size: [0.26, 40], align: 0, disp: { x0: { unit: 1, values: () => x.map((v) => v + shift - 0.12) }, size: { unit: 1, values: () => x.map(() => 0.24) } } }) });
      const cols = ["p50", "p90", "p99"].map((p) => names.map((n) => run.server[n + "_ms"][p]));
      return {
        height: 240, data: [x, ...cols],
        series: [{ label: "stage", value: (u, v) => names[v] || "" }, bar("p50", "c1", -0.25), bar("p90", "c2", 0), bar("p99", "c3", 0.25)],
        scales: { x: { time: false, range: () => [-0.6, 3.6] }, y: { range: (u, a, b) => [0, (b || 0.01) * 1.08] } },
        axes: [axis({ splits: () => x, values: (u, t) => t.map((v) => names[v] || ""), grid: { show: false } }), axis({ size: 52 })],
      };
    },
    rounds() {
      const rounds = data.compare.rounds, x = rounds.map((r, i) => i + 1);
      return {
        height: 240, data: [x, rounds.map((r) => r.a.throughput), rounds.map((r) => r.b.throughput)],
        series: [{ label: "round", value: (u, v) => short(v) }, line("A", "c1", dots("c1")), line("B", "c3", dots("c3"))],
        scales: { x: { time: false, range: () => [0.5, rounds.length + 0.5] }, y: { range: (u, a, b) => [0, (b || 1) * 1.1] } },
        axes: [axis({ splits: () => x, grid: { show: false } }), axis({ size: 64 })],
      };
    },
  };

  let drawn = [];
  function draw() {
    drawn.forEach((u) => u.destroy());
    drawn = [];
    for (const place of document.querySelectorAll("[data-chart]")) {
      const run = place.dataset.run === undefined ? null : data.runs[+place.dataset.run].summary;
      const { data: columns, ...opts } = charts[place.dataset.chart](run);
      if (!columns[0].length) continue;
      const paperWidth = place.parentElement.classList.contains("wide") ? 680 : 330;
      if (root.classList.contains("paper")) opts.height *= 0.68;
      opts.width = root.classList.contains("paper") ? paperWidth : Math.floor(place.clientWidth);
      opts.padding = [10, 16, 0, 0];
      opts.cursor = { points: { size: 7 }, drag: { x: false, y: false } };
      opts.legend = { live: !root.classList.contains("paper") };
      drawn.push(new uPlot(opts, columns, place));
    }
  }
  let pending = 0;
  const redraw = () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(draw); };
  draw();
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.classList.add("paper"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); draw(); });
})();
