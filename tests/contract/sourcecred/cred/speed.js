// `node sourcecred/cred/speed.js MESSAGES [ACCOUNTS [WEEKS]] [--alone]`: cred of so many messages, a tenth of which are props
// with some five reactions each, by the real SourceCred and by propsbot, one after the other, from the same instance. Prints
// what each took, and whether the results are equal. --alone leaves SourceCred out. PROPSBOT_BIN is best a release build.

import {execFile} from "node:child_process";
import {createWriteStream} from "node:fs";
import {mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {cpus, tmpdir} from "node:os";
import {join} from "node:path";
import {Readable} from "node:stream";
import {pipeline} from "node:stream/promises";
import {promisify} from "node:util";
import {createDeflate, inflateSync} from "node:zlib";
import {PROPSBOT} from "../../blackbox.js";

const CLI = createRequire(import.meta.url).resolve("sourcecred/bin/sourcecred.js");
const START = Date.UTC(2021, 0, 3);
const WEEK = 7 * 86_400_000;
/** SourceCred runs out of memory with Node's default. */
const NODE_OPTIONS = "--max-old-space-size=16384";

const numbers = process.argv.slice(2).filter((argument) => !argument.startsWith("-")).map(Number);
const [messages, accounts = 200, weeks = 208] = numbers;
if (!messages || numbers.some((number) => !Number.isInteger(number))) {
  console.error("usage: node sourcecred/cred/speed.js MESSAGES [ACCOUNTS [WEEKS]] [--alone]");
  process.exit(2);
}

const keyed = (parts, more) => ({key: parts.join("\0") + "\0", parts, ...more});
const member = (n) => ["sourcecred", "discord", "MEMBER", "user", String(480_300_000_000_000_000n + BigInt(n % accounts))];
const key = (parts) => parts.join("\0") + "\0";
const props = (n) => ["external", "props", "PROPS", "678348980849213472", id(n)];
const reaction = (n, k) => ["external", "props", "REACTION", "678348980849213472", "🎉", id(7 * n + k), id(n)];
const id = (n) => String(1_061_000_000_000_000_000n + BigInt(n) * 4_194_304n);
const time = (n) => START + 1 + Math.floor((n / messages) * 10 * (weeks * WEEK - 2));
/** Five reactions, and fewer to some. */
const reactions = (n) => (n % 6 === 0 ? 4 : 5);
/** Members who are not in step with those who write. */
const someone = (n) => Math.imul(n, 2_654_435_761) >>> 8;

const scratch = await mkdtemp(join(tmpdir(), "props-cred-speed-"));
try {
  const size = await writeInstance();
  console.log(`${messages} messages: ${size.nodes} nodes, ${size.edges} edges, ${accounts} accounts, ${weeks} weeks; ${cpus().length} cores, Node ${process.version}`);
  const line = (...cells) => console.log(cells.map((cell, index) => String(cell)[index ? "padStart" : "padEnd"](index ? 12 : 24)).join(""));
  line("", "CPU s", "wall s", "peak MiB");
  const show = (name, took) => line(name, took.cpu.toFixed(2), took.wall.toFixed(2), took.peak.toFixed(0));
  const ours = await measure(PROPSBOT, ["cred", "--instance", scratch]);
  show("propsbot cred", ours);
  const written = await measure(PROPSBOT, ["cred", "--instance", scratch, "--out", join(scratch, "ours")]);
  show("propsbot cred --out", written);
  if (!process.argv.includes("--alone")) {
    const real = await measure(process.execPath, [CLI, "credrank"]);
    show("sourcecred credrank", real);
    const share = (key) => `1/${(real[key] / written[key]).toFixed(1)}`;
    line("propsbot of SourceCred", share("cpu"), share("wall"), share("peak"));
    const [one, other] = await Promise.all(["ours", "output"].map(async (folder) => inflateSync(await readFile(join(scratch, folder, "credGrainView")))));
    console.log(one.equals(other) ? "credGrainView is the same, byte by byte" : "credGrainView DIFFERS");
  }
} finally {
  await rm(scratch, {recursive: true, force: true});
}

/** Runs a program in the instance, and tells what it took: GNU time reads the kernel's own figures. */
async function measure(program, args) {
  const told = join(scratch, "time");
  const env = {...process.env, NODE_OPTIONS};
  await promisify(execFile)("/usr/bin/time", ["-f", "%U %S %e %M", "-o", told, program, ...args], {cwd: scratch, env, maxBuffer: 1 << 28});
  const [user, system, wall, kib] = (await readFile(told, "utf8")).trim().split("\n").at(-1).split(" ").map(Number);
  return {cpu: user + system, wall, peak: kib / 1024};
}

/** Writes the instance with the graph as SourceCred stores it, and returns its `{nodes, edges}`. */
async function writeInstance() {
  const stored = join(scratch, "output/graphs/external/props");
  for (const folder of [stored, join(scratch, "data"), join(scratch, "config")]) await mkdir(folder, {recursive: true});
  await writeFile(join(scratch, "sourcecred.json"), JSON.stringify({bundledPlugins: ["external/props"]}));
  await writeFile(join(scratch, "data/ledger.json"), ledger());
  const [nodes, edges] = [[...allNodes()], [...allEdges()]];
  nodes.sort((a, b) => (a.key < b.key ? -1 : 1));
  edges.sort((a, b) => (a.key < b.key ? -1 : 1));
  const indices = new Map(nodes.map(({key}, index) => [key, index]));
  const types = ["PROPS", "REACTION"].map((type) => `N\0external\0props\0${type}\0`);
  const nodeWeights = {"N\0sourcecred\0discord\0MEMBER\0": 0, [types[0]]: 1, [types[1]]: 1};
  const ways = {AUTHORS: [0.25, 1], ADDS: [1, 1 / 16], REACTS: [1, 1 / 16], GIVES: [19, 1 / 16]};
  const edgeWeights = Object.fromEntries(
    Object.entries(ways).map(([type, [forwards, backwards]]) => [`E\0external\0props\0${type}\0`, {forwards, backwards}]),
  );
  function* text() {
    const list = function* (items, each) {
      for (let index = 0; index < items.length; index++) yield (index ? "," : "") + JSON.stringify(each(items[index], index));
    };
    yield '[{"type":"sourcecred/weightedGraph","version":"0.1.0"},{"graphJSON":[{"type":"sourcecred/graph","version":"0.8.0"},{"edges":[';
    yield* list(edges, ({parts, src, dst, at}) => ({address: parts, dstIndex: indices.get(dst), srcIndex: indices.get(src), timestampMs: at}));
    yield '],"nodes":[';
    yield* list(nodes, ({description, at}, index) => ({description, index, timestampMs: at}));
    yield '],"sortedNodeAddresses":[';
    yield* list(nodes, ({parts}) => parts);
    yield `]}],"weightsJSON":[{"type":"sourcecred/weights","version":"0.2.0"},${JSON.stringify({edgeWeights, nodeWeights})}]}]`;
  }
  await pipeline(Readable.from(chunks(text())), createDeflate(), createWriteStream(join(stored, "graph")));
  return {nodes: nodes.length, edges: edges.length};
}

function* chunks(texts) {
  let chunk = "";
  for (const text of texts) {
    chunk += text;
    if (chunk.length > 1 << 16) {
      yield chunk;
      chunk = "";
    }
  }
  yield chunk;
}

function* allNodes() {
  for (let n = 0; n < accounts; n++) yield keyed(member(n), {description: `discord/member${n}`, at: null});
  for (let n = 0; n < messages / 10; n++) {
    const url = `https://discord.com/channels/678348980639498428/678348980849213472/${id(n)}`;
    yield keyed(props(n), {description: `Props by member${n % accounts} in #props: ["thanks for all the work on it"](${url})`, at: time(n)});
    for (let k = 0; k < reactions(n); k++) yield keyed(reaction(n, k), {description: `Reacted &#x1F389; to [props ${id(n)}](${url})`, at: time(n)});
  }
}

function* allEdges() {
  const edge = (type, src, dst, at) => keyed(["external", "props", type, ...src.slice(3), ...dst.slice(3)], {src: key(src), dst: key(dst), at});
  for (let n = 0; n < messages / 10; n++) {
    yield edge("AUTHORS", member(someone(n)), props(n), time(n));
    yield edge("GIVES", props(n), member(someone(n) + 1 + (n % 5)), time(n));
    for (let k = 0; k < reactions(n); k++) {
      yield edge("ADDS", member(someone(n) + 7 + k * 3), reaction(n, k), time(n));
      yield edge("REACTS", reaction(n, k), props(n), time(n));
    }
  }
}

function ledger() {
  const clean = "ABDEGJKLMNOPQRVW";
  const uuid = (kind, n) => kind + [...n.toString(16).padStart(20, "0")].map((digit) => clean[parseInt(digit, 16)]).join("") + "A";
  const lines = [];
  const event = (kind, n, action) => lines.push(JSON.stringify({action, ledgerTimestamp: START, uuid: uuid(kind, n), version: "1"}));
  for (let n = 0; n < accounts; n++) {
    const own = uuid("X", n);
    event("Y", n, {type: "CREATE_IDENTITY", identity: {id: own, name: `member${n}`, subtype: "USER", address: `N\0sourcecred\0core\0IDENTITY\0${own}\0`, aliases: []}});
    event("Z", n, {type: "ADD_ALIAS", identityId: own, alias: {address: `N\0${key(member(n))}`, description: `discord/member${n}`}});
  }
  return lines.join("\n") + "\n";
}
