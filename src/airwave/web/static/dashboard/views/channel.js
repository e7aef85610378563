// One channel, or one pattern: its messages live, who listens, a test message.

import { get, post } from "../api.js";
import { toast } from "../dialog.js";
import { h, hint, icon, put, setText } from "../dom.js";
import { ago, bytes, clock, count, duration, idTime, many, rate, when } from "../format.js";
import { live } from "../live.js";
import { block, coloured, pretty, pushed } from "../payload.js";

const KEPT = 500; // messages in memory
const DRAWN = 200; // of them in the page
const CHARS_MAX = 20_000; // of a message that are drawn
const HISTORY = 100; // messages of a remembered channel to begin with
const REFRESH_MS = 2000;
const DRAW_MS = 200;

export function channelPage({ me, path }) {
  const isPattern = path[0] === "pattern";
  const key = path[1] || "";
  const name = decoded(key);
  const tail = new Tail(isPattern);
  const side = h("div.sidepanels");
  const facts = h("p.about", {}, " ");
  const page = {
    title: `${isPattern ? "Pattern" : "Channel"} ${name === null ? key : name}`,
    search: () => tail.filter.focus(),
    pause: () => tail.toggle(),
    stop,
  };
  page.element = h(
    "div.page.channel",
    {},
    h("div.head", {}, h("a.backlink", { href: "#/channels" }, icon("back"), "Channels"), h("h1.name", {}, name === null ? key : name), facts),
    h("div.split", {}, h("section.panel.tail", { "aria-label": "Messages" }, tail.element), side),
  );

  let stopped = false;
  let leave = () => {};
  let timer = 0;
  if (name === null) tail.say("This name is not UTF-8: browsers cannot subscribe to it. Use redis-cli.");
  else begin();

  async function begin() {
    const found = await details();
    if (stopped) return;
    const remembered = found && found.history && found.history.remembered;
    const since = remembered ? `-${HISTORY}` : undefined;
    leave = live.subscribe(isPattern ? { pattern: name } : { channel: name, since }, (push) => tail.add(push), (error) => tail.say(error));
    if (!isPattern && me.can_change) side.prepend(publisher(key));
    timer = setTimeout(async () => {
      await details(); // with this page among those who listen
      if (!stopped) refreshing();
    }, 400);
  }

  const people = h("section.panel", { "aria-labelledby": "people-title" });
  const history = h("section.panel", { hidden: true, "aria-labelledby": "history-title" });
  side.append(history, people);

  async function details() {
    try {
      const found = await get(isPattern ? "/api/pattern" : "/api/channel", { name: key });
      if (stopped) return null;
      paintFacts(found);
      paintPeople(found.subscribers, found.more);
      paintHistory(found.history);
      return found;
    } catch (error) {
      if (error.status !== 0) setText(facts, error.message);
      return null;
    }
  }

  function refreshing() {
    timer = setTimeout(async () => {
      if (!document.hidden) await details();
      if (!stopped) refreshing();
    }, REFRESH_MS);
  }

  function paintFacts(found) {
    const words = [many(found.total, "subscriber")];
    if (found.rate !== undefined && found.rate !== null) words.push(`${rate(found.rate)} messages/s`);
    if (found.history && found.history.remembered) words.push("remembered");
    setText(facts, words.join(" · "));
  }

  let lastPeople = "";
  function paintPeople(subscribers, more) {
    const now = JSON.stringify(subscribers) + more;
    if (now === lastPeople) return;
    lastPeople = now;
    put(
      people,
      h("h2", { id: "people-title" }, "Who listens"),
      subscribers.length
        ? h("ul.people", {}, subscribers.map(person))
        : h("p.faint", {}, "Nobody. Messages published now reach no one", isPattern ? "." : ", unless the channel is remembered."),
      more ? h("p.faint", {}, `and ${count(more)} more`) : null,
    );
  }

  function paintHistory(found) {
    if (!found || !found.remembered) {
      history.hidden = true;
      return;
    }
    history.hidden = false;
    const limit = [found.maxlen ? many(found.maxlen, "message") : null, found.ttl ? duration(found.ttl * 1000) : null].filter(Boolean).join(" and ");
    put(
      history,
      h("h2", { id: "history-title" }, "Remembered", hint("Each message is also added to the stream of the same name, so that it can be read again later. The setting “remember” says which channels do so.", "a remembered channel")),
      h("p", {}, h("a", { href: `#/stream/${key}` }, many(found.length, "message")), " kept, by the rule ", h("code", {}, found.rule), limit ? `: at most ${limit}.` : "."),
      found.first_id && idTime(found.first_id) ? h("p.faint", {}, `Back to ${when(idTime(found.first_id))}`) : null,
    );
  }

  function stop() {
    stopped = true;
    clearTimeout(timer);
    leave();
    tail.stop();
  }

  return page;
}

function decoded(key) {
  try {
    return decodeURIComponent(key);
  } catch {
    return null;
  }
}

function person(each) {
  const what = each.pattern ? h("span.faint", {}, " by ", h("code", {}, each.pattern)) : null;
  return h("li", {}, h("span", { class: each.name ? "name" : "faint" }, each.name || "unnamed"), what, h("span.faint.mono", {}, each.addr), h("span.faint", {}, each.since ? ago(each.since) : ""));
}

/** The form that publishes a test message. */
function publisher(key) {
  const message = h("textarea", { id: "test-message", rows: 3, maxlength: 65536, placeholder: '{"hello": "world"}', spellcheck: "false" });
  const result = h("p.faint", { role: "status" });
  const form = h(
    "form.panel.publisher",
    {},
    h("h2", {}, h("label", { for: "test-message" }, "Publish a test message")),
    message,
    h("div.row", {}, h("button.primary", { type: "submit" }, "Publish"), result),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { receivers } = await post("/api/channel/publish", { name: key, message: message.value });
      setText(result, `Reached ${many(receivers, "subscriber")}.`);
    } catch (error) {
      toast(error.message, true);
    }
  });
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

/** Messages as they come, newest first. */
class Tail {
  constructor(isPattern) {
    this.isPattern = isPattern;
    this.messages = []; // oldest first
    this.waiting = []; // came since the last drawing, or since the pause
    this.missed = 0; // came while paused, and were too many
    this.total = 0;
    this.paused = false;
    this.json = true;
    this.timer = 0;
    this.drawn = 0; // when, in ms
    this.filter = h("input.search", { type: "search", placeholder: "Show only messages with…", "aria-label": "Show only messages with this text", autocomplete: "off", spellcheck: "false" });
    this.button = h("button", { type: "button", "aria-pressed": "false", title: "p" }, "Pause");
    const asJson = h("input", { type: "checkbox", id: "as-json", checked: true });
    const clear = h("button", { type: "button" }, "Clear");
    this.sum = h("p.sum");
    this.list = h("ol.messages", { role: "log", "aria-live": "off", "aria-label": "Messages, newest first", tabindex: "0" });
    this.nothing = h("div.empty", {}, h("h2", {}, "Listening"), h("p", {}, "Messages appear here the moment they are published."));
    this.element = h("div", {}, h("div.toolbar", {}, this.filter, this.button, clear, h("label.check", { for: "as-json" }, asJson, "Pretty JSON"), this.sum), this.nothing, this.list);
    this.button.addEventListener("click", () => this.toggle());
    this.filter.addEventListener("input", () => this.redraw());
    asJson.addEventListener("change", () => {
      this.json = asJson.checked;
      this.redraw();
    });
    clear.addEventListener("click", () => {
      this.messages = [];
      this.waiting = [];
      this.missed = 0;
      this.redraw();
    });
  }

  add(push) {
    this.total += 1;
    this.waiting.push({ at: Date.now(), push });
    if (this.waiting.length > KEPT) {
      this.waiting.shift();
      this.missed += 1;
    }
    // A single message at once; of many some times a second, so that the page stays quick.
    if (!this.timer) this.timer = setTimeout(() => this.draw(), Math.max(0, DRAW_MS - (Date.now() - this.drawn)));
  }

  toggle() {
    this.paused = !this.paused;
    this.button.setAttribute("aria-pressed", String(this.paused));
    this.button.textContent = this.paused ? "Go on" : "Pause";
    this.draw();
  }

  draw() {
    this.timer = 0;
    this.drawn = Date.now();
    if (this.paused) {
      const late = this.waiting.length + this.missed;
      setText(this.sum, late ? `paused, ${count(late)} new` : "paused");
      return;
    }
    const fresh = this.waiting;
    this.waiting = [];
    this.missed = 0;
    this.messages.push(...fresh);
    if (this.messages.length > KEPT) this.messages.splice(0, this.messages.length - KEPT);
    const rows = fresh.filter((each) => this.matches(each)).slice(-DRAWN).reverse();
    this.list.prepend(...rows.map((each) => this.row(each)));
    while (this.list.childElementCount > DRAWN) this.list.lastElementChild.remove();
    this.tell();
  }

  redraw() {
    const rows = this.messages.filter((each) => this.matches(each)).slice(-DRAWN).reverse();
    put(this.list, rows.map((each) => this.row(each)));
    this.tell();
  }

  tell() {
    this.nothing.hidden = this.messages.length > 0;
    const filtered = this.filter.value.trim() ? `${count(this.list.childElementCount)} shown · ` : "";
    if (!this.paused) setText(this.sum, this.total ? `${filtered}${many(this.total, "message")}` : "");
  }

  matches({ push }) {
    const wanted = this.filter.value.trim().toLowerCase();
    if (!wanted) return true;
    return `${push.channel} ${push.data ?? ""}`.toLowerCase().includes(wanted);
  }

  row({ at, push }) {
    const value = pushed(push);
    const time = push.entry && idTime(push.entry) ? idTime(push.entry) : at;
    const head = h("div.meta", {}, h("time", { title: new Date(time).toISOString() }, clock(time, true)), this.isPattern ? h("a", { href: `#/channel/${encodeURIComponent(push.channel)}` }, push.channel) : null, push.entry ? h("span.faint.mono", {}, push.entry) : null, h("span.faint", {}, bytes(value.size)));
    return h("li", {}, head, this.content(value));
  }

  content(value) {
    if (value.text === undefined) return block(value);
    if (value.text.length > CHARS_MAX) return block({ text: value.text.slice(0, CHARS_MAX), size: value.size, cut: true, shown: CHARS_MAX }, false);
    const json = this.json ? pretty(value.text) : null;
    return h("pre.payload", {}, json === null ? value.text || h("span.faint", {}, "(empty)") : coloured(json));
  }

  say(text) {
    put(this.nothing, h("h2", {}, "No live messages"), h("p", { role: "alert" }, text));
    this.nothing.hidden = false;
  }

  stop() {
    clearTimeout(this.timer);
  }
}
