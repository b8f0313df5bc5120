// Worlds and configs without end: node sourcecred/discord/fuzz.js [FIRST SEED] [WORLDS] [CONFIGS A WORLD]

import {mkdtemp, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {comparison} from "./compare.js";
import {anyConfig} from "./configs.js";
import {dice} from "./dice.js";
import {withDiscord} from "./server.js";
import {makeWorld} from "./world.js";

const [first = 1, worlds = 10, configs = 20] = process.argv.slice(2).map(Number);
for (let seed = first; seed < first + worlds; seed++) {
  const scratch = await mkdtemp(join(tmpdir(), `fuzz-${seed}-`));
  const world = makeWorld(seed);
  await withDiscord(world, async (discord) => {
    const {compare} = await comparison(scratch, discord);
    const chance = dice(seed);
    for (let n = 0; n < configs; n++) {
      const config = anyConfig(world, chance);
      try {
        await compare(config);
      } catch (error) {
        console.log(`seed ${seed}, config ${n}: ${JSON.stringify(config)}\n${error.message}`);
        process.exit(1);
      }
    }
  });
  console.log(`seed ${seed}: ${configs} configs, all the same`);
  await rm(scratch, {recursive: true});
}
