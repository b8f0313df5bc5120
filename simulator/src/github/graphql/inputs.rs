//! Inputs and payloads of mutations, as in GitHub's schema.

use async_graphql::{ID, InputObject, SimpleObject};

use super::objects::Commit;
use super::query::Ref;
use super::scalars::{Base64, Oid, RefName};

#[derive(InputObject)]
pub(super) struct CreateCommitOnBranchInput {
    pub(super) branch: CommittableBranch,
    pub(super) client_mutation_id: Option<String>,
    pub(super) expected_head_oid: Oid,
    pub(super) file_changes: Option<FileChanges>,
    pub(super) message: CommitMessage,
}

/// A branch by its node id, or by repository and branch name.
#[derive(InputObject)]
pub(super) struct CommittableBranch {
    pub(super) branch_name: Option<String>,
    pub(super) id: Option<ID>,
    pub(super) repository_name_with_owner: Option<String>,
}

#[derive(InputObject, Default)]
pub(super) struct FileChanges {
    pub(super) additions: Option<Vec<FileAddition>>,
    pub(super) deletions: Option<Vec<FileDeletion>>,
}

#[derive(InputObject)]
pub(super) struct FileAddition {
    pub(super) contents: Base64,
    pub(super) path: String,
}

#[derive(InputObject)]
pub(super) struct FileDeletion {
    pub(super) path: String,
}

#[derive(InputObject)]
pub(super) struct CommitMessage {
    pub(super) body: Option<String>,
    pub(super) headline: String,
}

#[derive(InputObject)]
pub(super) struct CreateRefInput {
    pub(super) client_mutation_id: Option<String>,
    pub(super) name: String,
    pub(super) oid: Oid,
    pub(super) repository_id: ID,
}

#[derive(InputObject)]
pub(super) struct UpdateRefInput {
    pub(super) client_mutation_id: Option<String>,
    pub(super) force: Option<bool>,
    pub(super) oid: Oid,
    pub(super) ref_id: ID,
}

#[derive(InputObject)]
pub(super) struct UpdateRefsInput {
    pub(super) client_mutation_id: Option<String>,
    pub(super) ref_updates: Vec<RefUpdate>,
    pub(super) repository_id: ID,
}

#[derive(InputObject)]
pub(super) struct RefUpdate {
    pub(super) after_oid: Oid,
    pub(super) before_oid: Option<Oid>,
    pub(super) force: Option<bool>,
    pub(super) name: RefName,
}

#[derive(InputObject)]
pub(super) struct DeleteRefInput {
    pub(super) client_mutation_id: Option<String>,
    pub(super) ref_id: ID,
}

#[derive(SimpleObject)]
pub(super) struct CreateCommitOnBranchPayload {
    pub(super) client_mutation_id: Option<String>,
    pub(super) commit: Option<Commit>,
    #[graphql(name = "ref")]
    pub(super) reference: Option<Ref>,
}

#[derive(SimpleObject)]
pub(super) struct CreateRefPayload {
    pub(super) client_mutation_id: Option<String>,
    #[graphql(name = "ref")]
    pub(super) reference: Option<Ref>,
}

#[derive(SimpleObject)]
pub(super) struct UpdateRefPayload {
    pub(super) client_mutation_id: Option<String>,
    #[graphql(name = "ref")]
    pub(super) reference: Option<Ref>,
}

#[derive(SimpleObject)]
pub(super) struct UpdateRefsPayload {
    pub(super) client_mutation_id: Option<String>,
}

#[derive(SimpleObject)]
pub(super) struct DeleteRefPayload {
    pub(super) client_mutation_id: Option<String>,
}
