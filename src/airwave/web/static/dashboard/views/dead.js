// Dead letters: entries that workers gave up. They are entries of the stream `<stream>:dead`, and can be sent back.

import { post } from "../api.js";
import { confirm, toast } from "../dialog.js";
import { h, put } from "../dom.js";
import { many } from "../format.js";

/** The bar above a stream that has dead letters, or that is the stream of them. */
export function deadBar({ me, changed }) {
  const element = h("div");
  let last = "";

  function paint(found) {
    const now = `${found.dead} ${found.length} ${found.dead_of}`;
    if (now === last) return;
    last = now;
    if (found.dead_of) put(element, own(found));
    else put(element, found.dead ? h("p.panel.deadbar", {}, h("a", { href: `#/stream/${found.dead_key}` }, many(found.dead, "dead letter")), ": entries that workers gave up after all attempts.") : null);
  }

  function own(found) {
    const what = h("p", {}, "These are the dead letters of ", h("a", { href: `#/stream/${found.dead_of_key}` }, found.dead_of), ": entries that workers gave up. Retried, they become new entries of that stream, for the group that failed.");
    const buttons = me.can_change && found.length ? h("div.buttons", {}, h("button.primary", { type: "button", onclick: () => all(found, true) }, "Retry all…"), h("button", { type: "button", onclick: () => all(found, false) }, "Delete all…")) : null;
    return h("div.panel.deadbar", {}, what, buttons);
  }

  async function all(found, back) {
    const number = many(found.length, "dead letter");
    const sure = await confirm({
      title: back ? `Retry ${number}?` : `Delete ${number}?`,
      text: h("p", {}, back ? "All of them are put back into the stream, where workers have all attempts before them again." : "All of them are deleted for good."),
      action: back ? "Retry all" : "Delete all",
      danger: !back,
    });
    if (!sure) return;
    await act(found.key, null, back);
    changed();
  }

  return { element, paint };
}

/** The buttons of one dead letter. */
export function letterButtons({ key, id, changed }) {
  async function one(back) {
    const sure = await confirm({
      title: back ? "Retry this dead letter?" : "Delete this dead letter?",
      text: h("p", {}, h("code", {}, id), back ? " is put back into the stream, where workers have all attempts before them again." : " is deleted for good."),
      action: back ? "Retry" : "Delete",
      danger: !back,
    });
    if (!sure) return;
    await act(key, [id], back);
    changed();
  }
  return [h("button.small.primary", { type: "button", onclick: () => one(true) }, "Retry"), h("button.small", { type: "button", onclick: () => one(false) }, "Delete")];
}

async function act(key, ids, back) {
  try {
    const { done } = await post(back ? "/api/dead/retry" : "/api/dead/delete", { name: key, ids });
    toast(`${many(done, "dead letter")} ${back ? "put back into the stream" : "deleted"}.`);
  } catch (error) {
    toast(error.message, true);
  }
}
