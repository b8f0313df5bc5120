//! What members read about their link with GitHub, and about Grain.

use super::code;
use propsbot_model::{Millis, escape};
use propsbot_service::{LinkCode, LinkStanding};

/// How many repositories are named.
const NAMED: usize = 5;

/// A new code, and what to do with it.
pub(crate) fn link_code(link: &LinkCode, repositories: &[String]) -> String {
    let mut named: Vec<String> = repositories
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    if let more @ 1.. = repositories.len().saturating_sub(NAMED) {
        named.push(format!("{more} more"));
    }
    format!(
        "To prove that **{login}** is yours, log in there as {login}, and write this as a comment of its own on any \
         issue or pull request in {named}:\n\
         {text}\n\
         Write it before <t:{until}:t>, with nothing else in it, and don't edit it. Once I've mirrored it, which can \
         take a while, I link the two by myself; **Check now** looks at once. You can delete the comment after that.\n\
         The link is public wherever my archive is: anyone who can read that sees that this Discord account and \
         {login} are one person. If you didn't mean to link them, do nothing.",
        login = escape(&link.login),
        named = named.join(", "),
        text = code(&link.text),
        until = link.until().0.div_euclid(1000),
    )
}

pub(crate) fn check_link_button() -> &'static str {
    "Check now"
}

/// What is linked, asked for and still open.
pub(crate) fn link_standing(standing: &LinkStanding, now: Millis) -> String {
    let mut lines = Vec::new();
    match standing.link.linked() {
        Some(github) => lines.push(format!(
            "You're linked with **{}** on GitHub, since <t:{}:f>. `/link undo` undoes that.",
            escape(&github.login),
            github.since.0.div_euclid(1000)
        )),
        None => lines.push("You aren't linked with a GitHub account.".to_owned()),
    }
    if let Some(link) = &standing.code {
        let login = escape(&link.login);
        lines.push(if now <= link.until() {
            format!(
                "I haven't found the comment of **{login}** yet. Write it before <t:{}:t>:\n{}\nIf you have, I may not \
                 have mirrored it yet: check again later.",
                link.until().0.div_euclid(1000),
                code(&link.text)
            )
        } else {
            format!(
                "I haven't found a comment of **{login}** that was written in time. If yours was, I may not have \
                 mirrored it yet: check again later. If not, run `/link github` again."
            )
        });
    }
    lines.push(match standing.link.grain {
        Some(grain) if grain.wanted => {
            "You asked to receive Grain. `/link grain receive:False` takes that back.".to_owned()
        }
        Some(_) => "You asked not to receive Grain.".to_owned(),
        None => "You haven't asked for Grain: `/link grain receive:True` does.".to_owned(),
    });
    if !standing.tier.shows_names() {
        let hidden = "You hide your name (`/privacy show`), here or in another server, so none of this is in the archive.";
        lines.push(hidden.to_owned());
    }
    lines.join("\n")
}

pub(crate) fn link_undone(login: &str) -> String {
    format!(
        "Done: you're no longer linked with **{}**. The archive follows with the next export. If the link is in \
         SourceCred's ledger already, it stays there: SourceCred can't take it away.",
        escape(login)
    )
}

pub(crate) fn grain_asked(receive: bool) -> String {
    let what = if receive {
        "you ask to receive Grain"
    } else {
        "you ask not to receive Grain"
    };
    format!(
        "Noted: {what}. It takes effect once the SourceCred instance's operator applies it to the ledger, which needs \
         an export first."
    )
}
