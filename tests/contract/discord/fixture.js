// A small correct recording, written by hand: what the validator is broken against.

const USER = {
  id: "80351110224678912",
  username: "ann",
  avatar: null,
  discriminator: "0",
  public_flags: 0,
  flags: 0,
  global_name: "Ann",
  primary_guild: null,
};
const BOT = {...USER, id: "1053015370115588147", username: "propsbot", bot: true};
const MEMBER = {
  avatar: null,
  banner: null,
  communication_disabled_until: null,
  flags: 0,
  joined_at: "2024-01-02T03:04:05.678000+00:00",
  nick: null,
  pending: false,
  premium_since: null,
  roles: ["41771983423143936"],
  mute: false,
  deaf: false,
};
const THUMB = {id: null, name: "👍"};
const MESSAGE = {
  id: "1200000000000000001",
  channel_id: "41771983423143937",
  type: 0,
  author: USER,
  content: "thanks",
  timestamp: "2024-01-18T00:00:00.000000+00:00",
  edited_timestamp: null,
  mentions: [],
  mention_roles: [],
  mention_everyone: false,
  attachments: [],
  embeds: [],
  components: [],
  flags: 0,
  pinned: false,
  tts: false,
};
const REACTIONS = [
  {emoji: THUMB, count: 1, count_details: {burst: 0, normal: 1}, burst_colors: [], me: false, me_burst: false},
];

const rest = (method, path, status, response, request = null) => ({
  type: "rest",
  at: 0,
  method,
  route: "?",
  path: `/api/v10${path}`,
  request,
  status,
  response,
});
const sent = (t, d, s = 1) => ({type: "gateway", at: 0, direction: "to_client", payload: {op: 0, s, t, d}});
const frame = (direction, op, d) => ({type: "gateway", at: 0, direction, payload: {op, d}});

/** Entries by a name, of which nothing is shared, so that a test may break one. */
export const entries = () => JSON.parse(RECORDING);

const RECORDING = JSON.stringify({
  gateway: rest("GET", "/gateway", 200, {url: "ws://127.0.0.1:3006/"}),
  messages: rest("GET", "/channels/41771983423143937/messages?limit=100&before=1200000000000000002", 200, [
    {...MESSAGE, reactions: REACTIONS},
  ]),
  reactions: rest(
    "GET",
    "/channels/41771983423143937/messages/1200000000000000001/reactions/%F0%9F%91%8D?limit=100&type=0",
    200,
    [USER],
  ),
  limited: rest("GET", "/users/@me/guilds", 429, {
    message: "You are being rate limited.",
    retry_after: 0.25,
    global: false,
  }),
  forbidden: rest("GET", "/channels/41771983423143937", 403, {message: "Missing Access", code: 50001}),
  broken: rest("GET", "/channels/41771983423143937", 0, null),
  failed: rest("GET", "/channels/41771983423143937", 502, null),
  refused: rest("GET", "/channels/41771983423143937/messages", 400, {
    message: "Invalid Form Body",
    code: 50035,
    errors: {limit: {_errors: [{code: "NUMBER_TYPE_MAX", message: "int value should be less than or equal to 100."}]}},
  }),
  commands: rest("PUT", "/applications/1053015370115588147/commands", 200, [], [
    {
      name: "props",
      type: 1,
      description: "Give props",
      default_member_permissions: "32",
      nsfw: false,
      options: [{name: "to", type: 6, description: "To whom", required: true, choices: [], min_value: null}],
    },
  ]),
  threads: rest("GET", "/guilds/41771983423143936/threads/active", 200, {threads: [], members: []}),
  answer: rest("POST", "/interactions/1200000000000000003/token/callback", 204, null, {
    type: 4,
    data: {content: "done", flags: 64},
  }),
  hello: frame("to_client", 10, {heartbeat_interval: 41_250}),
  identify: frame("from_client", 2, {
    token: "token",
    intents: 34_307,
    properties: {os: "linux", browser: "propsbot", device: "propsbot"},
  }),
  ready: sent("READY", {
    v: 10,
    user: BOT,
    guilds: [{id: "41771983423143936", unavailable: true}],
    session_id: "1",
    resume_gateway_url: "ws://127.0.0.1:3006/",
    application: {id: BOT.id, flags: 0},
  }),
  created: sent("MESSAGE_CREATE", {
    ...MESSAGE,
    guild_id: "41771983423143936",
    member: MEMBER,
    mentions: [{...BOT, member: MEMBER}],
  }),
  reacted: sent("MESSAGE_REACTION_ADD", {
    user_id: USER.id,
    channel_id: MESSAGE.channel_id,
    message_id: MESSAGE.id,
    guild_id: "41771983423143936",
    member: {...MEMBER, user: USER},
    emoji: THUMB,
    burst: false,
    type: 0,
  }),
  command: sent("INTERACTION_CREATE", {
    id: "1200000000000000003",
    application_id: BOT.id,
    type: 2,
    data: {id: "1", name: "props", type: 1, options: [{name: "to", type: 6, value: BOT.id}]},
    guild_id: "41771983423143936",
    channel_id: MESSAGE.channel_id,
    member: {...MEMBER, user: USER, permissions: "0"},
    token: "token",
    version: 1,
    app_permissions: "0",
    locale: "en-US",
    entitlements: [],
    authorizing_integration_owners: {},
    context: 0,
    attachment_size_limit: 10_485_760,
  }),
});
