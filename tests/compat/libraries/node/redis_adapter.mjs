// @socket.io/redis-adapter: node redis_adapter.mjs KIND LIBRARY URL

import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import Redis from "ioredis";

import { NAMESPACES, checkRooms, libraries, twoSites } from "./socketio.mjs";

const [kind, library, url] = process.argv.slice(2);
const prefix = `redis-adapter:${process.pid}`;
const control = new Redis(url);
const isSharded = kind === "createShardedAdapter";
const create = isSharded ? createShardedAdapter : createAdapter;
const options = isSharded ? { channelPrefix: prefix } : { key: prefix };
const channels = (pattern) => control.pubsub(isSharded ? "SHARDCHANNELS" : "CHANNELS", pattern);
// Each namespace: broadcasts (which the older kind has by pattern) or requests and responses, and one channel a server.
const channelCount = NAMESPACES.length * (isSharded ? 3 : 4);

const sites = await twoSites(
  async (name) => create(await libraries[library](url, name), await libraries[library](url, name), options),
  async () => (await channels(`${prefix}*`)).length === channelCount,
);
// The newer kind subscribes to a room when the first enters it, and does not say when it has.
await checkRooms(sites, async (room) => !isSharded || (await channels(`${prefix}#/#${room}#`)).length === 1);
process.exit(0); // the servers and their connections go with it
