//! Members' use of the bot's commands: slash commands and context menus, with the objects that Discord resolves.

use serde_json::{Map, Value, json};

use super::interactions::{InteractionId, Occasion};
use super::permissions::{in_channel, in_guild};
use super::state::State;
use super::wire::{self, Id, MemberObject, MessageObject, UserObject, View, tree};

impl State {
    /// A slash command, `"settings set"` with its subcommand; the registered command determines the option types.
    pub(crate) fn slash(
        &mut self,
        user: u64,
        channel: u64,
        name: &str,
        options: &Value,
        focused: Option<&str>,
    ) -> InteractionId {
        let mut words = name.split_whitespace();
        let root = words.next().unwrap_or_default().to_owned();
        let command = self
            .interactions
            .command(&root, 1)
            .cloned()
            .unwrap_or_else(|| json!({"id": Id(1), "name": root}));
        let path: Vec<&str> = words.collect();
        let mut definition = command.clone();
        for word in &path {
            let options = definition["options"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            definition = options
                .into_iter()
                .find(|option| option["name"] == *word)
                .unwrap_or(Value::Null);
        }
        let mut resolved = Map::new();
        let given = options.as_object().cloned().unwrap_or_default();
        let mut filled: Vec<Value> = given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let mut option = self.option(&definition, name, value, &mut resolved);
                if focused == Some(name) {
                    option["focused"] = true.into();
                }
                option
            })
            .collect();
        for (depth, word) in path.iter().enumerate().rev() {
            // One word is a subcommand; of two, the first is its group.
            let kind = if depth + 1 < path.len() { 2 } else { 1 };
            filled = vec![json!({"name": word, "type": kind, "options": filled})];
        }
        let mut data = json!({"id": command["id"], "name": root, "type": 1, "options": filled});
        if self
            .interactions
            .local
            .iter()
            .any(|c| c["id"] == command["id"])
        {
            data["guild_id"] = tree(Id(self.guild.id));
        }
        if !resolved.is_empty() {
            data["resolved"] = resolved.into();
        }
        let kind = if focused.is_some() { 4 } else { 2 };
        self.interact(Occasion {
            kind,
            name: name.to_owned(),
            user,
            channel,
            data,
            target: None,
            message: None,
        })
    }

    fn option(
        &self,
        definition: &Value,
        name: &str,
        value: &Value,
        resolved: &mut Map<String, Value>,
    ) -> Value {
        let known = definition["options"]
            .as_array()
            .and_then(|options| options.iter().find(|o| o["name"] == name));
        let kind = known
            .and_then(|option| option["type"].as_u64())
            .unwrap_or(match value {
                Value::Bool(_) => 5,
                Value::Number(number) if number.is_f64() => 10,
                Value::Number(_) => 4,
                _ => 3,
            });
        if (6..=9).contains(&kind) {
            let id = value
                .as_u64()
                .or_else(|| value.as_str()?.parse().ok())
                .unwrap_or_default();
            self.resolve(id, kind, resolved);
            return json!({"name": name, "type": kind, "value": Id(id)});
        }
        json!({"name": name, "type": kind, "value": value})
    }

    /// Adds the objects that Discord sends for an id: users and members, channels, roles.
    fn resolve(&self, id: u64, kind: u64, resolved: &mut Map<String, Value>) {
        let mut put = |sort: &str, object: Value| {
            resolved.entry(sort).or_insert_with(|| json!({}))[id.to_string()] = object;
        };
        if matches!(kind, 6 | 9)
            && let Some(user) = self.guild.users.get(&id)
        {
            put("users", tree(UserObject(user)));
            if let Some(member) = self.guild.members.get(&id) {
                let mut object = tree(MemberObject { member, user: None });
                object["permissions"] = in_guild(&self.guild, id).to_string().into();
                put("members", object);
            }
        }
        if kind == 7
            && let Some(channel) = self.guild.channels.get(&id)
        {
            let mut object = wire::channel(&self.guild, channel);
            object["permissions"] = in_channel(&self.guild, self.guild.bot, channel)
                .to_string()
                .into();
            put("channels", object);
        }
        if matches!(kind, 8 | 9)
            && let Some(role) = self.guild.roles.get(&id)
        {
            put("roles", wire::role(role));
        }
    }

    /// A command of a user's (2) or message's (3) context menu.
    pub(crate) fn context_menu(
        &mut self,
        user: u64,
        channel: u64,
        name: &str,
        kind: u64,
        target: u64,
    ) -> InteractionId {
        let command = self
            .interactions
            .command(name, kind)
            .cloned()
            .unwrap_or_else(|| json!({"id": Id(1)}));
        let mut resolved = Map::new();
        if kind == 2 {
            self.resolve(target, 6, &mut resolved);
        } else if let Some(message) = self.guild.message(channel, target) {
            let object = tree(MessageObject {
                guild: &self.guild,
                message,
                view: View::rest(true),
            });
            resolved.insert("messages".to_owned(), json!({target.to_string(): object}));
        }
        let data = json!({"id": command["id"], "name": name, "type": kind, "target_id": Id(target), "resolved": resolved});
        let target = (kind == 3).then_some(target);
        self.interact(Occasion {
            kind: 2,
            name: name.to_owned(),
            user,
            channel,
            data,
            target,
            message: None,
        })
    }
}
