// What is pending in a group: who has it, for how long; and to claim or acknowledge it.

import { get, post } from "../api.js";
import { confirm, toast } from "../dialog.js";
import { h, hint, icon, put, setText } from "../dom.js";
import { count, duration, many } from "../format.js";
import { fields } from "./entries.js";

const PAGE = 50;

export function pendingPart({ me, key, group }) {
  const name = shown(group);
  const consumer = h("select", { "aria-label": "Consumer" }, h("option", { value: "" }, "All consumers"));
  const idle = h("select", { "aria-label": "Idle time" }, [["0", "However long"], ["60000", "Idle over 1 min"], ["600000", "Idle over 10 min"], ["3600000", "Idle over 1 h"]].map(([value, label]) => h("option", { value }, label)));
  const again = h("button", { type: "button", onclick: () => load(start) }, "Refresh");
  const all = h("input", { type: "checkbox", "aria-label": "Choose all on this page" });
  const body = h("tbody");
  const grid = h(
    "table.grid",
    {},
    h("caption.unseen", {}, `Pending entries of ${name}`),
    h("thead", {}, h("tr", {}, me.can_change ? h("th.check", { scope: "col" }, all) : null, h("th", { scope: "col" }, "Entry"), h("th", { scope: "col" }, "Consumer"), h("th.number", { scope: "col" }, "Idle"), h("th.number", { scope: "col" }, hint("How often it was given to somebody. More than one means that the first who had it died, or failed.", "a delivery"), "Deliveries"), h("th", { scope: "col" }, h("span.unseen", {}, "Actions")))),
    body,
  );
  const nothing = h("div.empty", { hidden: true }, h("h2", {}, "Nothing is pending"), h("p", {}, "All that was delivered has been acknowledged."));
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const sum = h("p.sum", { role: "status" });
  const claim = h("button", { type: "button", disabled: true, onclick: claimChosen }, "Claim…");
  const ack = h("button", { type: "button", disabled: true, onclick: ackChosen }, "Acknowledge…");
  const next = h("button", { type: "button", disabled: true }, "Next");
  const first = h("button", { type: "button", disabled: true, onclick: () => load("") }, "First page");
  const pages = h("nav.pager", { "aria-label": "Pages", hidden: true }, first, next);
  let start = "";
  let known = [];

  const element = h(
    "div.pending",
    {},
    h("div.head.small", {}, h("a.backlink", { href: `#/stream/${key}/groups` }, icon("back"), "Groups"), h("h2.name", {}, `Pending in ${name}`)),
    h("div.toolbar", {}, consumer, idle, again, me.can_change ? [claim, ack] : null, sum),
    trouble,
    h("div.scroll", {}, grid),
    nothing,
    pages,
  );

  consumer.addEventListener("change", () => load(""));
  idle.addEventListener("change", () => load(""));
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    choosing();
  });
  const boxes = () => [...body.querySelectorAll("input[type=checkbox]")];
  const chosen = () => boxes().filter((box) => box.checked).map((box) => box.value);

  function choosing() {
    const number = chosen().length;
    claim.disabled = ack.disabled = number === 0;
    setText(sum, number ? `${count(number)} chosen` : "");
  }

  async function load(from) {
    let found;
    try {
      found = await get("/api/stream/pending", { name: key, group, consumer: consumer.value, idle: idle.value, from, count: PAGE });
    } catch (error) {
      setText(trouble, error.message);
      trouble.hidden = false;
      return;
    }
    trouble.hidden = true;
    start = from;
    known = found.consumers;
    consumers(found.consumers);
    all.checked = false;
    put(body, found.pending.map(row));
    grid.hidden = !found.pending.length;
    nothing.hidden = found.pending.length > 0;
    first.disabled = !from;
    pages.hidden = !from && found.next === null;
    next.disabled = found.next === null;
    next.onclick = () => load(found.next);
    choosing();
  }

  function consumers(found) {
    const now = consumer.value;
    put(consumer, h("option", { value: "" }, "All consumers"), found.map((each) => h("option", { value: each.key }, `${each.name} (${count(each.pending)})`)));
    consumer.value = found.some((each) => each.key === now) ? now : "";
  }

  function row(each) {
    const place = h("td.entrycell", { colspan: me.can_change ? 6 : 5 });
    const below = h("tr.below", { hidden: true }, place);
    const look = h("button.small", { type: "button", "aria-expanded": "false" }, "Inspect");
    look.addEventListener("click", async () => {
      below.hidden = !below.hidden;
      look.setAttribute("aria-expanded", String(!below.hidden));
      if (below.hidden || place.childElementCount) return;
      try {
        put(place, fields(await get("/api/stream/entry", { name: key, id: each.id })));
      } catch (error) {
        put(place, h("p.faint", {}, error.status === 404 ? "The entry itself was deleted; only its ID is still pending." : error.message));
      }
    });
    return [
      h(
        "tr",
        { dataset: { id: each.id } },
        me.can_change ? h("td.check", {}, h("input", { type: "checkbox", value: each.id, "aria-label": `Choose ${each.id}`, onchange: choosing })) : null,
        h("th.mono", { scope: "row", dataset: { label: "Entry" } }, each.id),
        h("td", { dataset: { label: "Consumer" } }, each.consumer === null ? h("span.faint", {}, "nobody: it was given back") : each.consumer),
        h("td.number", { dataset: { label: "Idle" } }, duration(each.idle_ms)),
        h("td.number", { dataset: { label: "Deliveries" } }, count(each.deliveries)),
        h("td", {}, look),
      ),
      below,
    ];
  }

  async function claimChosen() {
    const ids = chosen();
    const list = h("datalist", { id: "consumers" }, known.map((each) => h("option", { value: each.name })));
    const target = h("input", { id: "claim-to", list: "consumers", required: true, maxlength: 512, autocomplete: "off", value: known.length ? known[0].name : "" });
    const sure = await confirm({
      title: `Claim ${many(ids.length, "entry", "entries")}`,
      text: h("p", {}, "They become pending for another consumer, as if it had read them. A consumer of that name that is running does not notice by itself, unless it reads its pending entries."),
      action: "Claim",
      fields: [h("label", { for: "claim-to" }, "For the consumer"), target, list],
    });
    if (sure && target.value) await change("/api/stream/claim", { ids, consumer: target.value }, (done) => `${many(done.claimed, "entry", "entries")} claimed.`);
  }

  async function ackChosen() {
    const ids = chosen();
    const sure = await confirm({ title: `Acknowledge ${many(ids.length, "entry", "entries")}?`, text: h("p", {}, "The group takes them for done: nobody will be given them again. The entries themselves stay in the stream."), action: "Acknowledge", danger: true });
    if (sure) await change("/api/stream/ack", { ids }, (done) => `${many(done.acknowledged, "entry", "entries")} acknowledged.`);
  }

  async function change(path, body, said) {
    try {
      toast(said(await post(path, { name: key, group, ...body })));
    } catch (error) {
      toast(error.message, true);
    }
    load(start);
  }

  load("");
  return { element, search: () => consumer.focus() };
}

function shown(key) {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
