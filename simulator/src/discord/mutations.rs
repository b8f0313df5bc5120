//! Fields of responses and events replaced on purpose, with data that Discord shouldn't send but does.

use serde_json::Value;

use super::faults::plain;

/// A replaced field.
#[derive(Debug)]
struct Mutation {
    /// The route, or the event's name.
    of: String,
    /// The path to it; see [`super::Discord::mutate`].
    path: Vec<String>,
    /// The replacement as any text; `None` removes the field.
    by: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Mutations {
    all: Vec<Mutation>,
}

impl Mutations {
    pub(crate) fn add(&mut self, of: &str, pointer: &str, by: Option<&str>) {
        self.all.push(Mutation {
            of: plain(of),
            path: pointer
                .split('/')
                .skip(1)
                .map(|step| step.replace("~1", "/").replace("~0", "~"))
                .collect(),
            by: by.map(str::to_owned),
        });
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    /// A route's response or an event's payload, with its fields replaced.
    pub(crate) fn apply(&self, of: &str, json: Vec<u8>) -> Vec<u8> {
        let of = plain(of);
        let mut mutations = self
            .all
            .iter()
            .enumerate()
            .filter(|(_, own)| own.of == of)
            .peekable();
        if mutations.peek().is_none() {
            return json;
        }
        let mut value: Value = serde_json::from_slice(&json).expect("answers are plain JSON");
        let mut texts = Vec::new();
        for (index, mutation) in mutations {
            // The replacement may be invalid JSON: a placeholder stands for it until the tree is text again.
            let mark = mutation.by.as_ref().map(|by| {
                let mark = Value::from(format!("the place of mutation {index}"));
                texts.push((mark.to_string(), by));
                mark
            });
            replace(&mut value, &mutation.path, mark.as_ref());
        }
        let mut json = value.to_string();
        for (mark, by) in texts {
            json = json.replace(&mark, by);
        }
        json.into_bytes()
    }
}

/// Whether a path step matches this list item.
fn is_meant(step: &str, index: usize, item: &Value) -> bool {
    match step.strip_prefix("id=") {
        Some(id) => item["id"] == id || item["user"]["id"] == id,
        None => step == "*" || step.parse() == Ok(index),
    }
}

fn replace(value: &mut Value, path: &[String], by: Option<&Value>) {
    let Some((step, rest)) = path.split_first() else {
        *value = by.cloned().unwrap_or_default();
        return;
    };
    match value {
        Value::Array(items) if rest.is_empty() && by.is_none() => {
            let mut index = 0;
            items.retain(|item| {
                index += 1;
                !is_meant(step, index - 1, item)
            });
        }
        Value::Array(items) => {
            let items = items.iter_mut().enumerate();
            for (_, item) in items.filter(|(index, item)| is_meant(step, *index, item)) {
                replace(item, rest, by);
            }
        }
        Value::Object(fields) if rest.is_empty() => match by {
            Some(by) => drop(fields.insert(step.clone(), by.clone())),
            None => drop(fields.remove(step)),
        },
        Value::Object(fields) => {
            if let Some(field) = fields.get_mut(step) {
                replace(field, rest, by);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_or_removes_fields() {
        let of = "GET /guilds/{guild.id}/members";
        let list = br#"[{"nick":"a","user":{"id":"7","bot":true}},{"nick":"b","user":{"id":"8"}}]"#;
        let mutated = |pointer: &str, by: Option<&str>| {
            let mut mutations = Mutations::default();
            mutations.add(of, pointer, by);
            String::from_utf8(mutations.apply("GET /guilds/{guild_id}/members", list.to_vec()))
                .unwrap()
        };
        let [seven, eight] = [
            r#"{"nick":"a","user":{"bot":true,"id":"7"}}"#,
            r#"{"nick":"b","user":{"id":"8"}}"#,
        ];
        assert_eq!(mutated("/id=7", None), format!("[{eight}]"));
        assert_eq!(mutated("", Some("[]")), "[]");
        let odd = r#"{"nick":"\ud800","user":{"id":"8"}}"#;
        assert_eq!(
            mutated("/id=8/nick", Some(r#""\ud800""#)),
            format!("[{seven},{odd}]")
        );
        let bot = r#"{"nick":"b","user":{"bot":1e999,"id":"8"}}"#;
        assert_eq!(
            mutated("/1/user/bot", Some("1e999")),
            format!("[{seven},{bot}]")
        );
        assert_eq!(
            mutated("/*/nick", None),
            r#"[{"user":{"bot":true,"id":"7"}},{"user":{"id":"8"}}]"#
        );
        assert_eq!(mutated("/9/nick", None), format!("[{seven},{eight}]"));
    }
}
