// One stream: what is in it, its groups and their consumers, what is pending, dead letters.

import { get } from "../api.js";
import { h, hint, icon, put, setText } from "../dom.js";
import { bytes, count, duration, idTime, many, rate, when } from "../format.js";
import { deadBar } from "./dead.js";
import { entriesPart } from "./entries.js";
import { pendingPart } from "./pending.js";
import { LAG, PENDING } from "./streams.js";

const REFRESH_MS = 2000;

export function streamPage({ me, path }) {
  const [, key, part = "entries", group] = path;
  const facts = h("dl.facts");
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const notice = h("div");
  const title = h("h1.name", {}, shownName(key));
  const holder = h("div");
  const tab = (name, label) => h("a.segment", { href: `#/stream/${key}${name === "entries" ? "" : `/${name}`}`, "aria-current": part === name || (name === "groups" && part === "pending") ? "page" : null }, label);
  const groupsTab = tab("groups", "Groups");
  let content = null;
  let stopped = false;
  let timer = 0;
  let dead = null;

  if (part === "groups") content = groupsPart(key);
  else if (part === "pending") content = pendingPart({ me, key, group });
  const element = h(
    "div.page.stream",
    {},
    h("div.head", {}, h("a.backlink", { href: "#/streams" }, icon("back"), "Streams"), title, facts),
    trouble,
    notice,
    h("nav.segments", { "aria-label": "Parts of the stream" }, tab("entries", "Entries"), groupsTab),
    holder,
  );
  if (content) holder.append(content.element);
  refresh();

  async function refresh() {
    clearTimeout(timer);
    try {
      const found = await get("/api/stream", { name: key });
      if (stopped) return;
      trouble.hidden = true;
      paint(found);
    } catch (error) {
      if (stopped) return;
      if (error.status === 404 && !content) put(holder, gone());
      trouble.hidden = error.status === 0 || error.status === 404;
      setText(trouble, error.message);
    }
    timer = setTimeout(() => !stopped && (document.hidden ? refreshLater() : refresh()), REFRESH_MS);
  }

  function changed() {
    if (content && content.reload) content.reload();
    refresh();
  }

  function refreshLater() {
    document.addEventListener("visibilitychange", () => !stopped && refresh(), { once: true });
  }

  function paint(found) {
    setText(title, found.name);
    setText(groupsTab, `Groups (${count(found.group_count)})`);
    put(
      facts,
      fact("Entries", count(found.length)),
      fact("Added/s", rate(found.rate)),
      fact("In memory", bytes(found.memory)),
      found.disk ? fact("On disk only", bytes(found.disk)) : null,
      found.last_id && idTime(found.last_id) ? fact("Last entry", when(idTime(found.last_id))) : null,
      fact("Ever added", count(found.added)),
    );
    if (!dead && (found.dead_of || found.dead)) {
      dead = deadBar({ me, changed });
      notice.append(dead.element);
    }
    if (dead) dead.paint(found);
    if (!content) {
      content = entriesPart({ me, key, isDead: Boolean(found.dead_of), changed: refresh });
      put(holder, content.element);
    } else if (part === "groups") content.paint(found.groups);
    if (content.told) content.told(found);
  }

  return {
    title: `Stream ${shownName(key)}`,
    element,
    search: () => content && content.search && content.search(),
    stop() {
      stopped = true;
      clearTimeout(timer);
      if (content && content.stop) content.stop();
    },
  };
}

function shownName(key) {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

const gone = () => h("div.empty", {}, h("h2", {}, "There is no such stream"), h("p", {}, "It was deleted, or never was. ", h("a", { href: "#/streams" }, "All streams")));

/** Groups, each with its consumers. */
function groupsPart(key) {
  const element = h("div.groups");
  let last = "";
  function paint(groups) {
    const now = JSON.stringify(groups);
    if (now === last) return;
    last = now;
    const focused = document.activeElement && element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    put(element, groups.length ? groups.map((group) => card(key, group)) : none());
    if (focused) for (const link of element.querySelectorAll("a")) if (link.getAttribute("href") === focused) link.focus();
  }
  return { element, paint };
}

const none = () => h("div.empty", {}, h("h2", {}, "No consumer groups"), h("p", {}, "A group shares the entries among its workers, and knows who has what: ", h("code", {}, "airwave worker"), " makes one, or ", h("code", {}, "XGROUP CREATE orders billing 0"), "."));

function card(key, group) {
  const behind = group.lag === null ? h("span.faint", {}, "unknown") : count(group.lag);
  return h(
    "section.panel.group",
    { "aria-label": `Group ${group.name}` },
    h("div.grouphead", {}, h("h2.name", {}, group.name), h("dl.facts", {}, h("div", {}, h("dt", {}, "Lag", hint(LAG, "lag")), h("dd", {}, behind)), h("div", {}, h("dt", {}, "Pending", hint(PENDING, "pending")), h("dd", {}, count(group.pending))), fact("Read up to", h("span.mono", {}, group.last_id)))),
    group.consumers.length
      ? h(
          "div.scroll",
          {},
          h(
            "table.grid",
            {},
            h("caption.unseen", {}, `Consumers of ${group.name}`),
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Consumer"), h("th.number", { scope: "col" }, "Pending"), h("th.number", { scope: "col" }, hint("Since it last asked for entries, or for anything else of the group. One that has pending entries and is idle for long is probably dead.", "idle"), "Idle"), h("th.number", { scope: "col" }, "Last got an entry"))),
            h("tbody", {}, group.consumers.map((each) => consumer(key, group, each))),
          ),
        )
      : h("p.faint", {}, "Nobody has read with this group yet."),
    group.more ? h("p.faint", {}, `and ${many(group.more, "consumer")} more`) : null,
    group.pending ? h("p", {}, h("a.button", { href: `#/stream/${key}/pending/${group.key}` }, `Look at what is pending (${count(group.pending)})`)) : null,
  );
}

function consumer(key, group, each) {
  const stuck = each.pending > 0 && each.idle_ms > 60_000;
  return h(
    "tr",
    {},
    h("th", { scope: "row", dataset: { label: "Consumer" } }, h("span.name", {}, each.name)),
    h("td.number", { dataset: { label: "Pending" } }, count(each.pending)),
    h("td.number", { dataset: { label: "Idle" }, class: stuck ? "number bad" : "number" }, duration(each.idle_ms)),
    h("td.number", { dataset: { label: "Last got an entry" } }, each.active_ms < 0 ? "never" : `${duration(each.active_ms)} ago`),
  );
}

