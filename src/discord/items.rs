//! Reads lists item by item, so that an odd one spoils only itself.

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use serde_json::value::RawValue;

use super::json;
use propsbot_model::wide;

/// A list as Discord sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items<T> {
    /// The readable items.
    pub items: Vec<T>,
    /// Ids of unreadable items.
    pub unreadable: Vec<u64>,
    /// Number of items, readable or not.
    pub len: usize,
    /// Whether `items` and `unreadable` have every item. Only then is an absent one known not to
    /// exist.
    pub all_named: bool,
}

/// A list that wasn't sent.
impl<T> Default for Items<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            unreadable: Vec::new(),
            len: 0,
            all_named: false,
        }
    }
}

/// A complete, readable list.
impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            len: items.len(),
            items,
            unreadable: Vec::new(),
            all_named: true,
        }
    }
}

impl<T> Items<T> {
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Items<U> {
        Items {
            items: self.items.into_iter().map(of).collect(),
            unreadable: self.unreadable,
            len: self.len,
            all_named: self.all_named,
        }
    }

    /// Returns how many items are unreadable, with or without an id.
    pub fn odd(&self) -> usize {
        self.len - self.items.len()
    }

    /// Describes the unreadable items; `what` names their kind.
    pub fn unread(&self, what: &str) -> Vec<String> {
        let named = self.unreadable.iter().map(|id| format!("{what} {id}"));
        let unnamed = self.odd() - self.unreadable.len();
        let unnamed = (unnamed > 0).then(|| format!("{unnamed} without a readable id"));
        named.chain(unnamed).collect()
    }

    /// Returns whether the list is complete and readable.
    pub fn all_readable(&self) -> bool {
        self.all_named && self.unreadable.is_empty()
    }
}

impl<T: DeserializeOwned> Items<T> {
    /// Reads a list that its object needs.
    pub(super) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(raw.get().as_bytes()).map_err(de::Error::custom)
    }

    /// Reads a list; fails if it isn't one.
    pub(super) fn read(json: &[u8]) -> serde_json::Result<Self> {
        // Nearly always all items are fine, and reading them at once is twice as fast.
        if let Ok(all) = serde_json::from_slice::<Vec<T>>(json) {
            return Ok(all.into());
        }
        let json = json::mend(json);
        let all = serde_json::from_slice::<Vec<&RawValue>>(&json)?;
        let mut list = Self {
            len: all.len(),
            all_named: true,
            ..Self::default()
        };
        for raw in all {
            match json::read(raw.get().as_bytes()) {
                Ok(item) => list.items.push(item),
                Err(_) => match id(raw) {
                    Some(id) => list.unreadable.push(id),
                    None => list.all_named = false,
                },
            }
        }
        Ok(list)
    }
}

/// Reads a list inside an object; anything else counts as not sent.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self::read(raw.get().as_bytes()).unwrap_or_default())
    }
}

/// The id of an otherwise unreadable object.
#[derive(Deserialize)]
struct OfId {
    #[serde(deserialize_with = "wide::deserialize")]
    id: u64,
}

/// A member has the id of its user.
#[derive(Deserialize)]
struct OfUser {
    user: OfId,
}

fn id(raw: &RawValue) -> Option<u64> {
    let of = serde_json::from_str::<OfId>(raw.get());
    let of = of.or_else(|_| serde_json::from_str(raw.get()).map(|OfUser { user }| user));
    of.ok().map(|OfId { id }| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Odd {
        odd: bool,
    }

    fn read(json: &str) -> Items<Odd> {
        Items::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn an_odd_item_spoils_only_itself() {
        let list = read(
            r#"[{"odd": true}, {"id": "8", "odd": "\ud800"}, {"id": 9}, {"user": {"id": "7"}}]"#,
        );
        assert_eq!(list.items, [Odd { odd: true }]);
        assert_eq!((list.unreadable.as_slice(), list.len), (&[8, 9, 7][..], 4));
        assert!(list.all_named && !list.all_readable());
    }

    #[test]
    fn a_list_that_hides_an_id_is_incomplete() {
        for json in [
            "[7]",
            "[null]",
            r#"[{"id": []}]"#,
            r#"[{"odd": 1e999}]"#,
            r#"[{"id": "\ud800"}]"#,
        ] {
            let list = read(json);
            assert_eq!((list.len, list.all_named), (1, false), "{json}");
        }
        assert!(read("[]").all_readable());
        assert!(read(r#"[{"odd": true, "name": "\ud800"}]"#).all_readable());
    }

    #[test]
    fn anything_but_a_list_counts_as_not_sent() {
        for json in ["{}", "null", "7", r#"{"a": "#] {
            assert!(Items::<Odd>::read(json.as_bytes()).is_err());
        }
        let within = |json| serde_json::from_str::<Items<Odd>>(json).unwrap();
        assert_eq!(within("null"), Items::default());
        assert_eq!(within("[{\"odd\": false}]").len, 1);
        let value = serde_json::json!([{"odd": true}]);
        assert_eq!(Items::<Odd>::deserialize(&value).unwrap().len, 1);
    }
}
