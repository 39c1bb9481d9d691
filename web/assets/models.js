// The table of models: a row for each version with its figures, and below it why a version failed.

import { $, el, text, number, duration, megabytes } from "./dom.js";

const STATES = {
  START: ["warn", "waits"],
  LOADING: ["warn", "loading"],
  AVAILABLE: ["good", "available"],
  UNLOADING: ["warn", "unloading"],
  END: ["", "ended"],
};

const FIGURES = [
  ["Requests/s", (f) => number(f.rps || 0)],
  ["Errors/s", (f) => number(f.eps || 0)],
  ["p50", (f) => duration(f.p50)],
  ["p99", (f) => duration(f.p99)],
  ["Waiting", (f) => number(f.queue || 0)],
  ["Rows a batch", (f) => number(f.rows)],
  ["Run", (f) => duration(f.run50)],
];

export class Models {
  constructor(onTry) {
    this.onTry = onTry;
    this.body = $("model-table").tBodies[0];
    this.cells = []; // {model, version, values}
    this.last = null;
  }

  state(state) {
    this.cells = [];
    const focused = document.activeElement?.dataset?.try;
    const rows = [];
    for (const m of state.models) {
      if (m.versions.length === 0) rows.push(this.row(m, null, true));
      m.versions.forEach((v, i) => {
        rows.push(this.row(m, v, i === 0));
        if (v.loaded) rows.push(el("tr", { role: "row", class: "facts" }, el("td", { role: "cell", class: "quiet small", colspan: 11 }, facts(v.loaded))));
        if (v.failed) rows.push(el("tr", { role: "row", class: "why" }, el("td", { role: "cell", class: "reason", colspan: 11 }, v.reason)));
      });
      if (m.versions.length > 1) rows.push(this.unknownRow(m));
    }
    this.body.replaceChildren(...rows);
    if (focused) this.body.querySelector(`[data-try="${CSS.escape(focused)}"]`)?.focus();
    $("no-models").hidden = state.models.length > 0;
    $("model-table").hidden = state.models.length === 0;
    if (this.last) this.tick(this.last);
  }

  row(m, v, first) {
    const labels = Object.entries(m.labels || {});
    const missing = labels.filter(([, n]) => !m.versions.some((x) => x.version === n));
    const name = el("th", { scope: "row", role: "rowheader", title: m.path }, first ? m.name : el("span", { class: "again" }, m.name));
    if (first && m.removed) name.append(el("span", { class: "label" }, "removed"));
    if (first) name.append(...missing.map(([l, n]) => el("span", { class: "label", title: "there is no such version" }, `${l} → ${n}?`)));
    const cells = [name];
    if (!v) {
      cells.push(cell("Version", "–"), el("td", { role: "cell", "data-label": "State" }, el("span", { class: "pill warn" }, "no version")));
      cells.push(...FIGURES.map(([label]) => cell(label, "–", "number")), el("td", { role: "cell" }));
      return el("tr", { role: "row", class: "still" }, ...cells);
    }
    const [kind, words] = v.failed ? ["bad", v.state === "LOADING" ? "failed, trying again" : "failed"] : STATES[v.state] || ["", v.state.toLowerCase()];
    const id = `${m.name}/${v.version}`;
    cells.push(
      el("td", { role: "cell", "data-label": "Version" }, String(v.version), ...(v.labels || []).map((l) => el("span", { class: "label" }, l))),
      el("td", { role: "cell", "data-label": "State" }, el("span", { class: `pill ${kind}` }, words)),
    );
    const values = FIGURES.map(([label]) => cell(label, "–", "number"));
    cells.push(...values);
    const available = v.state === "AVAILABLE";
    cells.push(el("td", { role: "cell" }, available
      ? el("button", { type: "button", "data-try": id, "aria-label": `Try ${m.name} version ${v.version}`, onclick: () => this.onTry(m.name, v.version) }, "Try")
      : null));
    if (available) this.cells.push({ model: m.name, version: String(v.version), values, only: m.versions.length === 1 });
    return el("tr", { role: "row", class: [first ? "" : "more", available ? "" : "still"].join(" ") }, ...cells);
  }

  /** unknownRow is for requests whose version is not known. It is shown while there are any. */
  unknownRow(m) {
    const values = FIGURES.map(([label]) => cell(label, "–", "number"));
    const row = el("tr", { role: "row", class: "more" },
      el("th", { scope: "row", role: "rowheader" }, el("span", { class: "again" }, m.name)),
      cell("Version", "not known", "quiet"), el("td", { role: "cell" }), ...values, el("td", { role: "cell" }));
    row.hidden = true;
    this.cells.push({ model: m.name, version: "-1", values, row });
    return row;
  }

  tick(tick) {
    this.last = tick;
    for (const c of this.cells) {
      const model = tick.models?.[c.model];
      // If there is one version, requests whose version is not known count for it.
      const figures = (c.only ? model : model?.versions?.[c.version]) || {};
      if (c.row) c.row.hidden = !figures.rps;
      FIGURES.forEach(([, value], i) => text(c.values[i], value(figures)));
    }
  }
}

/** facts describes the result of a version's load. */
function facts(l) {
  const alone = Object.entries(l.unbatched || {});
  const engines = Object.entries(l.engines || {});
  return [
    l.maxBatch > 1 ? `batches of up to ${number(l.maxBatch)} rows (${l.batchFrom})` : "not batched",
    `${l.instances} instance${l.instances === 1 ? "" : "s"}`,
    `loaded in ${duration(l.took)}`,
    l.memory && `${l.shared ? "at most " : ""}${megabytes(l.memory)} of memory`,
    alone.length && `one request at a time: ${alone.map(([name, why]) => `${name} (${why})`).join(", ")}`,
    engines.length && `engines: ${engines.map(([name, what]) => `${name} (${what})`).join(", ")}`,
    l.asItIs && `graph loaded as it is: ${l.asItIs}`,
  ].filter(Boolean).join(" · ");
}

const cell = (label, value, kind) => el("td", { role: "cell", class: kind, "data-label": label }, value);
