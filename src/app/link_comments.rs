//! GitHub's comments as `/link` looks for them: in the archive of a mirror.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::TryStreamExt as _;

use crate::config::Config;
use propsbot_archive::{ArchiveReader, Millis, Query, ReadError, Row as _, retry};
use propsbot_backends::{Access, ArchiveSpec};
use propsbot_github::{
    SCHEMA,
    rows::{Comment, Repository, User, UserId},
};
use propsbot_network::Network;
use propsbot_service::{CommentsError, GithubComment, GithubComments};

/// The type of people's accounts, in GitHub's words.
const PERSON: &str = "User";

/// The archive that the repositories are in.
pub(super) struct ArchivedComments {
    spec: ArchiveSpec,
    access: Access,
    network: Network,
}

impl ArchivedComments {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            spec: config.github_archive().clone(),
            access: config.access.clone(),
            network: config.network.clone(),
        }
    }
}

#[async_trait]
impl GithubComments for ArchivedComments {
    async fn repositories(&self) -> Result<Vec<String>, CommentsError> {
        let archive = propsbot_backends::open_to_read(&self.spec, &self.access, &self.network)?;
        let read = retry(archive.as_ref(), &SCHEMA, None, |reader| async move {
            reader.rows::<Repository>().await
        });
        let rows = match read.await {
            // No repository was exported there.
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => Vec::new(),
            rows => rows?,
        };
        let shown = rows.iter().filter(|row| row.is_public());
        let names: BTreeSet<String> = shown
            .map(|row| format!("{}/{}", row.owner, row.name))
            .collect();
        Ok(names.into_iter().collect())
    }

    async fn with_texts(
        &self,
        texts: BTreeSet<String>,
        since: Millis,
    ) -> Result<Vec<GithubComment>, CommentsError> {
        let archive = propsbot_backends::open_to_read(&self.spec, &self.access, &self.network)?;
        let read = retry(archive.as_ref(), &SCHEMA, None, |reader| {
            let texts = texts.clone();
            async move { find(&reader, &texts, since).await }
        });
        match read.await {
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => Ok(Vec::new()),
            found => Ok(found?),
        }
    }
}

/// Reads the files of comments since a time, and those of users if one has such a text.
async fn find(
    reader: &ArchiveReader<'_>,
    texts: &BTreeSet<String>,
    since: Millis,
) -> Result<Vec<GithubComment>, ReadError> {
    let query = Query {
        times: since..=Millis(i64::MAX),
        ..Query::table(Comment::TABLE)
    };
    let mut comments = Vec::new();
    let mut batches = reader.batches(&query);
    while let Some(batch) = batches.try_next().await? {
        let rows = batch.rows::<Comment>()?.into_iter();
        comments
            .extend(rows.filter(|row| row.deleted_at.is_none() && texts.contains(row.body.trim())));
    }
    if comments.is_empty() {
        return Ok(Vec::new());
    }
    let users = reader.rows::<User>().await?.into_iter();
    let people = users.filter(|user| user.kind == PERSON && !user.login.is_empty());
    let logins: BTreeMap<UserId, String> = people.map(|user| (user.id, user.login)).collect();
    let found = comments.into_iter().filter_map(|row| {
        let author = row.author_id?;
        Some(GithubComment {
            text: row.body.trim().to_owned(),
            login: logins.get(&author)?.clone(),
            author_id: author.0,
            created_at: row.created_at,
            is_edited: row.edited_at.is_some(),
        })
    });
    Ok(found.collect())
}
