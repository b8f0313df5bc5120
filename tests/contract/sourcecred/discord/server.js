// A Discord on loopback that tells of a world, over REST alone: as much as a first sync, and SourceCred, ask for.

import assert from "node:assert/strict";
import {createServer} from "node:http";
import {emojiRef} from "./world.js";

/** Serves `world` for `use({address, token, guilds})`. Asking for what there is not fails the test. */
export async function withDiscord(world, use) {
  const unknown = new Set();
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const path = url.pathname.replace("/api/v10/", "").split("/").map(decodeURIComponent);
    const found = answer(world, path, url.searchParams);
    if (found === undefined) unknown.add(request.url);
    response.writeHead(found === undefined ? 404 : 200, {"content-type": "application/json"});
    response.end(JSON.stringify(found ?? {message: "404: Not Found", code: 0}));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use({
      address: `http://127.0.0.1:${server.address().port}`,
      token: "a.token.of-nobody",
      guilds: world.guilds.map(({id}) => id),
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual([...unknown], [], "something was asked for that is not there");
  }
}

function answer({me, guilds}, path, query) {
  const limit = Number(query.get("limit") ?? 50);
  const after = (list, idOf) => list.filter((it) => BigInt(idOf(it)) > BigInt(query.get("after") ?? 0)).slice(0, limit);
  const [top, id, ...rest] = path;
  if (top === "users") {
    if (rest.length === 0) return me;
    return after(guilds.map(({id, name}) => ({id, name, permissions: "0"})), (it) => it.id);
  }
  // With all intents that take an admin's word: members and the text of messages.
  if (top === "applications") return {id: me.id, name: me.username, flags: (1 << 14) | (1 << 18)};
  const guild = guilds.find((it) => (top === "guilds" ? it.id === id : placeOf(it, id)));
  if (!guild) return undefined;
  const route = [top, ...rest.filter((part) => !/^\d+$/.test(part))].join("/");
  const place = placeOf(guild, id);
  const threads = (archived) => guild.threads.filter((it) => it.thread_metadata.archived === archived);
  switch (route) {
    case "guilds":
      return guild.shape;
    case "guilds/channels":
      return guild.channels;
    case "guilds/members":
      if (rest.length === 2) return guild.members.find((it) => it.user.id === rest[1]);
      return after(guild.members, (it) => it.user.id);
    case "guilds/threads/active":
      return {threads: threads(false), members: []};
    case "channels":
      return place;
    case "channels/threads/archived/public":
      return {threads: threads(true).filter((it) => it.parent_id === id), members: [], has_more: false};
    case "channels/threads/archived/private":
      return {threads: [], members: [], has_more: false};
    case "channels/messages": {
      const all = guild.messages.get(id) ?? [];
      if (rest.length === 2) return all.find((it) => it.id === rest[1]);
      const before = query.get("before");
      return all.filter((it) => !before || BigInt(it.id) < BigInt(before)).slice(0, limit);
    }
    default: {
      const [, message, kind, ref] = rest;
      if (kind !== "reactions") return undefined;
      const isMeant = (emoji) => (emoji.id ? ref.endsWith(`:${emoji.id}`) : emojiRef(emoji) === ref);
      const [, users] = [...guild.reactors.get(message)].find(([emoji]) => isMeant(emoji)) ?? [];
      const sorted = users?.[query.get("type") === "1" ? "burst" : "normal"].toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
      return sorted && after(sorted, (it) => it.id);
    }
  }
}

const placeOf = (guild, id) => [...guild.channels, ...guild.threads].find((it) => it.id === id);
