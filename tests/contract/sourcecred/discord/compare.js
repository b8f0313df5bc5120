// Both ways to the same graph: SourceCred's own Discord plugin, and propsbot's from the archive of the same Discord.

import {mkdtemp, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {botAt} from "../../blackbox.js";
import {assertSame, externalGraph, nativeGraph} from "./native.js";
import {readGraph} from "../instance.js";

/** Archives the Discord at `discord.address` in `scratch`, and returns how to compare by a config. */
export async function comparison(scratch, discord) {
  const bot = await botAt(scratch, discord, {DISCORD_GUILDS: discord.guilds?.join() ?? ""});
  await bot.run("sync");
  await bot.switchOn("age_restricted");
  await bot.run("export");
  const ours = async (config, ...options) => {
    const out = await mkdtemp(join(scratch, "graph-"));
    const path = join(out, "config.json");
    await writeFile(path, JSON.stringify(config));
    await bot.run("graph", "--plugin", "discord", "--config", path, ...options, "--from", bot.archive, "--out", out);
    return {dir: out, ...(await readGraph(out))};
  };
  return {
    ours,
    /** Fails unless both graphs are the same; returns SourceCred's. */
    async compare(config) {
      const native = await nativeGraph({dir: await mkdtemp(join(scratch, "native-")), config, ...discord});
      assertSame(externalGraph(await ours(config)), native);
      return native;
    },
  };
}
