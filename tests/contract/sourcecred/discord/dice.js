// Chance that repeats itself: the same seed throws the same.

/** Dice thrown by `seed`. */
export function dice(seed) {
  let state = seed >>> 0;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end) => Math.floor(next() * end);
  return {
    next,
    below,
    chance: (share) => next() < share,
    one: (list) => list[below(list.length)],
    some: (list, share) => list.filter(() => next() < share),
  };
}
