// node-redis, which npm calls redis: node node_redis.mjs PROTOCOL URL URL-OF-A-SERVER-WITH-PASSWORD

import assert from "node:assert/strict";

import { BasicClientSideCache, RESP_TYPES, WatchError, createClient, createClientPool, createCluster } from "redis";

import { Mailbox, check, isBlocked, missing, until } from "./check.mjs";

const RESP = Number(process.argv[2]);
const [url, guardedUrl] = process.argv.slice(3);
const id = (name) => `node-redis:${process.pid}:${name}`;
// Some checks cut connections off; that the client tells so is no failure of theirs.
const create = (options) => createClient({ url, RESP, ...options }).on("error", () => {});
const open = (name, options) => create({ name: id(name), socket: { reconnectStrategy: 1 }, ...options }).connect();

const client = await open("control");
const blocked = (name) => until(async () => isBlocked(await client.sendCommand(["CLIENT", "LIST"]), id(name)));

await check("connecting, password, reconnecting", async () => {
  const [{ name, libName, resp }] = (await client.clientList()).filter((one) => one.name === id("control"));
  assert.deepEqual({ name, libName, resp }, { name: id("control"), libName: "node-redis", resp: RESP });
  const guarded = await create({ url: guardedUrl }).connect();
  assert.equal(await guarded.ping(), "PONG");
  await guarded.close();
  const stranger = create({ url: guardedUrl.replace(/:[^:@]*@/, ":wrong@"), socket: { reconnectStrategy: false } });
  await assert.rejects(stranger.connect(), /WRONGPASS/);

  const dropped = await open("dropped", { database: 3 });
  await dropped.set(id("in-3"), "x");
  const again = new Promise((resolve) => dropped.once("ready", resolve));
  assert.equal(await client.clientKill({ filter: "ID", id: await dropped.clientId() }), 1);
  await again;
  assert.equal(await dropped.getDel(id("in-3")), "x"); // the database and the name are set again
  assert.equal(await dropped.clientGetName(), id("dropped"));
  await dropped.close();
});

await check("channels, patterns and shard channels", async () => {
  const [subscriber, messages] = [client.duplicate({ name: id("subscriber") }).on("error", () => {}), new Mailbox()];
  await subscriber.connect();
  await subscriber.subscribe([id("news"), id("sport")], messages.put);
  await subscriber.pSubscribe(id("n*"), messages.put);
  await subscriber.sSubscribe(id("shard"), messages.put);
  await subscriber.subscribe(id("bytes"), messages.put, true);
  assert.equal(await client.publish(id("news"), "é"), 2);
  assert.deepEqual(await messages.take(), ["é", id("news")]);
  assert.deepEqual(await messages.take(), ["é", id("news")]);
  assert.equal(await client.sPublish(id("shard"), "1"), 1);
  assert.deepEqual(await messages.take(), ["1", id("shard")]);
  await client.publish(id("bytes"), Buffer.from([0, 255, 13, 10]));
  assert.deepEqual((await messages.take())[0], Buffer.from([0, 255, 13, 10]));
  assert.deepEqual({ ...(await client.pubSubNumSub(id("news"))) }, { [id("news")]: 1 });
  assert.deepEqual(await client.pubSubChannels(id("sp*")), [id("sport")]);
  assert.deepEqual({ ...(await client.pubSubShardNumSub([id("shard")])) }, { [id("shard")]: 1 });
  if (RESP === 3) assert.equal(await subscriber.get("nobody"), null); // a subscriber may do everything

  await subscriber.unsubscribe(id("news"));
  assert.equal(await client.publish(id("news"), "pattern only"), 1);
  assert.deepEqual(await messages.take(), ["pattern only", id("news")]);
  await subscriber.unsubscribe();
  await subscriber.pUnsubscribe();
  await subscriber.sUnsubscribe();
  assert.equal(await client.publish(id("news"), "nobody"), 0);
  assert.equal(messages.isEmpty, true);
  // With RESP2 node-redis gives bytes here, from Redis as well.
  assert.equal(String(await subscriber.ping()), "PONG");
  await subscriber.close();
});

await check("resubscribing after CLIENT KILL", async () => {
  const [subscriber, messages] = [await open("cut-off"), new Mailbox()];
  const number = await subscriber.clientId();
  await subscriber.subscribe(id("again"), messages.put);
  await subscriber.pSubscribe(id("ag*"), messages.put);
  await subscriber.sSubscribe(id("again"), messages.put);
  assert.equal(await client.clientKill({ filter: "ID", id: number }), 1);
  await until(async () => (await client.sPublish(id("again"), "shard")) === 1);
  await until(async () => (await client.publish(id("again"), "x")) === 2);
  const got = [];
  while (got.filter(([message]) => message === "x").length < 2) got.push(await messages.take());
  assert.deepEqual(got.find(([message]) => message === "shard"), ["shard", id("again")]);
  await subscriber.close();
});

await check("pipelines, MULTI and WATCH, pools", async () => {
  const replies = await client.multi().set(id("n"), 1).incr(id("n")).get(id("n")).execAsPipeline();
  assert.deepEqual(replies, ["OK", 2, "2"]);
  assert.deepEqual(await client.multi().incr(id("n")).get(id("n")).exec(), [3, "3"]);
  assert.deepEqual(await Promise.all([client.incr(id("n")), client.incr(id("n")), client.get(id("n"))]), [4, 5, "5"]);
  await assert.rejects(client.multi().incr(id("n")).xAdd(id("n"), "*", { a: "1" }).exec(), (error) => {
    assert.deepEqual([error.replies[0], error.errorIndexes], [6, [1]]);
    return /WRONGTYPE/.test(error.replies[1].message);
  });
  await client.watch(id("n"));
  const pool = await createClientPool({ url, RESP }, { minimum: 1, maximum: 3 }).connect();
  const numbers = await Promise.all(Array.from({ length: 9 }, () => pool.incr(id("n"))));
  assert.deepEqual(numbers.sort((x, y) => x - y), [7, 8, 9, 10, 11, 12, 13, 14, 15]);
  await assert.rejects(client.multi().incr(id("n")).exec(), WatchError);
  assert.deepEqual(await pool.multi().incr(id("n")).exec(), [16]);
  await pool.close();
});

await check("keys, expiry and SCAN", async () => {
  const expiration = { type: "PX", value: 100_000 };
  assert.equal(await client.set(id("lock"), "me", { expiration, condition: "NX" }), "OK");
  assert.equal(await client.set(id("lock"), "you", { expiration, condition: "NX" }), null);
  assert.ok((await client.pTTL(id("lock"))) > 0);
  assert.deepEqual(await client.mGet([id("lock"), id("nobody")]), ["me", null]);
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.deepEqual(await bytes.getEx(id("lock"), { type: "PERSIST" }), Buffer.from("me"));
  const found = [];
  for await (const keys of client.scanIterator({ MATCH: id("l*") })) found.push(...keys);
  assert.deepEqual(found, [id("lock")]);
  assert.equal(await client.unlink(id("lock")), 1);
});

await check("XADD, XRANGE, XTRIM, blocking XREAD", async () => {
  const [stream, reader] = [id("stream"), await open("reader")];
  const TRIM = { strategy: "MAXLEN", strategyModifier: "~", threshold: 1000 };
  const first = await client.xAdd(stream, "*", { a: "1", b: "2" }, { TRIM });
  const entry = { id: first, message: { a: "1", b: "2" } };
  assert.deepEqual(plain(await client.xRange(stream, "-", "+")), [entry]);
  assert.deepEqual(plain(await client.xRead({ key: stream, id: "0" })), [{ name: stream, messages: [entry] }]);
  assert.equal(await client.xRead({ key: stream, id: "$" }, { BLOCK: 1 }), null);
  const reply = reader.xRead([{ key: stream, id: "$" }, { key: id("other-stream"), id: "$" }], { BLOCK: 0, COUNT: 10 });
  await blocked("reader");
  const second = await client.xAdd(stream, "*", { c: "3" });
  assert.deepEqual(plain(await reply), [{ name: stream, messages: [{ id: second, message: { c: "3" } }] }]);
  assert.equal((await client.xInfoStream(stream)).length, 2);
  assert.equal(await client.xTrim(stream, "MAXLEN", 1), 1);
  await reader.close();
});

await check("consumer groups with XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM", async () => {
  const [stream, worker] = [id("jobs"), await open("worker")];
  assert.equal(await client.xGroupCreate(stream, "g", "$", { MKSTREAM: true }), "OK");
  await assert.rejects(client.xGroupCreate(stream, "g", "$"), /^(Simple)?Error: BUSYGROUP/);
  const reply = worker.xReadGroup("g", "one", { key: stream, id: ">" }, { BLOCK: 0, COUNT: 10 });
  await blocked("worker");
  const job = { id: await client.xAdd(stream, "*", { job: "1" }), message: { job: "1" } };
  assert.deepEqual(plain(await reply), [{ name: stream, messages: [job] }]);
  const consumers = [{ name: "one", deliveriesCounter: 1 }];
  const pending = { pending: 1, firstId: job.id, lastId: job.id, consumers };
  assert.deepEqual(plain(await client.xPending(stream, "g")), pending);
  assert.deepEqual(await client.xClaimJustId(stream, "g", "two", 0, job.id), [job.id]);
  const claimed = { nextId: "0-0", messages: [job], deletedMessages: [] };
  assert.deepEqual(plain(await client.xAutoClaim(stream, "g", "one", 0, "0")), claimed);
  const [group] = await client.xInfoGroups(stream);
  assert.deepEqual([group.name, group.pending, group["entries-read"], group.lag], ["g", 1, 1, 0]);
  assert.equal((await client.xInfoConsumers(stream, "g")).length, 2);
  assert.equal(await client.xAck(stream, "g", job.id), 1);
  await worker.close();
});

await check("Redis 8.2 and newer: IDMP, XREADGROUP CLAIM, XNACK, XACKDEL, XDELEX", async () => {
  const stream = id("newer");
  await client.xGroupCreate(stream, "g", "0", { MKSTREAM: true });
  const send = () => client.xAdd(stream, "*", { job: "1" }, { IDMP: { pid: "sender", iid: "1" } });
  const job = await send();
  assert.equal(await send(), job);
  const read = (who, options) => client.xReadGroup("g", who, { key: stream, id: ">" }, options);
  assert.equal((await read("one"))[0].messages[0].id, job);
  assert.equal(await client.xNack(stream, "g", "FAIL", job), 1);
  const [again] = (await read("two", { CLAIM: 0 }))[0].messages;
  assert.deepEqual([again.id, Number(again.deliveriesCounter)], [job, 1]);
  assert.deepEqual(await client.xAckDel(stream, "g", job, "DELREF"), [1]);
  assert.deepEqual(await client.xDelEx(stream, job), [-1]);
});

await check("error replies", async () => {
  await assert.rejects(client.xAdd(id("n"), "*", { a: "1" }), /WRONGTYPE/);
  await assert.rejects(client.xReadGroup("none", "c", { key: id("jobs"), id: ">" }), /NOGROUP/);
});

await missing("scripts (`eval`, `defineScript`)", () => client.eval("return 1"), /Airwave has no Lua/);
await missing("other types (`hSet`, `lPush`, `sAdd`, `zAdd`)", () => client.hSet("x", "y", "z"));
await missing("`clientSideCache`", () =>
  create({ RESP: 3, clientSideCache: new BasicClientSideCache(), socket: { reconnectStrategy: false } }).connect(),
);
await missing("`createCluster`", () => createCluster({ rootNodes: [{ url }], RESP }).connect());
await client.close();

/** Replies have objects without a prototype, which deepEqual does not take for plain ones. */
function plain(reply) {
  return JSON.parse(JSON.stringify(reply));
}
