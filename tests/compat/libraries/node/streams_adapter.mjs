// @socket.io/redis-streams-adapter: node streams_adapter.mjs KIND LIBRARY URL

import assert from "node:assert/strict";
import { once } from "node:events";

import { createAdapter } from "@socket.io/redis-streams-adapter";
import Redis from "ioredis";

import { check, isBlocked, until } from "./check.mjs";
import { NAMESPACES, checkRooms, libraries, twoSites } from "./socketio.mjs";

const [kind, library, url] = process.argv.slice(2);
const prefix = `streams-adapter:${process.pid}`;
const control = new Redis(url);
const useShardedPubSub = kind === "useShardedPubSub";
const options = {
  streamName: `${prefix}:stream`,
  channelPrefix: `${prefix}:channel`,
  sessionKeyPrefix: `${prefix}:session:`,
  useShardedPubSub,
};

/** Both servers wait for what is new in the stream, and have their channels: it skips what comes before. */
async function isReady() {
  const clients = await control.client("LIST");
  const channels = await control.pubsub(useShardedPubSub ? "SHARDCHANNELS" : "CHANNELS", `${prefix}*`);
  const waiting = ["a", "b"].filter((name) => isBlocked(clients, `${prefix}:${name}`));
  return waiting.length === 2 && channels.length === 3 * NAMESPACES.length;
}

const sites = await twoSites(
  async (name) => createAdapter(await libraries[library](url, `${prefix}:${name}`), options),
  isReady,
  { connectionStateRecovery: {} },
);
await checkRooms(sites);

await check("connection state recovery on another server", async () => {
  const [a, b] = sites;
  const { client, mail, socket } = await a.visit({ reconnection: false });
  const pid = client._pid;
  socket.join("room");
  socket.data.name = "dave";
  b.io.to("room").emit("before");
  assert.equal((await mail.take())[0], "before"); // with its entry ID, from which the rest is read
  const lost = once(socket, "disconnect");
  client.io.engine.close();
  await lost;
  await until(() => control.exists(`${prefix}:session:${pid}`));

  const witness = await b.visit();
  a.io.to("room").emit("missed", 1);
  a.io.to("another room").emit("not for dave");
  a.io.emit("missed", 2);
  assert.deepEqual((await witness.mail.take()).slice(0, 2), ["missed", 2]); // b has read so far
  const arrives = once(b.io, "connection");
  client.io.uri = b.url;
  client.connect();
  const [restored] = await arrives;
  assert.deepEqual([restored.recovered, restored.id], [true, socket.id]);
  assert.deepEqual([restored.data, restored.rooms.has("room")], [{ name: "dave" }, true]);
  assert.deepEqual([(await mail.take()).slice(0, 2), (await mail.take()).slice(0, 2)], [["missed", 1], ["missed", 2]]);
  a.io.to("room").emit("again");
  assert.equal((await mail.take())[0], "again");
  assert.equal(client.recovered, true);
  assert.equal(await control.exists(`${prefix}:session:${pid}`), 0);
});
process.exit(0); // the servers and their connections go with it
