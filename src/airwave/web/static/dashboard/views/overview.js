// The overview: what the server does now, and did in the last five minutes.

import { get } from "../api.js";
import { chart } from "../chart.js";
import { h, hint, put, setText } from "../dom.js";
import { bytes, count, duration, many, percent, rate, short } from "../format.js";
import { live } from "../live.js";
import { LAG, PENDING } from "./streams.js";

const CHANNEL = "__airwave__:overview";
const KEPT = 300;
const STREAMS_MS = 5000;

const perSecond = (value) => `${rate(value)}/s`;

const TILES = [
  { key: "clients", label: "Clients", show: count, href: "#/clients", hint: "Connections that are open now: programs that publish, subscribe, or read and write streams." },
  { key: "subscriptions", label: "Subscriptions", show: count, href: "#/channels", hint: "Channels and patterns that somebody listens to, counted once for each listener." },
  { key: "entries", label: "Stream entries", show: perSecond, href: "#/streams", hint: "Entries added to streams per second. Unlike messages they are kept until they are deleted or trimmed." },
  { key: "commands", label: "Commands", show: perSecond, hint: "Commands of all kinds that were run per second." },
  { key: "memory", label: "Memory", show: bytes, hint: "What the process has of the machine's memory." },
  { key: "cpu", label: "CPU", show: percent, least: 0.1, warn: (v) => v > 0.9, hint: "Share of one core. Airwave works in one thread: near 100 % it can do no more, and messages wait." },
  { key: "lag_ms", label: "Event-loop lag", show: duration, least: 5, warn: (v) => v > 100, hint: "How late the server's loop was at worst in each second: what any message may have waited for its turn. Below 10 ms is good." },
  { key: "slow", label: "Slow subscribers", show: count, href: "#/clients?sort=buffer&desc=1", warn: (v) => v > 0, hint: "Clients that take messages slower than they come. Theirs wait in the server's memory, up to client-output-buffer-limit." },
  { key: "dropped", label: "Lost to slowness", show: perSecond, warn: (v) => v > 0, hint: "Messages dropped, and clients cut off, because a subscriber was too slow for its limit." },
  { key: "errors", label: "Errors", show: perSecond, warn: (v) => v > 0, hint: "Error replies per second: commands that were refused. The server's log and INFO errorstats tell which." },
];

export function overviewPage() {
  let samples = [];
  let facts = null;
  let first = true;
  const messages = chart({
    label: "Messages per second, last five minutes",
    show: short,
    least: 10,
    lines: [
      { name: "delivered", pick: (sample) => sample.delivered },
      { name: "published", pick: (sample) => sample.published, kind: "second" },
    ],
  });
  const delivered = h("strong.figure", {}, "–");
  const published = h("strong.figure.second", {}, "–");
  const tiles = TILES.map((tile) => makeTile(tile));
  const about = h("p.about", {}, " ");
  const notes = h("ul.notes");
  const element = h(
    "div.page.overview.loading",
    {},
    h("div.head", {}, h("h1", {}, "Overview"), about),
    notes,
    h(
      "section.panel.hero",
      { "aria-labelledby": "messages-title" },
      h("h2.unseen", { id: "messages-title" }, "Messages"),
      h(
        "div.figures",
        {},
        h("div", {}, h("span.label", {}, "Delivered", hint("Messages put into the hands of subscribers per second. One message to ten subscribers counts ten.", "delivered")), delivered),
        h("div", {}, h("span.label.second", {}, "Published", hint("Messages that publishers sent per second, each counted once.", "published")), published),
      ),
      messages.element,
    ),
    h("section.tiles", { "aria-label": "Figures" }, tiles.map((tile) => tile.element)),
  );
  const starters = h("div");
  const waiting = h("section.panel.waiting", { hidden: true, "aria-labelledby": "waiting-title" });
  element.append(waiting, starters);

  function draw() {
    const last = samples[samples.length - 1];
    if (!last) return;
    element.classList.remove("loading");
    setText(delivered, short(Math.round(last.delivered)));
    setText(published, short(Math.round(last.published)));
    messages.draw(samples, last.at);
    for (const tile of tiles) tile.draw(samples, last);
    if (facts) setText(about, aboutText(facts, last));
    put(notes, attention(last, facts).map((note) => h("li", {}, note)));
    notes.hidden = !notes.childElementCount;
    const quiet = last.clients <= 1 && // this page
       samples.every((sample) => !sample.published && !sample.entries);
    if (quiet && !starters.childElementCount) put(starters, beginners(facts));
    if (!quiet && starters.childElementCount) put(starters);
  }

  async function load() {
    try {
      const found = await get("/api/overview");
      facts = found.facts;
      samples = found.samples;
      draw();
    } catch (error) {
      if (first && error.status !== 401) setText(about, error.message);
    }
    first = false;
  }

  let timer = 0;
  async function look() {
    try {
      const { rows } = await get("/api/streams", { sort: "waiting", desc: 1, limit: 5 });
      const late = rows.filter((row) => row.lag || row.pending || row.dead);
      waiting.hidden = !late.length;
      put(waiting, streamsWaiting(late));
    } catch {
      // The banner tells when the server is away.
    }
    timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", look, { once: true }) : look()), STREAMS_MS);
  }

  const leave = live.subscribe({ channel: CHANNEL }, (push) => {
    const sample = JSON.parse(push.data);
    const last = samples[samples.length - 1];
    if (last && sample.at - last.at > 3000) {
      load(); // we were away: fetch what we missed, the server may have it
      return;
    }
    samples.push(sample);
    if (samples.length > KEPT) samples.shift();
    if (!document.hidden) draw();
  });
  const returned = () => !document.hidden && draw();
  document.addEventListener("visibilitychange", returned);
  load();
  look();
  return {
    title: "Overview",
    element,
    stop() {
      leave();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      document.removeEventListener("visibilitychange", returned);
    },
  };
}

function aboutText(facts, last) {
  const up = facts.started_ms ? `up ${duration(last.at - facts.started_ms)}` : "";
  return [`Airwave ${facts.version}`, up, facts.durable ? "durable" : "in memory", facts.port ? `port ${facts.port}` : ""].filter(Boolean).join(" · ");
}

function makeTile({ label, key, show, href, warn, least = 0, hint: words }) {
  const figure = h("strong.figure", {}, "–");
  const line = chart({ label: `${label}, last five minutes`, small: true, show, least, lines: [{ name: label, pick: (sample) => sample[key] }] });
  const name = href ? h("a", { href }, label) : h("span", {}, label);
  const element = h("div.panel.tile", { dataset: { tile: key } }, h("div.label", {}, name, hint(words, label)), figure, line.element);
  return {
    element,
    draw(samples, last) {
      setText(figure, show(last[key]));
      element.classList.toggle("warn", Boolean(warn && warn(last[key])));
      line.draw(samples, last.at);
    },
  };
}

/** What an operator should look at, in words. */
function attention(last, facts) {
  const policy = facts && facts.slow_subscriber_policy === "drop-oldest" ? "the oldest messages are dropped" : "they are disconnected";
  const notes = [];
  if (last.slow) notes.push([h("a", { href: "#/clients?sort=buffer&desc=1" }, many(last.slow, "subscriber")), last.slow === 1 ? " does not keep up. " : " do not keep up. ", `What is not taken waits in memory; beyond client-output-buffer-limit ${policy}.`]);
  if (last.lag_ms > 100) notes.push([`The event loop was ${duration(last.lag_ms)} late. `, h("a", { href: "#/slowlog" }, "The slow log"), " shows commands that took long."]);
  if (last.cpu > 0.9) notes.push(`The server uses ${percent(last.cpu)} of its core: it can hardly do more.`);
  if (last.refused) notes.push("Writes are refused: the database cannot be written. The server's log says why.");
  return notes;
}

function streamsWaiting(rows) {
  const head = (label, words) => h("th.number", { scope: "col" }, hint(words, label), label);
  const line = (row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a.name", { href: `#/stream/${row.key}/groups` }, row.name)),
      h("td.number", { dataset: { label: "Lag" } }, count(row.lag)),
      h("td.number", { dataset: { label: "Pending" } }, count(row.pending)),
      h("td.number", { dataset: { label: "Dead letters" } }, row.dead ? h("a.bad", { href: `#/stream/${row.dead_key}` }, count(row.dead)) : h("span.faint", {}, "–")),
    );
  return [
    h("h2", { id: "waiting-title" }, "Streams with work waiting"),
    h(
      "table.grid",
      {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Stream"), head("Lag", LAG), head("Pending", PENDING), h("th.number", { scope: "col" }, "Dead letters"))),
      h("tbody", {}, rows.map(line)),
    ),
  ];
}

function beginners(facts) {
  const port = facts && facts.port && facts.port !== 6379 ? ` --url redis://127.0.0.1:${facts.port}` : "";
  const steps = [
    ["Listen to a channel", `airwave sub news${port}`],
    ["Publish to it, from another terminal", `airwave pub news "hello"${port}`],
    ["Or watch a whole story", "airwave demo"],
  ];
  return h(
    "section.panel.start",
    { "aria-labelledby": "start-title" },
    h("h2", { id: "start-title" }, "Nobody is here yet"),
    h("p", {}, "Any Redis client can connect. Try it from a terminal, and watch the lines above move:"),
    h("ol", {}, steps.map(([what, line]) => h("li", {}, what, h("code.command", { tabindex: "0" }, line)))),
  );
}
