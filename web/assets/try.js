// The form: it asks for a version's signatures, fills in an example, sends it to the API as any client would, and shows the
// curl command that does the same.

import { $, el, text, duration, phasesBar, phasesText } from "./dom.js";
import { pretty } from "./pretty.js";
import { authorized, hasKey } from "./key.js";

const SHOWN = 20000; // characters of an answer
const LAID_OUT = 1 << 20; // characters of an answer that line breaks are put into
const INLINE = 2000; // characters of a body in the curl command

export class Try {
  constructor() {
    this.models = [];
    this.details = null;
    this.asked = 0;
    this.typed = 0; // the number of the last question when somebody typed
    this.chosen = false; // by somebody; else the first model with an example is shown
    this.wanted = ""; // the signature that somebody chose
    const byHand = (then) => () => {
      this.chosen = true;
      then();
    };
    $("try-model").addEventListener("change", byHand(() => this.fillVersions()));
    $("try-version").addEventListener("change", byHand(() => this.load()));
    $("try-signature").addEventListener("change", byHand(() => {
      this.wanted = $("try-signature").value;
      this.example();
    }));
    $("try-reset").addEventListener("click", () => this.example());
    $("try-body").addEventListener("input", () => {
      this.typed = this.asked;
      this.curl();
    });
    $("try-copy").addEventListener("click", () => this.copy());
    $("try-form").addEventListener("submit", (e) => {
      e.preventDefault();
      this.send();
    });
    this.enable();
  }

  /** state keeps what was chosen and typed while it is still valid. */
  state(state) {
    this.models = state.models.filter((m) => m.versions.some((v) => v.state === "AVAILABLE"));
    const before = $("try-model").value;
    setOptions($("try-model"), this.models.map((m) => [m.name, m.name]));
    if (before !== $("try-model").value || !this.details) this.fillVersions();
    else this.fillVersions(true);
    this.enable();
  }

  enable() {
    const some = this.models.length > 0;
    for (const e of $("try-form").elements) e.disabled = !some;
    if (!some) text($("try-hint"), "No model is available.");
  }

  /** choose is for the table's buttons. */
  async choose(name, version) {
    this.chosen = true;
    $("try-model").value = name;
    this.fillVersions(true);
    $("try-version").value = `version=${version}`;
    $("try").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    $("try-body").focus({ preventScroll: true });
    await this.load();
  }

  fillVersions(quietly = false) {
    const m = this.models.find((x) => x.name === $("try-model").value);
    if (!m) return;
    const available = m.versions.filter((v) => v.state === "AVAILABLE");
    const before = $("try-version").value;
    setOptions($("try-version"), [["", `newest (${available[0].version})`],
      ...Object.entries(m.labels || {}).filter(([, n]) => available.some((v) => v.version === n)).map(([l, n]) => [`label=${l}`, `${l} (${n})`]),
      ...available.map((v) => [`version=${v.version}`, String(v.version)])]);
    if (!quietly || before !== $("try-version").value) this.load();
  }

  async load() {
    const ask = ++this.asked;
    const name = $("try-model").value;
    const [kind, value] = $("try-version").value.split(/=(.*)/s);
    const query = new URLSearchParams({ name });
    if (kind) query.set(kind, value);
    let details;
    try {
      const answer = await authorized(`status/model?${query}`);
      details = await answer.json();
      if (!answer.ok) throw new Error(details.error);
    } catch (e) {
      if (ask === this.asked) text($("try-hint"), `The signatures could not be read: ${e.message}`);
      return;
    }
    if (ask !== this.asked) return; // something else was chosen meanwhile
    this.details = details;
    const usable = details.signatures.some((s) => s.example);
    const next = this.models[this.models.findIndex((m) => m.name === name) + 1];
    if (!usable && !this.chosen && next) {
      $("try-model").value = next.name;
      this.fillVersions();
      return;
    }
    setOptions($("try-signature"), details.signatures.map((s) => [s.name, s.name]));
    const first = details.signatures.find((s) => s.name === this.wanted) || details.signatures.find((s) => s.example);
    if (first) $("try-signature").value = first.name;
    this.example(this.typed === ask);
  }

  signature() {
    return this.details?.signatures.find((s) => s.name === $("try-signature").value);
  }

  /** example fills in the example. typed: somebody has typed while it was on its way, which stays. */
  example(typed = false) {
    const s = this.signature();
    if (!s) return;
    const list = (tensors) => tensors.map((t) => `${t.name}: ${t.type} ${t.shape}`).join(", ");
    text($("try-tensors"), `Takes ${list(s.inputs) || "nothing"}. Gives ${list(s.outputs) || "nothing"}.`);
    text($("try-hint"), s.example ? "" : `There is no example for this signature: ${s.why || "none could be made"}. Fill in the values.`);
    if (!typed) {
      const body = s.example || frame(s);
      $("try-body").value = body;
      $("try-body").rows = Math.min(12, Math.max(4, Math.ceil(body.length / 90)));
    }
    this.curl();
  }

  path() {
    const [kind, value] = $("try-version").value.split(/=(.*)/s);
    const place = kind === "label" ? `/labels/${encodeURIComponent(value)}` : kind ? `/versions/${value}` : "";
    return `v1/models/${encodeURIComponent($("try-model").value)}${place}:${this.signature()?.verb || "predict"}`;
  }

  curl() {
    const url = new URL(this.path(), document.baseURI).href;
    const body = $("try-body").value;
    const quoted = body.length > INLINE ? "@request.json" : `'${body.replaceAll("'", `'\\''`)}'`;
    const header = hasKey() ? `-H "Authorization: Bearer $SHOAL_API_KEY" ` : "";
    text($("try-curl"), `curl ${header}-d ${quoted} '${url}'`);
  }

  async copy() {
    const button = $("try-copy");
    try {
      await navigator.clipboard.writeText($("try-curl").textContent);
      text(button, "Copied");
    } catch {
      // A page over plain HTTP may not write to the clipboard, so the text is selected for the keyboard.
      getSelection().selectAllChildren($("try-curl"));
      $("try-curl").focus();
      text(button, "Marked: press Ctrl+C");
    }
    setTimeout(() => text(button, "Copy"), 2500);
  }

  async send() {
    const button = $("try-form").querySelector("[type=submit]");
    button.disabled = true;
    const start = performance.now();
    try {
      const answer = await authorized(this.path(), { method: "POST", headers: { "Content-Type": "application/json" }, body: $("try-body").value });
      const body = await answer.text();
      this.show(answer, body, performance.now() - start);
    } catch (e) {
      this.show(null, `The request could not be sent: ${e.message}`, performance.now() - start);
    }
    button.disabled = false;
  }

  show(answer, body, took) {
    const ok = answer?.ok;
    $("try-answer").hidden = false;
    $("try-code").className = `pill ${ok ? "good" : "bad"}`;
    text($("try-code"), answer ? `${answer.status}` : "no answer");
    const phases = timing(answer?.headers.get("Server-Timing"));
    const batch = answer?.headers.get("Shoal-Batch-Size");
    const version = answer?.headers.get("Shoal-Model-Version");
    text($("try-took"), [`${duration(took)} in the browser`, phases && phasesText(phases), version && `version ${version}`, batch && `in a batch of ${batch}`].filter(Boolean).join(" · "));
    $("try-bar").replaceChildren(...(phases ? [phasesBar({ ...phases, total: 0 }, Object.values(phases).reduce((a, b) => a + b, 0) || 1)] : []));
    if (body.length <= LAID_OUT) body = pretty(body);
    text($("try-output"), body.length > SHOWN ? `${body.slice(0, SHOWN)}\n… ${body.length - SHOWN} characters more` : body);
  }
}

/** frame is a request without its values, for a signature that there is no example of. */
function frame(s) {
  const request = s.verb === "predict" ? { inputs: Object.fromEntries(s.inputs.map((t) => [t.name, []])) } : { examples: [{}] };
  return JSON.stringify(s.name === "serving_default" ? request : { signature_name: s.name, ...request });
}

/** timing reads the Server-Timing header: "decode;dur=0.1, run;dur=2". */
function timing(header) {
  if (!header) return null;
  const phases = {};
  for (const [, name, ms] of header.matchAll(/(\w+);dur=([\d.]+)/g)) phases[name] = Number(ms);
  return phases;
}

/** setOptions changes a list only if it differs, and keeps the choice if possible. */
function setOptions(select, options) {
  const same = select.options.length === options.length && options.every(([value, label], i) => select.options[i].value === value && select.options[i].label === label);
  if (same) return;
  const before = select.value;
  select.replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
  if (options.some(([value]) => value === before)) select.value = before;
}
