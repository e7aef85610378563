// The frame of the pages: who is signed in, navigation, keys, theme, the banner when the server is away.

import { get, onSignedOut, post } from "./api.js";
import { show } from "./dialog.js";
import { h, icon, put } from "./dom.js";
import { live } from "./live.js";
import { go, parts } from "./route.js";
import { channelPage } from "./views/channel.js";
import { channelsPage } from "./views/channels.js";
import { clientsPage } from "./views/clients.js";
import { overviewPage } from "./views/overview.js";
import { settingsPage } from "./views/settings.js";
import { signInPage } from "./views/signin.js";
import { slowlogPage } from "./views/slowlog.js";
import { streamPage } from "./views/stream.js";
import { streamsPage } from "./views/streams.js";

const TABS = [
  { path: "overview", label: "Overview", key: "o" },
  { path: "channels", label: "Channels", key: "c" },
  { path: "streams", label: "Streams", key: "s" },
  { path: "clients", label: "Clients", key: "l" },
  { path: "slowlog", label: "Slow log", key: "w" },
  { path: "settings", label: "Settings", key: "t" },
];
const PAGES = {
  overview: overviewPage,
  channels: channelsPage,
  channel: channelPage,
  pattern: channelPage,
  streams: streamsPage,
  stream: streamPage,
  clients: clientsPage,
  slowlog: slowlogPage,
  settings: settingsPage,
};
const PARENT = { channel: "channels", pattern: "channels", stream: "streams" };
const THEMES = ["auto", "light", "dark"];
const THEME_ICON = { auto: "auto", light: "sun", dark: "moon" };

const app = document.getElementById("app");
const main = h("main", { id: "main", tabindex: "-1" });
const banner = h("div.banner", { role: "status", hidden: true });
const links = new Map();
let me = null;
let page = null;
let shown = "";
let opened = false;

function frame() {
  const tabs = TABS.map(({ path, label, key }) => {
    const link = h("a", { href: `#/${path}`, title: `${label} (g ${key})` }, icon(path), h("span", {}, label));
    links.set(path, link);
    return link;
  });
  put(
    app,
    h(
      "header.side",
      {},
      h("a.brand", { href: "#/overview", "aria-label": "Airwave, overview" }, h("img", { src: "/dashboard/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "Airwave")),
      h("nav.tabs", { "aria-label": "Pages" }, tabs),
      h("div.tools", {}, role(), keysButton(), themeButton(), signOutButton()),
    ),
    h("div.body", {}, banner, main),
  );
}

function role() {
  const words = me.dashboard === "read-only" ? "read-only" : me.role === "admin" ? "admin" : "viewer: look only";
  return h("span.role", { title: `You are ${me.subject || "on this machine"}` }, words);
}

function keysButton() {
  return h("button.tool", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: showKeys }, icon("keys"));
}

function signOutButton() {
  if (!me.signed_in) return null;
  const leave = async () => {
    await post("/api/logout");
    location.reload();
  };
  return h("button.tool", { type: "button", "aria-label": "Sign out", title: "Sign out", onclick: leave }, icon("out"));
}

function themeButton() {
  const button = h("button.tool.theme", { type: "button", onclick: turn });
  function paint() {
    const theme = document.documentElement.dataset.theme || "auto";
    button.setAttribute("aria-label", `Theme: ${theme}. Change`);
    button.title = `Theme: ${theme} (d)`;
    put(button, icon(THEME_ICON[theme]));
  }
  function turn() {
    const now = document.documentElement.dataset.theme || "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("airwave-theme");
      else localStorage.setItem("airwave-theme", next);
    } catch {
      // No storage: it is forgotten with the page.
    }
    paint();
  }
  paint();
  return button;
}

// --- pages -----------------------------------------------------------------------------------------------------------

function open() {
  if (!me) return;
  const path = parts();
  const name = PAGES[path[0]] ? path[0] : "overview";
  const place = path.join("/");
  if (page && shown === place) return; // only its state has changed
  if (page && page.stop) page.stop();
  shown = place;
  page = PAGES[name]({ me, path });
  document.title = `${page.title} · Airwave`;
  put(main, page.element);
  window.scrollTo(0, 0);
  const tab = PARENT[name] || name;
  for (const [each, link] of links) {
    if (each === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (document.activeElement && document.activeElement.closest(".tabs")) return;
  // Who came by a link that is gone now goes on at the new content; who has just come begins at the top.
  if (opened && document.activeElement === document.body) main.focus({ preventScroll: true });
  opened = true;
}

async function serverState(state) {
  const lost = state === "lost";
  document.documentElement.classList.toggle("away", lost);
  banner.hidden = !lost;
  if (!lost) return put(banner);
  const say = (text) => put(banner, h("span.spin", { "aria-hidden": "true" }), text);
  say("The server does not answer. Trying again; what you see is the last that was known.");
  try {
    await get("/api/dashboard"); // if the session is over, this shows the form for signing in
    if (live.state === "lost") say("Nothing comes live: the server refuses the WebSocket, or something between does. Trying again.");
    document.documentElement.classList.remove("away");
  } catch {
    // It is as the banner says.
  }
  return undefined;
}

async function begin() {
  try {
    me = await get("/api/dashboard");
  } catch (error) {
    if (error.status === 401) return signedOut();
    put(app, h("div.alone", {}, h("main.card", { id: "main" }, h("h1", {}, "Airwave"), h("p", { role: "alert" }, error.message), h("button.primary", { type: "button", onclick: begin }, "Try again"))));
    return undefined;
  }
  frame();
  live.onState = serverState;
  live.start();
  shown = "";
  open();
  return undefined;
}

function signedOut() {
  if (page && page.stop) page.stop();
  page = null;
  me = null;
  live.stop();
  signInPage(app, begin);
}

// --- keys ------------------------------------------------------------------------------------------------------------

const KEYS = [
  ["/", "search or filter"],
  ["g then o c s l w t", "go to overview, channels, streams, clients, slow log, settings"],
  ["p", "pause or go on, where messages come live"],
  ["d", "theme: as the system, light, dark"],
  ["Esc", "close a dialog, leave a field"],
  ["?", "these keys"],
];
let afterG = 0;

function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  show("Keys", h("dl.keys", {}, KEYS.map(([keys, what]) => [h("dt", {}, keys.split(" ").map((key) => (key === "then" ? " then " : h("kbd", {}, key)))), h("dd", {}, what)])));
}

function pressed(event) {
  const field = event.target.closest("input, textarea, select");
  if (event.key === "Escape" && field) return field.blur();
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !me) return undefined;
  const tab = Date.now() - afterG < 1500 && TABS.find(({ key }) => key === event.key);
  afterG = 0;
  if (tab) go(tab.path);
  else if (event.key === "g") afterG = Date.now();
  else if (event.key === "?") showKeys();
  else if (event.key === "d") document.querySelector(".theme").click();
  else if (event.key === "/" && page && page.search) page.search();
  else if (event.key === "p" && page && page.pause) page.pause();
  else return undefined;
  event.preventDefault();
  return undefined;
}

onSignedOut.call = () => me && signedOut();
window.addEventListener("hashchange", open);
document.addEventListener("keydown", pressed);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
begin();
