// Airwave in a browser: subscribe, publish and read history over one WebSocket that comes back by itself.
//
//   import { connect } from "http://localhost:8379/airwave.js";
//   const air = connect();
//   air.subscribe("news", (message) => console.log(message.data));
//
// On channels that the server remembers nothing is lost and nothing comes twice when the connection was away: each
// subscription knows the ID of its last message, and asks for what came after it. What the server no longer has is
// told by onGap. The protocol is described in docs/browsers.md; there is no build step, and nothing else to load.

/**
 * @typedef {object} Message
 * @property {string} channel
 * @property {string} [pattern] the pattern by which it came; not there if the channel itself was subscribed to
 * @property {string | Uint8Array} data text; bytes if what was published is not UTF-8
 * @property {string} [entry] the ID of its entry, if the channel is remembered
 * @property {() => any} json reads the data as JSON
 */

/**
 * @typedef {object} Gap Messages are missing: the server does not have them any more.
 * @property {string[]} [channels] in these channels
 * @property {string[]} [patterns] and in those that these patterns match
 * @property {string} [since] behind this ID
 * @property {string | null} [lost] up to this one, as far as is known
 * @property {number} [dropped] so many were dropped because this browser was too slow (slow-subscriber-policy)
 */

/** @typedef {"connecting" | "open" | "waiting" | "closed"} Status */

/**
 * @typedef {object} Options
 * @property {string | (() => string | Promise<string>)} [token] who one is; a function is asked at each connection
 * @property {(gap: Gap) => void} [onGap] messages are missing
 * @property {(status: Status, about: {code?: number, reason?: string, retryMs?: number}) => void} [onStatus]
 * @property {(error: unknown) => void} [onError] what a callback has thrown, or a subscription that was refused later
 * @property {number} [retryMinMs] before the first attempt to connect again; doubled each time (500)
 * @property {number} [retryMaxMs] (30000)
 * @property {number} [quietMs] without a word from the server, after which it is asked whether it is there (25000)
 */

/**
 * @typedef {object} Subscription
 * @property {Promise<void>} ready it is in force; rejected if the server refuses it
 * @property {() => void} unsubscribe ends it
 */

/**
 * @typedef {object} History
 * @property {Message[]} entries the oldest first
 * @property {string | null} next give it as `since` for what follows; null: there is no more
 * @property {boolean} gap messages between `since` and the first one are gone
 */

const ANSWER_MS = 10_000; // as long a server that is asked whether it is there may take
const WAITING_MAX = 1000; // requests that may wait for a connection
const EXPIRED = 4401; // the close code of a token that has expired

/** Something that the server refused, or could not do any more. */
export class AirwaveError extends Error {}

/**
 * Connect to a server. It is tried again and again, until `close`.
 *
 * @param {string | URL} [url] the server, `https://example.com:8379`; left out: where this file came from
 * @param {Options} [options]
 * @returns {Airwave}
 */
export function connect(url, options = {}) {
  return new Airwave(url, options);
}

export class Airwave {
  /** @param {string | URL | undefined} url @param {Options} options */
  constructor(url, options) {
    /** @type {Status} */
    this.status = "connecting";
    this._url = socketUrl(url);
    this._options = { retryMinMs: 500, retryMaxMs: 30_000, quietMs: 25_000, ...options };
    /** @type {Map<string, Topic>} */
    this._topics = new Map();
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    this._asked = new Map();
    /** @type {{request: object, resolve: (answer: any) => void, reject: (error: Error) => void}[]} */
    this._waiting = [];
    this._lastId = 0;
    this._failures = 0;
    /** @type {WebSocket | null} */
    this._socket = null;
    this._timer = 0;
    this._quietTimer = 0;
    this._online = () => this.status === "waiting" && this._open();
    globalThis.addEventListener?.("online", this._online);
    this._open();
  }

  /**
   * Get the messages of a channel.
   *
   * @param {string} channel
   * @param {(message: Message) => void} listener
   * @param {{since?: string, onGap?: (gap: Gap) => void}} [options] since: begin in the past, if the channel is
   *   remembered: an ID, an age (`10m`, `2h`, `1d`), the last so many (`-100`), or all (`0`). It is for the first
   *   subscription to a channel: others join it where it is.
   * @returns {Subscription}
   */
  subscribe(channel, listener, options = {}) {
    return this._subscribe({ type: "subscribe", channel }, listener, options);
  }

  /**
   * Get the messages of all channels that a pattern matches: `user:*`.
   *
   * @param {string} pattern
   * @param {(message: Message) => void} listener
   * @param {{since?: string, onGap?: (gap: Gap) => void}} [options] see `subscribe`
   * @returns {Subscription}
   */
  psubscribe(pattern, listener, options = {}) {
    return this._subscribe({ type: "psubscribe", pattern }, listener, options);
  }

  /**
   * Publish a message. Without a connection it waits for one.
   *
   * @param {string} channel
   * @param {string | Uint8Array | ArrayBuffer} data
   * @returns {Promise<{delivered: number, entry: string | null}>} to how many subscribers, and the ID of its entry if
   *   the channel is remembered. Rejected if the server refuses it; or if the connection is lost before it has
   *   answered, and then the message may have been published.
   */
  async publish(channel, data) {
    const field = typeof data === "string" ? { data } : { data64: toBase64(new Uint8Array(data)) };
    const { delivered, entry } = await this._request({ type: "publish", channel, ...field });
    return { delivered, entry: entry ?? null };
  }

  /**
   * Read what was published on a channel that is remembered.
   *
   * @param {string} channel
   * @param {{since?: string, count?: number}} [options] since: see `subscribe`; left out: from the beginning
   * @returns {Promise<History>}
   */
  async history(channel, options = {}) {
    const { entries, next, gap } = await this._request({ type: "history", channel, ...options });
    return { entries: entries.map((each) => toMessage({ channel, ...each })), next, gap };
  }

  /** Disconnect for good. */
  close() {
    globalThis.removeEventListener?.("online", this._online);
    this._end({});
    this._socket?.close(1000);
  }

  // --- the connection -------------------------------------------------------------------------------------------------

  async _open() {
    clearTimeout(this._timer);
    if (this.status === "closed") return;
    this._become("connecting", {});
    const url = new URL(this._url);
    try {
      const { token } = this._options;
      const value = typeof token === "function" ? await token() : token;
      if (value) url.searchParams.set("token", value);
    } catch (error) {
      this._report(error);
      this._retry({ reason: "there is no token" });
      return;
    }
    if (this.status !== "connecting") return;
    const socket = (this._socket = new WebSocket(url));
    socket.onopen = () => this._opened(socket);
    socket.onmessage = (event) => this._received(socket, event.data);
    socket.onclose = (event) => this._lost(socket, event.code, event.reason);
  }

  /** @param {WebSocket} socket */
  _opened(socket) {
    if (this._socket !== socket || this.status === "closed") return socket.close(1000);
    this._become("open", {});
    for (const topic of this._topics.values()) this._send(topic);
    for (const { request, resolve, reject } of this._waiting.splice(0)) this._ask(request).then(resolve, reject);
    this._listen();
  }

  /** @param {WebSocket} socket @param {number} code @param {string} reason */
  _lost(socket, code, reason) {
    if (this._socket !== socket) return;
    this._socket = null;
    clearTimeout(this._quietTimer);
    const asked = [...this._asked.values()];
    this._asked.clear();
    for (const { reject } of asked) reject(new AirwaveError("the connection was lost before there was an answer"));
    if (this.status === "closed") return;
    if (code === EXPIRED && typeof this._options.token === "string") this._end({ code, reason });
    else this._retry({ code, reason });
  }

  /** @param {{code?: number, reason?: string}} about */
  _retry(about) {
    const { retryMinMs, retryMaxMs } = this._options;
    const longestMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this._failures, 30));
    const retryMs = Math.round(longestMs * (0.5 + Math.random() / 2)); // not all browsers at the same moment
    this._failures += 1;
    this._timer = setTimeout(() => this._open(), retryMs);
    this._become("waiting", { ...about, retryMs });
  }

  /** @param {{code?: number, reason?: string}} about */
  _end(about) {
    if (this.status === "closed") return;
    clearTimeout(this._timer);
    clearTimeout(this._quietTimer);
    this._become("closed", about);
    const error = new AirwaveError(about.reason || "the connection is closed");
    for (const { reject } of [...this._waiting.splice(0), ...this._asked.values()]) reject(error);
    this._asked.clear();
    for (const topic of this._topics.values()) topic.refuse(error);
    this._topics.clear();
  }

  /** @param {Status} status @param {{code?: number, reason?: string, retryMs?: number}} about */
  _become(status, about) {
    this.status = status;
    this._call(this._options.onStatus, status, about);
  }

  /** The server was heard: it is asked whether it is there when it has been quiet for long. */
  _listen() {
    clearTimeout(this._quietTimer);
    const socket = this._socket;
    this._quietTimer = setTimeout(() => {
      this._ask({ type: "ping" }).catch(() => {});
      this._quietTimer = setTimeout(() => {
        if (this._socket !== socket || !socket) return;
        this._lost(socket, 1006, "the server does not answer"); // close() alone would wait for it
        socket.close();
      }, ANSWER_MS);
    }, this._options.quietMs);
  }

  // --- messages -------------------------------------------------------------------------------------------------------

  /** @param {WebSocket} socket @param {string} text */
  _received(socket, text) {
    if (this._socket !== socket) return;
    this._listen();
    const said = JSON.parse(text);
    if (said.gap) this._gap(said.gap);
    else if (said.channel !== undefined) this._message(said);
    else this._answered(said);
  }

  /** @param {any} said */
  _message(said) {
    const topic = this._topics.get(said.pattern === undefined ? `c ${said.channel}` : `p ${said.pattern}`);
    if (!topic) return;
    if (said.entry) topic.entry = said.entry;
    const message = toMessage(said);
    for (const { listener } of [...topic.listeners]) this._call(listener, message);
  }

  /** @param {Gap & {entry?: string}} gap */
  _gap({ entry, ...gap }) {
    for (const key of [...(gap.channels ?? []).map((each) => `c ${each}`), ...(gap.patterns ?? []).map((each) => `p ${each}`)]) {
      const topic = this._topics.get(key);
      if (!topic) continue;
      if (entry) topic.entry = entry;
      for (const { onGap } of [...topic.listeners]) this._call(onGap, gap);
    }
    this._call(this._options.onGap, gap);
  }

  /** @param {any} said */
  _answered(said) {
    this._failures = 0;
    const asked = this._asked.get(said.id);
    if (!asked) return;
    this._asked.delete(said.id);
    if (said.ok) asked.resolve(said);
    else asked.reject(new AirwaveError(said.error));
  }

  /** Ask now, or when there is a connection. @param {object} request @returns {Promise<any>} */
  _request(request) {
    if (this.status === "open") return this._ask(request);
    if (this.status === "closed") return Promise.reject(new AirwaveError("the connection is closed"));
    if (this._waiting.length >= WAITING_MAX) return Promise.reject(new AirwaveError("too much waits for a connection"));
    return new Promise((resolve, reject) => this._waiting.push({ request, resolve, reject }));
  }

  /** @param {object} request @returns {Promise<any>} */
  _ask(request) {
    return new Promise((resolve, reject) => {
      const id = ++this._lastId;
      this._asked.set(id, { resolve, reject });
      this._socket?.send(JSON.stringify({ id, ...request }));
    });
  }

  // --- subscriptions --------------------------------------------------------------------------------------------------

  /**
   * @param {{type: string, channel?: string, pattern?: string}} request
   * @param {(message: Message) => void} listener
   * @param {{since?: string, onGap?: (gap: Gap) => void}} options
   * @returns {Subscription}
   */
  _subscribe(request, listener, { since, onGap }) {
    if (this.status === "closed") throw new AirwaveError("the connection is closed");
    const key = request.channel === undefined ? `p ${request.pattern}` : `c ${request.channel}`;
    let topic = this._topics.get(key);
    if (!topic) {
      topic = new Topic(request, since);
      this._topics.set(key, topic);
      if (this.status === "open") this._send(topic);
    }
    const listening = { listener, onGap };
    topic.listeners.add(listening);
    return {
      ready: topic.ready,
      unsubscribe: () => {
        if (!topic.listeners.delete(listening) || topic.listeners.size || this._topics.get(key) !== topic) return;
        this._topics.delete(key);
        if (this.status === "open") this._ask({ ...request, type: request.channel === undefined ? "punsubscribe" : "unsubscribe" }).catch(() => {});
      },
    };
  }

  /** @param {Topic} topic */
  async _send(topic) {
    const since = topic.entry ?? topic.since;
    try {
      const { entry } = await this._ask(since === undefined ? topic.request : { ...topic.request, since });
      topic.accept();
      // Where it begins, for the case that the connection is lost before the first message.
      topic.entry ??= entry;
    } catch (error) {
      if (this.status !== "open") return; // it is asked for again
      for (const [key, each] of this._topics) if (each === topic) this._topics.delete(key);
      if (topic.accepted) this._report(error);
      topic.refuse(error);
    }
  }

  /** @param {((...args: any[]) => void) | undefined} callback @param {any[]} args */
  _call(callback, ...args) {
    try {
      callback?.(...args);
    } catch (error) {
      this._report(error);
    }
  }

  /** @param {unknown} error */
  _report(error) {
    if (this._options.onError) this._options.onError(error);
    else console.error("airwave:", error);
  }
}

/** What is subscribed to, and who listens. */
class Topic {
  /** @param {object} request @param {string | undefined} since */
  constructor(request, since) {
    this.request = request;
    this.since = since;
    /** @type {string | undefined} where it is: the ID of its last message */
    this.entry = undefined;
    this.accepted = false;
    /** @type {Set<{listener: (message: Message) => void, onGap?: (gap: Gap) => void}>} */
    this.listeners = new Set();
    this.ready = new Promise((resolve, reject) => {
      this.accept = () => {
        this.accepted = true;
        resolve(undefined);
      };
      this.refuse = reject;
    });
    this.ready.catch(() => {}); // who does not ask is not told
  }
}

/** @param {string | URL | undefined} url */
function socketUrl(url) {
  const found = new URL(url ?? "/ws", import.meta.url);
  if (found.pathname === "/") found.pathname = "/ws";
  found.protocol = found.protocol.replace(/^http/, "ws");
  found.hash = "";
  return found;
}

/** @param {any} said @returns {Message} */
function toMessage({ data, data64, ...about }) {
  const payload = data64 === undefined ? data : Uint8Array.from(atob(data64), (char) => char.charCodeAt(0));
  const json = () => JSON.parse(typeof payload === "string" ? payload : new TextDecoder().decode(payload));
  return { ...about, data: payload, json };
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(text);
}
