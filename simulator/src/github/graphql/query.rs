//! Queries: the repository, the account, the rate limit.

#![expect(
    clippy::unused_async,
    reason = "the engine asks for async resolvers, and git is waited for by blocking"
)]

use async_graphql::{Context, Enum, ID, Interface, Object, SimpleObject};
use jiff::Timestamp;

use super::objects::{GitObject, find};
use super::scalars::{DateTime, Oid, Uri};
use super::{Maybe, refused, unresolved, world};
use crate::github::limits::Budget;
use crate::github::node;
use crate::github::options::{Role, Visibility};

/// The root of queries.
pub(crate) struct Query;

#[Object]
impl Query {
    async fn repository(
        &self,
        context: &Context<'_>,
        owner: String,
        name: String,
        #[graphql(default_with = "Some(true)")] follow_renames: Option<bool>,
    ) -> Maybe<Repository> {
        // Nothing is renamed here.
        let _ = follow_renames;
        let viewer = &world(context).viewer;
        let named = viewer.settings.is_named(&owner, &name) && viewer.see().is_ok();
        Some(if named {
            Ok(Repository)
        } else {
            Err(unresolved(&format!("{owner}/{name}")))
        })
    }

    async fn viewer(&self, context: &Context<'_>) -> User {
        User::named(context, &world(context).viewer.settings.login)
    }

    async fn rate_limit(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(false)")] dry_run: Option<bool>,
    ) -> Option<RateLimit> {
        let _ = dry_run;
        let state = world(context).shared.lock();
        let shown = state.limiter.shown(Budget::Graphql);
        let figure = |name: &str| i32::try_from(shown[name].as_i64()?).ok();
        let limit = figure("limit").filter(|limit| *limit > 0)?;
        let reset = Timestamp::from_second(shown["reset"].as_i64()?).ok()?;
        Some(RateLimit {
            cost: 1,
            limit,
            node_count: 0,
            remaining: figure("remaining")?,
            reset_at: DateTime(reset.to_string()),
            used: figure("used")?,
        })
    }
}

#[derive(SimpleObject)]
struct RateLimit {
    cost: i32,
    limit: i32,
    node_count: i32,
    remaining: i32,
    reset_at: DateTime,
    used: i32,
}

/// The owner of a repository.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"), field(name = "login", ty = "&String"))]
enum RepositoryOwner {
    User(User),
}

#[derive(SimpleObject)]
struct User {
    id: ID,
    login: String,
    url: Uri,
}

impl User {
    fn named(context: &Context<'_>, login: &str) -> Self {
        let url = &world(context).viewer.settings.url;
        Self {
            id: ID(node::user(login)),
            login: login.to_owned(),
            url: Uri(format!("{url}/{login}")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum RepositoryPermission {
    Admin,
    Write,
    Read,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum RepositoryVisibility {
    Internal,
    Private,
    Public,
}

/// The repository; visible to the viewer.
#[derive(Clone, Copy)]
pub(crate) struct Repository;

impl Repository {
    fn reference(context: &Context<'_>, name: &str) -> Maybe<Ref> {
        let world = world(context);
        if let Err(refusal) = world.viewer.read() {
            return Some(Err(refused(refusal, &world.viewer.settings.full_name())));
        }
        match world.shared.git.target(name) {
            Err(error) => Some(Err(error.into())),
            Ok(found) => found.map(|(oid, _)| {
                Ok(Ref {
                    name: name.to_owned(),
                    oid,
                })
            }),
        }
    }
}

#[Object]
impl Repository {
    async fn id(&self, context: &Context<'_>) -> ID {
        ID(node::repository(
            &world(context).viewer.settings.full_name(),
        ))
    }

    async fn name<'c>(&self, context: &Context<'c>) -> &'c str {
        &world(context).viewer.settings.repo
    }

    async fn name_with_owner(&self, context: &Context<'_>) -> String {
        world(context).viewer.settings.full_name()
    }

    async fn owner(&self, context: &Context<'_>) -> RepositoryOwner {
        User::named(context, &world(context).viewer.settings.owner).into()
    }

    async fn url(&self, context: &Context<'_>) -> Uri {
        let settings = &world(context).viewer.settings;
        Uri(format!("{}/{}", settings.url, settings.full_name()))
    }

    async fn is_private(&self, context: &Context<'_>) -> bool {
        world(context).viewer.settings.visibility != Visibility::Public
    }

    async fn visibility(&self, context: &Context<'_>) -> RepositoryVisibility {
        match world(context).viewer.settings.visibility {
            Visibility::Public => RepositoryVisibility::Public,
            Visibility::Private => RepositoryVisibility::Private,
            Visibility::Internal => RepositoryVisibility::Internal,
        }
    }

    async fn is_empty(&self, context: &Context<'_>) -> async_graphql::Result<bool> {
        Ok(world(context).shared.git.is_empty()?)
    }

    async fn is_archived(&self, context: &Context<'_>) -> bool {
        world(context).viewer.settings.archived
    }

    async fn is_disabled(&self) -> bool {
        false
    }

    async fn disk_usage(&self, context: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(i32::try_from(world(context).shared.git.size()? / 1024).ok())
    }

    async fn created_at(&self, context: &Context<'_>) -> DateTime {
        DateTime(world(context).viewer.settings.created.to_string())
    }

    async fn viewer_permission(&self, context: &Context<'_>) -> Option<RepositoryPermission> {
        Some(match world(context).viewer.settings.role {
            Role::Admin => RepositoryPermission::Admin,
            Role::Write => RepositoryPermission::Write,
            Role::Read => RepositoryPermission::Read,
        })
    }

    async fn default_branch_ref(&self, context: &Context<'_>) -> Maybe<Ref> {
        match world(context).shared.git.default_branch() {
            Ok(branch) => Self::reference(context, &format!("refs/heads/{branch}")),
            Err(error) => Some(Err(error.into())),
        }
    }

    #[graphql(name = "ref")]
    async fn reference_named(&self, context: &Context<'_>, qualified_name: String) -> Maybe<Ref> {
        let name = if qualified_name.starts_with("refs/") {
            qualified_name
        } else {
            format!("refs/heads/{qualified_name}")
        };
        Self::reference(context, &name)
    }

    async fn object(
        &self,
        context: &Context<'_>,
        expression: Option<String>,
        oid: Option<Oid>,
    ) -> Maybe<GitObject> {
        let world = world(context);
        if let Err(refusal) = world.viewer.read() {
            return Some(Err(refused(refusal, &world.viewer.settings.full_name())));
        }
        let named = expression.or(oid.map(|oid| oid.0))?;
        find(context, &named).transpose()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Ref {
    pub(crate) name: String,
    /// Its target when it was read.
    pub(crate) oid: String,
}

#[Object]
impl Ref {
    async fn id(&self) -> ID {
        ID(node::reference(&self.name))
    }

    async fn name(&self) -> &str {
        let short = self.name.strip_prefix("refs/heads/");
        short
            .or(self.name.strip_prefix("refs/tags/"))
            .unwrap_or(&self.name)
    }

    async fn prefix(&self) -> &str {
        let end = self.name.match_indices('/').nth(1);
        end.map_or("", |(at, _)| &self.name[..=at])
    }

    async fn repository(&self) -> Repository {
        Repository
    }

    async fn target(&self, context: &Context<'_>) -> Maybe<GitObject> {
        find(context, &self.oid).transpose()
    }
}
