//! The github plugin: the graph that SourceCred's own GitHub plugin draws, from rows instead of GitHub.
//!
//! Every rule here, oddities included, is from SourceCred 0.11.2, `plugins/github/`. The addresses are that plugin's
//! too, so an instance that replaces `sourcecred/github` with `external/github` keeps its identities and its cred.
//! Improvements belong behind [`Rules::Improved`].

mod declaration;
mod discussions;
mod draw;
mod links;
mod references;
mod view;

use propsbot_archive::{RowSource, Schema};
use propsbot_sourcecred::{
    Alias, Documents, DrawError, Drawing, GraphPlugin, IdentityProposal, IdentityType, NAME_LENGTH,
    NodeAddress, Standing, WeightedGraph,
};
use serde::Deserialize;

use self::{
    declaration::declaration,
    draw::{bots, draw, person, userlikes},
    links::node_at,
    view::views,
};
use crate::SCHEMA;

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of SourceCred's plugin.
    Native,
    /// The same, with these changes:
    ///
    /// * References between repositories count, and to people who are only known in another one.
    /// * Names and links mean the same in whatever case they are written, also those to commits.
    /// * Co-authors of commits are authors.
    /// * Discussions, the comments on them, their answers and releases are there, too.
    /// * Proposed names have at most 31 characters, so that two equal names can't fail the whole run.
    Improved,
}

/// The config.json of SourceCred's GitHub plugin.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct GithubConfig {
    /// `owner/name`, as GitHub spells them now; all repositories if there are none.
    #[serde(default)]
    pub repositories: Vec<String>,
}

impl GithubConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Anything but such a config.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn has(&self, name: &str) -> bool {
        let mut all = self.repositories.iter();
        self.repositories.is_empty() || all.any(|one| one.eq_ignore_ascii_case(name))
    }
}

/// The prefix of people's nodes.
pub fn people() -> NodeAddress {
    userlikes()
}

/// The node of a login, as it is in a ledger.
pub fn alias_of(login: &str) -> Alias {
    Alias {
        description: format!("github/[@{login}](https://github.com/{login})"),
        address: person(login),
    }
}

/// The graph of SourceCred's own GitHub plugin.
#[derive(Clone, Debug)]
pub struct GithubPlugin {
    config: GithubConfig,
    rules: Rules,
}

impl GithubPlugin {
    /// A plugin for these repositories.
    pub fn new(config: GithubConfig, rules: Rules) -> Self {
        Self { config, rules }
    }
}

impl GraphPlugin for GithubPlugin {
    fn name(&self) -> &'static str {
        "github"
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn standing(&self) -> Standing {
        Standing::Prescribed
    }

    fn node_of(&self, contribution: &str, graph: &WeightedGraph) -> Option<NodeAddress> {
        node_at(contribution, graph)
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let views = views(rows, self.rules, |name| self.config.has(name))?;
        let absent = self.config.repositories.iter().find(|named| {
            let mut names = views.values().map(view::View::name);
            !names.any(|name| name.eq_ignore_ascii_case(named))
        });
        if let Some(absent) = absent {
            let why = format!(
                "the archive holds no repository {absent}, which the config names: export it first, or change \
                 repositories"
            );
            return Err(DrawError::Settings(why.into()));
        }
        let graph = draw(&views, self.rules);
        let people = bots(&graph).map(|(address, description, is_bot)| {
            let login = address.last_part();
            let plain = |char: char| {
                if char.is_ascii_alphanumeric() {
                    char
                } else {
                    '-'
                }
            };
            let mut name: String = login.chars().map(plain).collect();
            if self.rules == Rules::Improved {
                name.truncate(NAME_LENGTH);
            }
            IdentityProposal {
                name,
                plugin_name: "github".into(),
                r#type: if is_bot {
                    IdentityType::Bot
                } else {
                    IdentityType::User
                },
                alias: Alias {
                    description: description.to_owned(),
                    address: address.clone(),
                },
            }
        });
        let proposals = people.collect();
        Ok(Drawing::from(Documents {
            graph,
            declaration: declaration(self.rules),
            proposals,
        }))
    }
}
