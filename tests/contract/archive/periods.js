// The calendar of an archive's layout, as FORMAT.md has it.

/** The largest piece of `size` within `value`, counted from `least`, as two digits. */
const piece = (value, size, least = 0) => String(value - ((value - least) % size)).padStart(2, "0");

/** The year with which so many years begin. */
const years = (at, size) => piece(+at.slice(0, 4), size).padStart(4, "0");

/** How the period of each unit is spelled in which a time lies, given as `2026-11-23T22:55:59`. */
const UNITS = {
  century: (at) => `${at.slice(0, 2)}00/P100Y`,
  twentyYears: (at) => `${years(at, 20)}/P20Y`,
  fourYears: (at) => `${years(at, 4)}/P4Y`,
  twoYears: (at) => `${years(at, 2)}/P2Y`,
  year: (at) => at.slice(0, 4),
  halfYear: (at) => `${at.slice(0, 5)}${piece(+at.slice(5, 7), 6, 1)}/P6M`,
  quarter: (at) => `${at.slice(0, 5)}${piece(+at.slice(5, 7), 3, 1)}/P3M`,
  month: (at) => at.slice(0, 7),
  tenDays: (at) => `${at.slice(0, 8)}${piece(Math.min(+at.slice(8, 10), 30), 10, 1)}/P10D`,
  day: (at) => at.slice(0, 10),
  halfDay: (at) => `${at.slice(0, 11)}${piece(+at.slice(11, 13), 12)}/PT12H`,
  quarterDay: (at) => `${at.slice(0, 11)}${piece(+at.slice(11, 13), 6)}/PT6H`,
  threeHours: (at) => `${at.slice(0, 11)}${piece(+at.slice(11, 13), 3)}/PT3H`,
  hour: (at) => at.slice(0, 13),
  halfHour: (at) => `${at.slice(0, 14)}${piece(+at.slice(14, 16), 30)}/PT30M`,
  tenMinutes: (at) => `${at.slice(0, 14)}${piece(+at.slice(14, 16), 10)}/PT10M`,
  minute: (at) => at.slice(0, 16),
  second: (at) => at.slice(0, 19),
};
const NAMES = Object.keys(UNITS);

/** Whether a time lies in the period that is spelled like this. */
export const beginningOf = (period, time) => NAMES.some((unit) => UNITS[unit](new Date(time).toISOString()) === period);

/** Whether a period, as it is spelled, is a year or a part of one. */
export const isWithinYear = (period) => !/\/P\d+Y$/.test(period);

/**
 * The periods of the files that rows lie in, given as `{time, size}`, if no period is larger than `unit`. `isWhole(period, size)` says
 * whether one file has all rows of a period; a number is how long they may be.
 */
export function partition(rows, unit, isWhole) {
  if (typeof isWhole === "number") return partition(rows, unit, (_, size) => size <= isWhole);
  const groups = new Map();
  for (const row of rows) {
    const period = UNITS[unit](new Date(row.time).toISOString());
    if (!groups.has(period)) groups.set(period, []);
    groups.get(period).push(row);
  }
  const finer = NAMES[NAMES.indexOf(unit) + 1];
  return [...groups.keys()].toSorted().flatMap((period) => {
    const members = groups.get(period);
    const size = members.reduce((sum, {size}) => sum + size, 0);
    return finer && !isWhole(period, size) ? partition(members, finer, isWhole) : [period];
  });
}
