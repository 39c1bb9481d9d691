// The effective configuration, by group. Settings that differ from the defaults are shown; the defaults on demand.

import { $, el } from "./dom.js";

export function showConfig(settings) {
  const draw = () => {
    const shown = settings.filter((s) => s.changed || $("config-all").checked);
    const groups = new Map();
    for (const s of shown) groups.set(s.group, [...(groups.get(s.group) || []), s]);
    $("no-config").hidden = shown.length > 0;
    $("config").replaceChildren(...[...groups].map(([name, list]) => el("div", { class: "config-group" },
      el("h3", {}, name),
      el("dl", {}, ...list.map((s) => el("div", { class: s.changed ? "changed" : null },
        el("dt", { class: "mono" }, `--${s.name}`),
        el("dd", {}, el("span", { class: "mono" }, s.value === "" ? "—" : s.value), s.help ? el("small", {}, s.help) : null)))))));
  };
  $("config-all").onchange = draw;
  draw();
}
