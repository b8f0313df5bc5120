//! The root of queries: where a query enters the graph.

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::{JsonMap, JsonValue};
use jiff::Timestamp;

use super::object::{Field, Given, Thing};
use super::{World, problem, text, unresolved};
use crate::github::limits::Budget;
use crate::github::node;
use crate::github::viewer::NOT_ACCESSIBLE;
use crate::github::world::id::{self, NodeRef};
use crate::github::world::{AccountKind, ItemKind, Repository};

/// The most ids that `nodes` takes.
const MOST_IDS: usize = 100;

impl<'w> World<'w> {
    pub(super) fn query(&self, name: &str, arguments: &JsonMap) -> Field<'w> {
        let login = || text(arguments, "login").to_owned();
        Ok(Some(match name {
            "repository" => Given::One(self.repository_named(
                text(arguments, "owner"),
                text(arguments, "name"),
                arguments.get("followRenames") != Some(&JsonValue::Bool(false)),
            )?),
            "viewer" => Given::One(self.viewer()),
            "user" => Given::One(self.account_named("User", AccountKind::User, &login())?),
            "organization" => Given::One(self.account_named(
                "Organization",
                AccountKind::Organization,
                &login(),
            )?),
            "repositoryOwner" => {
                let found = self.source.account_named(&login());
                let owns = |kind| matches!(kind, AccountKind::User | AccountKind::Organization);
                Given::maybe(found.filter(|found| owns(found.kind)).map(Thing::Account))
            }
            "node" => Given::One(self.node(text(arguments, "id"))?),
            "nodes" => Given::Many(self.nodes(arguments)?),
            "resource" => Given::maybe(self.resource(text(arguments, "url"))),
            "rateLimit" => Given::maybe(self.rate_limit()),
            _ => return Ok(None),
        }))
    }

    fn repository_named(
        &self,
        owner: &str,
        name: &str,
        follow: bool,
    ) -> Result<Thing<'w>, FieldError> {
        let full_name = format!("{owner}/{name}");
        if let Some(found) = self.source.repository_named(&full_name) {
            let is_former = !self
                .source
                .full_name(found)
                .eq_ignore_ascii_case(&full_name);
            return if !self.viewer.sees(found) || (is_former && !follow) {
                Err(unresolved(&full_name))
            } else {
                Ok(Thing::Repository(found))
            };
        }
        let settings = &self.viewer.settings;
        let is_archive =
            settings.is_named(owner, name) || (follow && settings.was_named(owner, name));
        if is_archive && self.viewer.see().is_ok() {
            Ok(Thing::Archive)
        } else {
            Err(unresolved(&full_name))
        }
    }

    /// The owner of the token.
    fn viewer(&self) -> Thing<'w> {
        let login = &self.viewer.settings.login;
        match self.source.account_named(login) {
            Some(account) => Thing::Account(account),
            None => self.stranger(login),
        }
    }

    /// An account that isn't in the world.
    pub(super) fn stranger(&self, login: &str) -> Thing<'w> {
        let settings = &self.viewer.settings;
        let created = settings.created.to_string();
        Thing::Plain(
            "User",
            vec![
                ("id", node::user(login).into()),
                ("login", login.into()),
                ("url", format!("{}/{login}", settings.url).into()),
                ("resourcePath", format!("/{login}").into()),
                ("email", String::new().into()),
                ("createdAt", created.clone().into()),
                ("updatedAt", created.into()),
            ],
        )
    }

    fn account_named(
        &self,
        what: &str,
        kind: AccountKind,
        login: &str,
    ) -> Result<Thing<'w>, FieldError> {
        let found = self.source.account_named(login);
        let found = found.filter(|found| found.kind == kind);
        let message = format!("Could not resolve to a {what} with the login of '{login}'.");
        found
            .map(Thing::Account)
            .ok_or_else(|| problem("NOT_FOUND", &message))
    }

    fn nodes(&self, arguments: &JsonMap) -> Result<Vec<Thing<'w>>, FieldError> {
        let ids = arguments.get("ids").and_then(JsonValue::as_array);
        let ids = ids.map_or(&[][..], Vec::as_slice);
        if ids.len() > MOST_IDS {
            let count = ids.len();
            let what =
                format!("You may not provide more than {MOST_IDS} node ids; you provided {count}.");
            return Err(problem("ARGUMENT_LIMIT", &what));
        }
        let ids = ids.iter().filter_map(JsonValue::as_str);
        let node = |id| {
            self.node(id)
                .unwrap_or_else(|error| Thing::Missing(error.message))
        };
        Ok(ids.map(node).collect())
    }

    fn node(&self, given: &str) -> Result<Thing<'w>, FieldError> {
        let what = format!("Could not resolve to a node with the global id of '{given}'");
        let found = id::read(given);
        if found.as_ref().is_some_and(|found| self.refuses(found)) {
            return Err(problem("FORBIDDEN", NOT_ACCESSIBLE));
        }
        let found = found.and_then(|found| self.behind(&found));
        let found = found.or_else(|| self.archive_node(given));
        found.ok_or_else(|| problem("NOT_FOUND", &what))
    }

    fn behind(&self, node: &NodeRef) -> Option<Thing<'w>> {
        let source = self.source;
        match node {
            NodeRef::Account(id) => source.account(*id).map(Thing::Account),
            NodeRef::Repository(id) => self.seen(*id).map(Thing::Repository),
            NodeRef::Branch(id) => {
                let found = self.seen(*id)?;
                found.head.map(|_| Thing::Branch(found))
            }
            NodeRef::Item(kind, repository, id) => {
                let item = source.item(*id)?;
                self.seen(item.repository)?;
                let fits = item.kind == *kind && item.first_home == *repository && self.shows(item);
                fits.then_some(Thing::Item(item))
            }
            NodeRef::Marker(kind, repository, id) => {
                let marker = source.marker(*id)?;
                self.seen(marker.repository)?;
                let fits = marker.kind == *kind && marker.repository == *repository;
                fits.then_some(Thing::Marker(marker))
            }
            NodeRef::Reaction(on, id) => {
                let item = source.item(*on)?;
                self.seen(item.repository)?;
                self.shows(item).then_some(())?;
                let found = item.reactions.iter().find(|reaction| reaction.id == *id)?;
                Some(Thing::Reaction(item, found))
            }
            // Commits that no branch leads to any more are found for a while.
            NodeRef::Commit(id, sha) => self.seen(*id)?.commit(sha).map(Thing::Commit),
        }
    }

    /// The repository with this id, if it is seen.
    fn seen(&self, id: u64) -> Option<&'w Repository> {
        let found = self.source.repository(id)?;
        self.viewer.sees(found).then_some(found)
    }

    /// What is at an address of the web pages.
    fn resource(&self, url: &str) -> Option<Thing<'w>> {
        let path = url.strip_prefix("https://github.com/").unwrap_or(url);
        let (path, anchor) = path.split_once('#').unwrap_or((path, ""));
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let source = self.source;
        if let [login] = parts.as_slice() {
            return source.account_named(login).map(Thing::Account);
        }
        let [owner, name, rest @ ..] = parts.as_slice() else {
            return None;
        };
        let found = source.repository_named(&format!("{owner}/{name}"));
        let found = found.filter(|found| self.viewer.sees(found))?;
        match rest {
            [] => Some(Thing::Repository(found)),
            ["commit", sha] => found.commit(sha).map(Thing::Commit),
            ["issues" | "pull", number] => {
                let thread = source.thread(found, number.parse().ok()?)?;
                let below = anchor.rsplit(|sign: char| !sign.is_ascii_digit()).next();
                let below = below.filter(|id| !id.is_empty());
                let item = match below {
                    Some(id) => source.item(id.parse().ok()?)?,
                    None => thread,
                };
                Some(Thing::Item(item))
            }
            _ => None,
        }
    }

    fn rate_limit(&self) -> Option<Thing<'w>> {
        let state = self.shared.lock();
        let shown = state.limiter.shown(Budget::Graphql);
        let figure = |name: &str| shown[name].as_i64();
        let limit = figure("limit").filter(|limit| *limit > 0)?;
        let reset = Timestamp::from_second(figure("reset")?).ok()?;
        let nodes = i64::try_from(self.cost.nodes).ok()?;
        Some(Thing::Plain(
            "RateLimit",
            vec![
                ("cost", i64::from(self.cost.points()).into()),
                ("limit", limit.into()),
                ("nodeCount", nodes.into()),
                ("remaining", figure("remaining")?.into()),
                ("resetAt", reset.to_string().into()),
                ("used", figure("used")?.into()),
            ],
        ))
    }

    /// The issue or pull request with this number, if it is of this kind.
    pub(super) fn numbered(
        &self,
        of: &'w Repository,
        arguments: &JsonMap,
        kinds: &[ItemKind],
        what: &str,
    ) -> Result<Thing<'w>, FieldError> {
        let number = arguments.get("number").and_then(JsonValue::as_i64);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let found = number.and_then(|number| self.source.thread(of, number));
        let found = found.filter(|item| kinds.contains(&item.kind));
        let number = number.unwrap_or_default();
        let message = format!("Could not resolve to {what} with the number of {number}.");
        found
            .map(Thing::Item)
            .ok_or_else(|| problem("NOT_FOUND", &message))
    }
}
