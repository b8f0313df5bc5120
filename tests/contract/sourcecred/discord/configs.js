// Configs of SourceCred's Discord plugin: chosen ones, and any.

import {EMOJIS, emojiRef} from "./world.js";

const reactions = (more = {}) => ({weights: {}, defaultWeight: 1, applyAveraging: false, ...more});

/** A config for each thing that one can say, by what it is about. `world` is what they are said of. */
export function chosenConfigs(world) {
  const [guild] = world.guilds;
  const [first, second, third] = guild.channels.filter((channel) => channel.type === 0).map((channel) => channel.id);
  const category = guild.channels.find((channel) => channel.type === 4).id;
  const [role, other] = guild.roles.slice(1).map((it) => it.id);
  const config = (more = {}) => [{guildId: guild.id, reactionWeightConfig: reactions(), ...more}];
  const weights = Object.fromEntries(EMOJIS.map((emoji, index) => [emojiRef(emoji), [0, 0.1, 2, 1 / 3][index % 4]]));
  const begin = Number((BigInt(guild.messages.get(first)[20].id) >> 22n) + 1_420_070_400_000n);
  return {
    "the defaults": config(),
    "emojis weighed, some 0": config({reactionWeightConfig: reactions({weights, defaultWeight: 0.7})}),
    "nothing but one emoji": config({reactionWeightConfig: reactions({weights: {"🙏": 3}, defaultWeight: 0})}),
    averaging: config({reactionWeightConfig: reactions({applyAveraging: true})}),
    "averaging by roles, dampened": config({
      reactionWeightConfig: reactions({weights, defaultWeight: 0.3, applyAveraging: true, confidenceDampener: 0.7}),
      roleWeightConfig: {defaultWeight: 0.1, weights: {[`${role}//some role`]: 0.3, [other]: 1.7}},
    }),
    "averaging where nobody weighs anything": config({
      reactionWeightConfig: reactions({applyAveraging: true}),
      roleWeightConfig: {defaultWeight: 0, weights: {[role]: 0}},
    }),
    "a role below the default": config({roleWeightConfig: {defaultWeight: 1, weights: {[role]: 0.5, [other]: 2}}}),
    "channels and a category": config({
      channelWeightConfig: {defaultWeight: 0.9, weights: {[first]: 0, [`${second}//quiet`]: 0.25, [category]: 3}},
    }),
    "nothing but a category": config({channelWeightConfig: {defaultWeight: 0, weights: {[category]: 0.1}}}),
    "props channels": config({propsChannels: [first, third]}),
    "props channels, averaged": config({
      propsChannels: guild.channels.map((channel) => channel.id),
      reactionWeightConfig: reactions({applyAveraging: true, confidenceDampener: 0.1}),
    }),
    NSFW: config({includeNsfwChannels: true}),
    simplified: config({simplifyGraph: true, includeNsfwChannels: true, propsChannels: [second],
      reactionWeightConfig: reactions({weights, defaultWeight: 0.1})}),
    "a beginning": config({beginningDate: new Date(begin).toISOString()}),
    "a beginning by day": config({beginningDate: new Date(begin).toISOString().slice(0, 10)}),
    "weights below 0": config({reactionWeightConfig: reactions({weights: {"🙏": -1, "👍": -0.1}, defaultWeight: 1})}),
    "weights below 0, simplified": config({
      simplifyGraph: true,
      reactionWeightConfig: reactions({weights: {"🙏": -1, "👍": -0.1}, defaultWeight: 1}),
    }),
    "very small and large weights": config({
      reactionWeightConfig: reactions({weights: {"🙏": 1e-7, "👍": 1e21, "❤️": 123456789012345680000}, defaultWeight: 5e-324}),
    }),
    "all guilds": world.guilds.flatMap((it) => [{...config()[0], guildId: `${it.id}//a comment`, includeNsfwChannels: true}]),
  };
}

/** Any config, thrown by `dice`. */
export function anyConfig(world, {chance, one, some, next, below}) {
  const weight = () => one([0, 1, 2, 0.1, 0.5, 1 / 3, 16, next(), next() * 10]);
  const byId = (ids) => ({
    defaultWeight: one([1, 1, 0, weight()]),
    weights: Object.fromEntries(some(ids, 0.4).map((id) => [chance(0.2) ? `${id}//so` : id, weight()])),
  });
  return some(world.guilds, 0.8).map((guild) => {
    const ids = guild.channels.map((channel) => channel.id);
    const dates = [...guild.messages.values()].flat().map((message) => message.timestamp);
    return {
      guildId: guild.id,
      reactionWeightConfig: {
        weights: Object.fromEntries(some(EMOJIS, 0.4).map((emoji) => [emojiRef(emoji), weight()])),
        defaultWeight: one([1, weight()]),
        applyAveraging: chance(0.5),
        ...(chance(0.5) && {confidenceDampener: weight()}),
      },
      ...(chance(0.6) && {roleWeightConfig: byId(guild.roles.map((role) => role.id))}),
      ...(chance(0.5) && {channelWeightConfig: byId(ids)}),
      ...(chance(0.7) && {propsChannels: some(ids, 0.4)}),
      ...(chance(0.5) && {includeNsfwChannels: chance(0.8)}),
      ...(chance(0.5) && {simplifyGraph: chance(0.7)}),
      ...(chance(0.3) && {beginningDate: one(dates).slice(0, one([10, 32]))}),
      ignored: below(10),
    };
  });
}
