// Debian's browsers, or what runners of other systems have. `.ci/run` installs them where both are missing.

import {existsSync} from "node:fs";

function found(...names) {
  const paths = names.map((name) => `/usr/bin/${name}`);
  return paths.find((path) => existsSync(path)) ?? paths[0];
}

// In a container, as root, Chromium has no sandbox.
export const CHROMIUM = {browser: "chrome", executablePath: found("chromium", "google-chrome"), args: ["--no-sandbox"]};
export const FIREFOX = {browser: "firefox", executablePath: found("firefox-esr", "firefox"), args: []};
