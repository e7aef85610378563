// Dialogs: the browser's own <dialog>, which keeps the focus inside and closes with Escape.

import { h } from "./dom.js";

/**
 * Ask before something is changed.
 * @param {{title: string, text: any, action: string, danger?: boolean, fields?: HTMLElement[]}} options
 * @returns {Promise<boolean>} whether it is to be done
 */
export function confirm({ title, text, action, danger = false, fields = [] }) {
  return new Promise((resolve) => {
    const yes = h(danger ? "button.danger" : "button.primary", { type: "submit", value: "yes" }, action);
    const no = h("button", { type: "button", onclick: () => dialog.close("no") }, "Cancel");
    const form = h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), h("div.words", {}, text), fields, h("div.buttons", {}, no, yes));
    const dialog = h("dialog.confirm", { "aria-labelledby": "dialog-title" }, form);
    open(dialog, () => resolve(dialog.returnValue === "yes"));
    if (!fields.length) (danger ? no : yes).focus();
  });
}

/** Show something until it is closed. */
export function show(title, ...content) {
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog.wide", { "aria-labelledby": "dialog-title" }, h("h2", { id: "dialog-title" }, title), content, h("div.buttons", {}, close));
  open(dialog, () => {});
}

function open(dialog, closed) {
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before && before.isConnected) before.focus();
    closed();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close("no"));
  document.body.append(dialog);
  dialog.showModal();
}

let messages = null;

/** Say in a corner what happened; errors stay longer. */
export function toast(text, bad = false) {
  if (!messages || !messages.isConnected) {
    messages = h("div.toasts", { role: "status", "aria-live": "polite" });
    document.body.append(messages);
  }
  const message = h(bad ? "div.toast.bad" : "div.toast", {}, text);
  messages.append(message);
  setTimeout(() => message.remove(), bad ? 8000 : 4000);
}
