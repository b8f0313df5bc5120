// The real SourceCred from npm: an instance on disk, its command line, and its own parsers.

import {execFile} from "node:child_process";
import {cp, mkdir, readFile, symlink, writeFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {join} from "node:path";
import {promisify} from "node:util";
import {inflateSync} from "node:zlib";

const require = createRequire(import.meta.url);
/** SourceCred's command line. */
export const CLI = require.resolve("sourcecred/bin/sourcecred.js");

/** SourceCred's programming interface. */
export const {sourcecred} = require("sourcecred");

/** The three files that `propsbot graph` writes. */
export const GRAPH_FILES = ["graph.json", "declaration.json", "identityProposals.json"];

/** Makes an instance in `dir` whose only plugin reads `graphDir`; `ledger` is one that the community already has. */
export async function createInstance(dir, graphDir, ledger) {
  const plugin = await emptyInstance(dir, "external/props", ledger);
  for (const file of GRAPH_FILES) await cp(join(graphDir, file), join(plugin, file));
}

/** Makes an instance in `dir` whose only plugin is `id`, and returns the folder of that plugin's config. */
export async function emptyInstance(dir, id, ledger) {
  const plugin = join(dir, "config/plugins", id);
  for (const folder of [plugin, join(dir, "data"), join(dir, "output")]) await mkdir(folder, {recursive: true});
  await writeFile(join(dir, "sourcecred.json"), JSON.stringify({bundledPlugins: [id]}));
  if (ledger) await writeFile(join(dir, "data/ledger.json"), ledger.serialize());
  return plugin;
}

/**
 * Runs `load`, `graph` and `credrank`, and throws with everything they said if one of them fails. `options` and `env` are
 * more for Node.
 */
export async function computeCred(dir, {options = [], env = {}} = {}) {
  for (const command of ["load", "graph", "credrank"]) {
    let said;
    try {
      said = await promisify(execFile)(process.execPath, [...options, CLI, command], {cwd: dir, env: {...process.env, ...env}});
    } catch (error) {
      throw new Error(`sourcecred ${command} failed: ${error.message}\n${error.stdout}\n${error.stderr}`);
    }
    // It reports some failures without an exit code.
    if (/\b(FAIL|fatal)\b/.test(said.stdout + said.stderr)) {
      throw new Error(`sourcecred ${command} failed:\n${said.stdout}\n${said.stderr}`);
    }
  }
  return readCred(dir);
}

/** Runs a shell script as a workflow's step in `dir` runs it, with `propsbot` and SourceCred installed. */
export async function runStep(dir, script, propsbot) {
  const bin = join(dir, ".bin");
  await mkdir(bin, {recursive: true});
  await symlink(propsbot, join(bin, "propsbot")).catch(ignoreExisting);
  await symlink(join(CLI, "../../.."), join(dir, "node_modules")).catch(ignoreExisting);
  const env = {PATH: `${bin}:${process.env.PATH}`, GITHUB_STEP_SUMMARY: join(dir, "summary.md")};
  try {
    await promisify(execFile)("bash", ["-e", "-o", "pipefail", "-c", script], {cwd: dir, env});
  } catch (error) {
    throw new Error(`a step failed: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

function ignoreExisting(error) {
  if (error.code !== "EEXIST") throw error;
}

/** What `credrank` concluded: each participant's `{id, name, type, cred, aliases}`. */
export async function readCred(dir) {
  const view = JSON.parse(inflateSync(await readFile(join(dir, "output/credGrainView"))));
  return view.participants.map(({identity, cred}) => ({
    id: identity.id,
    name: identity.name,
    type: identity.subtype,
    cred,
    aliases: identity.aliases.map((alias) => alias.address),
  }));
}

/** The ledger that the last run left behind. */
export async function readLedger(dir) {
  return sourcecred.ledger.ledger.Ledger.parse(await readFile(join(dir, "data/ledger.json"), "utf8"));
}

/** Reads the three files through SourceCred's own parsers, which throw on anything they do not know. */
export async function readGraph(graphDir) {
  const [graph, declaration, proposals] = await Promise.all(
    GRAPH_FILES.map(async (file) => JSON.parse(await readFile(join(graphDir, file), "utf8"))),
  );
  return {
    json: graph,
    weighted: sourcecred.core.weightedGraph.fromJSON(graph),
    declaration: sourcecred.plugins.declarationParser.parseOrThrow(declaration),
    proposals: sourcecred.plugins.identityProposalsParser.parseOrThrow(proposals),
  };
}

/** The identity that SourceCred's own Discord plugin proposes for a member. */
export function discordIdentity({id, username, bot = false}) {
  const user = {id, username, discriminator: "0", bot};
  return sourcecred.plugins.discord.utils.identity.createIdentity({user, nick: null, roles: []});
}
