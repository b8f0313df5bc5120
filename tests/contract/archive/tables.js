// Discord's tables, as FORMAT.md has them: what each row's fields are, in their order, its key and its time.

const DISCORD_EPOCH = 1_420_070_400_000n;
/** Ids below this are no real ones: see "Hidden members". */
const HIDDEN = 1n << 22n;

// What a value may be. Each returns a complaint, or nothing.
export const when = (holds, complaint) => (value) => (holds(value) ? undefined : complaint);
const below64 = (value) => typeof value === "string" && /^(0|[1-9]\d*)$/.test(value) && BigInt(value) < 1n << 64n;
export const text = when((value) => typeof value === "string", "is no text");
export const integer = when(Number.isSafeInteger, "is no integer");
export const bool = when((value) => typeof value === "boolean", "is no bool");
export const id = when(below64, "is no id");
export const bits = when(below64, "is no set of bits");
export const time = when(Number.isSafeInteger, "is no time");
export const oneOf = (...values) => when((value) => values.includes(value), `is none of ${values.join(", ")}`);
/** May be nil, but not absent. */
export const nullable = (type) => (value) => (value === null ? undefined : type(value));
/** May be nil or absent. */
const optional = (type) => Object.assign((value) => (value === null ? undefined : type(value)), {isOptional: true});
export const list = (type) => (value) => {
  if (!Array.isArray(value)) return "is no array";
  return value.map((item, index) => complaint(type(item), `[${index}]`)).find(Boolean);
};
/** Other fields than these may be there, too. */
export const map = (fields, inOrder = false) => (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is no map";
  const names = Object.keys(fields);
  const known = Object.keys(value).filter((name) => names.includes(name));
  if (inOrder && known.join() !== names.filter((name) => name in value).join()) return "has its fields in another order";
  return names
    .map((name) => (name in value ? complaint(fields[name](value[name]), `.${name}`) : fields[name].isOptional ? undefined : `.${name} is absent`))
    .find(Boolean);
};
export const mapOf = (type) => (value) => map(Object.fromEntries(Object.keys(value ?? {}).map((key) => [key, type])))(value);
export const complaint = (inner, where) => inner && (/^[.[]/.test(inner) ? where + inner : `${where} ${inner}`);

const fieldsOf = (fields) => map(fields, true);
const evidence = oneOf("gateway", "rest");
const made = (id) => Number((BigInt(id) >> 22n) + DISCORD_EPOCH);
const isSorted = (items) => items.every((item, index) => index === 0 || items[index - 1] < item);
const said = (row, names) => names.find((name) => ![undefined, null, ""].includes(row[name]) && row[name].length !== 0);
const by = (field) => ({key: (row) => [BigInt(row[field])], time: (row) => made(row[field])});

/** Each table's fields, the key and the time of a row, and what is odd of one whose fields are well by themselves. */
export const TABLES = {
  guilds: {
    ...by("id"),
    fields: {
      id, name: text, owner_id: id, props_channels: nullable(list(id)), left_at: nullable(time), keep_deleted_props: optional(bool),
      excluded_channels: optional(list(id)), included_channels: optional(list(id)),
      limits: optional(list(fieldsOf({since: time, quota: nullable(fieldsOf({count: integer, period: oneOf("day", "week", "month")})), commands_only: bool, edit_minutes: integer}))),
      props_bots: optional(list(id)), age_restricted: optional(bool),
      reaction_thanks: optional(list(fieldsOf({since: time, emoji_id: nullable(id), emoji: nullable(text), cooldown_minutes: integer, giver_roles: list(id)}))),
      meeting_events: optional(bool),
    },
  },
  channels: {
    ...by("id"),
    fields: {
      id, guild_id: id, kind: integer, name: text, parent_id: nullable(id), position: integer, nsfw: bool, props_channel: bool,
      overwrites: list(fieldsOf({kind: oneOf("role", "member"), id, allow: bits, deny: bits})), owner_id: nullable(id),
      archived: nullable(bool), archive_timestamp: nullable(time), deleted_at: nullable(time),
    },
  },
  roles: {...by("id"), fields: {id, guild_id: id, name: text, position: integer, permissions: bits, managed: bool, deleted_at: nullable(time)}},
  emojis: {...by("id"), fields: {id, guild_id: id, name: nullable(text), animated: bool, own: bool, deleted_at: nullable(time)}},
  members: {
    ...by("user_id"),
    fields: {
      guild_id: id, user_id: id, username: text, global_name: nullable(text), discriminator: nullable(integer), bot: bool, system: optional(bool),
      member: bool, nick: nullable(text), roles: list(id), joined_at: nullable(time), left_at: nullable(time),
      privacy: optional(oneOf("content", "identity", "everything")), forgotten_at: optional(time), texts_since: optional(time),
      role_history: optional(list(fieldsOf({since: time, roles: nullable(list(id))}))),
    },
    oddity(row) {
      if (BigInt(row.user_id) < HIDDEN && !row.member) return "is hidden, and no member";
      if (!isSorted((row.role_history ?? []).map((change) => change.since))) return ".role_history is not by since";
      const left = row.privacy === "everything" && said(row, ["username", "global_name", "discriminator", "nick", "roles", "joined_at", "left_at"]);
      return left ? `.${left} is left of who opted out of everything` : undefined;
    },
  },
  messages: {
    ...by("id"),
    fields: {
      guild_id: id, channel_id: id, id, deleted_at: nullable(time), author_id: nullable(id), author_kind: nullable(oneOf("user", "bot", "webhook")),
      kind: nullable(integer), content: nullable(text), mentions: list(fieldsOf({user_id: id, count: integer})), reply_to: nullable(id),
      command: nullable(fieldsOf({id, user_id: id, name: nullable(text)})), edited_at: nullable(time), by_webhook: optional(bool),
      earlier_mentions: optional(list(fieldsOf({user_id: id, at: time}))),
    },
    oddity(row) {
      const rest = ["author_id", "author_kind", "kind", "content", "mentions", "reply_to", "command", "edited_at"];
      const left = row.deleted_at !== null && said(row, rest);
      if (left) return `.${left} is left of a deleted message`;
      const missing = row.deleted_at === null && rest.slice(0, 4).find((name) => row[name] === null);
      if (missing) return `.${missing} is nil, and the message is not deleted`;
      return isSorted(row.mentions.map((mention) => BigInt(mention.user_id))) ? undefined : ".mentions are not by user";
    },
  },
  reactions: {
    key(row) {
      const emoji = row.emoji_id === null ? [0, Buffer.from(row.emoji)] : [1, BigInt(row.emoji_id)];
      return [BigInt(row.message_id), ...emoji, Number(row.burst), BigInt(row.user_id)];
    },
    time: (row) => Math.max(made(row.message_id), row.added_by === "gateway" ? (row.added_at ?? -Infinity) : -Infinity),
    fields: {
      guild_id: id, channel_id: id, message_id: id, user_id: id, emoji_id: nullable(id), emoji: nullable(text), burst: bool,
      added_at: nullable(time), added_by: nullable(evidence), removed_at: nullable(time), removed_by: nullable(evidence),
    },
    oddity: (row) => ((row.emoji === null) === (row.emoji_id === null) ? "has not exactly one of emoji and emoji_id" : undefined),
  },
  props: {
    ...by("id"),
    fields: {
      id, guild_id: id, channel_id: id, message_id: nullable(id), giver_id: id, receiver_ids: list(id), reason: text,
      origin: oneOf("command", "answer"), withdrawn_at: optional(time), about_channel_id: optional(id), about_message_id: optional(id),
    },
    oddity: (row) => (new Set(row.receiver_ids).size !== row.receiver_ids.length ? ".receiver_ids has somebody twice" : undefined),
  },
  links: {
    ...by("user_id"),
    fields: {
      guild_id: id, user_id: id, github_id: nullable(text), github_login: nullable(text), linked_at: nullable(time), undone_at: nullable(time),
      grain: nullable(bool), grain_at: nullable(time),
    },
    oddity(row) {
      const [linked, undone] = [row.linked_at, row.undone_at].map((value) => value !== null);
      const has = linked && !undone;
      if ((undone && !linked) || [row.github_id, row.github_login].some((value) => (value !== null) !== has)) return "has a part of a link";
      return (row.grain === null) === (row.grain_at === null) ? undefined : "has not both of grain and grain_at";
    },
  },
  events: {
    key: (row) => [BigInt(row.id), row.start],
    time: (row) => made(row.id),
    fields: {
      guild_id: id, id, start: time, end: nullable(time), began_at: nullable(time), name: text, status: integer, creator_id: nullable(id), channel_id: nullable(id),
      recurring: bool, user_count: nullable(integer), interested_ids: list(id), deleted_at: nullable(time),
    },
    oddity: (row) => (isSorted(row.interested_ids.map(BigInt)) ? undefined : ".interested_ids are not by user"),
  },
};
export const NAMES = Object.keys(TABLES);
export const OF_PARTS = ["messages", "reactions", "props"];
