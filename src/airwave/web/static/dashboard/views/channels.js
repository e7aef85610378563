// Channels, patterns and shard channels: who listens, how much comes.

import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, count, rate } from "../format.js";
import { inline } from "../payload.js";
import { go, query, replaceQuery } from "../route.js";
import { table } from "../table.js";

const KINDS = [
  ["channels", "Channels"],
  ["patterns", "Patterns"],
  ["shards", "Shard channels"],
];

export function channelsPage() {
  const holder = h("div");
  let kind = query().get("kind") || "channels";
  let view = null;
  const buttons = KINDS.map(([name, label]) =>
    h("button.segment", { type: "button", "aria-pressed": String(name === kind), onclick: () => choose(name) }, label),
  );
  const choices = h("div.segments", { role: "group", "aria-label": "What to list" }, buttons);

  function choose(name) {
    if (name === kind) return;
    kind = name;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(KINDS[index][0] === kind)));
    replaceQuery({ kind: kind === "channels" ? "" : kind, q: "", sort: "", desc: "", page: "" });
    build();
  }

  function build() {
    if (view) view.stop();
    view = table(options(kind));
    holder.replaceChildren(view.element);
    view.refresh();
  }

  build();
  return {
    title: "Channels",
    element: h("div.page", {}, h("div.head", {}, h("h1", {}, "Channels"), choices, open()), holder),
    search: () => view.focusSearch(),
    stop: () => view.stop(),
  };
}

/** A field that opens any channel, also one where nothing happens yet. */
function open() {
  const field = h("input", { placeholder: "Tail any channel or pattern…", "aria-label": "Tail any channel or pattern", maxlength: 512, autocomplete: "off", spellcheck: "false" });
  const form = h("form.inline", {}, field, h("button", { type: "submit" }, "Tail"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    const kind = /[*?[]/.test(name) ? "pattern" : "channel";
    go(`${kind}/${encodeURIComponent(name)}`);
  });
  return form;
}

function options(kind) {
  const one = kind === "patterns" ? "pattern" : "channel";
  const name = {
    key: "name",
    label: kind === "patterns" ? "Pattern" : "Channel",
    cell: (row) => ({ text: row.name, href: kind === "shards" ? null : `#/${one}/${row.key}`, class: row.remembered ? "name remembered" : "name", title: row.remembered ? "remembered: its messages are kept as a stream" : "" }),
  };
  const subscribers = { key: "subscribers", label: "Subscribers", number: true, cell: (row) => count(row.subscribers) };
  const traffic = [
    { key: "rate", label: "Messages/s", number: true, hint: "Published on this channel per second, measured while somebody looks at this page.", cell: (row) => ({ text: rate(row.rate), class: row.rate ? "" : "faint" }) },
    { key: "last", label: "Last", number: true, hint: "When a message came; only those that came while somebody looked at this page are known.", cell: (row) => ({ text: row.last_at ? ago(row.last_at) : "–", class: "faint" }) },
    { label: "Last message", cell: (row) => ({ text: row.last ? inline(row.last) : "", title: row.last ? inline(row.last) : "", class: "clip mono" }) },
  ];
  return {
    caption: kind,
    search: `Search ${kind === "shards" ? "shard channels" : kind}, also as a glob: news:*`,
    sort: "subscribers",
    desc: true,
    columns: kind === "channels" ? [name, subscribers, ...traffic] : [name, subscribers],
    id: (row) => row.key,
    load: (state) => get("/api/channels", { kind, ...state }),
    empty: ({ q }) => nothing(kind, q),
  };
}

function nothing(kind, q) {
  if (q) return [h("h2", {}, `Nothing matches “${q}”`), h("p", {}, "The search looks for the text anywhere in the name. With * or ? it is a glob over the whole name.")];
  if (kind === "patterns") return [h("h2", {}, "Nobody listens to a pattern"), h("p", {}, "A pattern is many channels at once: ", h("code", {}, "airwave sub --pattern 'news:*'"), ".")];
  if (kind === "shards") return [h("h2", {}, "No shard channels"), h("p", {}, "They are those of SSUBSCRIBE and SPUBLISH, which clients of a cluster use.")];
  return [h("h2", {}, "No channels yet"), h("p", {}, "A channel is there as long as somebody listens to it: ", h("code", {}, "airwave sub news"), ". Channels that are published to show up as well, while this page is open.")];
}
