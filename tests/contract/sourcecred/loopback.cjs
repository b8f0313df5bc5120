// What SourceCred's own plugins for Discord and GitHub stand on, arranged for tests. Nothing of SourceCred is changed. Its
// command line takes this with `node --require`; `discord/native.js` takes it before it takes SourceCred's library.
//
// They fetch from the Discord at process.env.DISCORD_ORIGIN and the GitHub at process.env.GITHUB_ORIGIN, though each
// knows one address alone. Their database does not wait for the disk after every row. It is process.env.LATER_MS
// milliseconds later than it is.

"use strict";

const DISCORD = "https://discordapp.com/api/";
const GITHUB = "https://api.github.com/";

function origin(name) {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return process.env[name];
}

function redirected(address) {
  if (address.startsWith(GITHUB)) return address.replace(GITHUB, `${origin("GITHUB_ORIGIN")}/`);
  if (!address.startsWith(DISCORD)) throw new Error(`unexpected request: ${address}`);
  // The plugin does not encode emojis, and `#️⃣` would end the address: no Discord knows that one, and the plugin would
  // give up the channel. That is no matter of what it makes of the same data.
  return address.replace(DISCORD, `${origin("DISCORD_ORIGIN")}/api/v10/`).replace(/#/, "%23");
}

const redirectedFetch = (address, options) => fetch(redirected(address), options);

const later = Number(process.env.LATER_MS ?? 0);
if (later > 0) {
  const Now = Date;
  globalThis.Date = class extends Now {
    constructor(...given) {
      super(...(given.length > 0 ? given : [Now.now() + later]));
    }
    static now = () => Now.now() + later;
  };
}

function replace(module, exports) {
  const filename = require.resolve(module);
  require.cache[filename] = {id: filename, filename, loaded: true, exports};
}

const Database = require("better-sqlite3");
class HastyDatabase extends Database {
  constructor(...options) {
    try {
      super(...options);
    } catch (error) {
      throw new Error(`SourceCred's plugins need their database, built by npm run native: ${error.message}`);
    }
    this.pragma("synchronous = off");
    this.pragma("journal_mode = memory");
  }
}

replace("isomorphic-fetch", redirectedFetch);
replace("better-sqlite3", HastyDatabase);
module.exports = {redirectedFetch};
