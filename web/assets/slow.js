// The slow requests, newest first, each with a bar that shows where its time went. All bars have the same scale.

import { $, el, text, clock, duration, phasesBar, phasesText } from "./dom.js";

const FEW = 8;

export class Slow {
  constructor() {
    this.list = [];
    this.all = false;
    $("more-slow").addEventListener("click", () => {
      this.all = !this.all;
      this.draw();
    });
  }

  show(list) {
    this.list = list;
    this.draw();
  }

  draw() {
    const shown = this.all ? this.list : this.list.slice(0, FEW);
    const full = Math.max(...shown.map((c) => c.total), 0.001);
    $("no-slow").hidden = shown.length > 0;
    $("slow").replaceChildren(...shown.map((c) => row(c, full)));
    $("more-slow").hidden = this.list.length <= FEW;
    text($("more-slow"), this.all ? "Show fewer" : `Show all ${this.list.length}`);
  }
}

function row(c, full) {
  const version = c.version === undefined ? "" : `version ${c.version} · `;
  const signature = c.signature && c.signature !== "serving_default" ? ` · ${c.signature}` : "";
  const item = el("li", {},
    el("time", { datetime: new Date(c.at).toISOString() }, clock(c.at)),
    el("span", { class: "what" }, `${c.model || "no model"} `, el("span", { class: "quiet small" }, `${version}${c.api} ${c.method}${signature}`)),
    el("span", { class: "total" }, duration(c.total)),
    phasesBar(c, full),
    el("span", { class: "phases" }, phasesText(c), c.trace ? el("span", { class: "mono" }, ` · trace ${c.trace}`) : null));
  if (c.code) item.append(el("span", { class: "error" }, `${c.code}: ${c.error}`));
  return item;
}
