// The key, on a server that asks for one. It is kept in the memory of this page only: after a reload the page asks again.

import { $, text } from "./dom.js";

let key = "";
let given = null; // a promise, while somebody waits for a key

/** authorized is fetch with the key. If the server rejects the key, it waits until another one is typed in, and tries again. */
export async function authorized(url, options = {}) {
  for (;;) {
    const used = key;
    const headers = used ? { ...options.headers, Authorization: `Bearer ${used}` } : options.headers;
    const answer = await fetch(url, { ...options, headers });
    if (answer.status !== 401 && !(answer.status === 403 && used)) return answer;
    if (used === key) await ask(answer.status === 403 ? "That key is for predictions. This page needs one for administration." : used ? "The server does not know that key." : "");
  }
}

/** hasKey reports whether a key was given. */
export const hasKey = () => key !== "";

function ask(why) {
  text($("key-why"), why);
  $("key-form").hidden = false;
  given ||= new Promise((resolve) => {
    $("key-form").addEventListener("submit", (e) => {
      e.preventDefault();
      key = $("key-input").value.trim();
      $("key-input").value = "";
      $("key-form").hidden = true;
      given = null;
      resolve();
    }, { once: true });
  });
  return given;
}

/** listen reads a stream of server-sent events, as EventSource does, which cannot send a key. It ends with the stream. */
export async function listen(url, { signal, opened, event }) {
  const answer = await authorized(url, { signal });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const messages = (rest + value).split("\n\n");
    rest = messages.pop();
    for (const m of messages) {
      const kind = /^event: (.*)$/m.exec(m)?.[1];
      const data = /^data: (.*)$/m.exec(m)?.[1];
      if (kind && data) event(kind, JSON.parse(data));
    }
  }
}
