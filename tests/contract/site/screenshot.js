// Makes docs/site.png: `node site/screenshot.js`, after `cargo build --bin propsbot --example site_archives`.

import {execFile} from "node:child_process";
import {mkdtemp, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";
import {promisify} from "node:util";
import puppeteer from "puppeteer-core";
import {PROPSBOT} from "../blackbox.js";
import {CHROMIUM} from "./browsers.js";
import {writeCredView} from "./cred.js";

const run = promisify(execFile);
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

const scratch = await mkdtemp(join(tmpdir(), "props-site-"));
try {
  const [archive, site, cred] = ["archive", "site", "cred"].map((name) => join(scratch, name));
  await run(path("../../../target/debug/examples/site_archives"), ["large:2600:60:3", archive]);
  await writeCredView(cred, 156, 60);
  await run(PROPSBOT, ["site", "--from", `dir:${archive}`, "--out", site, "--cred", cred]);
  const browser = await puppeteer.launch({...CHROMIUM, headless: true});
  const page = await browser.newPage();
  await page.setViewport({width: 1120, height: 1160});
  await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: "light"}]);
  await page.goto(pathToFileURL(join(site, "index.html")).href);
  await page.screenshot({path: path("../../../docs/site.png"), optimizeForSpeed: false});
  await browser.close();
} finally {
  await rm(scratch, {recursive: true, force: true});
}
