// The slow log: commands that held everybody up.

import { get, post } from "../api.js";
import { confirm, toast } from "../dialog.js";
import { h, setText } from "../dom.js";
import { duration, when } from "../format.js";
import { inline } from "../payload.js";
import { table } from "../table.js";

export function slowlogPage({ me }) {
  const about = h("p.about", {}, " ");
  const clear = me.can_change ? h("button", { type: "button", onclick: reset }, "Empty it") : null;
  const view = table({
    caption: "Slow log",
    sort: "at",
    desc: true,
    search: "Search commands and clients",
    tools: [clear],
    columns: [
      { key: "at", label: "When", first: "desc", cell: (row) => ({ text: when(row.at_ms), class: "nowrap" }) },
      { key: "us", label: "Took", number: true, cell: (row) => duration(row.us / 1000) },
      { label: "Command", cell: (row) => ({ text: row.argv.map(inline).join(" "), class: "mono wrap" }) },
      { label: "Client", cell: (row) => ({ text: row.client || row.peer, title: row.peer, class: "" }) },
    ],
    id: (row) => row.id,
    async load(state) {
      const found = await get("/api/slowlog", state);
      const limit = found.threshold_us < 0 ? "Nothing is kept: slowlog-log-slower-than is -1." : `Commands that took longer than ${duration(found.threshold_us / 1000)}; the last ${found.kept} are kept.`;
      setText(about, limit);
      return found;
    },
    empty: ({ q }) => (q ? h("h2", {}, `Nothing matches “${q}”`) : [h("h2", {}, "No slow commands"), h("p", {}, "While a command runs, everybody else waits. Those that take long are listed here; the setting ", h("code", {}, "slowlog-log-slower-than"), " says from when on.")]),
  });

  async function reset() {
    if (!(await confirm({ title: "Empty the slow log?", text: h("p", {}, "Its entries are deleted for everybody."), action: "Empty it", danger: true }))) return;
    try {
      await post("/api/slowlog/reset");
      toast("The slow log is empty.");
    } catch (error) {
      toast(error.message, true);
    }
    view.refresh();
  }

  view.refresh();
  return {
    title: "Slow log",
    element: h("div.page", {}, h("div.head", {}, h("h1", {}, "Slow log"), about), view.element),
    search: () => view.focusSearch(),
    stop: () => view.stop(),
  };
}
