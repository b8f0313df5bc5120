//! Inputs of mutations, as in GitHub's schema.

use serde::Deserialize;

use crate::github::git::is_oid;
use crate::github::rest::call::from_base64;

/// A complete git hash.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Oid(pub(super) String);

impl TryFrom<String> for Oid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_oid(&text) {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is not a valid GitObjectID"))
        }
    }
}

/// The bytes of a file.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Base64(pub(super) Vec<u8>);

impl TryFrom<String> for Base64 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        from_base64(&text)
            .map(Self)
            .ok_or("the value is not a valid Base64String")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateCommitOnBranchInput {
    pub(super) branch: CommittableBranch,
    pub(super) expected_head_oid: Oid,
    pub(super) file_changes: Option<FileChanges>,
    pub(super) message: CommitMessage,
}

/// A branch by its node id, or by repository and branch name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommittableBranch {
    pub(super) branch_name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) repository_name_with_owner: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct FileChanges {
    pub(super) additions: Option<Vec<FileAddition>>,
    pub(super) deletions: Option<Vec<FileDeletion>>,
}

#[derive(Deserialize)]
pub(super) struct FileAddition {
    pub(super) contents: Base64,
    pub(super) path: String,
}

#[derive(Deserialize)]
pub(super) struct FileDeletion {
    pub(super) path: String,
}

#[derive(Deserialize)]
pub(super) struct CommitMessage {
    pub(super) body: Option<String>,
    pub(super) headline: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRefInput {
    pub(super) name: String,
    pub(super) oid: Oid,
    pub(super) repository_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRefInput {
    pub(super) force: Option<bool>,
    pub(super) oid: Oid,
    pub(super) ref_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRefsInput {
    pub(super) ref_updates: Vec<RefUpdate>,
    pub(super) repository_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefUpdate {
    pub(super) after_oid: Oid,
    pub(super) before_oid: Option<Oid>,
    pub(super) force: Option<bool>,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteRefInput {
    pub(super) ref_id: String,
}
