//! The types of SourceCred's GitHub plugin, word for word, their address prefixes, and its list of bots.
//!
//! Source: SourceCred 0.11.2, `plugins/github/declaration.js`, `nodes.js`, `edges.js` and `bots.js`. The prefixes must
//! never change, because operators' weights and ledgers contain them.

use super::Rules;
use propsbot_sourcecred::{
    Declaration, EdgeAddress, EdgeType, EdgeWeight, Keys, NodeAddress, NodeType, Weight,
};

/// Logins that are bots.
pub(super) const BOTS: [&str; 21] = [
    "codecov",
    "codecov-io",
    "credbot",
    "facebook-github-bot",
    "gitcoinbot",
    "gitter-badger",
    "googlebot",
    "greenkeeper",
    "greenkeeperio-bot",
    "metamaskbot",
    "nodejs-github-bot",
    "stickler-ci",
    "tensorflow-gardener",
    "tensorflow-jenkins",
    "tensorflowbutler",
    "github-actions",
    "vercel",
    "codecov-commenter",
    "transifex-integration",
    "huxbot",
    "dependabot",
];

pub(super) fn nodes() -> NodeAddress {
    NodeAddress::new(&[&"sourcecred", &"github"])
}

pub(super) fn edges() -> EdgeAddress {
    EdgeAddress::new(&[&"sourcecred", &"github"])
}

pub(super) fn commit_in_git(oid: &str) -> NodeAddress {
    NodeAddress::new(&[&"sourcecred", &"git", &"COMMIT", &oid])
}

fn node_type(
    name: &'static str,
    plural_name: &'static str,
    prefix: NodeAddress,
    default_weight: Weight,
    description: &'static str,
) -> NodeType {
    NodeType {
        name: name.into(),
        plural_name: plural_name.into(),
        prefix,
        default_weight,
        description: description.into(),
    }
}

fn edge_type(
    (forward_name, backward_name): (&'static str, &'static str),
    prefix: &[&str],
    (forwards, backwards): (f64, f64),
    description: &'static str,
) -> EdgeType {
    let prefix = prefix
        .iter()
        .fold(edges(), |address, part| address.with(&[part]));
    EdgeType {
        forward_name: forward_name.into(),
        backward_name: backward_name.into(),
        prefix,
        default_weight: EdgeWeight::new(forwards, backwards),
        description: description.into(),
    }
}

pub(super) fn declaration(rules: Rules) -> Declaration {
    let of = |parts: &str| nodes().with(&[&parts]);
    let userlike = of("USERLIKE");
    let user = node_type(
        "User",
        "Users",
        userlike.with(&[&"USER"]),
        Weight::ZERO,
        "NodeType for a GitHub user",
    );
    let mut node_types = vec![
        node_type(
            "Repository",
            "Repositories",
            of("REPO"),
            Weight::ZERO,
            "NodeType for a GitHub repository",
        ),
        node_type(
            "Issue",
            "Issues",
            of("ISSUE"),
            Weight::ZERO,
            "NodeType for a GitHub issue",
        ),
        node_type(
            "Pull request",
            "Pull requests",
            of("PULL"),
            Weight::times(4),
            "NodeType for a GitHub pull request",
        ),
        node_type(
            "Pull request review",
            "Pull request reviews",
            of("REVIEW"),
            Weight::ONE,
            "NodeType for a GitHub code review",
        ),
        node_type(
            "Comment",
            "Comments",
            of("COMMENT"),
            Weight::ZERO,
            "NodeType for a GitHub comment",
        ),
        node_type(
            "Commit",
            "Commits",
            of("COMMIT"),
            Weight::ZERO,
            "Represents a particular Git commit on GitHub, i.e. scoped to a particular repository",
        ),
        user.clone(),
        node_type(
            "Bot",
            "Bots",
            userlike.with(&[&"BOT"]),
            Weight::ZERO,
            "NodeType for a GitHub bot account",
        ),
    ];
    let mut edge_types = edge_types();
    if rules == Rules::Improved {
        node_types.extend([
            node_type(
                "Discussion",
                "Discussions",
                of("DISCUSSION"),
                Weight::ZERO,
                "NodeType for a GitHub discussion",
            ),
            node_type(
                "Release",
                "Releases",
                of("RELEASE"),
                Weight::ZERO,
                "NodeType for a GitHub release",
            ),
        ]);
        edge_types.push(edge_type(
            ("answers", "is answered by"),
            &["ANSWERS"],
            (0.5, 1.0),
            "Connects a comment to the discussion whose answer it was chosen as.\n",
        ));
    }
    Declaration {
        name: "GitHub".to_owned(),
        node_prefix: nodes(),
        edge_prefix: edges(),
        node_types,
        edge_types,
        user_types: vec![user],
        keys: Keys {
            operator_keys: &["reactionsOperator"],
            share_keys: &["pull author", "commit author", "review author"],
            weight_keys: &["pull request", "reaction", "reaction"],
        },
    }
}

fn edge_types() -> Vec<EdgeType> {
    vec![
        edge_type(
            ("authors", "is authored by"),
            &["AUTHORS"],
            (0.5, 1.0),
            "Connects a GitHub account to a post that they authored.\n\nExamples of posts include issues, pull \
             requests, and comments.\n",
        ),
        edge_type(
            ("has parent", "has child"),
            &["HAS_PARENT"],
            (1.0, 0.25),
            "Connects a GitHub entity to its child entities.\n\nFor example, a Repository has Issues and Pull Requests \
             as children, and a\nPull Request has comments and reviews as children.\n",
        ),
        edge_type(
            ("merges", "is merged by"),
            &["MERGED_AS"],
            (0.5, 1.0),
            "Connects a GitHub pull request to the Git commit that it merges.\n",
        ),
        edge_type(
            ("references", "is referenced by"),
            &["REFERENCES"],
            (1.0, 0.0),
            "Connects a GitHub post to an entity that it references.\n\nFor example, if you write a GitHub issue \
             comment that says \"thanks\n@username for pull #1337\", it will create references edges to both the \
             user\n@username, and to pull #1337 in the same repository.\n",
        ),
        edge_type(
            ("reacted 👍 to", "got 👍 from"),
            &["REACTS", "THUMBS_UP"],
            (1.0, 0.0),
            "Connects users to posts to which they gave a 👍 reaction.\n",
        ),
        edge_type(
            ("reacted ❤️ to", "got ❤️ from"),
            &["REACTS", "HEART"],
            (2.0, 0.0),
            "Connects users to posts to which they gave a ❤️ reaction.\n",
        ),
        edge_type(
            ("reacted 🎉 to", "got 🎉 from"),
            &["REACTS", "HOORAY"],
            (4.0, 0.0),
            "Connects users to posts to which they gave a 🎉 reaction.\n",
        ),
        edge_type(
            ("reacted 🚀 to", "got 🚀 from"),
            &["REACTS", "ROCKET"],
            (1.0, 0.0),
            "Connects users to posts to which they gave a 🚀 reaction.\n",
        ),
        edge_type(
            ("corresponds to Git commit", "merged on GitHub as"),
            &["CORRESPONDS_TO_COMMIT_TYPE"],
            (1.0, 1.0),
            "Connects a commit on GitHub to the corresponding raw Git commit.\n",
        ),
    ]
}
