//! What members read about the data kept about them.

use propsbot_jobs::privacy::Forgotten;
use propsbot_model::{Tier, counted};
use propsbot_service::Kept;

/// What is kept, why, and how to change that.
pub(crate) fn privacy(kept: &Kept) -> String {
    let chosen = match kept.privacy.tier {
        Tier::None => "You haven't opted out of anything.".to_owned(),
        tier => format!(
            "You opted out of **{}** (<t:{}:R>).",
            tier,
            kept.privacy.since.0.div_euclid(1000)
        ),
    };
    let deleted = match kept.privacy.forgotten {
        Some(at) => format!(
            " Everything you did until <t:{}:f> was deleted and stays deleted.",
            at.0.div_euclid(1000)
        ),
        None => String::new(),
    };
    let exported = match kept.exported_within {
        Some(time) => format!(
            "Changes reach the archive within about {}.",
            humantime::format_duration(std::time::Duration::from_secs(time.as_secs().max(1)))
        ),
        None => "At the moment I export nothing: I run without an archive.".to_owned(),
    };
    format!(
        "**What I keep**: messages, reactions and props in channels I can read, members' names and roles, \
         and what you linked (`/link status`).\n\
         **Why**: to work out from thanks who contributed what (SourceCred's *cred*).\n\
         **Who sees it**: the bot's operator, and anyone who can read the archive. I export only \
         channels that everyone here can read or that an admin has named. {exported}\n\
         **Your choices**:\n\
         - `/privacy opt-out` has three levels: *My content* (none of your text is kept or exported), \
         *My identity* (a pseudonym also replaces your name), *Everything* (nothing of yours is \
         exported). Thanks between you and others stay because they're theirs too; with \
         *Everything*, your side of them is anonymous.\n\
         - `/privacy opt-in` undoes that from then on.\n\
         - `/privacy export` gives you everything I keep about you; `/privacy delete` deletes it.\n\
         **Now**: {chosen}{deleted}"
    )
}

pub(crate) fn chosen(tier: Tier) -> String {
    let what = match tier {
        Tier::None => {
            return "Done. What you write from now on is kept and exported again. Anything already \
                    blanked or deleted stays that way."
                .to_owned();
        }
        Tier::Content => {
            "What you write is no longer kept or exported, and what you wrote before is blanked. I \
             still keep and export that you wrote, who you mentioned, and your reactions."
        }
        Tier::Identity => {
            "What you write is no longer kept or exported, and a pseudonym replaces your name in the \
             archive. (Your Discord id stays; without it, thanks couldn't be told apart.)"
        }
        Tier::Everything => {
            "Nothing of yours is exported. Thanks between you and others stay, but your side of them \
             is anonymous. Apart from those, the archive has only your Discord id, to remember this \
             choice."
        }
    };
    format!(
        "Done. {what} The archive follows with the next export. If it's a git repository, its \
         older versions still contain the old data; ask its operator to rewrite them."
    )
}

/// Blanking older messages is still running.
pub(crate) fn still_blanking() -> String {
    "Your choice already applies. I'm still going through what you wrote before…".to_owned()
}

/// The work took so long that Discord no longer accepts a private answer: says nothing private.
pub(crate) fn privacy_done() -> String {
    "Your `/privacy` request is done.".to_owned()
}

/// Goes with the file of a member's own data.
pub(crate) fn personal_data(left_out: usize) -> String {
    let text = "This is what I keep about you in this server, newest first: your names and roles, your \
                choices and links, your messages, reactions, threads and events, the props you gave and received, \
                and what you did as an admin. It doesn't include who thanked you in channels you can't \
                read, the names of members who hide theirs, or other people's messages that mention \
                you. Only you can see this.";
    if left_out == 0 {
        text.to_owned()
    } else {
        format!(
            "{text} It's more than Discord allows in one file, so the oldest part is left out ({}). \
             The bot's operator has it.",
            counted(left_out, "row")
        )
    }
}

pub(crate) fn confirm_deletion() -> String {
    "**Delete everything I keep about you in this server?**\n\
     - Right away, from my database: your messages and all reactions to them, the props you gave (they \
     no longer count), your reactions, thread titles, names of events that you scheduled, your names and roles, and \
     your link with GitHub. Other people's messages and the props you received stay, without you.\n\
     - When I next start: whatever is left of it in my database's files.\n\
     - With the next export: from the archive. If it's a git repository, its older versions still \
     contain the old data; ask its operator to rewrite them.\n\
     - I remember your Discord id and this request, so that nothing comes back, and I export nothing of \
     yours until you choose otherwise with `/privacy opt-in`.\n\
     - Nothing is deleted in Discord itself; what you wrote there is yours to delete.\n\
     This can't be undone."
        .to_owned()
}

pub(crate) fn delete_button() -> &'static str {
    "Delete my data"
}

/// The member's data was deleted.
pub(crate) fn forgotten(done: &Forgotten) -> String {
    format!(
        "Deleted: {}, {}, {} you gave, and your names. The archive follows with the next export.",
        counted(done.messages, "message"),
        counted(done.reactions, "reaction"),
        counted(done.props, "props message")
    )
}
