// A Discord made of odd cases, as Discord's own objects: what the two plugins have to make the same of.

import {dice} from "./dice.js";

const EPOCH = 1_420_070_400_000n;
const START = BigInt(Date.UTC(2021, 0, 1));
const MINUTE = 60_000n;

/** Emojis of all kinds, as reactions show them. */
export const EMOJIS = [
  ...["🙏", "👍", "👍🏽", "❤️", "❤", "#️⃣", "1️⃣", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "✨", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"].map((name) => ({id: null, name})),
  {id: "900000000000000001", name: "party"},
  {id: "1000000000000000002", name: "Party_2", animated: true},
  {id: "900000000000000003", name: "elsewhere"},
  // Deleted ones.
  {id: "900000000000000004", name: null},
  {id: "90000000000000005", name: null},
];

/** How SourceCred writes an emoji. */
export const emojiRef = ({id, name}) => (id ? `${name}:${id}` : name);

const NAMES = [
  ["ana", null],
  ["ben_b.c", "Ben"],
  ["ben", "Ben"],
  ["cleo", "✨✨✨"],
  ["дмитрий", null],
  ["_._", null],
  ["emil", "--"],
  ["a_name_of_thirty_two_characters_", "A nick of exactly thirty-two un."],
  ["nineteen_units_here", "🎉".repeat(16)],
  ["🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉", ""],
  ["x🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉", "Z̡̨̛̪͕͊̽̂͂a͘l"],
  ["<b>&\"'</b>", "<script>"],
  ["[a](https://b.c)", "[brackets]"],
  ["Ana", "ANA"],
];
const BOTS = [
  ["helper", null, "1234"],
  ["[BOT] of \"odd\" <name>", "Bot!", "0042"],
];

const TEXTS = [
  "",
  "thanks!",
  "thanks so much for all of the help with everything",
  "a text that is cut within 🎉🎉🎉🎉",
  "A text cut within a character🎉!",
  "<b>bold</b> & \"quoted\" 'text'",
  "[a link](https://example.com) `code` *stars*",
  "two\nlines\r\nand\ttabs",
  "naïve Ελλάδα 日本語 \u{1f3f4}\u{e0067}",
  "a separator\u0000within, and \u007f and \u0085",
  "\\ backslashes \\u0041",
];

/** Message types: plain, replies, and system messages of most kinds. */
const TYPES = [0, 0, 0, 0, 0, 19, 19, 1, 6, 7, 8, 12, 18, 21, 24, 46];

/** A world by `seed`, in which everything odd occurs. */
export function makeWorld(seed, {messages = 22} = {}) {
  const {below, chance, one, some} = dice(seed);
  let last = START;
  const id = (sequence = below(4096)) => {
    last += BigInt(1 + below(100_000));
    return String(((last - EPOCH) << 22n) | BigInt(sequence));
  };
  const user = (userId, [username, , discriminator = chance(0.2) ? "0007" : "0"], bot = false) => ({
    id: userId, username, discriminator, global_name: null, avatar: null, ...(bot && {bot}),
  });

  // Ids of 16 to 19 digits: as texts they are ordered otherwise than as numbers.
  const userId = (index) => String(10n ** BigInt(15 + (index % 4)) * BigInt(1 + below(9)) + BigInt(index) * 4_194_304n);
  // Discord's own accounts are no bots, but SourceCred takes them for such.
  const people = NAMES.map((name, index) => ({...user(userId(index), name), ...(index % 5 === 3 && {system: true})}));
  const bots = BOTS.map((name, index) => user(userId(100 + index), name, true));
  const leavers = ["left_1", "left_2"].map((name, index) => user(userId(200 + index), [name, null]));
  const me = user(userId(300), ["propsbot", null, "4242"], true);

  const makeGuild = (index) => {
    const guildId = id();
    const roles = [{id: guildId, name: "@everyone", position: 0, permissions: "1115136", managed: false}];
    for (const name of ["core", "new", "helpers"]) {
      roles.push({id: id(), name, position: roles.length, permissions: "0", managed: false});
    }
    const nicks = new Map([...NAMES.map(([, nick], at) => [people[at], nick]), ...BOTS.map(([, nick], at) => [bots[at], nick])]);
    const members = [...people.filter((_, at) => index === 0 || at % 2), ...bots, me]
      .map((it) => ({
        user: it, nick: nicks.get(it) ?? null, joined_at: "2020-12-01T00:00:00+00:00", flags: 0, deaf: false, mute: false,
        roles: some(roles.slice(1), 0.4).map((role) => role.id),
      }))
      .sort((a, b) => (BigInt(a.user.id) < BigInt(b.user.id) ? -1 : 1));

    const channels = [];
    const messagesOf = new Map();
    const channel = (type, name, more = {}) => {
      const it = {id: id(), guild_id: guildId, type, name, position: channels.length, nsfw: false, parent_id: null,
        permission_overwrites: [], ...more};
      channels.push(it);
      return it;
    };
    const folder = channel(4, "Folder");
    const texts = [
      channel(0, "general"),
      channel(0, "props", {parent_id: folder.id}),
      channel(0, "über-uns-✨", {parent_id: folder.id}),
      channel(0, "late night", {nsfw: true}),
      channel(0, "adults <b>", {nsfw: true, parent_id: channel(4, "Other").id}),
      channel(0, "silent"),
    ];
    const others = [channel(5, "news"), channel(2, "Lounge"), channel(13, "Stage", {parent_id: folder.id})];
    const forum = channel(15, "ideas");
    const threads = [texts[0], texts[1], forum, others[0]].map((parent) => ({
      id: id(), guild_id: guildId, type: parent.type === 5 ? 10 : 11, name: "a *thread* <b>", parent_id: parent.id,
      owner_id: people[0].id, message_count: 5, member_count: 1,
      thread_metadata: {archived: chance(0.5), archive_timestamp: "2021-02-01T00:00:00+00:00", auto_archive_duration: 1440, locked: false},
    }));

    const known = [...people, ...bots, ...leavers];
    const makeMessage = (place) => {
      const author = one([...people, ...people, ...bots, ...leavers]);
      const messageId = id(chance(0.3) ? 0 : undefined);
      const named = chance(0.1) ? some(known, 0.9).slice(0, 20) : some(known, 0.1);
      const mark = (it) => Array.from({length: one([1, 1, 1, 2, 5])}, () => one([`<@${it.id}>`, `<@!${it.id}>`])).join(one(["", " "]));
      let content = one(TEXTS) + (chance(0.1) ? ` <@&${roles[1].id}> <@1> <@0${author.id}> @everyone` : "");
      for (const it of named) content = one([`${content} ${mark(it)}`, `${mark(it)}${content}`]);
      // Named, but for some reason not mentioned; mentioned, but only by a reply's ping.
      const mentions = [...named.filter(() => chance(0.95)), ...(chance(0.15) ? [one(known)] : [])];
      const unique = chance(0.1) ? mentions : [...new Set(mentions)];
      const users = [...known, me];
      const reactors = new Map();
      for (const emoji of chance(0.8) ? some(EMOJIS, one([0.05, 0.2, 0.5])) : []) {
        const [normal, burst] = [some(users, one([0.1, 0.3])), chance(0.2) ? some(users, 0.2) : []];
        if (chance(0.3) && !normal.includes(author)) normal.push(author);
        if (normal.length + burst.length) reactors.set(emoji, {normal, burst});
      }
      const sent = Number((BigInt(messageId) >> 22n) + EPOCH);
      const message = {
        id: messageId, channel_id: place.id, type: place.type === 0 ? one(TYPES) : 0, author, content, mentions: unique,
        // What has no text has something else.
        mention_roles: [], attachments: content ? [] : [{id: messageId, filename: "a.png", size: 1}], embeds: [], components: [], flags: chance(0.05) ? 2 : 0, pinned: false, tts: false,
        mention_everyone: false, timestamp: new Date(sent).toISOString().replace("Z", "000+00:00"), edited_timestamp: null,
        ...(reactors.size && {
          reactions: [...reactors].map(([emoji, {normal, burst}]) => ({
            emoji, count: normal.length + burst.length, count_details: {normal: normal.length, burst: burst.length},
            me: false, me_burst: false, burst_colors: [],
          })),
        }),
      };
      if (chance(0.05)) {
        const webhook = id();
        Object.assign(message, {webhook_id: webhook, author: {...user(webhook, ["a hook", null, "0000"], true)}});
      } else if (chance(0.05)) {
        const interaction = {id: id(), type: 2, name: "props", user: one(people)};
        Object.assign(message, {type: one([20, 19, 23]), author: me, application_id: me.id,
          ...(chance(0.8) && {interaction_metadata: interaction, interaction}),
          // At Discord all have it.
          ...(chance(0.7) && {webhook_id: me.id})});
      }
      return {message, reactors};
    };
    const reactorsOf = new Map();
    for (const place of [...texts.slice(0, 5), ...others, ...threads]) {
      const made = Array.from({length: place.type === 0 ? messages : 6}, () => makeMessage(place));
      // The newest first, as Discord lists them.
      messagesOf.set(place.id, made.map(({message}) => message).reverse());
      for (const {message, reactors} of made) reactorsOf.set(message.id, reactors);
    }
    const own = EMOJIS.filter((emoji) => /party/i.test(emoji.name));
    const shape = {id: guildId, name: `guild ${index}`, owner_id: people[0].id, roles, emojis: own,
      approximate_member_count: members.length};
    return {...shape, shape, members, channels, threads, messages: messagesOf, reactors: reactorsOf};
  };
  return {me, guilds: [makeGuild(0), makeGuild(1)]};
}
