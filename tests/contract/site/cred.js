// A `credGrainView` as SourceCred writes it, for the members of `site_archives`.

import {writeFile} from "node:fs/promises";
import {promisify} from "node:util";
import {deflate} from "node:zlib";

const WEEK = 7 * 24 * 3600 * 1000;
const END = 1773576000000;

/** The cred of a member in a week. */
export const credOf = (number, week) => ((number * 7919 + week * 104729) % 97) / (1 + number);

/** Writes the cred of this many weeks and members. */
export async function writeCredView(file, weeks, members) {
  const intervals = Array.from({length: weeks}, (_, at) => ({startTimeMs: END - (weeks - at) * WEEK, endTimeMs: END - (weeks - at - 1) * WEEK}));
  const participants = Array.from({length: members}, (_, number) => {
    const credPerInterval = intervals.map((_, at) => credOf(number, at));
    const id = 300000000000000000n + BigInt(number) * 7919113n;
    const aliases = [{address: `N\0sourcecred\0discord\0MEMBER\0user\0${id}\0`, description: ""}];
    return {active: true, cred: credPerInterval.reduce((sum, cred) => sum + cred, 0), credPerInterval, identity: {id: "x", name: `member-${number}`, aliases}};
  });
  await writeFile(file, await promisify(deflate)(JSON.stringify({participants, intervals})));
}
