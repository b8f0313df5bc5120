// What the gateway sends and takes, as zod schemas. Discord publishes none, so the envelopes here follow its
// documentation, and every object inside one is the published REST object of the same name.

import * as z from "zod/mini";
import {object} from "./spec.js";

const snowflake = object("SnowflakeType");
const user = object("UserResponse");
const member = object("GuildMemberResponse");
const memberWithoutUser = z.omit(member, {user: true});
const role = object("GuildRoleResponse");
const channel = object("GuildChannelResponse");
const thread = object("ThreadResponse");
const threadMember = object("ThreadMemberResponse");
const emoji = object("MessageReactionEmojiResponse");
const instant = threadMember.def.shape.join_timestamp;
const anything = z.unknown();

const scheduledEvent = z.union(
  ["ExternalScheduledEventResponse", "StageScheduledEventResponse", "VoiceScheduledEventResponse"].map(object),
);
const eventUser = z.strictObject({guild_scheduled_event_id: snowflake, user_id: snowflake, guild_id: snowflake});

const message = z.extend(object("MessageResponse"), {
  guild_id: z.optional(snowflake),
  member: z.optional(memberWithoutUser),
  mentions: z.array(z.extend(user, {member: z.optional(memberWithoutUser)})),
});

const reaction = {channel_id: snowflake, message_id: snowflake, guild_id: z.optional(snowflake)};
const oneReaction = {...reaction, user_id: snowflake, emoji, burst: z.boolean(), type: object("ReactionTypes")};

const option = z.strictObject({
  name: z.string(),
  type: object("ApplicationCommandOptionType"),
  value: z.optional(z.union([z.string(), z.number(), z.boolean()])),
  get options() {
    return z.optional(z.array(option));
  },
  focused: z.optional(z.boolean()),
});
const memberWithPermissions = z.extend(member, {permissions: z.string()});
const resolved = z.strictObject({
  users: z.optional(z.record(snowflake, user)),
  members: z.optional(z.record(snowflake, z.extend(z.partial(memberWithoutUser), {permissions: z.string()}))),
  roles: z.optional(z.record(snowflake, role)),
  channels: z.optional(z.record(snowflake, anything)),
  messages: z.optional(z.record(snowflake, anything)),
  attachments: z.optional(z.record(snowflake, object("AttachmentResponse"))),
});
const interactionData = z.union([
  z.strictObject({
    id: snowflake,
    name: z.string(),
    type: object("ApplicationCommandType"),
    resolved: z.optional(resolved),
    options: z.optional(z.array(option)),
    guild_id: z.optional(snowflake),
    target_id: z.optional(snowflake),
  }),
  z.strictObject({
    custom_id: z.string(),
    component_type: z.int32(),
    id: z.optional(z.int32()),
    values: z.optional(z.array(z.string())),
    resolved: z.optional(resolved),
  }),
  z.strictObject({custom_id: z.string(), components: z.array(anything), resolved: z.optional(resolved)}),
]);

/** The `d` of every dispatched event that we know. */
export const events = {
  READY: z.strictObject({
    v: z.literal(10),
    user: z.extend(z.partial(object("UserPIIResponse")), {id: snowflake, username: z.string(), bot: z.literal(true)}),
    guilds: z.array(z.strictObject({id: snowflake, unavailable: z.literal(true)})),
    session_id: z.string(),
    resume_gateway_url: z.url(),
    shard: z.optional(z.tuple([z.int32(), z.int32()])),
    application: z.strictObject({id: snowflake, flags: z.int32()}),
    // Sent to every bot and documented nowhere.
    _trace: z.optional(anything),
    presences: z.optional(anything),
    private_channels: z.optional(anything),
    relationships: z.optional(anything),
    session_type: z.optional(anything),
    user_settings: z.optional(anything),
  }),
  RESUMED: z.union([z.null(), z.strictObject({})]),

  GUILD_CREATE: z.union([
    z.extend(object("GuildResponse"), {
      joined_at: instant,
      large: z.boolean(),
      unavailable: z.optional(z.boolean()),
      member_count: z.int32(),
      voice_states: z.array(anything),
      members: z.array(member),
      channels: z.array(z.extend(channel, {guild_id: z.optional(snowflake)})),
      threads: z.array(z.extend(thread, {guild_id: z.optional(snowflake)})),
      presences: z.array(anything),
      stage_instances: z.array(anything),
      guild_scheduled_events: z.array(anything),
      soundboard_sounds: z.optional(z.array(anything)),
    }),
    z.strictObject({id: snowflake, unavailable: z.literal(true)}),
  ]),
  GUILD_UPDATE: object("GuildResponse"),
  GUILD_DELETE: z.strictObject({id: snowflake, unavailable: z.optional(z.boolean())}),
  GUILD_EMOJIS_UPDATE: z.strictObject({guild_id: snowflake, emojis: z.array(object("EmojiResponse"))}),

  GUILD_MEMBER_ADD: z.extend(member, {guild_id: snowflake}),
  GUILD_MEMBER_UPDATE: z.extend(z.partial(member), {
    guild_id: snowflake,
    user,
    roles: z.array(snowflake),
    joined_at: z.nullable(instant),
  }),
  GUILD_MEMBER_REMOVE: z.strictObject({guild_id: snowflake, user}),
  GUILD_ROLE_CREATE: z.strictObject({guild_id: snowflake, role}),
  GUILD_ROLE_UPDATE: z.strictObject({guild_id: snowflake, role}),
  GUILD_ROLE_DELETE: z.strictObject({guild_id: snowflake, role_id: snowflake}),

  GUILD_SCHEDULED_EVENT_CREATE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_UPDATE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_DELETE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_USER_ADD: eventUser,
  GUILD_SCHEDULED_EVENT_USER_REMOVE: eventUser,

  CHANNEL_CREATE: channel,
  CHANNEL_UPDATE: channel,
  CHANNEL_DELETE: channel,
  CHANNEL_PINS_UPDATE: z.strictObject({
    guild_id: z.optional(snowflake),
    channel_id: snowflake,
    last_pin_timestamp: z.nullish(instant),
  }),
  THREAD_CREATE: z.extend(thread, {newly_created: z.optional(z.boolean())}),
  THREAD_UPDATE: thread,
  THREAD_DELETE: z.strictObject({
    id: snowflake,
    guild_id: snowflake,
    parent_id: snowflake,
    type: thread.def.shape.type,
  }),
  THREAD_LIST_SYNC: z.strictObject({
    guild_id: snowflake,
    channel_ids: z.optional(z.array(snowflake)),
    threads: z.array(thread),
    members: z.array(threadMember),
  }),
  THREAD_MEMBER_UPDATE: z.extend(threadMember, {guild_id: snowflake}),
  THREAD_MEMBERS_UPDATE: z.strictObject({
    id: snowflake,
    guild_id: snowflake,
    member_count: z.int32(),
    added_members: z.optional(z.array(threadMember)),
    removed_member_ids: z.optional(z.array(snowflake)),
  }),

  MESSAGE_CREATE: message,
  MESSAGE_UPDATE: message,
  MESSAGE_DELETE: z.strictObject({id: snowflake, channel_id: snowflake, guild_id: z.optional(snowflake)}),
  MESSAGE_DELETE_BULK: z.strictObject({
    ids: z.array(snowflake),
    channel_id: snowflake,
    guild_id: z.optional(snowflake),
  }),
  MESSAGE_REACTION_ADD: z.strictObject({
    ...oneReaction,
    member: z.optional(member),
    message_author_id: z.optional(snowflake),
    burst_colors: z.optional(z.array(z.string())),
  }),
  MESSAGE_REACTION_REMOVE: z.strictObject(oneReaction),
  MESSAGE_REACTION_REMOVE_ALL: z.strictObject(reaction),
  MESSAGE_REACTION_REMOVE_EMOJI: z.strictObject({...reaction, emoji}),

  INTERACTION_CREATE: z.strictObject({
    id: snowflake,
    application_id: snowflake,
    type: object("InteractionTypes"),
    data: z.optional(interactionData),
    guild: z.optional(z.strictObject({id: snowflake, locale: z.string(), features: z.array(z.string())})),
    guild_id: z.optional(snowflake),
    channel: z.optional(anything),
    channel_id: z.optional(snowflake),
    member: z.optional(memberWithPermissions),
    user: z.optional(user),
    token: z.string(),
    version: z.literal(1),
    message: z.optional(object("MessageResponse")),
    app_permissions: z.string(),
    locale: z.optional(object("AvailableLocalesEnum")),
    guild_locale: z.optional(object("AvailableLocalesEnum")),
    entitlements: z.array(object("EntitlementResponse")),
    authorizing_integration_owners: z.record(z.string(), z.string()),
    context: z.optional(object("InteractionContextType")),
    attachment_size_limit: z.int32(),
  }),
};

/** Whether Discord has an event of that name at all. */
export const isEvent = (name) => object("ActionTypes").safeParse(name).success;

const unsequenced = {s: z.nullish(z.null()), t: z.nullish(z.null())};
const frame = (op, d) => z.strictObject({op: z.literal(op), d, ...unsequenced});

/** Whole frames by direction and opcode; the `d` of a dispatch is checked by its event's name. */
export const frames = {
  to_client: {
    0: z.strictObject({op: z.literal(0), d: anything, s: z.int32(), t: z.string()}),
    1: frame(1, z.nullish(z.null())),
    7: frame(7, z.nullish(z.null())),
    9: frame(9, z.boolean()),
    10: frame(10, z.object({heartbeat_interval: z.int32()})),
    11: frame(11, z.nullish(z.null())),
  },
  from_client: {
    1: frame(1, z.nullable(z.int32())),
    2: frame(
      2,
      z.strictObject({
        token: z.string(),
        intents: z.int32(),
        properties: z.strictObject({os: z.string(), browser: z.string(), device: z.string()}),
        compress: z.optional(z.boolean()),
        large_threshold: z.optional(z.int32()),
        shard: z.optional(z.tuple([z.int32(), z.int32()])),
        presence: z.optional(anything),
      }),
    ),
    3: frame(3, anything),
    6: frame(6, z.strictObject({token: z.string(), session_id: z.string(), seq: z.int32()})),
    8: frame(8, anything),
  },
};
