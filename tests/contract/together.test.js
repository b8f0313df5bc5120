// Discord and GitHub in one archive: the real SourceCred takes both graphs, and the edges between them. See docs/github.md.

import assert from "node:assert/strict";
import {cp, mkdir, mkdtemp, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {botAt, withSource} from "./blackbox.js";
import {withDiscord} from "./sourcecred/discord/server.js";
import {makeWorld} from "./sourcecred/discord/world.js";
import {computeCred, GRAPH_FILES, readGraph, sourcecred} from "./sourcecred/instance.js";

const {NodeAddress, EdgeAddress} = sourcecred.core.graph;
const PLUGINS = ["props", "github"];
const OPTIONS = {timeout: 300_000};
let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-together-"))));
after(() => rm(scratch, {recursive: true, force: true}));

/** Has a member of the first guild thank another one in the props channel, with these words. */
function thank({guilds: [guild]}, text) {
  const [giver, receiver] = guild.members.map(({user}) => user).filter(({bot, system}) => !bot && !system);
  const {id} = guild.channels.find(({name}) => name === "props");
  const messages = guild.messages.get(id);
  const at = messages.findIndex(({type, webhook_id: hook, interaction}) => type === 0 && !hook && !interaction);
  messages[at] = {...messages[at], author: giver, content: `<@${receiver.id}> ${text}`, mentions: [receiver]};
}

describe("an archive of two providers", () => {
  it("gives SourceCred graphs whose edges lead from props to issues", OPTIONS, async () => {
    await withSource([], async ({address, token, tell}) => {
      const repository = "octo-org/alpha";
      await tell({do: "repository", name: repository});
      for (const login of ["ana", "ben"]) await tell({do: "account", login});
      await tell({do: "commit", repository, message: "First", by: "ana"});
      await tell({do: "issue", repository, by: "ana", title: "One", body: "", as: "issue"});
      await tell({do: "comment", on: "issue", by: "ben", body: "Two", as: "comment"});
      const comment = (await tell({do: "truth"})).find(({kind}) => kind === "comment");
      const thread = "https://github.com/Octo-Org/alpha/issues/1";
      const world = makeWorld(5);
      thank(world, `for ${thread}#issuecomment-${comment.id} and <${thread}>, but not for ${thread}99`);

      const folder = (name) => mkdtemp(join(scratch, `${name}-`));
      await withDiscord(world, async (discord) => {
        const bot = await botAt(await folder("discord"), discord, {DISCORD_GUILDS: discord.guilds.join(",")});
        const mirror = await botAt(await folder("github"), {address: "", token: ""}, {
          GITHUB_REPOSITORIES: repository,
          GITHUB_SOURCE_TOKEN: token,
          GITHUB_SOURCE_API_URL: address,
          ARCHIVE: bot.archive,
        });
        for (const one of [bot, mirror]) {
          await one.run("sync");
          await one.run("export");
        }
        const plugins = PLUGINS.flatMap((name) => ["--plugin", name]);
        const out = await folder("graphs");
        await bot.run("graph", "--from", bot.archive, ...plugins, "--out", out);
        const ours = JSON.parse(await bot.run("cred", "--from", bot.archive, ...plugins, "--json"));

        const [props, github] = await Promise.all(PLUGINS.map((name) => readGraph(join(out, name))));
        const prefix = EdgeAddress.fromParts(["external", "props", "REFERS_TO"]);
        const edges = [...props.weighted.graph.edges({addressPrefix: prefix, showDangling: true})];
        assert.equal(edges.length, 2);
        for (const {src, dst} of edges) {
          assert.ok(props.weighted.graph.node(src), "props");
          assert.ok(github.weighted.graph.node(dst), "what they link to");
        }
        assert.ok(props.declaration.edgeTypes.some((type) => type.prefix === prefix));

        const dir = await folder("instance");
        for (const name of ["data", "output"]) await mkdir(join(dir, name));
        for (const name of PLUGINS) {
          const to = join(dir, "config/plugins/external", name);
          await mkdir(to, {recursive: true});
          for (const file of GRAPH_FILES) await cp(join(out, name, file), join(to, file));
        }
        await writeFile(join(dir, "sourcecred.json"), JSON.stringify({bundledPlugins: PLUGINS.map((name) => `external/${name}`)}));
        const participants = await computeCred(dir);
        const credOf = (login) => {
          const alias = NodeAddress.fromParts(["sourcecred", "github", "USERLIKE", "USER", login]);
          return participants.find(({aliases}) => aliases.includes(alias)).cred;
        };
        // Issues and comments mint nothing: all of it came with the thanks.
        for (const login of ["ana", "ben"]) assert.ok(credOf(login) > 0, login);
        const theirs = new Map(participants.map(({aliases: [alias], cred}) => [NodeAddress.toParts(alias).join("/"), cred]));
        assert.equal(ours.participants.length, participants.length);
        for (const {aliases: [alias], cred} of ours.participants) {
          assert.ok(Math.abs(cred - theirs.get(alias.join("/"))) <= 1e-9 * (1 + cred), alias.join("/"));
        }
      });
    });
  });
});
