// Values as the API gives them: { text | hex, size, cut }. Shown as text, as pretty JSON, or as hex; always as text nodes.

import { h } from "./dom.js";
import { bytes } from "./format.js";

/** A value in one line. */
export function inline(value) {
  if (!value) return "";
  return value.text !== undefined ? value.text : `0x${value.hex}`;
}

/** Pretty JSON, or null if the text is none (or a bare number or word, which gain nothing). */
export function pretty(text) {
  const first = text.trimStart()[0];
  if (first !== "{" && first !== "[") return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return indented(text);
}

/** Valid JSON with lines and indents. The text is kept as it is: to parse it and write it anew would change long numbers. */
function indented(text) {
  let out = "";
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    const open = out.endsWith("{") || out.endsWith("[");
    if (token === "}" || token === "]") {
      depth -= 1;
      out += open ? token : `\n${"  ".repeat(depth)}${token}`;
      continue;
    }
    if (open) out += `\n${"  ".repeat(depth)}`;
    if (token === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (token === ":") out += ": ";
    else out += token;
    if (token === "{" || token === "[") depth += 1;
  }
  return out;
}

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const COLOURED_MAX = 20_000; // characters: each token is an element

/** JSON with its keys, words and numbers told apart. */
export function coloured(json) {
  if (json.length > COLOURED_MAX) return json;
  const parts = [];
  let end = 0;
  for (const match of json.matchAll(TOKEN)) {
    const kind = match[1] ? (match[2] ? "key" : "string") : match[3] ? "word" : "number";
    parts.push(json.slice(end, match.index), h(`span.j-${kind}`, {}, match[1] || match[0]), match[2] || "");
    end = match.index + match[0].length;
  }
  parts.push(json.slice(end));
  return parts;
}

/** Lines of 16 bytes, as hexdump shows them. */
export function hexdump(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const pairs = hex.slice(at, at + 32).match(/../g);
    const chars = pairs.map((pair) => {
      const code = parseInt(pair, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    });
    lines.push(`${(at / 2).toString(16).padStart(6, "0")}  ${pairs.join(" ").padEnd(47)}  ${chars.join("")}`);
  }
  return lines.join("\n");
}

/** A value as a block: pretty JSON if it is some. */
export function block(value, asJson = true) {
  const text = value.text;
  let body;
  if (text === undefined) body = h("pre.payload", { tabindex: "0", "aria-label": "Bytes" }, hexdump(value.hex));
  else {
    const json = asJson && !value.cut ? pretty(text) : null;
    body = h("pre.payload", {}, json === null ? text || h("span.faint", {}, "(empty)") : coloured(json));
  }
  const notes = [];
  if (text === undefined) notes.push(`${bytes(value.size)}, not text`);
  if (value.cut) notes.push(`the first ${bytes(value.shown)} of ${bytes(value.size)}`);
  return h("div.value", {}, body, notes.length ? h("p.note", {}, notes.join("; ")) : null);
}

/** What came over the WebSocket, as a value. */
export function pushed(push) {
  if (push.data64 === undefined) {
    const text = typeof push.data === "string" ? push.data : JSON.stringify(push.data);
    return { text, size: new TextEncoder().encode(text).length, cut: false };
  }
  const binary = atob(push.data64);
  let hex = "";
  for (let at = 0; at < Math.min(binary.length, 4096); at += 1) hex += binary.charCodeAt(at).toString(16).padStart(2, "0");
  return { hex, size: binary.length, cut: binary.length > 4096, shown: 4096 };
}
