// The metrics, the alert rules and the dashboard, in Debian's Prometheus: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {access, mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {createServer} from "node:net";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {setTimeout as wait} from "node:timers/promises";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {parse} from "yaml";
import {botAt, start, withDiscordSimulator} from "./blackbox.js";

const run = promisify(execFile);
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** The package is fetched once, and not installed. */
const FETCHED = path("../../target/prometheus");
const RULES = path("../../deploy/alerts.yaml");
const DASHBOARD = path("../../deploy/grafana.json");
const WORLD = ["--port", "0", "--seed", "7", "--messages", "300", "--lively", "40", "--limits", "none", "--heartbeat", "2"];
/** For what takes seconds. */
const PATIENCE_MS = 90_000;

let promtool, prometheus, scratch;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "props-prometheus-"));
  [prometheus, promtool] = await debianPackage("prometheus", ["usr/bin/prometheus", "usr/bin/promtool"]);
});
after(() => rm(scratch, {recursive: true, force: true}));

/** Files of a Debian package. Needs no root: it's unpacked, not installed. */
async function debianPackage(name, files) {
  const paths = files.map((file) => join(FETCHED, file));
  const missing = await Promise.all(paths.map((file) => access(file).then(() => false, () => true)));
  if (missing.includes(true)) {
    await mkdir(FETCHED, {recursive: true});
    const download = (...options) => run("apt-get", [...options, "download", name], {cwd: scratch});
    await download().catch(async () => {
      // The lists of packages are missing or old.
      const lists = [`Dir::State=${scratch}/state`, `Dir::Cache=${scratch}/cache`].flatMap((option) => ["-o", option]);
      await mkdir(join(scratch, "state/lists/partial"), {recursive: true});
      await mkdir(join(scratch, "cache/archives/partial"), {recursive: true});
      await run("apt-get", [...lists, "update"]);
      await download(...lists);
    });
    await run("sh", ["-c", `dpkg -x ${name}_*.deb "$0"`, FETCHED], {cwd: scratch});
  }
  return paths;
}

/** Tries again until `look` returns something. */
async function eventually(what, look) {
  const late = Date.now() + PATIENCE_MS;
  for (let last; ; await wait(200)) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > late) throw new Error(`${what} did not happen: ${last}`);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const {port} = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** All expressions of the dashboard, with its variables filled in. */
async function dashboardExpressions() {
  const {panels} = JSON.parse(await readFile(DASHBOARD, "utf8"));
  const expressions = panels.flatMap((panel) => panel.targets.map((target) => target.expr));
  return expressions.map((text) => text.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "10s"));
}

/** A running bot and its Prometheus, for `use({health, query})`. */
async function withPrometheus(use) {
  await withDiscordSimulator(scratch, WORLD, async (simulator) => {
    const settings = {HEALTH_ADDRESS: "127.0.0.1:0", EXPORT_INTERVAL: "2s"};
    const bot = (await botAt(scratch, simulator, settings)).start();
    try {
      const said = () => bot.said().match(/health and metrics are served address=(\S+)/);
      const [, address] = await eventually("the bot's health address", said);
      const port = await freePort();
      const config = join(scratch, "prometheus.yaml");
      await writeFile(
        config,
        `global: {scrape_interval: 1s, evaluation_interval: 1s}
scrape_configs: [{job_name: propsbot, static_configs: [{targets: ["${address}"]}]}]
rule_files: ["${RULES}"]
`,
      );
      const flags = [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(scratch, "series")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ];
      const server = start(prometheus, flags, {cwd: scratch});
      try {
        const api = async (what) => {
          const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${what}`);
          const {status, data, error} = await answer.json();
          assert.equal(status, "success", `${what}: ${error}`);
          return data;
        };
        const query = async (expression) => (await api(`query?query=${encodeURIComponent(expression)}`)).result;
        await eventually("a scrape", async () => (await query('up{job="propsbot"} == 1')).length).catch((error) => {
          throw new Error(`${error}\n${server.said()}\n${bot.said()}`);
        });
        await use({health: `http://${address}`, api, query});
      } finally {
        await server.stop();
      }
    } finally {
      assert.equal(await bot.stop(), 0, bot.said());
    }
  });
}

describe("alert rules", () => {
  it("are valid, and fire when they should", async () => {
    const {stdout} = await run(promtool, ["check", "rules", RULES]);
    assert.match(stdout, /SUCCESS: 5 rules found/);
    await run(promtool, ["test", "rules", path("../../deploy/alerts.test.yaml")]);
  });
});

describe("a bot that Prometheus watches", () => {
  it("exports what rules and dashboard ask for", async () => {
    await withPrometheus(async ({health, api, query}) => {
      for (const page of ["healthz", "readyz"]) {
        await eventually(page, async () => (await fetch(`${health}/${page}`)).status === 200);
      }
      const metrics = await fetch(`${health}/metrics`);
      assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      const linting = run(promtool, ["check", "metrics"]);
      linting.child.stdin.end(await metrics.text());
      const linted = await linting;
      assert.deepEqual([linted.stdout, linted.stderr], ["", ""]);

      // Prometheus prefers OpenMetrics, and says what it can't read.
      const {activeTargets} = await api("targets");
      assert.deepEqual(activeTargets.map(({health, lastError}) => [health, lastError]), [["up", ""]]);
      const kinds = await api("metadata?metric=propsbot_gateway_events");
      assert.equal(kinds.propsbot_gateway_events?.[0].type, "counter");

      // Nothing failed, so there is nothing to show about it.
      const mayBeEmpty = (expression) => expression.includes("propsbot_mirror_failures");
      for (const expression of await dashboardExpressions()) {
        await eventually(expression, async () => mayBeEmpty(expression) || (await query(expression)).length > 0);
      }
      const {groups} = parse(await readFile(RULES, "utf8"));
      const rules = groups.flatMap((group) => group.rules);
      for (const {expr} of rules) await eventually(`no alert by ${expr}`, async () => (await query(expr)).length === 0);
      const evaluated = (await api("rules")).groups.flatMap((group) => group.rules);
      assert.deepEqual(
        evaluated.map(({name, health}) => [name, health]),
        rules.map(({alert}) => [alert, "ok"]),
      );
    });
  });
});
