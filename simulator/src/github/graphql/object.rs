//! Objects as the engine asks them for fields: which object, and how what a field gives becomes an answer.

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};

use super::archive::{Blob, Ref, Tree, TreeEntry};
use super::page::{Connection, Edge, Entry};
use super::schema::{edge_type, unmodelled};
use super::{World, problem};
use crate::github::git;
use crate::github::world::{
    Account, Commit, Content, GitActor, Item, Marker, Reaction, Repository,
};

/// An object of the graph.
#[derive(Clone)]
pub(super) enum Thing<'w> {
    Query,
    Mutation,
    /// The repository of the archive.
    Archive,
    Ref(Ref),
    GitCommit(git::Commit),
    Tree(Tree),
    TreeEntry(TreeEntry),
    Blob(Blob),
    Repository(&'w Repository),
    Branch(&'w Repository),
    Item(&'w Item),
    Marker(&'w Marker),
    Account(&'w Account),
    /// An account where the schema knows only users: GitHub answers with the others' ids all the same.
    AsUser(&'w Account),
    Commit(&'w Commit),
    GitActor(&'w GitActor, i64),
    Reaction(&'w Item, &'w Reaction),
    ReactionGroup(&'w Item, Content),
    /// The conversation that a comment in a review begins. Nobody answers in it: every comment begins one.
    ReviewThread(&'w Item),
    Connection(Connection<'w>),
    Edge(Edge<'w>),
    /// An entry of a list that can't be shown, with the error. The engine would give up the whole list for an error, but
    /// for an object of an unknown type only this entry: so the error is the type.
    Missing(String),
    /// An object whose fields are few.
    Plain(&'static str, Vec<(&'static str, Given<'w>)>),
}

/// What a field gives.
pub(super) enum Given<'w> {
    Leaf(JsonValue),
    One(Thing<'w>),
    Many(Vec<Thing<'w>>),
    /// All entries of a connection, in the order asked for.
    Page(Vec<Entry<'w>>),
}

impl Clone for Given<'_> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(value) => Self::Leaf(value.clone()),
            Self::One(thing) => Self::One(thing.clone()),
            // Plain objects have no lists.
            Self::Many(_) | Self::Page(_) => Self::Many(Vec::new()),
        }
    }
}

impl<T: Into<JsonValue>> From<T> for Given<'_> {
    fn from(value: T) -> Self {
        Self::Leaf(value.into())
    }
}

impl<'w> Given<'w> {
    pub(super) fn maybe(thing: Option<Thing<'w>>) -> Self {
        thing.map_or(Self::Leaf(JsonValue::Null), Self::One)
    }
}

/// A field's answer: none if the world doesn't have it.
pub(super) type Field<'w> = Result<Option<Given<'w>>, FieldError>;

/// An object with what it takes to ask it.
pub(super) struct Object<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) thing: Thing<'w>,
}

impl<'w> Object<'w> {
    fn field(&self, name: &str, arguments: &JsonMap) -> Field<'w> {
        let world = self.world;
        match &self.thing {
            Thing::Query => world.query(name, arguments),
            Thing::Mutation => world.mutation(name, arguments).map(Some),
            Thing::Archive => world.archive(name, arguments),
            Thing::Ref(of) => world.reference(of, name),
            Thing::GitCommit(of) => world.git_commit(of, name, arguments),
            Thing::Tree(of) => world.tree(of, name),
            Thing::TreeEntry(of) => world.tree_entry(of, name),
            Thing::Blob(of) => world.blob(of, name),
            Thing::Repository(of) => world.repository(of, name, arguments),
            Thing::Branch(of) => Ok(World::branch(of, name)),
            Thing::Item(of) => Ok(world.item(of, name, arguments)),
            Thing::Marker(of) => Ok(world.marker(of, name, arguments)),
            Thing::Account(of) | Thing::AsUser(of) => Ok(world.account(of, name, arguments)),
            Thing::Commit(of) => world.commit(of, name, arguments),
            Thing::GitActor(of, at) => Ok(world.git_actor(of, *at, name)),
            Thing::Reaction(on, of) => Ok(world.reaction(on, of, name)),
            Thing::ReactionGroup(on, content) => Ok(world.reaction_group(on, *content, name)),
            Thing::ReviewThread(of) => Ok(world.review_thread(of, name, arguments)),
            Thing::Connection(of) => Ok(of.field(name)),
            Thing::Edge(of) => Ok(of.field(name)),
            Thing::Missing(_) => Ok(None),
            Thing::Plain(_, fields) => {
                let found = fields.iter().find(|(field, _)| *field == name);
                Ok(found.map(|(_, given)| given.clone()))
            }
        }
    }

    fn object<'a>(&self, thing: Thing<'w>) -> ResolvedValue<'a>
    where
        'w: 'a,
    {
        let world = self.world;
        ResolvedValue::object(Object { world, thing })
    }
}

impl ObjectValue for Object<'_> {
    fn type_name(&self) -> &str {
        match &self.thing {
            Thing::Query => "Query",
            Thing::Mutation => "Mutation",
            Thing::Archive | Thing::Repository(_) => "Repository",
            Thing::Ref(_) | Thing::Branch(_) => "Ref",
            Thing::GitCommit(_) | Thing::Commit(_) => "Commit",
            Thing::Tree(_) => "Tree",
            Thing::TreeEntry(_) => "TreeEntry",
            Thing::Blob(_) => "Blob",
            Thing::Item(of) => of.kind.type_name(),
            Thing::Marker(of) => of.kind.type_name(),
            Thing::Account(of) => of.kind.type_name(),
            Thing::AsUser(_) => "User",
            Thing::GitActor(..) => "GitActor",
            Thing::Reaction(..) => "Reaction",
            Thing::ReactionGroup(..) => "ReactionGroup",
            Thing::ReviewThread(_) => "PullRequestReviewThread",
            Thing::Connection(of) => &of.type_name,
            Thing::Edge(of) => &of.type_name,
            Thing::Missing(error) => error,
            Thing::Plain(name, _) => name,
        }
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let (name, arguments) = (info.field_name(), info.arguments());
        let given = match self.field(name, arguments)? {
            Some(given) => given,
            None => unmodelled(info).ok_or_else(|| {
                let what = format!("{}.{name}", self.type_name());
                self.world.unsimulated(&what);
                let why = format!(
                    "Something went wrong while executing your query: {what} isn't simulated."
                );
                problem("INTERNAL", &why)
            })?,
        };
        Ok(match given {
            Given::Leaf(value) => ResolvedValue::Leaf(value),
            Given::One(thing) => self.object(thing),
            Given::Many(things) => {
                let things = things.into_iter();
                ResolvedValue::list(things.map(|thing| self.object(thing)))
            }
            Given::Page(all) => {
                let type_name = edge_type(info);
                self.object(Thing::Connection(Connection::cut(type_name, info, all)?))
            }
        })
    }
}
