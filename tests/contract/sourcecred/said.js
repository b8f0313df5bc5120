// Who was thanked, read from what Discord told the bot and from nothing that the bot made of it.

const DEFAULT = 0;

/**
 * Reads a recording. Returns two sets of user ids: `thanked`, members whom another person mentioned in a message that
 * stands in a channel named for props, and `mentioned`, everybody mentioned in any message that stands. Props given by
 * command are in the second only.
 */
export function readThanks(lines) {
  const [messages, channels, members] = [new Map(), new Set(), new Set()];
  const add = (message) => messages.set(message.id, message);
  const addChannel = ({id, name, type}) => type === 0 && name.includes("props") && channels.add(id);
  const addMember = ({user}) => members.add(user.id);

  for (const line of lines) {
    if (!line) continue;
    const {type, path, status, response, payload} = JSON.parse(line);
    if (type === "rest") {
      if (status !== 200 || !Array.isArray(response)) continue;
      if (/\/messages(\?|$)/.test(path)) response.forEach(add);
      else if (/\/guilds\/\d+\/channels$/.test(path)) response.forEach(addChannel);
      else if (/\/members\?/.test(path)) response.forEach(addMember);
      continue;
    }
    const {t, d} = payload;
    if (t === "MESSAGE_CREATE" || t === "MESSAGE_UPDATE") add(d);
    else if (t === "MESSAGE_DELETE") messages.delete(d.id);
    else if (t === "MESSAGE_DELETE_BULK") d.ids.forEach((id) => messages.delete(id));
    else if (t === "GUILD_MEMBER_ADD") addMember(d);
    else if (t === "GUILD_CREATE" && d.channels) {
      d.channels.forEach(addChannel);
      d.members.forEach(addMember);
    }
  }

  const [thanked, mentioned] = [new Set(), new Set()];
  for (const {channel_id, type, author, webhook_id, mentions} of messages.values()) {
    const byPerson = type === DEFAULT && !author.bot && !webhook_id;
    for (const {id} of mentions) {
      mentioned.add(id);
      if (byPerson && channels.has(channel_id) && id !== author.id && members.has(id)) thanked.add(id);
    }
  }
  return {thanked, mentioned};
}
