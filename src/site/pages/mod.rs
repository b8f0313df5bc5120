//! The pages of a community, a file each, and what they share.

mod about;
mod coverage;
mod graph;
mod member;
mod members;
mod overview;
mod search;

use std::{fmt, panic::resume_unwind, thread};

use askama::Template;
use jiff::{Timestamp, tz::TimeZone};
use propsbot_archive::{Hash, Millis};
use propsbot_model::UserId;

use self::coverage::{Elsewhere, elsewhere};
use crate::{
    Community, Cred, Files, Neighbour,
    community::{SOMEONE, Thanks},
    stats::Stats,
};

/// What a page may load: its own style sheet and scripts, which browsers allow even in files. The only place where a
/// script may name another one checks its name (see `assets/site.js`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      require-trusted-types-for 'script'; trusted-types propsbot";

/// What all pages have around their content.
pub(crate) struct Frame<'a> {
    title: String,
    community: &'a str,
    /// Which entry of the navigation this is.
    current: &'static str,
    /// The way to the site's root: empty, or `../` for each folder.
    root: String,
    /// The way to the community's own pages.
    home: &'static str,
    /// The root has other communities, too.
    has_others: bool,
}

/// The entries of the navigation.
const ENTRIES: [(&str, &str); 6] = [
    ("index", "Overview"),
    ("members", "Members"),
    ("graph", "Graph"),
    ("search", "Search"),
    ("coverage", "Coverage"),
    ("about", "About"),
];

#[expect(clippy::unused_self, reason = "templates call methods")]
impl Frame<'_> {
    fn policy(&self) -> &'static str {
        POLICY
    }

    fn entries(&self) -> &'static [(&'static str, &'static str)] {
        &ENTRIES
    }
}

/// Somebody, as a page shows them.
#[derive(Clone)]
pub(crate) struct Who<'a> {
    /// None for those without a page.
    id: Option<UserId>,
    name: &'a str,
    /// Whether the name is a link to the page.
    is_linked: bool,
}

/// A message that thanks, as a page shows it.
pub(crate) struct Item<'a> {
    at: Stamp,
    giver: Who<'a>,
    receivers: Vec<Who<'a>>,
    /// Receivers who show no name.
    unnamed: usize,
    reason: &'a str,
    reactions: u32,
}

/// A number with the member whose it is, and a bar.
pub(crate) struct Entry<'a> {
    rank: usize,
    who: Who<'a>,
    count: String,
    /// The bar's length, in twentieths: a class of the style sheet.
    share: u32,
}

/// A time, as HTML and `JavaScript` read it.
#[derive(Clone, Copy)]
pub(crate) struct Stamp(Millis);

impl Stamp {
    /// The day, in UTC.
    fn day(self) -> String {
        let (year, month, day) = civil(self.0);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// The day of a time, in UTC.
fn civil(time: Millis) -> (i16, i8, i8) {
    let date = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(time.0).unwrap_or_default());
    (date.year(), date.month(), date.day())
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.0.0).unwrap_or_default();
        let time = TimeZone::UTC.to_datetime(time);
        let (year, month, day) = (time.year(), time.month(), time.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}Z",
            time.hour(),
            time.minute()
        )
    }
}

/// A community that is being written.
pub(crate) struct Writer<'a> {
    files: &'a mut Files,
    folder: &'a str,
    community: &'a Community,
    stats: &'a Stats<'a>,
    cred: Option<&'a Cred>,
}

/// Adds a community's pages.
pub(crate) fn write(
    files: &mut Files,
    community: &Community,
    folder: &str,
) -> Result<(), askama::Error> {
    let cred = community.cred.as_deref();
    let stats = Stats::new(community, cred);
    thread::scope(|scope| {
        let picture = scope.spawn(|| graph::Picture::of(&stats));
        let mut writer = Writer {
            files,
            folder,
            community,
            stats: &stats,
            cred,
        };
        overview::write(&mut writer)?;
        members::write(&mut writer)?;
        member::write(&mut writer)?;
        search::write(&mut writer)?;
        coverage::write(&mut writer)?;
        about::write(&mut writer)?;
        let picture = picture.join();
        graph::write(
            &mut writer,
            &picture.unwrap_or_else(|panic| resume_unwind(panic)),
        )
    })
}

impl<'a> Writer<'a> {
    /// The frame of a page in the community's folder.
    fn frame(&self, current: &'static str, title: &str) -> Frame<'a> {
        Frame {
            title: format!("{title} · {}", self.community.name),
            community: &self.community.name,
            current,
            root: if self.folder.is_empty() {
                String::new()
            } else {
                "../".to_owned()
            },
            home: "",
            has_others: !self.folder.is_empty(),
        }
    }

    fn page(&mut self, path: &str, page: &impl Template) -> Result<(), askama::Error> {
        let mut html = String::with_capacity(1 << 14);
        page.render_into(&mut html)?;
        self.files
            .insert(format!("{}{path}", self.folder), html.into_bytes());
        Ok(())
    }

    /// Adds a script with data, named by its content, and returns its name.
    fn data(&mut self, name: &str, script: String) -> String {
        let hash = Hash::of(script.as_bytes()).to_string();
        let name = format!("{name}-{}.js", &hash[..12]);
        self.files
            .insert(format!("{}data/{name}", self.folder), script.into_bytes());
        name
    }

    fn who(&self, member: Option<usize>) -> Who<'a> {
        who(self.community, member)
    }

    /// The thanks; without a receiver on whose page it is.
    fn item(&self, thanks: &'a Thanks, but: Option<usize>) -> Item<'a> {
        let receivers = thanks.receivers.iter().flatten();
        Item {
            at: Stamp(thanks.at),
            giver: self.who(thanks.giver),
            receivers: receivers
                .filter(|receiver| but != Some(**receiver))
                .map(|receiver| self.who(Some(*receiver)))
                .collect(),
            unnamed: thanks
                .receivers
                .iter()
                .filter(|receiver| receiver.is_none())
                .count(),
            reason: &thanks.reason,
            reactions: thanks.reactions,
        }
    }

    /// The first of a ranking.
    fn entries(&self, ranked: &[(Option<usize>, f64)], most: usize) -> Vec<Entry<'a>> {
        let top = ranked.first().map_or(1.0, |(_, count)| *count);
        let entries = ranked.iter().take(most);
        entries
            .map(|(member, count)| Entry {
                rank: ranked.partition_point(|(_, other)| other > count) + 1,
                who: self.who(*member),
                count: crate::chart::number(*count),
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it is at most 20"
                )]
                share: (20.0 * count / top).ceil() as u32,
            })
            .collect()
    }
}

fn who(community: &Community, member: Option<usize>) -> Who<'_> {
    Who {
        id: member.map(|member| community.members[member].id),
        name: community.name_of(member),
        is_linked: true,
    }
}

impl Item<'_> {
    /// The receivers who show no name, in words.
    fn others(&self) -> String {
        match self.unnamed {
            0 => String::new(),
            1 => SOMEONE.to_owned(),
            count => format!("{count} others"),
        }
    }
}

#[derive(Template)]
#[template(path = "choice.html")]
struct Choice<'a> {
    frame: Frame<'a>,
    communities: Vec<(&'a Community, String)>,
    neighbours: Vec<Elsewhere<'a>>,
}

/// The page that lists several communities; without any, what other providers have.
pub(crate) fn choice(
    communities: &[Community],
    neighbours: &[Neighbour],
) -> Result<Vec<u8>, askama::Error> {
    let page = Choice {
        frame: Frame {
            title: "Communities".to_owned(),
            community: "Communities",
            current: "",
            root: String::new(),
            home: "",
            has_others: false,
        },
        communities: communities
            .iter()
            .map(|community| {
                (
                    community,
                    counted(community.thanks.len(), "thanks", "thanks"),
                )
            })
            .collect(),
        neighbours: elsewhere(neighbours),
    };
    Ok(page.render()?.into_bytes())
}

/// A count and what is counted.
fn counted(count: usize, one: &str, many: &str) -> String {
    let number = crate::chart::number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    format!("{number} {}", if count == 1 { one } else { many })
}
