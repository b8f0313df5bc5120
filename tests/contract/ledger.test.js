// `propsbot ledger apply` against the real SourceCred's ledger: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {PROPSBOT} from "./blackbox.js";
import {emptyInstance, readLedger, sourcecred} from "./sourcecred/instance.js";

const ARCHIVES = fileURLToPath(new URL("../../target/debug/examples/site_archives", import.meta.url));
const {NodeAddress} = sourcecred.core.graph;
const {Ledger} = sourcecred.ledger.ledger;
const LEDGERS = Number(process.env.LEDGERS) || 60;

const run = promisify(execFile);
const member = (number) => NodeAddress.fromParts(["sourcecred", "discord", "MEMBER", "user", String(300_000_000_000_000_000n + BigInt(number) * 7_919_113n)]);
const login = (name) => NodeAddress.fromParts(["sourcecred", "github", "USERLIKE", "USER", name]);
/** The nodes that the archive's links and wishes are about. */
const NODES = [...[0, 1, 2, 3, 4, 5].map(member), ...["amara-gh", "bram"].map(login)];

let scratch, archive;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "props-ledger-"));
  archive = join(scratch, "archive");
  await run(ARCHIVES, ["links", archive]);
});
after(() => rm(scratch, {recursive: true, force: true}));

/** An instance with this ledger. */
async function instance(ledger) {
  const dir = await mkdtemp(join(scratch, "instance-"));
  await emptyInstance(dir, "external/props", ledger);
  return dir;
}

const apply = (dir, ...more) => run(PROPSBOT, ["ledger", "apply", "--instance", dir, "--from", `dir:${archive}`, ...more], {cwd: scratch, env: {PATH: process.env.PATH}});
const text = (dir) => readFile(join(dir, "data/ledger.json"), "utf8").catch(() => null);

/** A ledger of the real SourceCred in which some of the nodes have accounts. */
function randomLedger(seed) {
  let state = seed * 2_654_435_761 + 1;
  const below = (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const ledger = new Ledger();
  const [chainId, token] = ["1", "0x6B175474E89094C44Da98b954EedeAC495271d0F"];
  for (let step = below(14); step > 0; step--) {
    const node = NODES[below(NODES.length)];
    const account = ledger.accountByAddress(node);
    const other = ledger.accountByAddress(NODES[below(NODES.length)]);
    const what = below(12);
    if (!account) ledger.addAlias(ledger.createIdentity(below(8) ? "USER" : "BOT", `name-${ledger.eventLog().length}`), {address: node, description: "known before"});
    else if (what < 4) attempt(() => ledger.activate(account.identity.id));
    else if (what < 5) ledger.deactivate(account.identity.id);
    else if (what < 7 && other && other !== account) ledger.mergeIdentities({base: account.identity.id, target: other.identity.id});
    else if (what < 8) ledger.setExternalCurrency(chainId, token);
    else if (what < 10) ledger.setPayoutAddress(account.identity.id, token, chainId, token);
    else ledger.renameIdentity(account.identity.id, `renamed-${ledger.eventLog().length}`);
  }
  return ledger;
}

/** An account can't be activated without an address for payouts. */
function attempt(change) {
  try {
    change();
  } catch (error) {
    assert.match(error.message, /No payout address/);
  }
}

describe("a ledger that members' wishes are applied to", () => {
  it("is written only with consent, and only once", async () => {
    const dir = await instance();
    const refused = await apply(dir).catch((error) => error);
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /gets the alias github\/\[@amara-gh\]/);
    assert.equal(await text(dir), null);

    const {stdout} = await apply(dir, "--yes");
    assert.match(stdout, /added \d+ events/);
    const written = await text(dir);
    const ledger = await readLedger(dir);
    const [amara, bram, third] = [0, 1, 2].map((number) => ledger.accountByAddress(member(number)));
    assert.equal(ledger.accountByAddress(login("amara-gh")), amara);
    assert.equal(ledger.accountByAddress(login("bram")), bram);
    assert.deepEqual([amara.active, bram.active, third.active], [true, false, true]);
    // Undone, lost to another member, and declined.
    for (const number of [3, 4, 5]) assert.equal(ledger.accountByAddress(member(number)), null);
    // As SourceCred would write it.
    assert.equal(ledger.serialize().split("\n").length, written.split("\n").length);

    assert.match((await apply(dir, "--yes")).stdout, /nothing to add/);
    assert.match((await apply(dir)).stdout, /nothing to add/);
    assert.equal(await text(dir), written);
  });

  it("merges the accounts of one person, who keeps the grain", async () => {
    const before = new Ledger();
    const [one, other] = ["one", "other"].map((name) => before.createIdentity("USER", name));
    before.addAlias(one, {address: member(0), description: "one"});
    before.addAlias(other, {address: login("amara-gh"), description: "other"});
    before.activate(other);
    const dir = await instance(before);
    const refused = await apply(dir).catch((error) => error);
    assert.match(refused.stdout, /only if you agree: the account one becomes part of other/);
    assert.equal(await text(dir), before.serialize());
    await apply(dir, "--yes");
    const account = (await readLedger(dir)).accountByAddress(member(0));
    assert.deepEqual([account.identity.name, account.active], ["other", true]);
  });

  it("is one that SourceCred reads, whatever was in it", async () => {
    const seen = {merged: 0, kept: 0};
    for (let seed = 1; seed <= LEDGERS; seed++) {
      const before = randomLedger(seed);
      const dir = await instance(before);
      const {stdout} = await apply(dir, "--yes");
      const patched = await text(dir);
      assert.ok(patched.startsWith(before.serialize()), `seed ${seed} changes events`);
      const after = Ledger.parse(patched);
      seen.merged += stdout.includes("becomes part of") ? 1 : 0;
      seen.kept += stdout.includes("kept back: ") ? 1 : 0;
      // The two are one person, unless that would join two members or what isn't a person.
      const [amara, github] = [member(0), login("amara-gh")].map((node) => after.accountByAddress(node));
      if (amara !== github) assert.match(stdout, /kept back: github\/\[@amara-gh\]|which is not a user's account/, `seed ${seed}: ${stdout}`);
      // Nobody was joined with another.
      for (const account of after.accounts()) {
        const own = [0, 1, 2, 3, 4, 5].map(member).filter((node) => after.accountByAddress(node) === account);
        if (own.length < 2) continue;
        const known = own.map((node) => before.accountByAddress(node));
        assert.ok(known.every((one) => one && one === known[0]), `seed ${seed} joins members`);
      }
      assert.match((await apply(dir, "--yes")).stdout, /nothing to add/, `seed ${seed}`);
      assert.equal(await text(dir), patched);
      await rm(dir, {recursive: true, force: true});
    }
    assert.ok(seen.merged > 0 && seen.kept > 0, JSON.stringify(seen));
  });
});
