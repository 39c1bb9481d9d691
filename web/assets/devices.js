// The devices: what they are, whether they are in service, and what they do.

import { $, el, text, bytes, share } from "./dom.js";

const STATES = { in_service: ["good", "in service"], failed: ["bad", "failed"], lost: ["bad", "lost"] };

// use describes a version on the device, and its ops that run elsewhere.
function use(u) {
  const words = [`${u.model} version ${u.version}: ${u.instances} instance${u.instances === 1 ? "" : "s"}`];
  if (u.elsewhere) words.push(`not on this device: ${u.elsewhere}`);
  else if (u.ops) words.push(`all ${u.ops} operations on this device`);
  return el("p", { class: "small" }, words.join(" · "));
}

export class Devices {
  constructor() {
    this.lines = new Map();
    this.last = null;
  }

  state(state) {
    this.lines.clear();
    $("devices-section").hidden = state.devices.length === 0;
    $("devices").replaceChildren(...state.devices.map((d) => {
      const [kind, words] = STATES[d.state] || ["", d.state];
      const line = el("p", { class: "small" });
      this.lines.set(d.name, { line, memory: d.memory });
      return el("li", {},
        el("div", { class: "title-row" }, el("b", {}, d.name), el("span", { class: `pill ${kind}` }, words)),
        el("p", { class: "quiet small" }, d.title), line, d.cause ? el("p", { class: "small" }, d.cause) : null,
        ...(d.uses || []).map(use));
    }));
    if (this.last) this.tick(this.last);
  }

  tick(tick) {
    this.last = tick;
    for (const [name, { line, memory }] of this.lines) {
      const d = tick.devices?.[name] || {};
      text(line, [
        `${share(d.use)} busy`,
        d.memory !== undefined && `${bytes(d.memory)}${memory ? ` of ${bytes(memory)}` : ""} of memory`,
        d.power !== undefined && `${Math.round(d.power)} W`,
        d.temperature !== undefined && `${Math.round(d.temperature)} °C`,
      ].filter(Boolean).join(" · "));
    }
  }
}
