// ioredis: node ioredis.mjs PROTOCOL URL URL-OF-A-SERVER-WITH-PASSWORD

import assert from "node:assert/strict";
import { once } from "node:events";

import Redis, { ReplyError } from "ioredis";

import { Mailbox, check, isBlocked, missing, until } from "./check.mjs";

const protocol = Number(process.argv[2]);
const [url, guardedUrl] = process.argv.slice(3);
const id = (name) => `ioredis:${process.pid}:${name}`;
const open = (name, options = {}) =>
  new Redis(url, { protocol, connectionName: id(name), retryStrategy: () => 1, ...options });

const redis = open("control");
const blocked = (name) => until(async () => isBlocked(await redis.client("LIST"), id(name)));

await check("ready check and password", async () => {
  await redis.ping(); // its own start is over: ioredis fails when a line of MONITOR comes together with the OK
  const monitor = await redis.monitor();
  const seen = [];
  monitor.on("monitor", (_, words) => seen.push(words.join(" ").toLowerCase()));
  const client = open("ready");
  await once(client, "ready");
  await until(() => seen.includes("info")); // it is ready when INFO says that nothing is being loaded
  assert.equal(seen.includes(`hello 3 setname ${id("ready")}`) || seen.includes(`client setname ${id("ready")}`), true);
  assert.equal(await client.client("GETNAME"), id("ready"));
  assert.match(await client.client("INFO"), new RegExp(`resp=${protocol} lib-name=ioredis `));
  monitor.disconnect();
  await client.quit();

  const guarded = new Redis(guardedUrl, { protocol });
  assert.equal(await guarded.ping(), "PONG");
  await guarded.quit();
  const stranger = new Redis(guardedUrl.replace(/:[^:@]*@/, ":wrong@"), { protocol, retryStrategy: null });
  const failed = new Mailbox();
  stranger.on("error", failed.put);
  await assert.rejects(stranger.ping());
  assert.match((await failed.take())[0].message, /^WRONGPASS/);
  stranger.disconnect();
});

await check("channels, patterns and shard channels", async () => {
  const [subscriber, messages] = [open("subscriber"), new Mailbox()];
  for (const event of ["message", "pmessage", "smessage"]) {
    subscriber.on(event, (...args) => messages.put(event, ...args));
  }
  assert.equal(await subscriber.subscribe(id("news"), id("sport")), 2);
  assert.equal(await subscriber.psubscribe(id("n*")), 3);
  assert.equal(await subscriber.ssubscribe(id("shard")), 1);
  assert.equal(await redis.publish(id("news"), "é"), 2);
  assert.deepEqual(await messages.take(), ["message", id("news"), "é"]);
  assert.deepEqual(await messages.take(), ["pmessage", id("n*"), id("news"), "é"]);
  assert.equal(await redis.spublish(id("shard"), "1"), 1);
  assert.deepEqual(await messages.take(), ["smessage", id("shard"), "1"]);
  assert.deepEqual(await redis.pubsub("NUMSUB", id("news")), [id("news"), 1]);

  const bytes = once(subscriber, "messageBuffer");
  await redis.publish(id("sport"), Buffer.from([0, 255, 13, 10]));
  assert.deepEqual((await bytes)[1], Buffer.from([0, 255, 13, 10]));
  await messages.take();
  if (protocol === 2) await assert.rejects(subscriber.get("x"), /subscriber mode/);
  else assert.equal(await subscriber.get("nobody"), null); // RESP3: a subscriber may do everything
  assert.equal(await subscriber.unsubscribe(id("news"), id("sport")), 1);
  assert.equal(await subscriber.punsubscribe(), 0);
  await subscriber.sunsubscribe();
  assert.equal(await redis.publish(id("news"), "nobody"), 0);
  assert.equal(messages.isEmpty, true);
  assert.equal(await subscriber.ping(), "PONG");
  await subscriber.quit();
});

await check("resubscribing after CLIENT KILL", async () => {
  const [subscriber, messages] = [open("cut-off"), new Mailbox()];
  subscriber.on("message", messages.put);
  subscriber.on("pmessage", messages.put);
  const clientId = await subscriber.client("ID");
  await subscriber.subscribe(id("again"));
  await subscriber.psubscribe(id("ag*"));
  assert.equal(await redis.client("KILL", "ID", clientId), 1);
  await until(async () => (await redis.publish(id("again"), "x")) === 2);
  assert.deepEqual(await messages.take(), [id("again"), "x"]);
  assert.deepEqual(await messages.take(), [id("ag*"), id("again"), "x"]);
  await subscriber.quit();
});

await check("pipelines, auto-pipelining, MULTI and WATCH", async () => {
  const replies = await redis.pipeline().set(id("n"), 1).incr(id("n")).xlen(id("n")).get(id("n")).exec();
  assert.deepEqual([replies[0], replies[1], replies[3]], [[null, "OK"], [null, 2], [null, "2"]]);
  assert.match(replies[2][0].message, /^WRONGTYPE/);
  assert.deepEqual(await redis.multi().incr(id("n")).get(id("n")).exec(), [[null, 3], [null, "3"]]);
  await redis.multi({ pipeline: false });
  assert.equal(await redis.incr(id("n")), "QUEUED");
  assert.deepEqual(await redis.exec(), [[null, 4]]);
  await assert.rejects(redis.multi().incr(id("n")).xadd(id("n")).exec(), /^ReplyError: EXECABORT/);

  await redis.watch(id("n"));
  const other = open("other");
  await other.incr(id("n"));
  assert.equal(await redis.multi().incr(id("n")).exec(), null);
  await other.quit();

  const automatic = open("automatic", { enableAutoPipelining: true });
  const numbers = await Promise.all(Array.from({ length: 100 }, () => automatic.incr(id("automatic"))));
  assert.deepEqual(numbers, Array.from({ length: 100 }, (_, i) => i + 1));
  await automatic.quit();
});

await check("keys, expiry and SCAN", async () => {
  assert.equal(await redis.set(id("lock"), "me", "PX", 100_000, "NX"), "OK");
  assert.equal(await redis.set(id("lock"), "you", "PX", 100_000, "NX"), null);
  assert.ok((await redis.pttl(id("lock"))) > 0);
  assert.deepEqual(await redis.mget(id("lock"), id("nobody")), ["me", null]);
  assert.deepEqual(await redis.getBuffer(id("lock")), Buffer.from("me"));
  const found = [];
  for await (const keys of redis.scanStream({ match: id("l*") })) found.push(...keys);
  assert.deepEqual(found, [id("lock")]);
  assert.equal(await redis.unlink(id("lock")), 1);
});

await check("XADD, XRANGE, blocking XREAD", async () => {
  const stream = id("stream");
  const first = await redis.xadd(stream, "MAXLEN", "~", 1000, "*", "a", "1", "b", "2");
  assert.deepEqual(await redis.xrange(stream, "-", "+"), [[first, ["a", "1", "b", "2"]]]);
  assert.deepEqual(await redis.xread("COUNT", 10, "STREAMS", stream, "0"), [[stream, [[first, ["a", "1", "b", "2"]]]]]);
  assert.equal(await redis.xread("BLOCK", 1, "STREAMS", stream, "$"), null);
  const reader = open("reader");
  const reply = reader.xread("BLOCK", 0, "STREAMS", stream, id("other-stream"), "$", "$");
  await blocked("reader");
  const second = await redis.xadd(stream, "*", "c", "3");
  assert.deepEqual(await reply, [[stream, [[second, ["c", "3"]]]]]);

  const killed = reader.xread("BLOCK", 0, "STREAMS", stream, second); // sent again after the connection is back
  await blocked("reader");
  const name = new RegExp(`id=(\\d+) .* name=${id("reader")} `);
  await redis.client("KILL", "ID", name.exec(await redis.client("LIST"))[1]);
  const third = await redis.xadd(stream, "*", "d", "4");
  assert.deepEqual(await killed, [[stream, [[third, ["d", "4"]]]]]);
  await reader.quit();

  if (protocol === 3) {
    const mapped = open("mapped", { replyMapping: "resp3" });
    assert.deepEqual(await mapped.xread("STREAMS", stream, second), { [stream]: [[third, ["d", "4"]]] });
    assert.equal((await mapped.xinfo("STREAM", stream)).length, 3);
    await mapped.quit();
  }
});

await check("consumer groups with XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM", async () => {
  const stream = id("jobs");
  assert.equal(await redis.xgroup("CREATE", stream, "g", "$", "MKSTREAM"), "OK");
  await assert.rejects(redis.xgroup("CREATE", stream, "g", "$"), /^ReplyError: BUSYGROUP/);
  const worker = open("worker");
  const reply = worker.xreadgroup("GROUP", "g", "one", "COUNT", 10, "BLOCK", 0, "STREAMS", stream, ">");
  await blocked("worker");
  const job = await redis.xadd(stream, "*", "job", "1");
  assert.deepEqual(await reply, [[stream, [[job, ["job", "1"]]]]]);
  assert.deepEqual(await redis.xpending(stream, "g"), [1, job, job, [["one", "1"]]]);
  assert.deepEqual(await redis.xclaim(stream, "g", "two", 0, job, "JUSTID"), [job]);
  assert.deepEqual(await redis.xautoclaim(stream, "g", "one", 0, "0"), ["0-0", [[job, ["job", "1"]]], []]);
  assert.equal(await redis.xack(stream, "g", job), 1);
  assert.equal((await redis.xinfo("GROUPS", stream))[0].includes("entries-read"), true);
  await worker.quit();
});

await check("error replies", async () => {
  const error = await redis.xadd(id("n"), "*", "a", "1").catch((reason) => reason);
  assert.ok(error instanceof ReplyError);
  assert.match(error.message, /^WRONGTYPE/);
  assert.equal(error.command.name, "xadd");
  await assert.rejects(redis.xreadgroup("GROUP", "none", "c", "STREAMS", id("jobs"), ">"), /^ReplyError: NOGROUP/);
});

redis.defineCommand("twice", { numberOfKeys: 1, lua: "return redis.call('GET', KEYS[1])" });
await missing("scripts (`eval`, `defineCommand`)", () => redis.twice("x"), /Airwave has no Lua/);
await missing("other types (`hset`, `lpush`, `sadd`, `zadd`)", () => redis.hset("x", "y", "z"));
await missing("`Cluster`", () => redis.cluster("SLOTS"));
await redis.quit();
