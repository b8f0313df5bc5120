// What SourceCred's GitHub plugin spends on a simulated world (on Linux): `node sourcecred/github/cost.js [ISSUES [COMMENTS]]`.

import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {argv} from "node:process";
import {withSource} from "../../blackbox.js";
import {githubInstance} from "./native.js";

/** CPU seconds of the processes that this one started, and that have ended. */
const spentCpu = async () => {
  const fields = (await readFile("/proc/self/stat", "utf8")).split(" ");
  return (Number(fields[15]) + Number(fields[16])) / 100;
};

const [issues = "10000", comments = "50000"] = argv.slice(2);
const dir = await mkdtemp(join(tmpdir(), "props-cost-"));
const world = ["--source", "octo-org/alpha", "--plain", "--until", "2026-01-01T00:00:00Z", "--no-limits"];
await withSource([...world, "--issues", issues, "--comments", comments, "--commits", "2000", "--users", "200"], async (github) => {
  const plugin = await githubInstance({dir, ...github, repositories: ["octo-org/alpha"], patience: 3_600_000});
  for (const command of ["load", "graph"]) {
    const before = await github.tell({do: "count"});
    const started = Date.now();
    const cpu = await spentCpu();
    const {ok, said} = await plugin.run(command);
    if (!ok) throw new Error(said);
    const {requests, graphql_points: points, answered} = await github.tell({do: "count"});
    const spent = `${requests - before.requests} requests, ${points - before.graphql_points} points, ${answered - before.answered} bytes`;
    console.log(`${command}: ${spent}, ${((Date.now() - started) / 1000).toFixed(1)} s, ${((await spentCpu()) - cpu).toFixed(1)} CPU s`);
  }
});
await rm(dir, {recursive: true, force: true});
