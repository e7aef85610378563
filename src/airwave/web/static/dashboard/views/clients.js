// Clients: who is connected, what waits for them.

import { get, post } from "../api.js";
import { confirm, toast } from "../dialog.js";
import { h } from "../dom.js";
import { bytes, count, duration } from "../format.js";
import { table } from "../table.js";

export function clientsPage({ me }) {
  const columns = [
    { key: "name", label: "Name", cell: (row) => ({ text: row.name || "unnamed", class: row.name ? "name" : "faint", title: `id ${row.id}` }) },
    { key: "addr", label: "Address", cell: (row) => ({ text: row.addr, class: "mono" }) },
    { key: "lib", label: "Library", cell: (row) => ({ text: row.lib || "–", class: row.lib ? "nowrap" : "faint" }) },
    { key: "subscriptions", label: "Subscribed to", number: true, cell: (row) => count(row.subscriptions) },
    { key: "buffer", label: "Waiting", number: true, hint: "What waits to be sent to it. A large number means that it reads too slowly: a slow subscriber. Under slow-subscriber-policy drop-oldest it loses messages then; they are counted here.", cell: (row) => ({ text: row.dropped ? `${bytes(row.buffer)}, ${count(row.dropped)} lost` : bytes(row.buffer), class: row.lagging || row.dropped ? "bad" : row.buffer ? "" : "faint", title: row.lagging ? "it does not keep up" : "" }) },
    { key: "age", label: "Connected", number: true, cell: (row) => duration(row.age_ms) },
    { key: "idle", label: "Idle", number: true, hint: "Since it last sent something. Subscribers only listen, so theirs may be long.", cell: (row) => duration(row.idle_ms) },
    { label: "Last command", wide: true, cell: (row) => ({ text: row.command || "–", class: "mono" }) },
  ];
  if (me.can_change) columns.push({ label: "", cell: () => ({ node: (row) => h("button.small", { type: "button", onclick: () => kill(row()) }, "Kill") }) });

  const view = table({
    caption: "Clients",
    search: "Search name, address, library",
    sort: "name",
    columns,
    id: (row) => row.id,
    load: (state) => get("/api/clients", state),
    empty: ({ q }) => (q ? h("h2", {}, `No client matches “${q}”`) : [h("h2", {}, "Nobody is connected"), h("p", {}, "Any Redis client can connect. Give it a name, and you find it here: ", h("code", {}, "CLIENT SETNAME billing"), ".")]),
  });

  async function kill(row) {
    const who = row.name ? `${row.name} (${row.addr})` : row.addr;
    const sure = await confirm({ title: "Kill this client?", text: h("p", {}, h("strong", {}, who), " is disconnected at once; what waits for it is lost. Most clients connect again by themselves."), action: "Kill", danger: true });
    if (!sure) return;
    try {
      await post("/api/clients/kill", { id: row.id });
      toast(`${who} was disconnected.`);
    } catch (error) {
      toast(error.message, true);
    }
    view.refresh();
  }

  view.refresh();
  return {
    title: "Clients",
    element: h("div.page", {}, h("div.head", {}, h("h1", {}, "Clients")), view.element),
    search: () => view.focusSearch(),
    stop: () => view.stop(),
  };
}
