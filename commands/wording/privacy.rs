//! What members are told of what is kept of them.

use propsbot_jobs::privacy::Forgotten;
use propsbot_model::Tier;
use propsbot_service::Kept;

/// What is kept, why, and how to change that.
pub(crate) fn privacy(kept: &Kept) -> String {
    let chosen = match kept.privacy.tier {
        Tier::None => "You have opted out of nothing.".to_owned(),
        tier => format!(
            "You have opted out of **{}** (<t:{}:R>).",
            tier,
            kept.privacy.since.0.div_euclid(1000)
        ),
    };
    let deleted = match kept.privacy.forgotten {
        Some(at) => format!(
            " What you did until <t:{}:f> was deleted, and stays so.",
            at.0.div_euclid(1000)
        ),
        None => String::new(),
    };
    let exported = match kept.exported_within {
        Some(time) => format!(
            "within about {}",
            humantime::format_duration(std::time::Duration::from_secs(time.as_secs().max(1)))
        ),
        None => "never: I run without an archive".to_owned(),
    };
    format!(
        "**What I keep**: messages, reactions and props in the channels that I may read; members' \
         names and roles.\n\
         **Why**: to compute from thanks who contributed what (SourceCred's *cred*).\n\
         **Who sees it**: the bot's operator; and whoever may read the archive, where I export \
         ({exported}) only channels that everyone here may read, or that an admin has named.\n\
         **You decide**:\n\
         - `/privacy opt-out` in three steps: *My content* (no text of yours is kept or exported), \
         *My identity* (and a pseudonym stands for your name), *Everything* (nothing of yours is \
         exported). Thanks between you and others stay, since they are theirs too: with \
         *Everything*, yours are by and to nobody in particular.\n\
         - `/privacy opt-in` undoes that for what comes.\n\
         - `/privacy export` gives you all that I keep of you; `/privacy delete` deletes it.\n\
         **Now**: {chosen}{deleted}"
    )
}

/// A member chose.
pub(crate) fn chosen(tier: Tier) -> String {
    let what = match tier {
        Tier::None => {
            return "Done: what you write from now on is kept and exported again. What was blanked \
                    or deleted stays so."
                .to_owned();
        }
        Tier::Content => {
            "what you write is no longer kept or exported, and what you wrote is blanked. That you \
             wrote, whom you mentioned, and your reactions still are"
        }
        Tier::Identity => {
            "what you write is no longer kept or exported, and in the archive a pseudonym stands \
             for your name. (Your Discord id stays: without it, thanks could not be told apart)"
        }
        Tier::Everything => {
            "nothing of yours is exported. Thanks between you and others stay, by and to nobody in \
             particular; beside them the archive has your Discord id alone, to remember this choice"
        }
    };
    format!(
        "Done: {what}. The archive follows with the next export. If it is a git repository, its \
         older versions keep what they had: ask its operator to rewrite them."
    )
}

/// The blanking still goes on.
pub(crate) fn still_blanking() -> String {
    "Your choice holds from now on. I am still looking through what was written before…".to_owned()
}

/// It took so long that Discord takes no private answer any more.
pub(crate) fn privacy_done() -> String {
    "What you asked me for with `/privacy` is done.".to_owned()
}

/// A member's own data, as a file.
pub(crate) fn personal_data(left_out: usize) -> String {
    let text = "This is what I keep of you in this server, the latest first: your names and roles, what \
                you chose, your messages, reactions and threads, the props you gave and received, and \
                what you did as an admin. Not in it: who thanked you in a channel that you can't read, \
                names of members who show none, and messages of others that mention you. Only you see it.";
    if left_out == 0 {
        text.to_owned()
    } else {
        format!(
            "{text} It is more than Discord takes in one file: {left_out} rows, the oldest, are \
             left out. The bot's operator has them."
        )
    }
}

/// Before a deletion.
pub(crate) fn confirm_deletion() -> String {
    "**Delete all that I keep of you in this server?**\n\
     - At once, from my store: your messages with all reactions to them, the props you gave (they \
     no longer count), your reactions, thread titles, names and roles. Messages of others and props \
     that you received stay, without you.\n\
     - When I next start: what my database still has of it in its files.\n\
     - With the next export, from the archive. If it is a git repository, its older versions keep \
     what they had: ask its operator to rewrite them.\n\
     - I remember your Discord id and this wish, so that nothing comes back, and export nothing of \
     yours until you choose otherwise with `/privacy opt-in`.\n\
     - In Discord itself nothing is deleted: what you wrote there is yours to delete.\n\
     This cannot be undone."
        .to_owned()
}

/// The button that deletes.
pub(crate) fn delete_button() -> &'static str {
    "Delete my data"
}

/// After a deletion.
pub(crate) fn forgotten(done: &Forgotten) -> String {
    format!(
        "Deleted: {} messages, {} reactions, {} props that you gave, and your names. The archive \
         follows with the next export.",
        done.messages, done.reactions, done.props
    )
}
