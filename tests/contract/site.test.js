// The pages of `propsbot site`, in Debian's browsers: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {createReadStream} from "node:fs";
import {cp, mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {createServer} from "node:http";
import {tmpdir} from "node:os";
import {extname, join, normalize, relative} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath, pathToFileURL} from "node:url";
import {promisify} from "node:util";
import puppeteer from "puppeteer-core";
import {PROPSBOT} from "./blackbox.js";
import {CHROMIUM, FIREFOX} from "./site/browsers.js";
import {credOf, writeCredView} from "./site/cred.js";

const run = promisify(execFile);
const ARCHIVES = fileURLToPath(new URL("../../target/debug/examples/site_archives", import.meta.url));
const AXE = fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url));
const WORLDS = ["hostile", "hidden", "empty", "two", "large:4000:120:10", "crowd:20000:2600:2"];
const PAGES = ["index.html", "members.html", "graph.html", "search.html", "coverage.html", "about.html"];
const TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"};
/** The ids of the hidden members of `hostile`. */
const HIDDEN = ["300000000110867582", "300000000118786695"];

let scratch, server, origin;
const site = (world) => join(scratch, world.split(":")[0], "site");

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "props-site-"));
  for (const world of WORLDS) {
    const archive = join(scratch, world.split(":")[0], "archive");
    await run(ARCHIVES, [world, archive]);
    const cred = join(scratch, "credGrainView");
    await writeCredView(cred, 130, 30);
    const more = world.startsWith("large") ? ["--cred", cred] : [];
    await run(PROPSBOT, ["site", "--from", `dir:${archive}`, "--out", site(world), ...more], {cwd: scratch});
  }
  server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    createReadStream(join(scratch, path)).on("error", () => response.writeHead(404).end()).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  server?.close();
  await rm(scratch, {recursive: true, force: true});
});

/** The paths of all files below a folder. */
async function filesBelow(folder) {
  const entries = await readdir(folder, {recursive: true, withFileTypes: true});
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** The address of a file, by way of the file system or of the server. */
const addressOf = (scheme, file) => (scheme === "file" ? pathToFileURL(file).href : `${origin}/${relative(scratch, file)}`);

describe("the files of a site", () => {
  it("hold no word, id or page of hidden members", async () => {
    for (const world of ["hostile", "hidden"]) {
      const files = await filesBelow(site(world));
      assert.ok(!files.some((file) => HIDDEN.some((id) => file.includes(id))));
      const all = await Promise.all(files.map((file) => readFile(join(site(world), file), "utf8")));
      for (const text of all) {
        for (const word of [...HIDDEN, "member-0"]) assert.ok(!text.includes(word), word);
      }
    }
  });

  it("are the same for the same archive, and only some change with one more thanks", async () => {
    const archive = join(scratch, "growing", "archive");
    const write = async (world) => {
      await run(ARCHIVES, [world, archive]);
      const {stdout} = await run(PROPSBOT, ["site", "--from", `dir:${archive}`, "--out", site("growing")]);
      return stdout;
    };
    await write("growing:3999:120:10:4000");
    const {stdout} = await run(PROPSBOT, ["site", "--from", `dir:${archive}`, "--out", site("growing")]);
    assert.match(stdout, /nothing changed/);
    const pages = (await filesBelow(site("growing"))).length;
    // Index, members, graph, search, about; the giver's and the receiver's page; three data files. Two of those replace others.
    const told = /(\d+) files? .* written, (\d+) files? removed/.exec(await write("growing:4000:120:10:4000"));
    assert.ok(Number(told[1]) <= 11, told[0]);
    assert.ok(Number(told[2]) <= 3, told[0]);
    assert.equal((await filesBelow(site("growing"))).length, pages);
  });

  it("draw the 2,000 with the most thanks, and everyone else as one", async () => {
    const read = (file) => readFile(join(site("crowd"), file), "utf8");
    const [graph, members] = await Promise.all(["graph.html", "members.html"].map(read));
    const drawn = new Set(Array.from(graph.matchAll(/<a class="(?:member|bot)" href="member\/(\d+)\.html"/g), ([, id]) => id));
    assert.equal(drawn.size, 2000);
    const number = (text) => Number(text.replaceAll(",", ""));
    const between = number(/arrows between ([\d,]+) members/.exec(graph)[1]);
    const [, others] = /class="others" role="img" aria-label="([\d,]+) others"/.exec(graph);
    assert.ok(between > 2001, `${between}`);
    assert.equal(number(others), between - 2000);
    // All have a page and a line.
    const lines = Array.from(members.matchAll(/<tr>.*?member\/(\d+)\.html.*?number>([\d,]+)<.*?number>([\d,]+)</g));
    assert.ok(lines.length >= between, `${lines.length}`);
    const pages = new Set(await readdir(join(site("crowd"), "member")));
    for (const [, id] of lines) assert.ok(pages.has(`${id}.html`), id);
    const thanks = ([, , received, given]) => number(received) + number(given);
    const least = Math.min(...lines.filter(([, id]) => drawn.has(id)).map(thanks));
    const most = Math.max(...lines.filter(([, id]) => !drawn.has(id)).map(thanks));
    assert.ok(least >= most && most > 0, `${least} ${most}`);
    // The others' arrows are those of one node, the last.
    const data = (await readdir(join(site("crowd"), "data"))).find((file) => file.startsWith("graph-"));
    const arrows = JSON.parse(/=(.*);/s.exec(await read(`data/${data}`))[1]);
    assert.equal(arrows.length, 2001);
    assert.ok(arrows.some((to) => to.some((node, at) => at % 2 === 0 && node === 2000)));
    assert.ok(arrows.flatMap((to) => to.filter((_, at) => at % 2 === 0)).every((node) => node <= 2000));
    assert.match(graph, /weaker arrows are drawn only when you point at a member/);
  });

  it("draw each direction, and tell it in the table", async () => {
    const graph = await readFile(join(site("hostile"), "graph.html"), "utf8");
    const circles = Array.from(graph.matchAll(/<circle cx="(\d+)" cy="(\d+)" r="([\d.]+)"/g), (circle) => circle.slice(1).map(Number));
    const at = (x, y) => circles.findIndex((circle) => circle[0] === x && circle[1] === y);
    const data = (await readdir(join(site("hostile"), "data"))).find((file) => file.startsWith("graph-"));
    const arrows = JSON.parse(/=(.*);/s.exec(await readFile(join(site("hostile"), "data", data), "utf8"))[1]);
    const numbers = (path) => Array.from(path.matchAll(/-?\d+/g), Number);
    const drawn = [], tips = [];
    for (const [, lines, heads] of graph.matchAll(/<path d="([^"]*)"\/><path class="heads" d="([^"]*)"\/>/g)) {
      for (const line of lines.split("M").slice(1)) {
        const [x, y, , , dx, dy] = numbers(line);
        drawn.push(`${at(x, y)} ${at(x + dx, y + dy)}`);
      }
      for (const head of heads.split("M").slice(1)) tips.push(numbers(head).slice(0, 2));
    }
    const given = arrows.flatMap((to, from) => to.filter((_, at) => at % 2 === 0).map((node) => `${from} ${node}`));
    assert.deepEqual(drawn.toSorted(), given.toSorted());
    assert.ok(given.some((arrow) => given.includes(arrow.split(" ").reverse().join(" "))));
    // Each head ends at the edge of the receiver's circle.
    drawn.forEach((arrow, number) => {
      const [x, y, radius] = circles[arrow.split(" ")[1]];
      const far = Math.hypot(tips[number][0] / 10 - x, tips[number][1] / 10 - y);
      assert.ok(Math.abs(far - radius) < 0.2, `${far} ${radius}`);
    });
    const rows = Array.from(graph.matchAll(/<tr><td>.*?(\d+)\.html.*?<td>.*?(\d+)\.html.*?number">(\d+)<.*?number">(\d+)</g));
    const count = (from, to) => rows.find((row) => row[1] === from && row[2] === to)?.[3];
    const both = rows.filter(([, from, to]) => count(to, from));
    assert.ok(both.length > 0);
    for (const [, from, to, , back] of both) assert.equal(count(to, from), back);
  });

  it("load nothing from elsewhere", async () => {
    for (const file of (await filesBelow(site("hostile"))).filter((file) => file.endsWith(".html"))) {
      const html = await readFile(join(site("hostile"), file), "utf8");
      for (const [, target] of html.matchAll(/<(?:link|script|img|iframe|source|use|image)\b[^>]*?\b(?:href|src)="([^"]*)"/g)) {
        assert.doesNotMatch(target, /^[a-z]+:|^\/\//, `${file} loads ${target}`);
      }
      assert.doesNotMatch(html, /\sstyle=|\son[a-z]+=(?!&)"[^&]|<script>(?!$)/, `${file} has code or style within`);
    }
  });
});

for (const {browser: name, ...launch} of [CHROMIUM, FIREFOX]) {
  describe(`the pages in ${name}`, () => {
    let browser;
    before(async () => {
      browser = await puppeteer.launch({browser: name, ...launch, headless: true});
    });
    after(() => browser?.close());

    /** Opens a page, and gives it to `use`. Fails on anything that the browser complains about. */
    async function open(address, use, {width = 1200, scheme = "light", allow = /^$/} = {}) {
      const page = await browser.newPage();
      const complaints = [];
      page.on("console", (message) => ["error", "warn", "warning"].includes(message.type()) && complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        dialog.dismiss();
      });
      try {
        await page.setViewport({width, height: 800});
        if (name === "chrome") await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
        await page.goto(address);
        const result = await use(page);
        assert.deepEqual(complaints.filter((text) => !allow.test(text)), [], address);
        return result;
      } finally {
        await page.close();
      }
    }

    const ready = (page) => page.waitForFunction(() => document.documentElement.dataset.searchable === "yes", {timeout: 60_000});

    for (const scheme of ["file", "http"]) {
      it(`opens every page over ${scheme} without a complaint`, async () => {
        for (const world of WORLDS) {
          const root = site(world);
          const html = (await filesBelow(root)).filter((file) => file.endsWith(".html"));
          const members = html.filter((file) => file.includes("member/"));
          const opened = html.filter((file) => !file.includes("member/")).concat(members.slice(0, world === "hostile" ? 99 : 3));
          for (const file of opened) {
            await open(addressOf(scheme, join(root, file)), async (page) => {
              assert.equal(await page.$$eval("h1", (all) => all.length), 1);
              const styled = await page.$eval("body", (body) => getComputedStyle(body).maxWidth);
              assert.notEqual(styled, "none", `${file} has its style sheet`);
            });
          }
        }
      });

      it(`finds thanks over ${scheme}, by word and by name`, async () => {
        await open(addressOf(scheme, join(site("hostile"), "search.html")), async (page) => {
          await ready(page);
          for (const [words, found] of [["workshop", /archive that stands alone/], ["amara", /Amara/], ["import", /importer/], ["zoe", /Zoë/], ["المساعدة", /المساعدة/], ["説明", /説明/]]) {
            await page.$eval("#words", (input, words) => {
              input.value = words;
              input.dispatchEvent(new Event("input"));
            }, words);
            const hits = await page.$$eval("#found li", (all) => all.map((one) => one.textContent));
            assert.ok(hits.length > 0, words);
            assert.match(hits[0], found);
          }
          await page.$eval("#words", (input) => {
            input.value = "xylophone-tuning";
            input.dispatchEvent(new Event("input"));
          });
          assert.match(await page.$eval("#state", (state) => state.textContent), /Nothing found/);
        });
        // An address that somebody cut.
        await open(`${addressOf(scheme, join(site("hostile"), "search.html"))}#%E0%A4%A`, ready);
      });

      it(`draws and zooms charts over ${scheme}`, async () => {
        for (const file of ["index.html", "member/300000000000000000.html"]) {
          await open(addressOf(scheme, join(site("large"), file)), async (page) => {
            const drawn = await page.$$eval(".plot path", (all) => all.map((path) => path.getBBox().width * path.getBBox().height));
            assert.ok(drawn.length >= 2 && drawn.some((area) => area > 1000), `${drawn}`);
            await page.click(".chart button");
            await page.waitForSelector(".zoomed canvas");
            assert.ok(await page.$eval(".zoomed canvas", (canvas) => canvas.width > 200));
            const painted = await page.$eval(".zoomed canvas", (canvas) => {
              const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return data.some((byte) => byte > 0);
            });
            assert.ok(painted);
            if (file === "index.html") return;
            // The last week's number, as far as it can be drawn.
            const over = await page.$eval(".zoomed .u-over", (over) => {
              const {right, top} = over.getBoundingClientRect();
              return [right - 1, top + 50];
            });
            await page.mouse.move(...over);
            const told = await page.$$eval(".u-legend .u-value", (all) => all.map((value) => Number(value.textContent)));
            assert.ok(Math.abs(told[1] - credOf(0, 129)) <= credOf(0, 129) / 200, `${told} ${credOf(0, 129)}`);
          });
        }
      });

      it(`links every name of a member's page over ${scheme}`, async () => {
        const members = (await readdir(join(site("large"), "member"))).filter((file) => !file.includes("-"));
        const html = await readFile(join(site("large"), "member", members[0]), "utf8");
        assert.match(html, /<li><b>/);
        await open(addressOf(scheme, join(site("large"), "member", members[0])), async (page) => {
          assert.equal((await page.$$(".thanks b")).length, 0);
          const links = await page.$$eval(".partners a, .thanks a", (all) => all.map((link) => [link.textContent, link.href.split("/").pop()]));
          assert.ok(links.length > 100);
          const pages = new Map(links);
          for (const [name, file] of links) {
            assert.equal(file, pages.get(name));
            assert.ok(members.includes(file), file);
          }
        });
      });

      it(`shows a member's links in the graph over ${scheme}`, async () => {
        await open(addressOf(scheme, join(site("large"), "graph.html")), async (page) => {
          assert.ok((await page.$$("#nodes circle")).length > 100);
          await page.$eval("#nodes a", (node) => node.focus());
          // What they gave begins at them, what they received ends there, and both have heads.
          const [own, heads] = await page.evaluate(() => ["path:not(.heads)", ".heads"].map((part) => ["in", "out"].map((way) => document.querySelector(`#own ${part}.${way}`).getAttribute("d"))));
          const [x, y] = await page.$eval("#nodes circle", (circle) => [circle.getAttribute("cx"), circle.getAttribute("cy")]);
          const data = await page.evaluate(() => [propsbotGraph.filter((to) => to.some((node, at) => at % 2 === 0 && node === 0)).length, propsbotGraph[0].length / 2]);
          for (const way of [0, 1]) {
            assert.ok(data[way] > 3);
            for (const paths of [own, heads]) assert.equal(paths[way].match(/M/g).length, data[way]);
          }
          assert.ok(own[1].split("M").slice(1).every((line) => line.startsWith(`${x},${y}q`)));
          for (const line of own[0].split("M").slice(1)) {
            const [from, by] = [line.split("q")[0].split(","), line.split(",").slice(-2)];
            assert.deepEqual([0, 1].map((at) => Number(from[at]) + Number(by[at])), [Number(x), Number(y)]);
          }
          assert.match(await page.$eval("#of", (told) => told.textContent), /^Amara: \d+ received, \d+ given; most from .+ \(\d+\); most to .+ \(\d+\)$/);
          await page.click(".tools [data-zoom='1.4']");
          assert.notEqual(await page.$eval("#graph", (svg) => svg.getAttribute("viewBox")), "0 0 1200 860");
          for (let times = 0; times < 4; times++) await page.click(".tools [data-zoom='1.4']");
          const shown = await page.$$eval("#nodes a", (nodes) => {
            const view = document.getElementById("graph").viewBox.baseVal;
            return nodes.filter((node) => !node.hasAttribute("tabindex")).slice(0, 20).map((node) => {
              node.focus();
              const circle = node.querySelector("circle");
              const [x, y] = ["cx", "cy"].map((at) => Number(circle.getAttribute(at)));
              return x >= view.x && x <= view.x + view.width && y >= view.y && y <= view.y + view.height;
            });
          });
          assert.ok(shown.length > 10 && shown.every(Boolean), `${shown}`);
        });
      });
    }

    it("misses each data file that is deleted", async () => {
      const copy = join(scratch, `broken-${name}`);
      await cp(site("hostile"), copy, {recursive: true});
      const all = (await readdir(join(copy, "data"))).sort();
      const months = all.filter((file) => /^\d{4}-\d\d-/.test(file));
      const files = all.filter((file) => !months.slice(1, -1).includes(file));
      assert.ok(files.length >= 4, `${files}`);
      const missing = {allow: /ERR_FILE_NOT_FOUND|Loading failed|404|NotFound/i};
      const told = async (file, selector) => open(addressOf("file", join(copy, file)), async (page) => {
        const says = () => page.$$eval(selector, (all) => all.some((one) => /could not be read|Could not read/.test(one.textContent)));
        if (file !== "search.html" || await says()) return says();
        await ready(page);
        return says();
      }, missing);
      for (const file of files) {
        const bytes = await readFile(join(copy, "data", file));
        await rm(join(copy, "data", file));
        const pages = [["index.html", "figcaption .quiet"], ["graph.html", "#of"], ["search.html", "#state"]];
        const all = [];
        for (const [page, selector] of pages) all.push(await told(page, selector));
        assert.ok(all.some(Boolean), `no page says that ${file} is missing`);
        await writeFile(join(copy, "data", file), bytes);
      }
    });

    it("fits a phone, in every page", async () => {
      for (const world of ["hostile", "empty", "hidden", "large"]) {
        const members = await readdir(join(site(world), "member")).catch(() => []);
        for (const file of [...PAGES, ...members.slice(0, 20).map((member) => `member/${member}`)]) {
          await open(addressOf("file", join(site(world), file)), async (page) => {
            const width = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(width <= 360, `${world}/${file} is ${width} wide`);
            const apart = await page.$$eval(".ticks", (all) => all.every((ticks) => {
              const names = [...ticks.querySelectorAll("text")].map((name) => name.getBoundingClientRect());
              return names.every((name, at) => at === 0 || names[at - 1].right <= name.left + 1);
            }));
            assert.ok(apart, `names below a chart of ${world}/${file} lie on each other`);
          }, {width: 360});
        }
      }
    });

    it("has a light and a dark theme, by toggle and remembered", async () => {
      const background = (page) => page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
      const index = addressOf("file", join(site("hostile"), "index.html"));
      const before = await open(index, background);
      const toggled = await open(index, async (page) => {
        await page.click("#theme");
        return background(page);
      });
      assert.notEqual(toggled, before);
      assert.equal(await open(addressOf("file", join(site("hostile"), "about.html")), background), toggled);
      await open(index, (page) => page.click("#theme"));
      if (name === "chrome") assert.equal(await open(index, async (page) => {
        await page.evaluate(() => localStorage.clear());
        await page.reload();
        return background(page);
      }, {scheme: "dark"}), toggled);
    });

    it("tells times in the reader's language", async () => {
      await open(addressOf("file", join(site("hostile"), "index.html")), async (page) => {
        const [time] = await page.$$eval("time", (all) => all.map((time) => [time.dateTime, time.textContent]));
        assert.match(time[0], /^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/);
        assert.notEqual(time[0].replace("T", " "), time[1]);
        const months = await page.$$eval(".ticks text", (all) => all.map((name) => name.textContent));
        assert.ok(months.length > 0 && !months.some((month) => /^\d{4}-\d\d$/.test(month)), `${months}`);
      });
    });

    it("stops what the policy forbids", async () => {
      for (const scheme of ["file", "http"]) {
        await open(addressOf(scheme, join(site("hostile"), "index.html")), async (page) => {
          const stopped = await page.evaluate(async () => {
            const tried = {};
            document.body.insertAdjacentElement("beforeend", document.createElement("div"));
            try {
              document.body.lastChild.innerHTML = "<b>html</b>";
            } catch {
              tried.html = true;
            }
            try {
              const script = document.createElement("script");
              script.src = "https://example.org/x.js";
            } catch {
              tried.script = true;
            }
            tried.fetch = await fetch("https://example.org/").then(() => false, () => true);
            const image = new Image();
            tried.image = await new Promise((done) => {
              image.onerror = () => done(true);
              image.onload = () => done(false);
              image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
            });
            const inline = document.createElement("p");
            inline.setAttribute("style", "color: rgb(1, 2, 3)");
            document.body.append(inline);
            tried.style = getComputedStyle(inline).color !== "rgb(1, 2, 3)";
            return tried;
          });
          assert.deepEqual(stopped, {html: true, script: true, fetch: true, image: true, style: true});
        }, {allow: /./});
      }
    });

    if (name === "chrome") {
      it("has nothing that axe-core finds", async () => {
        const axe = await readFile(AXE, "utf8");
        for (const world of ["hostile", "hidden", "empty", "two", "large"]) {
          const members = await readdir(join(site(world), "member")).catch(() => []);
          const pages = world === "two" ? ["index.html"] : [...PAGES, ...members.slice(0, 3).map((member) => `member/${member}`)];
          for (const file of pages) {
            for (const scheme of ["light", "dark"]) {
              const page = await browser.newPage();
              // The policy stops axe, too: it is put beside the page's own scripts, where none of them is.
              await page.setBypassCSP(true);
              await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
              await page.goto(addressOf("file", join(site(world), file)));
              if (file === "search.html" && world === "hostile") await ready(page);
              await page.evaluate(axe);
              const {violations} = await page.evaluate(() => axe.run());
              const found = violations.map(({id, nodes}) => `${id}: ${nodes[0].html.slice(0, 120)} ${nodes[0].failureSummary}`);
              assert.deepEqual(found, [], `${world}/${file} ${scheme}`);
              await page.close();
            }
          }
        }
      });

      it("can be read without JavaScript", async () => {
        const page = await browser.newPage();
        await page.setJavaScriptEnabled(false);
        await page.goto(addressOf("file", join(site("hostile"), "index.html")));
        const shown = (selector) => page.$$eval(selector, (all) => all.some((element) => element.getBoundingClientRect().height > 0));
        assert.ok(await shown(".ranking li"));
        const isVisible = () => page.$$eval(".panel", (all) => all.map((panel) => panel.getBoundingClientRect().height > 0));
        assert.deepEqual((await isVisible()).filter(Boolean).length, 1);
        await page.click("label[for=of-always]");
        assert.deepEqual(await isVisible(), [false, false, false, true]);
        await page.goto(addressOf("file", join(site("hostile"), "search.html")));
        assert.ok(await shown("noscript p"));
        await page.close();
      });

      it("prints its content and not its tools", async () => {
        const page = await browser.newPage();
        await page.emulateMediaType("print");
        await page.goto(addressOf("file", join(site("hostile"), "index.html")));
        const heights = await page.$$eval(".top nav, #theme, .tabs, .period, .thanks li", (all) => all.map((element) => [element.className || element.tagName, element.getBoundingClientRect().height]));
        assert.ok(heights.filter(([name]) => ["NAV", "BUTTON", "tabs"].includes(name)).every(([, height]) => height === 0), `${heights}`);
        const pdf = await page.pdf({format: "A4", printBackground: false});
        assert.ok(pdf.length > 10_000);
        await page.close();
      });
    }
  });
}

describe("the libraries in a site", () => {
  const vendor = fileURLToPath(new URL("../../src/site/vendor/", import.meta.url));
  const FILES = {
    "minisearch.js": "minisearch/dist/umd/index.js",
    "minisearch.LICENSE": "minisearch/LICENSE.txt",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "uplot.LICENSE": "uplot/LICENSE",
  };

  it("are what npm has", async () => {
    for (const [own, theirs] of Object.entries(FILES)) {
      const published = await readFile(fileURLToPath(new URL(`node_modules/${theirs}`, import.meta.url)));
      assert.ok(published.equals(await readFile(join(vendor, own))), own);
    }
    assert.deepEqual((await readdir(vendor)).sort(), [...Object.keys(FILES), "README.md"].sort());
  });

  it("are listed with version, licence and hash", async () => {
    const listed = await readFile(join(vendor, "README.md"), "utf8");
    const {packages} = JSON.parse(await readFile(fileURLToPath(new URL("package-lock.json", import.meta.url)), "utf8"));
    for (const name of ["minisearch", "uplot"]) {
      const {version, license, integrity} = packages[`node_modules/${name}`];
      for (const fact of [version, license, integrity]) assert.ok(listed.includes(fact), `${name}: ${fact}`);
    }
  });
});
