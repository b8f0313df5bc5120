// What SourceCred's Discord plugin stands on, arranged for tests. Nothing of SourceCred is changed. Its command line takes
// this with `node --require`; `native.js` takes it before it takes SourceCred's library.
//
// It fetches from the Discord at process.env.DISCORD_ORIGIN, though it knows one address alone. Its database does not
// wait for the disk after every row.

"use strict";

const NATIVE = "https://discordapp.com/api/";

function redirected(address) {
  const origin = process.env.DISCORD_ORIGIN;
  if (!origin) throw new Error("DISCORD_ORIGIN is not set");
  // The plugin does not encode emojis, and `#️⃣` would end the address: no Discord knows that one, and the plugin would
  // give up the channel. That is no matter of what it makes of the same data.
  return address.replace(NATIVE, `${origin}/api/v10/`).replace(/#/, "%23");
}

const redirectedFetch = (address, options) => {
  if (!address.startsWith(NATIVE)) throw new Error(`unexpected request: ${address}`);
  return fetch(redirected(address), options);
};

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
      throw new Error(`SourceCred's Discord plugin needs its database, built by npm run native: ${error.message}`);
    }
    this.pragma("synchronous = off");
    this.pragma("journal_mode = memory");
  }
}

replace("isomorphic-fetch", redirectedFetch);
replace("better-sqlite3", HastyDatabase);
module.exports = {redirectedFetch};
