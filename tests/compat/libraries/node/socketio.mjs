// Two Socket.IO servers that know of each other only through their adapters, and clients of both.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

import { Mailbox, check, until } from "./check.mjs";

export const NAMESPACES = ["/", "/admin"];

/** How to connect with the libraries that the adapters take. */
export const libraries = {
  "node-redis": async (url, name) => {
    const { createClient } = await import("redis");
    return createClient({ url, name }).on("error", () => {}).connect();
  },
  ioredis: async (url, name) => {
    const { default: Redis } = await import("ioredis");
    return new Redis(url, { connectionName: name });
  },
};

/** A Socket.IO server on a free port. */
export class Site {
  constructor(adapter, options = {}) {
    this.http = createServer();
    this.io = new Server(this.http, { adapter, ...options });
    for (const namespace of NAMESPACES) this.io.of(namespace);
  }

  async listen() {
    this.http.listen(0, "127.0.0.1");
    await once(this.http, "listening");
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  /** Connect a browser; `socket` of the result is its end in the server. */
  async visit(options = {}, namespace = "/") {
    const arrives = once(this.io.of(namespace), "connection");
    const client = connect(this.url + namespace, { transports: ["websocket"], forceNew: true, ...options });
    const mail = new Mailbox();
    client.onAny(mail.put);
    const [socket] = await arrives;
    if (!client.connected) await once(client, "connect");
    return { client, mail, socket };
  }
}

/**
 * Two sites that have found each other.
 *
 * `makeAdapter(name)` is called for each; `isReady()` tells whether all that they subscribe to is subscribed.
 */
export async function twoSites(makeAdapter, isReady, options) {
  const sites = [];
  for (const name of ["a", "b"]) sites.push(await new Site(await makeAdapter(name), options).listen());
  for (const { io } of sites) {
    for (const namespace of NAMESPACES) {
      const { adapter } = io.of(namespace);
      await until(async () => (await adapter.serverCount()) === 2);
    }
  }
  await until(isReady);
  return sites;
}

/**
 * What an application does with several servers, and what must arrive at whom.
 *
 * `isJoined(room)` tells whether the servers know that there is somebody in a room.
 */
export async function checkRooms([a, b], isJoined = () => true) {
  const [alice, bob, carol] = [await a.visit(), await b.visit(), await b.visit()];
  const everybody = [alice, bob, carol];

  await check("broadcasts, rooms, `except`", async () => {
    a.io.emit("all", 1, { deep: ["é"] }, Buffer.from([0, 255]));
    for (const { mail } of everybody) {
      // Where sessions can be recovered the ID of the message comes behind.
      assert.deepEqual((await mail.take()).slice(0, 4), ["all", 1, { deep: ["é"] }, Buffer.from([0, 255])]);
    }
    bob.socket.join("room");
    await until(() => isJoined("room"));
    a.io.to("room").emit("only bob");
    a.io.to("room").to(alice.socket.id).emit("not carol");
    a.io.except("room").emit("not bob");
    carol.socket.broadcast.emit("not carol, who says it");
    endAll([a, b], everybody);
    assert.deepEqual(await drain(alice), ["not carol", "not bob", "not carol, who says it"].sort());
    assert.deepEqual(await drain(bob), ["only bob", "not carol", "not carol, who says it"].sort());
    assert.deepEqual(await drain(carol), ["not bob"]);
  });

  await check("acknowledgements", async () => {
    for (const [i, { client }] of everybody.entries()) client.once("question", (x, answer) => answer(x + i));
    const answers = await a.io.timeout(20_000).emitWithAck("question", 40);
    assert.deepEqual(answers.sort(), [40, 41, 42]);
    for (const { mail } of everybody) await mail.take();
  });

  await check("`fetchSockets`, `socketsJoin`, `socketsLeave`, `disconnectSockets`", async () => {
    bob.socket.data.name = "bob";
    const sockets = await a.io.fetchSockets();
    assert.deepEqual(sockets.map(({ id }) => id).sort(), everybody.map(({ socket }) => socket.id).sort());
    const remote = sockets.find(({ id }) => id === bob.socket.id);
    assert.deepEqual([remote.data, remote.rooms.has("room")], [{ name: "bob" }, true]);
    a.io.in(carol.socket.id).socketsJoin(["hall", "garden"]);
    await until(() => carol.socket.rooms.has("garden"));
    assert.deepEqual((await a.io.in("hall").fetchSockets()).map(({ id }) => id), [carol.socket.id]);
    a.io.in("hall").socketsLeave("garden");
    await until(() => !carol.socket.rooms.has("garden"));
    const leaves = once(carol.client, "disconnect");
    a.io.in("hall").disconnectSockets();
    assert.deepEqual((await leaves)[0], "io server disconnect");
    assert.equal((await a.io.fetchSockets()).length, 2);
  });

  await check("`serverSideEmit`, namespaces", async () => {
    const [said] = await Promise.all([once(b.io, "hello"), a.io.serverSideEmit("hello", { from: "a" })]);
    assert.deepEqual(said, [{ from: "a" }]);
    b.io.on("how many?", (answer) => answer(7));
    assert.deepEqual(await a.io.serverSideEmitWithAck("how many?"), [7]);
    const admin = await b.visit({}, "/admin");
    a.io.of("/admin").emit("for admins");
    assert.equal((await admin.mail.take())[0], "for admins");
    endAll([a, b], [alice, bob]);
    assert.deepEqual([await drain(alice), await drain(bob)], [[], []]);
    admin.client.disconnect();
  });

  for (const { client } of everybody) client.disconnect();
}

/** Both servers say so after all else: what should not have arrived would have by then. */
function endAll(sites, visitors) {
  for (const { io } of sites) {
    for (const { socket } of visitors) io.to(socket.id).emit("end");
  }
}

/** The events of a visitor until both servers said `end`; sorted, for the order is kept for each sender only. */
async function drain({ mail }) {
  const events = [];
  for (let ends = 0; ends < 2; ) {
    const [event] = await mail.take();
    if (event === "end") ends += 1;
    else events.push(event);
  }
  return events.sort();
}
