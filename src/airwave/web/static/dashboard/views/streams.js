// Streams: how long, how fast they grow, who is behind.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, count, rate } from "../format.js";
import { table } from "../table.js";

export const LAG = "Entries that were added and not yet given to anybody in the group. It should return to 0; if it only grows, the group has too few workers.";
export const PENDING = "Entries that a consumer got and has not acknowledged: it is working on them, or it died and they have to be claimed.";

export function streamsPage() {
  const view = table({
    caption: "Streams",
    search: "Search streams, also as a glob: orders:*",
    sort: "name",
    columns: [
      { key: "name", label: "Stream", cell: (row) => ({ text: row.name, href: `#/stream/${row.key}`, class: "name" }) },
      { key: "length", label: "Entries", number: true, cell: (row) => count(row.length) },
      { key: "rate", label: "Added/s", number: true, cell: (row) => ({ text: rate(row.rate), class: row.rate ? "" : "faint" }) },
      { key: "memory", label: "Memory", number: true, cell: (row) => bytes(row.memory) },
      { key: "disk", label: "On disk only", number: true, hint: "Entries that are not in memory now; they are read when somebody asks for them. See the setting stream-memory.", cell: (row) => ({ text: row.disk ? bytes(row.disk) : "–", class: row.disk ? "" : "faint" }) },
      { key: "groups", label: "Groups", number: true, cell: (row) => count(row.groups) },
      { key: "lag", label: "Lag", number: true, hint: `${LAG} Shown for the group that is furthest behind.`, cell: (row) => (row.groups ? { text: count(row.lag), class: row.lag > 1000 ? "warn" : "" } : { text: "–", class: "faint" }) },
      { key: "pending", label: "Pending", number: true, hint: PENDING, cell: (row) => (row.groups ? count(row.pending) : { text: "–", class: "faint" }) },
      { key: "dead", label: "Dead letters", number: true, hint: "Entries that workers gave up after all attempts. They wait in a stream of their own, where you can look at them and send them back.", cell: (row) => (row.dead ? { text: count(row.dead), href: `#/stream/${row.dead_key}`, class: "bad" } : { text: "–", class: "faint" }) },
    ],
    id: (row) => row.key,
    load: (state) => get("/api/streams", state),
    empty: ({ q }) =>
      q
        ? [h("h2", {}, `Nothing matches “${q}”`), h("p", {}, "The search looks for the text anywhere in the name. With * or ? it is a glob over the whole name.")]
        : [h("h2", {}, "No streams yet"), h("p", {}, "A stream keeps what is added, and shares it among workers: ", h("code", {}, "redis-cli XADD orders '*' item tea"), ". Or let channels remember their messages: ", h("code", {}, "CONFIG SET remember 'news:* maxlen 1000'"), ".")],
  });
  view.refresh();
  return {
    title: "Streams",
    element: h("div.page", {}, h("div.head", {}, h("h1", {}, "Streams")), view.element),
    search: () => view.focusSearch(),
    stop: () => view.stop(),
  };
}
