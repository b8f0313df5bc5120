// The built programs, from outside: a simulated Discord or GitHub, propsbot against the former, and what all leave behind.

import {execFile, spawn} from "node:child_process";
import {access, readFile} from "node:fs/promises";
import {join} from "node:path";
import {createInterface} from "node:readline";
import {setTimeout as wait} from "node:timers/promises";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";

const built = (name) => fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));
export const PROPSBOT = process.env.PROPSBOT_BIN || built("propsbot");
const SIMULATOR = process.env.SIMULATOR_BIN || built("simulator");
const SET_AS_ADMIN = built("examples/set_as_admin");

const START_MS = 30_000;
const COMMAND_MS = 120_000;
const STOP_MS = 20_000;
/** A community small enough to be read in seconds, and so lively that every kind of event comes up while the bot listens. */
const WORLD = ["--port", "0", "--seed", "7", "--messages", "600", "--lively", "60", "--limits", "none", "--heartbeat", "2"];
/** Of a form that SourceCred's plugin takes. */
const SOURCE_TOKEN = "ghp_simulatedsimulatedsimulatedsimula";
/** How long the bot listens to live events. */
const RUN_MS = 6_000;

/**
 * Builds, in `out`, the graph of a simulated community: everything from the first sync to SourceCred's three files.
 * Returns the recording of what the bot was told meanwhile. An admin switches these settings on before the bot listens. On a
 * busy machine little happens while it does: so it listens again, a few times, until the graph `isEnough`.
 */
export async function buildGraph(out, settings = [], isEnough = () => true) {
  return withBot(out, async (bot) => {
    await bot.run("sync");
    for (const setting of settings) await bot.switchOn(setting);
    for (let round = 0; round < 6; round++) {
      await bot.listen();
      await bot.run("export");
      await bot.run("graph", "--from", bot.archive, "--out", out);
      if (await isEnough()) break;
    }
    return bot.recording();
  });
}

/**
 * A simulated community's archive in `dir`, exported with SourceCred's files beside it, as nobody asked for weights. `use`
 * gets its folder, and `propsbot(...arguments)`, which returns what the command said.
 */
export async function withArchive(dir, use) {
  await withBot(
    dir,
    async (bot) => {
      await bot.run("sync");
      await bot.run("export");
      await use({folder: join(dir, "archive"), propsbot: bot.run});
    },
    {EXPORT_SOURCECRED: "yes"},
  );
}

/** The traffic of a first sync and of a live session, as the lines of a recording. */
export async function recordTraffic(scratch) {
  return withBot(scratch, async (bot) => {
    await bot.run("sync");
    await bot.switchOn("meeting_events");
    await bot.run("sync");
    await bot.listen();
    return bot.recording();
  });
}

/** The traffic of an archive on a branch of its own of a simulated GitHub: written, squashed, checked and read. */
export async function recordArchive(scratch) {
  return withGithub(scratch, ({address, token}) => {
    const variables = {GITHUB_API_URL: address, GITHUB_TOKEN: token, GITHUB_HISTORY: "squash", CACHE_PATH: join(scratch, "cache")};
    return withBot(scratch, async (bot) => {
      const archive = "github:octo-org/archive@data:props";
      await bot.run("sync");
      await bot.run("export", "--to", archive);
      await bot.run("export", "--to", archive);
      await bot.run("verify", "--from", archive);
      await bot.run("graph", "--from", archive, "--out", join(scratch, "graph"));
    }, variables);
  });
}

async function withBot(scratch, use, settings = {}) {
  return withDiscordSimulator(scratch, WORLD, async (simulator) => {
    const bot = await botAt(scratch, simulator, settings);
    const recording = async () => {
      await simulator.stop();
      return (await readFile(simulator.recording, "utf8")).split("\n");
    };
    return use({...bot, recording});
  });
}

/** Runs a simulated Discord with these options for `use({address, token})`. */
export async function withDiscordSimulator(scratch, world, use) {
  await mustExist(SIMULATOR);
  const simulator = await startSimulator(join(scratch, "traffic.jsonl"), ["discord", ...world], "DISCORD");
  try {
    return await use(simulator);
  } finally {
    await simulator.stop();
  }
}

/** propsbot, with its store and archive in `scratch`, against the Discord at `address`. */
export async function botAt(scratch, {address, token}, settings = {}) {
  await mustExist(PROPSBOT);
  const archive = `dir:${join(scratch, "archive")}`;
  const options = {
    // In a folder without `.env`, and with nothing of the caller's settings.
    cwd: scratch,
    env: {
      PATH: process.env.PATH,
      DISCORD_TOKEN: token,
      DISCORD_API_URL: address,
      STORE_PATH: join(scratch, "store"),
      ARCHIVE: archive,
      RUST_LOG: "info",
      ...settings,
    },
  };
  return {
    archive,
    run: (...command) => runCommand(command, options),
    listen: () => listen(options),
    /** `propsbot run`, until its `stop()`. */
    start: () => start(PROPSBOT, ["run"], options),
    /** As an admin's `/settings set SETTING:True`. */
    switchOn: (setting) => promisify(execFile)(SET_AS_ADMIN, [options.env.STORE_PATH, setting]),
  };
}

async function runCommand(command, options) {
  try {
    const said = await promisify(execFile)(PROPSBOT, command, {...options, timeout: COMMAND_MS, maxBuffer: 1 << 28});
    return said.stdout;
  } catch (error) {
    throw new Error(`propsbot ${command.join(" ")} failed: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

async function listen(options) {
  const bot = start(PROPSBOT, ["run"], options);
  await Promise.race([wait(RUN_MS), bot.ended]);
  if (bot.hasEnded()) throw new Error(`propsbot run ended by itself:\n${bot.said()}`);
  const code = await bot.stop();
  if (code !== 0) throw new Error(`propsbot run ended with ${code} on SIGTERM:\n${bot.said()}`);
}

/** Runs a simulated GitHub for `use({address, token})`, and returns the lines of its recording. */
export async function withGithub(scratch, use) {
  await mustExist(SIMULATOR);
  const simulator = await startSimulator(join(scratch, "github.jsonl"), ["github", "--port", "0"], "GITHUB");
  try {
    await use(simulator);
  } finally {
    await simulator.stop();
  }
  return (await readFile(simulator.recording, "utf8")).split("\n");
}

/**
 * Runs a simulated GitHub with repositories to read for `use({address, token, tell})`. `args` are for the program; `tell`
 * sends it an action, a fault or a question, as simulator/src/github/control.rs has them, and returns what it answers.
 */
export async function withSource(args, use) {
  await mustExist(SIMULATOR);
  const options = ["github", "--port", "0", "--token", SOURCE_TOKEN, "--control", ...args];
  const simulator = start(SIMULATOR, options, {stdin: "pipe"});
  const lines = createInterface({input: simulator.child.stdout})[Symbol.asyncIterator]();
  const next = async () => {
    const {value, done} = await lines.next();
    if (done) throw new Error(`the simulator ended:\n${simulator.said()}`);
    return value;
  };
  try {
    let address;
    for (let line = await next(); !line.startsWith("ARCHIVE="); line = await next()) {
      if (line.startsWith("GITHUB_API_URL=")) address = line.split("=")[1];
    }
    const tell = async (what) => {
      simulator.child.stdin.write(`${JSON.stringify(what)}\n`);
      const answer = JSON.parse(await next());
      if (answer.error) throw new Error(`${JSON.stringify(what)}: ${answer.error}`);
      return answer;
    };
    return await use({address, token: SOURCE_TOKEN, tell});
  } finally {
    await simulator.stop();
  }
}

async function mustExist(program) {
  await access(program).catch(() => {
    throw new Error(`${program} is missing: build it first, with cargo build --workspace`);
  });
}

async function startSimulator(recording, args, service) {
  const simulator = start(SIMULATOR, [...args, "--record", recording]);
  const facts = {};
  const ready = (async () => {
    for await (const line of createInterface({input: simulator.child.stdout})) {
      const [name, value] = line.split(/=(.*)/);
      facts[name] = value;
      const [address, token] = [facts[`${service}_API_URL`], facts[`${service}_TOKEN`]];
      if (address && token) return {address, token};
    }
    throw new Error(`the simulator ended before it was ready:\n${simulator.said()}`);
  })();
  const timeout = wait(START_MS, undefined, {ref: false}).then(() => {
    throw new Error(`the simulator did not say its address and token:\n${simulator.said()}`);
  });
  try {
    return {...(await Promise.race([ready, timeout])), recording, stop: () => simulator.stop()};
  } catch (error) {
    await simulator.stop();
    throw error;
  }
}

export function start(program, args, {stdin = "ignore", ...options} = {}) {
  const child = spawn(program, args, {...options, stdio: [stdin, "pipe", "pipe"]});
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-20_000)));
  }
  let over = false;
  const ended = new Promise((resolve) => {
    child.once("error", (error) => (output += error));
    child.once("close", (code, signal) => {
      over = true;
      resolve(code ?? signal);
    });
  });
  return {
    child,
    ended,
    hasEnded: () => over,
    said: () => output,
    async stop() {
      if (over) return ended;
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      const code = await ended;
      clearTimeout(kill);
      return code;
    },
  };
}
