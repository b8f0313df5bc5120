// Everything said between propsbot and Discord holds to Discord's published schemas: see README.md.

import assert from "node:assert/strict";
import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe as suite, it} from "node:test";
import {recordTraffic} from "./blackbox.js";
import {entries} from "./discord/fixture.js";
import {objects} from "./discord/objects.js";
import {checkTraffic, describe} from "./discord/traffic.js";

/** What a first sync and a live session cannot do without: a recording that lacks one of these proves nothing. */
const MUST_OCCUR = [
  "GET /gateway/bot",
  "GET /applications/@me",
  "GET /guilds/{guild_id}/members",
  "GET /guilds/{guild_id}/threads/active",
  "GET /guilds/{guild_id}/scheduled-events",
  "GET /guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/users",
  "GET /channels/{channel_id}/threads/archived/public",
  "GET /channels/{channel_id}/messages",
  "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}",
  "to_client op 10",
  "from_client op 2",
  "from_client op 1",
  "to_client op 11",
  "READY",
  "GUILD_CREATE",
  "MESSAGE_CREATE",
  "MESSAGE_UPDATE",
  "MESSAGE_DELETE",
  "MESSAGE_REACTION_ADD",
  "MESSAGE_REACTION_REMOVE",
  "GUILD_SCHEDULED_EVENT_CREATE",
  "GUILD_SCHEDULED_EVENT_UPDATE",
  "GUILD_SCHEDULED_EVENT_DELETE",
  "GUILD_SCHEDULED_EVENT_USER_ADD",
  "GUILD_SCHEDULED_EVENT_USER_REMOVE",
];

suite("the traffic between propsbot and the simulated Discord", () => {
  let scratch, report;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-traffic-"));
    report = checkTraffic(await recordTraffic(scratch));
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  it("holds to Discord's published schemas", () => {
    assert.equal(describe(report.violations), "");
  });

  it("has everything in it that must occur", () => {
    assert.deepEqual(MUST_OCCUR.filter((what) => !report.seen.has(what)), []);
  });
});

suite("the interactions that the tests send", () => {
  it("have every field of Discord's published objects", async () => {
    const file = new URL("../it/interactions/objects.json", import.meta.url);
    assert.equal(await readFile(file, "utf8"), objects(), "made by tests/contract/discord/objects.js");
  });
});

suite("the validator", () => {
  const check = (found) => checkTraffic(Object.values(found).map((entry) => JSON.stringify(entry)));

  it("finds nothing wrong with a correct recording", () => {
    assert.equal(describe(check(entries()).violations), "");
  });

  const breakage = (title, change, ...expected) =>
    it(`notices ${title}`, () => {
      const found = entries();
      change(found);
      assert.deepEqual(
        check(found).violations.map(({where, path, message}) => [where, path, message]),
        expected,
      );
    });
  const MESSAGES = "GET /channels/{channel_id}/messages";
  const REACTIONS = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
  const CALLBACK = "POST /interactions/{interaction_id}/{interaction_token}/callback";
  const NUMBER_FOR_TEXT = "Invalid input: expected string, received number";

  breakage("an unknown route", (r) => (r.gateway.path = "/api/v10/gate"), [
    "GET ?",
    "",
    "Discord has no such route",
  ]);
  breakage("another version of the API", (r) => (r.gateway.path = "/api/v9/gateway"), [
    "GET /api/v9/gateway",
    "path",
    "not under /api/v10",
  ]);
  breakage("an emoji that is not percent-encoded", (r) => (r.reactions.path = r.reactions.path.replace(/%.*\?/, "👍?")), [
    "GET ?",
    "path",
    "not percent-encoded",
  ]);
  breakage("an unknown parameter", (r) => (r.messages.path += "&since=1"), [
    MESSAGES,
    "query.since",
    "Discord has no such parameter",
  ]);
  breakage("a page that is too large", (r) => (r.messages.path = r.messages.path.replace("limit=100", "limit=101")), [
    MESSAGES,
    "query.limit",
    "not within 1 to 100",
  ]);
  breakage("a parameter of the wrong type", (r) => (r.reactions.path = r.reactions.path.replace("type=0", "type=9")), [
    REACTIONS,
    "query.type",
    "Invalid option: expected one of 0|1",
  ]);
  breakage("an id that is a number, in every message once", (r) => {
    r.messages.response.push(structuredClone(r.messages.response[0]));
    for (const message of r.messages.response) message.author.id = 1;
  }, [`${MESSAGES} -> 200`, "response[].author.id", NUMBER_FOR_TEXT]);
  breakage("every fault, not only the first", (r) => {
    delete r.messages.response[0].tts;
    r.messages.response[0].reactions[0].emoji.roles = [];
    r.created.payload.d.channel_id = 1;
  }, [`${MESSAGES} -> 200`, "response[].tts", "missing"],
  [`${MESSAGES} -> 200`, "response[].reactions[].emoji.roles", "Discord has no such field"],
  ["MESSAGE_CREATE", "d.channel_id", NUMBER_FOR_TEXT]);
  breakage("a status that the route never answers with", (r) => (r.messages.status = 201), [
    MESSAGES,
    "status",
    "answers with 200, 429, 4XX",
  ]);
  breakage("a rate limit without its figures", (r) => delete r.limited.response.retry_after, [
    "GET /users/@me/guilds -> 429",
    "response.retry_after",
    "missing",
  ]);
  breakage("an error without its code", (r) => delete r.forbidden.response.code, [
    "GET /channels/{channel_id} -> 403",
    "response.code",
    "missing",
  ]);
  breakage("a body that Discord would refuse", (r) => (r.answer.request.data.content = "x".repeat(2001)), [
    CALLBACK,
    "request.data.content",
    "Too big: expected string to have <=2000 characters",
  ]);
  breakage("a field of a command that Discord would overlook", (r) => (r.commands.request[0].options[0].choices = [1]), [
    "PUT /applications/{application_id}/commands",
    "request[].options[].choices",
    "Discord has no such field",
  ]);
  breakage("a body that is missing", (r) => (r.answer.request = null), [CALLBACK, "request", "body missing"]);
  breakage("a body where none belongs", (r) => (r.gateway.request = {}), ["GET /gateway", "request", "takes no body"]);
  breakage("an unknown event", (r) => (r.created.payload.t = "MESSAGE_MADE"), [
    "MESSAGE_MADE",
    "t",
    "Discord has no such event",
  ]);
  breakage("an unknown opcode", (r) => (r.hello.payload.op = 99), [
    "gateway to_client",
    "op",
    "Discord has no such opcode",
  ]);
  breakage("an event without a sequence number", (r) => (r.reacted.payload.s = null), [
    "MESSAGE_REACTION_ADD",
    "s",
    "Invalid input: expected number, received null",
  ]);
  breakage("a fault in a command's options", (r) => (r.command.payload.d.data.options[0].type = "user"), [
    "INTERACTION_CREATE",
    "d.data.options[].type",
    "Invalid option: expected one of 1|2|3|4|5|6|7|8|9|10|11",
  ]);
  it("notices a line that is no JSON", () => {
    assert.match(describe(checkTraffic(["{"]).violations), /not JSON/);
  });
  it("sees nothing in an empty recording", () => {
    assert.equal(checkTraffic([""]).seen.size, 0);
  });
});
