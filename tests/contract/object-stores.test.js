// Archives in object stores: Azure's, in the emulator that Microsoft publishes, and the first words with Google's: see README.md.

import assert from "node:assert/strict";
import {execFile, fork, spawn} from "node:child_process";
import {createHmac} from "node:crypto";
import {once} from "node:events";
import {mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {createServer, request as httpRequest} from "node:http";
import {createServer as createSecureServer} from "node:https";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {createInterface} from "node:readline";
import {after, afterEach, before, describe, it} from "node:test";
import {promisify} from "node:util";
import {PROPSBOT, withDiscordSimulator} from "./blackbox.js";
import {readArchive} from "./archive/reader.js";

// The account that Azurite has, and the key to it, are the same everywhere: Microsoft documents them.
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const [CONTAINER, PREFIX] = ["archives", "the/props"];
const ARCHIVE = `az://${CONTAINER}/${PREFIX}`;

const sign = (text) => createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");

/** A world in which something happens between any two looks at it. */
const WORLD = ["--port", "0", "--seed", "7", "--messages", "300", "--lively", "40", "--limits", "none", "--heartbeat", "2"];
/** How old a claim on an archive has to be, to be of somebody who is gone. */
const LEASE_MS = 30 * 60_000;

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-stores-"))));
after(() => rm(scratch, {recursive: true, force: true}));

/** Starts propsbot in a folder of its own. `ended` resolves to `{code, said}`, whatever became of it. */
function propsbot(home, command, settings) {
  const env = {PATH: process.env.PATH, STORE_PATH: join(home, "store"), CACHE_PATH: join(home, "cache"), RUST_LOG: "warn", ...settings};
  const child = spawn(PROPSBOT, command, {cwd: home, env, stdio: ["ignore", "pipe", "pipe"]});
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({code: code ?? signal, said}));
  });
  return {ended, kill: () => child.kill("SIGKILL")};
}

/** Listens on a free port, and closes whatever is open at the end. */
async function listening(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return {port: server.address().port, close};
}

/** Azurite's clock, which goes ahead by as much as Azurite is sent. */
const CLOCK = `
  const Then = Date;
  let ahead = 0;
  process.on("message", (milliseconds) => (ahead = milliseconds));
  globalThis.Date = class Date extends Then {
    constructor(...when) { when.length ? super(...when) : super(Then.now() + ahead); }
    static now() { return Then.now() + ahead; }
  };`;

/** Azurite, which keeps everything in memory. It sends nothing to Microsoft. */
async function startAzurite() {
  const program = createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js");
  const args = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence", "--blobPort", "0"];
  const execArgv = ["--import", `data:text/javascript,${encodeURIComponent(CLOCK)}`];
  const child = fork(program, args, {cwd: scratch, execArgv, stdio: ["ignore", "pipe", "pipe", "ipc"]});
  const ended = new Promise((resolve) => child.once("close", resolve));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  for await (const line of createInterface({input: child.stdout})) {
    const [, port] = line.match(/successfully listens on http:\/\/127\.0\.0\.1:(\d+)/) ?? [];
    if (!port) continue;
    child.stdout.resume();
    const stop = async () => {
      child.kill("SIGKILL");
      await ended;
    };
    return {port: Number(port), goAhead: (milliseconds) => child.send(milliseconds), stop};
  }
  throw new Error(`Azurite ended before it listened:\n${said}`);
}

/**
 * A door before Azurite, which lists what is asked, as `{method, path}`, and lets everything pass as it is. A `guard` is asked about each
 * request: it returns an answer, which `pass` fetches from Azurite, or nothing, and then both request and answer are lost.
 */
async function openDoor(port) {
  const letPass = (_, pass) => pass();
  const door = {asked: [], guard: letPass, unguard: () => (door.guard = letPass)};
  const server = createServer(async (request, response) => {
    const {method, url: path, headers} = request;
    const body = Buffer.concat(await request.toArray());
    door.asked.push({method, path});
    const pass = async () => {
      const passed = httpRequest({host: "127.0.0.1", port, method, path, headers}).end(body);
      const [answer] = await once(passed, "response");
      return {status: answer.statusCode, headers: answer.rawHeaders, body: Buffer.concat(await answer.toArray())};
    };
    const answer = await door.guard({method, path}, pass);
    if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
    else response.destroy();
  });
  return Object.assign(door, await listening(server));
}

describe("an archive in Azure Blob Storage", () => {
  let azurite, door, letGo, discordEnded, home, other, settings;
  let ahead = 0;

  before(async () => {
    azurite = await startAzurite();
    door = await openDoor(azurite.port);
    const over = new Promise((resolve) => (letGo = resolve));
    const discord = await new Promise((ready, failed) => {
      discordEnded = withDiscordSimulator(scratch, WORLD, async (simulator) => {
        ready(simulator);
        await over;
      });
      discordEnded.catch(failed);
    });
    settings = {
      DISCORD_API_URL: discord.address,
      DISCORD_TOKEN: discord.token,
      ARCHIVE,
      AZURE_STORAGE_ACCOUNT_NAME: ACCOUNT,
      AZURE_STORAGE_ACCOUNT_KEY: KEY,
      AZURE_STORAGE_ENDPOINT: `http://127.0.0.1:${door.port}/${ACCOUNT}`,
    };
    home = await newHome("home");
    await createContainer();
  });
  afterEach(() => door.unguard());
  after(async () => {
    letGo?.();
    await discordEnded;
    await door?.close();
    await azurite?.stop();
  });

  const newHome = async (name) => {
    await mkdir(join(scratch, name));
    return join(scratch, name);
  };
  const run = (home, ...command) => propsbot(home, command, settings).ended;
  const succeeds = async (home, ...command) => {
    const {code, said} = await run(home, ...command);
    assert.equal(code, 0, `propsbot ${command.join(" ")}: ${said}`);
    return said;
  };
  const fails = async (expected, home, ...command) => {
    const {code, said} = await run(home, ...command);
    assert.equal(code, 1, said);
    assert.match(said, expected);
  };
  const OTHERS = /holds generation \d+ of .*, which another store has exported/;
  /** What is asked of Azurite while `action` goes on. */
  const askedDuring = async (action) => {
    const before = door.asked.length;
    await action();
    return door.asked.slice(before);
  };
  /** So much later that a claim from before is nobody's. */
  const laterOn = async () => azurite.goAhead((ahead += LEASE_MS));
  /** Both stores are as the archive is, and then hear of more. */
  async function bothKnowMore() {
    for (const it of [home, other]) {
      await rm(join(it, "store"), {recursive: true});
      await succeeds(it, "restore", "--from", ARCHIVE);
      await succeeds(it, "sync");
    }
  }

  /** What lets whoever has it do this much in the container, for an hour. */
  function accessSignature(permissions) {
    const [expiry, version] = [`${new Date(Date.now() + ahead + 3_600_000).toISOString().slice(0, 19)}Z`, "2020-12-06"];
    const text = [permissions, "", expiry, `/blob/${ACCOUNT}/${CONTAINER}`, "", "", "", version, "c", "", "", "", "", "", "", ""].join("\n");
    return new URLSearchParams({sp: permissions, se: expiry, sv: version, sr: "c", sig: sign(text)}).toString();
  }

  /** Everybody may read in it, so that these tests can without signing. */
  async function createContainer() {
    const path = `/${ACCOUNT}/${CONTAINER}`;
    const headers = {"x-ms-blob-public-access": "container", "x-ms-date": new Date().toUTCString(), "x-ms-version": "2023-11-03"};
    // Between the method and these, eleven headers that this request has not.
    const signed = [...Object.entries(headers).map((header) => header.join(":")), `/${ACCOUNT}${path}`, "restype:container"];
    const text = `PUT${"\n".repeat(12)}${signed.join("\n")}`;
    const answer = await fetch(`http://127.0.0.1:${azurite.port}${path}?restype=container`, {
      method: "PUT",
      headers: {...headers, authorization: `SharedKey ${ACCOUNT}:${sign(text)}`},
    });
    assert.equal(answer.status, 201, await answer.text());
  }
  const url = (path) => `http://127.0.0.1:${azurite.port}/${ACCOUNT}/${CONTAINER}${path}`;
  const get = async (path) => {
    const answer = await fetch(url(`/${PREFIX}/${path}`));
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  const names = async () => {
    const list = await (await fetch(url("?restype=container&comp=list"))).text();
    assert.doesNotMatch(list, /<NextMarker>[^<]/, "there are more names than one answer has");
    return [...list.matchAll(/<Name>(.*?)<\/Name>/g)].map(([, name]) => name);
  };

  /** The archive, which must be without fault; and nothing may lie about, unless an export was cut off. */
  const whole = async ({mayHaveMore = false} = {}) => {
    const {faults, files, spaces} = await readArchive(get);
    assert.deepEqual(faults, []);
    assert.match(await succeeds(home, "verify", "--from", ARCHIVE), /No fault/);
    const needed = new Set([...files, "README.md", "FORMAT.md"].map((path) => `${PREFIX}/${path}`));
    const found = new Set(await names());
    assert.deepEqual([...needed].filter((name) => !found.has(name)), []);
    if (!mayHaveMore) assert.deepEqual([...found].filter((name) => !needed.has(name)), []);
    return spaces[0].manifest;
  };

  it("takes a first export", async () => {
    await succeeds(home, "sync");
    assert.match(await succeeds(home, "export"), /is at generation 1: [1-9]\d* new files /);
    assert.ok((await whole()).rows.messages > 100, "too little was exported to say anything");
  });

  it("is left alone if nothing changed", async () => {
    const asked = await askedDuring(async () => assert.match(await succeeds(home, "export"), /is at generation 1: nothing changed/));
    assert.deepEqual(asked.filter(({method, path}) => method === "PUT" && !path.endsWith("/.writing")), []);
  });
  it("takes what changed, and nothing that is there already", async () => {
    const before = (await names()).map((name) => `/${ACCOUNT}/${CONTAINER}/${name}`).filter((path) => /\/(rows|indexes|parts|days)\//.test(path));
    await succeeds(home, "sync");
    const asked = await askedDuring(async () => assert.match(await succeeds(home, "export"), /is at generation 2: [1-9]\d* new files? /));
    const put = asked.filter(({method}) => method === "PUT").map(({path}) => path);
    assert.deepEqual(put.filter((path) => before.includes(path)), []);
    await whole();
  });

  it("rebuilds a store that was lost", async () => {
    other = await newHome("other");
    await succeeds(other, "restore", "--from", ARCHIVE);
    assert.match(await succeeds(other, "export"), /is at generation 2: nothing changed/);
    await whole();
  });

  const isPut = (what) => ({method, path}) => method === "PUT" && path.includes(`/${what}`);
  const isBatch = ({path}) => path.includes("comp=batch");
  const MOMENTS = [
    {title: "while files are put", fits: isPut("rows/"), arrives: true, published: 0},
    {title: "before the manifest arrives", fits: isPut("spaces/"), arrives: false, published: 0},
    {title: "after the manifest arrived", fits: isPut("spaces/"), arrives: true, published: 1},
    {title: "before what is not needed any more is removed", fits: isBatch, arrives: false, published: 1},
  ];
  for (const {title, fits, arrives, published} of MOMENTS) {
    it(`is whole if the exporter is killed ${title}`, async () => {
      const before = (await whole()).generation;
      await succeeds(home, "sync");
      const exporter = propsbot(home, ["export"], settings);
      door.guard = async (request, pass) => {
        if (!fits(request)) return pass();
        if (arrives) await pass();
        exporter.kill();
        await exporter.ended;
      };
      assert.equal((await exporter.ended).code, "SIGKILL");
      door.unguard();

      assert.equal((await whole({mayHaveMore: true})).generation, before + published);
      // The claim is this store's own. What the killed process left goes once nothing of it can arrive.
      await succeeds(home, "export");
      assert.equal((await whole({mayHaveMore: true})).generation, before + 1);
      await laterOn();
      await succeeds(home, "export");
      assert.equal((await whole()).generation, before + 1);
    });
  }

  it("takes an export although answers get lost", async () => {
    await succeeds(home, "sync");
    const losing = [isPut(".writing"), isPut("rows/"), isPut("spaces/"), isBatch];
    door.guard = async (request, pass) => {
      const index = losing.findIndex((fits) => fits(request));
      if (index < 0) return pass();
      losing.splice(index, 1);
      await pass();
    };
    await succeeds(home, "export");
    door.unguard();
    assert.equal(losing.length, 0, "not all of these were asked");
    await whole();
  });

  it("takes a shared access signature in place of the account's key", async () => {
    await succeeds(home, "sync");
    const {AZURE_STORAGE_ACCOUNT_KEY: _, ...others} = settings;
    const may = (permissions) => propsbot(home, ["export"], {...others, AZURE_STORAGE_SAS_TOKEN: accessSignature(permissions)}).ended;
    const refused = await may("rl");
    assert.equal(refused.code, 1);
    assert.match(refused.said, /could not write \.writing of az:.*AuthorizationPermissionMismatch.*AZURE_STORAGE_SAS_TOKEN/);
    assert.doesNotMatch(refused.said, /sig=/, "it prints a secret");
    // As `.env.example` has it: read, add, create, write, delete, list.
    const {code, said} = await may("racwdl");
    assert.equal(code, 0, said);
    await whole();
  });

  it("is given to one of two who begin at the same time", async () => {
    await bothKnowMore();
    const claims = [];
    door.guard = async (request, pass) => {
      if (isPut(".writing")(request) && claims.length < 2) {
        await new Promise((go) => claims.push(go) === 2 && claims.forEach((go) => go()));
      }
      return pass();
    };
    const ended = await Promise.all([run(home, "export"), run(other, "export")]);
    door.unguard();
    assert.deepEqual(ended.map(({code}) => code).toSorted(), [0, 1]);
    // Whoever comes second waits, and then finds what the other one has exported.
    assert.match(ended.find(({code}) => code === 1).said, /which another store has exported/);
    await whole();
  });

  it("is not given to who held it so long that somebody else took it", async () => {
    await bothKnowMore();
    let go, answered;
    const slow = propsbot(home, ["export"], settings);
    const held = new Promise((resolve) => {
      door.guard = async (request, pass) => {
        if (!isPut("spaces/")(request)) return pass();
        door.unguard();
        resolve();
        await new Promise((resolve) => (go = resolve));
        return (answered = await pass());
      };
    });
    await Promise.race([held, slow.ended]);
    await laterOn();
    await succeeds(other, "export");
    const manifest = await whole();
    go();
    const {code, said} = await slow.ended;
    assert.equal(code, 1);
    assert.match(said, OTHERS);
    assert.equal(answered.status, 412, "Azurite was not told which manifest to replace");
    assert.deepEqual(await whole(), manifest);
    await fails(OTHERS, home, "export");
    await succeeds(home, "export", "--replace");
    await whole();
  });
});

describe("an archive in Google Cloud Storage", () => {
  /** What Google's XML API documents for what is not there, and for who may not read. */
  const REFUSALS = {404: ["NoSuchKey", "The specified key does not exist."], 403: ["AccessDenied", "Access denied."]};
  let server, status, asked, settings;

  before(async () => {
    // Tokens go to nobody without TLS, so a stranger in Google's place needs a certificate.
    const [key, cert] = [join(scratch, "key.pem"), join(scratch, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    await promisify(execFile)("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", cert, ...subject]);
    const stranger = createSecureServer({key: await readFile(key), cert: await readFile(cert)}, ({method, url}, response) => {
      asked.push(`${method} ${decodeURIComponent(url)}`);
      const [code, message] = REFUSALS[status];
      const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
      response.writeHead(status, {"content-type": "application/xml; charset=UTF-8"}).end(body);
    });
    server = await listening(stranger);
    const account = {gcs_base_url: `https://127.0.0.1:${server.port}`, disable_oauth: true, client_email: "", private_key: "", private_key_id: ""};
    settings = {GOOGLE_SERVICE_ACCOUNT: join(scratch, "account.json"), SSL_CERT_FILE: cert};
    await writeFile(settings.GOOGLE_SERVICE_ACCOUNT, JSON.stringify(account));
  });
  after(() => server?.close());

  const verify = async (refusal) => {
    [status, asked] = [refusal, []];
    return propsbot(scratch, ["verify", "--from", "gs://bucket/x"], settings).ended;
  };

  it("is looked for where Google has objects", async () => {
    const {code, said} = await verify(404);
    assert.equal(code, 1);
    assert.match(said, /gs:\/\/bucket\/x: there is no manifest\.json/);
    assert.deepEqual([...new Set(asked)], ["GET /bucket/x/manifest.json"]);
  });

  it("is given up if Google refuses, with Google's words", async () => {
    const {code, said} = await verify(403);
    assert.equal(code, 1);
    assert.match(said, /could not read manifest\.json of gs:\/\/bucket\/x: AccessDenied.*GOOGLE_SERVICE_ACCOUNT/);
    // It isn't tried again.
    assert.deepEqual(asked, ["GET /bucket/x/manifest.json"]);
  });
});
