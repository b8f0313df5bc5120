// Compiles the database of SourceCred's own Discord plugin: `npm run native`.
//
// With Node's headers from beside Node where they are there, so that nothing has to be fetched for it.

import {spawnSync} from "node:child_process";
import {existsSync} from "node:fs";
import {join, resolve} from "node:path";

const node = resolve(process.execPath, "../..");
const headers = existsSync(join(node, "include/node/node.h")) ? {npm_config_nodedir: node} : {};
const rebuild = ["rebuild", "better-sqlite3", "--ignore-scripts=false"];
const {status} = spawnSync("npm", rebuild, {stdio: "inherit", env: {...process.env, ...headers}});
process.exit(status ?? 1);
