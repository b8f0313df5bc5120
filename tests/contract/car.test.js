// An archive as a CAR file, read by IPFS's own libraries: see README.md.

import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {mkdtemp, readdir, readFile, rm, stat} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {CarReader} from "@ipld/car";
import {exporter} from "ipfs-unixfs-exporter";
import {importer} from "ipfs-unixfs-importer";
import {fixedSize} from "ipfs-unixfs-importer/chunker";
import {CID} from "multiformats/cid";
import * as raw from "multiformats/codecs/raw";
import {sha256} from "multiformats/hashes/sha2";
import {botAt, withDiscordSimulator} from "./blackbox.js";
import {readArchive} from "./archive/reader.js";
import {changeRows} from "./archive/relink.js";

const WORLD = ["--seed", "7", "--messages", "300", "--until", "2026-01-01T00:00:00Z", "--limits", "none", "--heartbeat", "2"];
/** What IPFS's nodes exchange and import without being told to. */
const LARGEST_BLOCK = 1 << 20;

describe("a CAR file", () => {
  let scratch, folder, car, paths, said;
  /** The blocks, by CID. */
  const blocks = new Map();
  const blockstore = {
    async *get(cid) {
      yield blocks.get(String(cid)) ?? assert.fail(`there is no block ${cid}`);
    },
  };
  /** The files in a folder and in the folders in it, by their path. */
  async function* filesIn(root, folder = "") {
    const {entries} = await exporter(`${root}/${folder}`, blockstore);
    for await (const {name} of entries()) {
      const path = folder + name;
      const entry = await exporter(`${root}/${path}`, blockstore);
      if (entry.type === "directory") yield* filesIn(root, `${path}/`);
      else yield [path, entry];
    }
  }
  const inFolder = (path) => readFile(join(folder, path));

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-car-"));
    folder = join(scratch, "archive");
    await withDiscordSimulator(scratch, WORLD, async (discord) => {
      const bot = await botAt(scratch, discord);
      await bot.run("sync");
      await bot.run("export");
      // A file of several blocks: readers ignore fields that they don't know.
      const long = randomBytes(3 * LARGEST_BLOCK).toString("hex");
      const [{manifest}] = (await readArchive(folder)).spaces;
      const isOpen = ([row]) => sentAt(row) >= Date.parse(manifest.stamps.days_from);
      await changeRows(folder, "messages", isOpen, ({content}) => (content.later = long));
      said = await bot.run("car", "--from", bot.archive, "--out", join(scratch, "archive.car"));
    });
    car = await CarReader.fromBytes(await readFile(join(scratch, "archive.car")));
    for await (const {cid, bytes} of car.blocks()) blocks.set(String(cid), bytes);
    const {files} = await readArchive(folder);
    paths = [...new Set([...files, "FORMAT.md"])].toSorted();
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  it("has blocks that are what their CIDs say, and short enough for IPFS", async () => {
    for (const [cid, bytes] of blocks) {
      const {version, code, multihash} = CID.parse(cid);
      assert.deepEqual([version, multihash.code], [1, sha256.code]);
      assert.deepEqual((await sha256.digest(bytes)).bytes, multihash.bytes, cid);
      assert.ok(bytes.length <= LARGEST_BLOCK, `${cid} has ${bytes.length} bytes`);
      assert.ok([raw.code, 0x70].includes(code));
    }
  });

  it("has the manifest as its first root, and a folder as its second", async () => {
    const [manifest, root, ...more] = await car.getRoots();
    assert.deepEqual(more, []);
    assert.deepEqual(Buffer.from(blocks.get(String(manifest))), await inFolder("manifest.json"));
    assert.equal((await exporter(root, blockstore)).type, "directory");
    assert.ok(said.includes(`manifest: ${manifest}\nfolder: ${root}\n`), said);
  });

  it("has each file of the generation, and no other, by path and by CID", async () => {
    const [, root] = await car.getRoots();
    const found = [];
    for await (const [path, entry] of filesIn(root)) {
      found.push(path);
      const expected = await inFolder(path);
      assert.ok(expected.equals(await contentOf(entry)), path);
      if (expected.length <= LARGEST_BLOCK) {
        const cid = CID.createV1(raw.code, await sha256.digest(expected));
        assert.equal(String(entry.cid), String(cid), path);
      }
    }
    assert.deepEqual(found.toSorted(), paths);
    const lengths = await Promise.all(paths.map(async (path) => (await stat(join(folder, path))).size));
    assert.ok(Math.max(...lengths) > 2 * LARGEST_BLOCK, "no file has several blocks");
  });

  it("has the folder that IPFS makes of the archive's files", async () => {
    const made = [];
    async function* read() {
      for (const path of paths) yield {path, content: await inFolder(path)};
    }
    const keep = {put: (cid, bytes) => (made.push([String(cid), bytes]), cid)};
    const options = {cidVersion: 1, rawLeaves: true, chunker: fixedSize({chunkSize: LARGEST_BLOCK}), wrapWithDirectory: true};
    let last;
    for await (const entry of importer(read(), keep, options)) last = entry;
    const [, root] = await car.getRoots();
    assert.equal(String(last.cid), String(root));
    assert.deepEqual([...new Set(made.map(([cid]) => cid))].toSorted(), [...blocks.keys()].toSorted());
  });

  it("leaves nothing else behind", async () => {
    const names = await readdir(scratch);
    assert.deepEqual(names.filter((name) => name.includes(".car")), ["archive.car"]);
  });
});

async function contentOf(entry) {
  const chunks = [];
  for await (const chunk of entry.content()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** When a row was made, by its id. */
const sentAt = ({id}) => Number((BigInt(id) >> 22n) + 1_420_070_400_000n);
