// The entries of a stream, page by page, from an ID or a time on.

import { get, post } from "../api.js";
import { confirm, toast } from "../dialog.js";
import { h, put, setText } from "../dom.js";
import { bytes, count, idTime, when } from "../format.js";
import { block, inline } from "../payload.js";
import { query, replaceQuery } from "../route.js";
import { letterButtons } from "./dead.js";

const PAGE = 25;

export function entriesPart({ me, key, isDead, changed }) {
  const state = { from: query().get("from") || "", order: query().get("order") || "newest" };
  let trail = []; // the starts of the pages before this one
  let newest = "";
  const from = h("input", { id: "from", placeholder: "ID, time or -10m", value: state.from, maxlength: 64, autocomplete: "off", spellcheck: "false", "aria-describedby": "from-help" });
  const order = h("select", { "aria-label": "Order" }, h("option", { value: "newest" }, "Newest first"), h("option", { value: "oldest" }, "Oldest first"));
  order.value = state.order;
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const list = h("ol.entries", { "aria-label": "Entries" });
  const nothing = h("div.empty", { hidden: true });
  const fresh = h("button.fresh", { type: "button", hidden: true, onclick: () => restart("") }, "There are newer entries: show them");
  const previous = h("button", { type: "button", disabled: true, onclick: () => load(trail.pop(), true) }, "Previous");
  const next = h("button", { type: "button", disabled: true }, "Next");
  const pages = h("nav.pager", { "aria-label": "Pages", hidden: true }, previous, next);
  const form = h(
    "form.toolbar",
    {},
    order,
    h("label", { for: "from" }, "from"),
    from,
    h("button", { type: "submit" }, "Go"),
    h("span.faint.help", { id: "from-help" }, "1700000000000-0, 2026-01-31 14:00, 14:00 or -10m"),
  );
  const element = h("div", {}, form, trouble, fresh, list, nothing, pages);
  let at = state.from;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    restart(from.value.trim());
  });
  order.addEventListener("change", () => restart(from.value.trim()));

  function restart(start) {
    state.order = order.value;
    state.from = from.value = start;
    replaceQuery({ from: start, order: state.order === "newest" ? "" : state.order });
    trail = [];
    load(start);
  }

  async function load(start) {
    let found;
    try {
      found = await get("/api/stream/entries", { name: key, from: position(start), order: state.order, count: PAGE });
    } catch (error) {
      setText(trouble, error.message);
      trouble.hidden = false;
      return;
    }
    at = start;
    trouble.hidden = true;
    fresh.hidden = true;
    put(list, found.entries.map(item));
    nothing.hidden = found.entries.length > 0;
    if (!found.entries.length) put(nothing, start ? [h("h2", {}, "Nothing from there on"), h("p", {}, "Try another time, or the other order.")] : [h("h2", {}, "The stream is empty"), h("p", {}, "Its entries were deleted or trimmed; groups and IDs are kept.")]);
    previous.disabled = trail.length === 0;
    next.disabled = found.next === null;
    pages.hidden = !trail.length && found.next === null;
    next.onclick = () => {
      trail.push(start);
      load(found.next);
      element.scrollIntoView({ block: "start" });
    };
    if (found.last_id) newest = found.last_id;
  }

  function item(entry) {
    const time = idTime(entry.id);
    const summary = entry.fields.map(([name, value]) => [h("b", {}, inline(name)), ` ${inline(value).slice(0, value.text === undefined ? 66 : 300)}  `]);
    const inside = h("div.inside");
    const box = h("details", {}, h("summary", {}, h("span.mono.id", {}, entry.id), h("time.faint", {}, time ? when(time, true) : ""), h("span.clip.mono", {}, summary)), inside);
    box.addEventListener("toggle", () => box.open && !inside.childElementCount && put(inside, full(entry)));
    return h("li", { dataset: { id: entry.id } }, box);
  }

  function full(entry) {
    const holder = h("div", {}, fields(entry));
    if (entry.cut) {
      const more = h("button.small", { type: "button" }, "Show more of it");
      more.addEventListener("click", async () => {
        try {
          put(holder, fields(await get("/api/stream/entry", { name: key, id: entry.id })));
          more.remove();
        } catch (error) {
          toast(error.message, true);
        }
      });
      holder.append(more);
    }
    const buttons = [];
    if (me.can_change && isDead) buttons.push(...letterButtons({ key, id: entry.id, changed: () => { load(at); changed(); } }));
    else if (me.can_change) buttons.push(h("button.small", { type: "button", onclick: () => remove(entry) }, "Delete entry"));
    return [holder, buttons.length ? h("div.buttons", {}, buttons) : null];
  }

  async function remove(entry) {
    if (!(await confirm({ title: "Delete this entry?", text: h("p", {}, h("code", {}, entry.id), " is deleted from the stream for good. Groups that have it pending keep the ID."), action: "Delete", danger: true }))) return;
    try {
      const { deleted } = await post("/api/stream/delete", { name: key, ids: [entry.id] });
      toast(deleted ? "The entry was deleted." : "The entry was gone already.");
    } catch (error) {
      toast(error.message, true);
    }
    load(at);
    changed();
  }

  load(state.from);
  return {
    element,
    search: () => from.focus(),
    reload: () => load(at),
    told(found) {
      const shownFirst = state.order === "newest" && !at && newest && found.last_id !== newest;
      fresh.hidden = !shownFirst;
      if (shownFirst && !list.querySelector("details[open]") && !window.getSelection().toString() && !list.contains(document.activeElement)) load("");
    },
  };
}

const AGO_MS = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** What somebody wrote, as the API wants it: an ID, or a time in ms. Times are those of this browser. */
export function position(text) {
  if (!text || /^\(?\d{1,20}-\d{1,20}$/.test(text) || /^\d{12,20}$/.test(text)) return text;
  const ago = /^-?(\d+(?:\.\d+)?)\s*([smhd])$/.exec(text);
  if (ago) return String(Math.round(Date.now() - Number(ago[1]) * AGO_MS[ago[2]]));
  const today = /^\d{1,2}:\d{2}(:\d{2})?$/.test(text);
  const date = new Date();
  const day = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
  const at = Date.parse(today ? `${day}T${text.padStart(text.length + (text.indexOf(":") === 1 ? 1 : 0), "0")}` : text.replace(" ", "T"));
  if (Number.isNaN(at) || at < 0) throw new Error(`“${text}” is no ID and no time. Write 1700000000000-0, 2026-01-31 14:00, 14:00 or -10m.`);
  return String(at);
}

/** The fields of an entry, one below the other. */
export function fields(entry) {
  return h("dl.fields", {}, entry.fields.map(([name, value]) => [h("dt", {}, inline(name), h("span.faint", {}, ` ${bytes(value.size)}`)), h("dd", {}, block(value))]), entry.more_fields ? h("dt.faint", {}, `and ${count(entry.more_fields)} more fields`) : null);
}
