// JSON with line breaks and indents. Every number and string stays as it was written. A parser would round large integers, write 1.0 as
// 1, and stop at NaN, which answers may have.

const WIDTH = 88; // a list or an object that fits stays on one line
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/** pretty formats JSON. It returns other text as it is. */
export function pretty(json) {
  const tokens = json.match(TOKEN) || [];
  let at = 0;

  // value reads one value: its text on one line, and how it is written with this indent.
  const value = () => {
    const token = tokens[at++];
    if (token !== "[" && token !== "{") {
      if (token === undefined || "]},:".includes(token)) throw new SyntaxError("no JSON");
      return { flat: token, leaf: true, write: () => token };
    }
    const close = token === "[" ? "]" : "}";
    const items = [];
    while (tokens[at] !== close) {
      if (items.length && tokens[at++] !== ",") throw new SyntaxError("no JSON");
      const key = close === "}" ? tokens[at++] : "";
      if (key && tokens[at++] !== ":") throw new SyntaxError("no JSON");
      items.push([key && `${key}: `, value()]);
    }
    at++;
    let flat = token;
    for (const [key, { flat: item }] of items) {
      flat = flat === undefined || item === undefined || flat.length + item.length > WIDTH ? undefined : `${flat}${flat === token ? "" : ", "}${key}${item}`;
    }
    if (flat !== undefined) flat += close;
    const plain = close === "]" && items.every(([, item]) => item.leaf); // numbers and strings fill the lines
    const write = (indent) => {
      if (flat !== undefined && indent.length + flat.length <= WIDTH) return flat;
      const deeper = indent + "  ";
      const lines = plain ? filled(items.map(([, item]) => item.flat), WIDTH - deeper.length) : items.map(([key, item]) => key + item.write(deeper));
      return `${token}\n${lines.map((line) => deeper + line).join(",\n")}\n${indent}${close}`;
    };
    return { flat, write };
  };

  try {
    const whole = value();
    return at === tokens.length ? whole.write("") : json;
  } catch {
    return json; // no JSON, or nested too deep
  }
}

/** filled puts on each line as many items as fit. */
function filled(items, width) {
  const lines = [];
  for (const item of items) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + 2 + item.length < width) lines[last] += `, ${item}`;
    else lines.push(item);
  }
  return lines;
}
