// Settings: what the server was started with, to be read only.

import { get } from "../api.js";
import { h, put, setText } from "../dom.js";

export function settingsPage() {
  const search = h("input.search", { type: "search", placeholder: "Search settings", "aria-label": "Search settings", autocomplete: "off", spellcheck: "false" });
  const changed = h("input", { type: "checkbox", id: "changed" });
  const list = h("div.settings", {}, Array.from({ length: 5 }, () => h("p", {}, h("span.bone"))));
  const sum = h("p.sum", { role: "status" });
  let rows = [];

  function paint() {
    const wanted = search.value.trim().toLowerCase();
    const found = rows.filter((row) => (!changed.checked || row.changed) && (!wanted || `${row.name} ${row.doc} ${row.value}`.toLowerCase().includes(wanted)));
    const sections = [...new Set(found.map((row) => row.section))];
    put(
      list,
      sections.map((section) => h("section.panel", { "aria-label": section }, h("h2", {}, section), h("dl", {}, found.filter((row) => row.section === section).map(entry)))),
      found.length ? null : h("div.empty", {}, h("h2", {}, changed.checked && !wanted ? "All settings have their defaults" : "No setting matches")),
    );
    setText(sum, `${found.length} of ${rows.length}`);
  }

  search.addEventListener("input", paint);
  changed.addEventListener("change", paint);
  get("/api/settings").then(
    (found) => {
      rows = found.settings;
      paint();
    },
    (error) => put(list, h("p.trouble", { role: "alert" }, error.message)),
  );
  return {
    title: "Settings",
    element: h(
      "div.page",
      {},
      h("div.head", {}, h("h1", {}, "Settings"), h("p.about", {}, "Read only. Change them in the config file, or with ", h("code", {}, "CONFIG SET"), " where it says “at run time”.")),
      h("div.toolbar", {}, search, h("label.check", { for: "changed" }, changed, "Only changed ones"), sum),
      list,
    ),
    search: () => search.focus(),
  };
}

function entry(row) {
  const value = row.value === "" ? h("span.faint", {}, "(empty)") : row.value;
  return h(
    "div.setting",
    {},
    h("dt", {}, h("code", {}, row.name), row.changed ? h("span.tag", {}, "changed") : null, row.mutable ? h("span.tag.plain", {}, "at run time") : null),
    h("dd", {}, h("p.mono.now", {}, value), h("p", {}, row.doc.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part))), row.changed ? h("p.faint", {}, "Default: ", row.default === "" ? "(empty)" : h("code", {}, row.default)) : null),
  );
}
