// The page: it receives the server's events and gives them to its parts. When the stream ends, the page asks for a new one, with growing
// pauses. The server then sends the last minutes again, so nothing is missing.

import { $, el, text, number, duration } from "./dom.js";
import { Charts } from "./charts.js";
import { Models } from "./models.js";
import { Slow } from "./slow.js";
import { Try } from "./try.js";
import { Devices } from "./devices.js";
import { showConfig } from "./config.js";
import { listen } from "./key.js";

const form = new Try();
const models = new Models((name, version) => form.choose(name, version));
const charts = new Charts();
const slow = new Slow();
const devices = new Devices();

let known = null; // versions and their states, for announcements
let paused = false;
let waiting = []; // what came during a pause: one event of a kind, and every tick

const handlers = {
  hello(hello) {
    text($("version"), hello.version);
    text($("built"), [`Shoal ${hello.version}`, hello.tensorflow && `TensorFlow ${hello.tensorflow}`, hello.go,
      `started ${new Date(hello.since).toLocaleString("en-GB")}`].filter(Boolean).join(" · "));
    $("links").replaceChildren(...(hello.links || []).map((l) => el("li", {}, el("a", { href: l.href }, l.text))));
    charts.keep = hello.keep;
    showConfig(hello.settings || []);
  },
  state(state) {
    badge($("ready"), state.ready ? "good" : "bad", state.ready ? "ready" : "not ready");
    document.title = state.ready ? "Shoal" : "Not ready · Shoal";
    const reasons = state.reasons || [];
    $("reasons").hidden = state.ready || reasons.length === 0;
    $("reasons").replaceChildren(...reasons.map((r) => el("div", {}, r)));
    announceChanges(state);
    models.state(state);
    form.state(state);
    charts.state(state);
    devices.state(state);
  },
  history(ticks) {
    charts.history(ticks);
    if (ticks.length) now(ticks[ticks.length - 1]);
    else tiles({});
  },
  tick(tick) {
    charts.tick(tick);
    now(tick);
  },
  slow(list) {
    slow.show(list);
  },
};

function now(tick) {
  tiles(tick);
  models.tick(tick);
  devices.tick(tick);
}

const tileValues = new Map();

function tiles(t) {
  const errors = t.eps || 0;
  tile("Requests/s", number(t.rps || 0));
  tile("Errors/s", number(errors)).classList.toggle("bad", errors > 0);
  tile("Rejected/s", number(t.rejected || 0)).classList.toggle("bad", (t.rejected || 0) > 0);
  tile("p50", ...split(duration(t.p50)));
  tile("p99", ...split(duration(t.p99)));
  tile("Waiting", number(t.queue || 0), t.oldest ? ` oldest ${duration(t.oldest)}` : "");
  tile("Instances busy", number(t.busy || 0), ` of ${number(t.instances || 0)}, all models`);
}

const split = (value) => (value.includes(" ") ? [value.slice(0, value.indexOf(" ")), value.slice(value.indexOf(" "))] : [value]);

function tile(name, value, unit = "") {
  let t = tileValues.get(name);
  if (!t) {
    t = { value: el("span"), unit: el("small") };
    t.box = el("div", {}, el("dt", {}, name), el("dd", {}, t.value, t.unit));
    tileValues.set(name, t);
    $("tiles").append(t.box);
  }
  text(t.value, value);
  text(t.unit, unit);
  return t.box;
}

/** announceChanges announces to screen readers what was added, removed or failed. Figures would be too many words. */
function announceChanges(state) {
  const current = new Map();
  for (const m of state.models) {
    for (const v of m.versions) current.set(`${m.name} version ${v.version}`, v.failed ? "failed to load" : v.state.toLowerCase());
  }
  if (known) {
    const changes = [...current].filter(([k, s]) => known.get(k) !== s && (s === "available" || s === "failed to load"));
    const gone = [...known.keys()].filter((k) => !current.has(k));
    announce([...changes.map(([k, s]) => `${k} ${s === "available" ? "is available" : s}`), ...gone.map((k) => `${k} was unloaded`)].join(". "));
  }
  known = current;
}

const announce = (words) => words && text($("announce"), words);

function badge(e, kind, words) {
  e.className = `pill ${kind}`;
  text(e, words);
}

// The connection.

let source = null;
let pause = 1000;
let lostTimer = 0;
let retryTimer = 0;

function connect() {
  disconnect();
  if (document.hidden) return;
  const mine = source = new AbortController();
  const opened = () => {
    pause = 1000;
    clearTimeout(lostTimer);
    lostTimer = 0;
    if ($("live").textContent === "connection lost") announce("The connection is back.");
    badge($("live"), paused ? "warn" : "good", paused ? "paused" : "live");
  };
  // A stream is renewed every few minutes. Only a longer interruption is shown.
  const ended = () => {
    if (mine.signal.aborted) return;
    lostTimer ||= setTimeout(() => {
      badge($("live"), "bad", "connection lost");
      announce("The connection to the server is lost. Trying again.");
    }, 2500);
    retryTimer = setTimeout(connect, pause);
    pause = Math.min(pause * 2, 15000);
  };
  const event = (kind, data) => {
    if (mine.signal.aborted || !handlers[kind]) return;
    try {
      receive(kind, data);
    } catch (e) {
      reportError(e); // one event that cannot be shown does not end the stream
    }
  };
  listen("status/events", { signal: mine.signal, opened, event }).then(ended, ended);
}

function receive(kind, data) {
  if (!paused) {
    handlers[kind](data);
    return;
  }
  if (kind !== "tick") waiting = waiting.filter((w) => w.kind !== kind && !(kind === "history" && w.kind === "tick"));
  waiting.push({ kind, data });
  if (waiting.length > charts.keep + 4) waiting.splice(waiting.findIndex((w) => w.kind === "tick"), 1);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  text($("pause"), paused ? "Resume" : "Pause");
  if (!paused) {
    const missed = waiting;
    waiting = [];
    for (const { kind, data } of missed) handlers[kind](data);
  }
  if (!lostTimer) badge($("live"), paused ? "warn" : "good", paused ? "paused" : "live");
});

function disconnect() {
  clearTimeout(retryTimer);
  source?.abort();
  source = null;
}

// A hidden page has no stream: a browser has few connections to one server, and several pages would use all of them.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (e) => e.persisted && connect());
connect();
