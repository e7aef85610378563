// Live data: one WebSocket of the page, in the protocol of /ws (docs/browsers.md). It comes back by itself, with all
// subscriptions, and tells how it stands.

const WAIT_MS = [500, 1000, 2000, 4000, 8000];

export class Live {
  constructor() {
    this.socket = null;
    this.topics = new Map(); // "c:name" or "p:pattern" -> { request, listeners: Set }
    this.answers = new Map(); // id -> function
    this.lastId = 0;
    this.failures = 0;
    this.wanted = false;
    this.timer = 0;
    this.state = "off"; // off, connecting, on, lost
    this.onState = () => {};
  }

  /** Connect, and stay connected. */
  start() {
    this.wanted = true;
    if (!this.socket) this.connect();
  }

  /** Disconnect for good; subscriptions are forgotten. */
  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.topics.clear();
    if (this.socket) this.socket.close();
    this.become("off");
  }

  /**
   * Get the messages of a channel, or of a pattern.
   * @param {{channel?: string, pattern?: string, since?: string}} topic
   * @param {(push: object) => void} listener gets the pushes: { channel, data | data64, entry? }
   * @param {(error: string) => void} [refused] the server does not allow it
   * @returns {() => void} ends it
   */
  subscribe(topic, listener, refused = () => {}) {
    const key = topic.pattern === undefined ? `c:${topic.channel}` : `p:${topic.pattern}`;
    let known = this.topics.get(key);
    if (!known) {
      const type = topic.pattern === undefined ? "subscribe" : "psubscribe";
      known = { request: { type, ...topic }, listeners: new Set(), refused };
      this.topics.set(key, known);
      if (this.state === "on") this.send(known);
    }
    known.listeners.add(listener);
    return () => {
      known.listeners.delete(listener);
      if (known.listeners.size || this.topics.get(key) !== known) return;
      this.topics.delete(key);
      const { type, channel, pattern } = known.request;
      if (this.state === "on") this.ask({ type: type === "subscribe" ? "unsubscribe" : "punsubscribe", channel, pattern });
    };
  }

  connect() {
    this.become(this.failures ? "lost" : "connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.socket = new WebSocket(`${scheme}//${location.host}/ws`));
    socket.onopen = () => {
      this.failures = 0;
      this.become("on");
      for (const topic of this.topics.values()) this.send(topic);
    };
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.answers.clear();
      if (!this.wanted) return;
      const wait = WAIT_MS[Math.min(this.failures, WAIT_MS.length - 1)];
      this.failures += 1;
      this.become("lost", true);
      this.timer = setTimeout(() => this.wanted && !this.socket && this.connect(), wait * (0.75 + Math.random() / 2));
    };
  }

  send(topic) {
    const request = { ...topic.request };
    if (topic.resume) request.since = topic.resume;
    this.ask(request, (answer) => {
      if (!answer.ok) topic.refused(answer.error || "refused");
    });
  }

  ask(request, answered = () => {}) {
    const id = ++this.lastId;
    this.answers.set(id, answered);
    this.socket.send(JSON.stringify({ id, ...request }));
  }

  receive(frame) {
    if (frame.id !== undefined && frame.ok !== undefined) {
      const answered = this.answers.get(frame.id);
      this.answers.delete(frame.id);
      if (answered) answered(frame);
      return;
    }
    if (frame.channel === undefined) return;
    const key = frame.pattern === undefined ? `c:${frame.channel}` : `p:${frame.pattern}`;
    const topic = this.topics.get(key);
    if (!topic) return;
    if (frame.entry) topic.resume = frame.entry;
    for (const listener of topic.listeners) listener(frame);
  }

  become(state, again = false) {
    if (this.state === state && !again) return;
    this.state = state;
    this.onState(state);
  }
}

export const live = new Live();
