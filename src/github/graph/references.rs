//! What a text refers to: people, issues, commits and links, as SourceCred's GitHub plugin finds them.
//!
//! Source: SourceCred 0.11.2, `plugins/github/parseMarkdown.js` and `parseReferences.js`. Code and HTML don't count, and
//! what stands in one paragraph is one text, whatever its formatting.

use std::sync::LazyLock;

use fancy_regex::Regex;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// A reference, such as `@user`, `#123` or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) text: String,
    /// "Paired with": whoever is named is an author, too.
    pub(super) is_pairing: bool,
}

impl Reference {
    fn basic(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_pairing: false,
        }
    }
}

/// The pieces of text in Markdown.
fn text_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    // How deep we are in HTML's `<code>`: what is in it doesn't count.
    let (mut depth, mut is_code) = (0_usize, false);
    for event in Parser::new(markdown) {
        match event {
            Event::Text(text) => {
                if depth == 0 && !is_code {
                    push(&mut blocks, &text);
                }
            }
            Event::SoftBreak if depth == 0 => push(&mut blocks, " "),
            Event::InlineHtml(html) => match (depth, kind(&html)) {
                (0, Html::Code) => depth = 1,
                (1.., Html::Code | Html::Open) => depth += 1,
                (1.., Html::Close) => depth -= 1,
                _ => {}
            },
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Link { .. } | Tag::Image { .. })
            | Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link | TagEnd::Image)
            | Event::SoftBreak => {}
            other => {
                is_code = match other {
                    Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => true,
                    Event::End(TagEnd::CodeBlock | TagEnd::HtmlBlock) => false,
                    _ => is_code,
                };
                // What is left out because it is in HTML breaks no text.
                if depth == 0 {
                    blocks.push(String::new());
                }
            }
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn push(blocks: &mut [String], text: &str) {
    if let Some(last) = blocks.last_mut() {
        last.push_str(text);
    }
}

enum Html {
    /// `<code>`
    Code,
    Open,
    Close,
    Other,
}

fn kind(html: &str) -> Html {
    let bytes = html.as_bytes();
    let is_code =
        bytes.len() > 5 && bytes[..5].eq_ignore_ascii_case(b"<code") && b" >".contains(&bytes[5]);
    match bytes {
        _ if is_code => Html::Code,
        [b'<', b'/', ..] => Html::Close,
        [b'<', letter, ..] if letter.is_ascii_alphabetic() => Html::Open,
        _ => Html::Other,
    }
}

/// JavaScript's `(?:\W|^)` and `(?=\W|$)`.
const BEFORE: &str = "(?m)(?:[^A-Za-z0-9_]|^)";
const AFTER: &str = "(?=[^A-Za-z0-9_]|$)";
const OWNER: &str = "[A-Za-z0-9-]+";
const NAME: &str = "[A-Za-z0-9\\-._]+";

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(&format!("{BEFORE}(#[0-9]+){AFTER}")));

static NUMBER_IN_REPOSITORY: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("{BEFORE}({OWNER}/{NAME}#[0-9]+){AFTER}")));

static URL: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        "{BEFORE}(https?://github.com/{OWNER}(?:/{NAME}/(?:issues|pull)/[0-9]+\
         (?:#(?:issue|issuecomment|pullrequestreview|discussion_r)-?[0-9]+)?)?)(?=[^A-Za-z0-9_/\\-]|$)"
    ))
});

static PERSON: LazyLock<Regex> = LazyLock::new(|| regex(&format!("{BEFORE}(@{OWNER}){AFTER}")));

static PAIRING: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("{BEFORE}[Pp]aired[- ][wW]ith:? (@{OWNER}){AFTER}")));

static HASH: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("{BEFORE}([a-fA-F0-9]{{40,}}){AFTER}")));

static COMMIT_URL: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        "{BEFORE}(https?://github.com/{OWNER}/{NAME}/commit/([a-fA-F0-9]{{40,}}))(?=[^A-Za-z0-9_/]|$)"
    ))
});

/// Links that SourceCred's plugin doesn't know. A tag ends with a letter or a digit, as texts go on after it.
static MORE_URLS: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        "{BEFORE}(https?://github.com/{OWNER}/{NAME}/(?:discussions/[0-9]+(?:#discussioncomment-[0-9]+)?\
         (?=[^A-Za-z0-9_/\\-]|$)|releases/tag/[A-Za-z0-9\\-._~%+/]*[A-Za-z0-9_]))"
    ))
});

/// All references in Markdown. A reference that is there twice comes twice.
pub(super) fn references(markdown: &str) -> Vec<Reference> {
    // Most texts refer to nothing, and Markdown takes nothing away that these need. (It can add them, by entities.)
    let may_refer =
        markdown.contains(['#', '@', '&']) || markdown.contains("github") || has_hash(markdown);
    if !may_refer {
        return Vec::new();
    }
    let mut found = Vec::new();
    for block in text_blocks(markdown) {
        of_block(&block, &mut found);
    }
    found
}

/// Whether there may be a commit's hash.
fn has_hash(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| {
        // A backslash may stand before what Markdown takes for a character.
        digits = if byte.is_ascii_hexdigit() {
            digits + 1
        } else {
            0
        };
        digits >= 40
    }) || text.contains(['\\', '*', '_', '<'])
}

fn of_block(block: &str, found: &mut Vec<Reference>) {
    if block.contains('#') {
        found.extend(all(&NUMBER, block).map(Reference::basic));
        found.extend(all(&NUMBER_IN_REPOSITORY, block).map(Reference::basic));
    }
    let has_link = block.contains("http");
    if has_link {
        found.extend(all(&URL, block).map(Reference::basic));
        found.extend(all(&MORE_URLS, block).map(Reference::basic));
    }
    if block.contains('@') {
        let mut people: Vec<&str> = all(&PERSON, block).collect();
        if block.contains("aired") {
            for pair in all(&PAIRING, block) {
                if let Some(at) = people.iter().position(|person| *person == pair) {
                    people.remove(at);
                }
                found.push(Reference {
                    text: pair.to_owned(),
                    is_pairing: true,
                });
            }
        }
        found.extend(people.into_iter().map(Reference::basic));
    }
    if block.len() >= 40 {
        let hashes = all(&HASH, block).map(str::to_ascii_lowercase);
        let mut hashes: Vec<String> = hashes.collect();
        let links = COMMIT_URL.captures_iter(block).filter_map(Result::ok);
        for link in links.filter(|_| has_link) {
            let part = |group| link.get(group).map_or("", |part| part.as_str());
            let hash = part(2).to_ascii_lowercase();
            // The link contains the hash, which isn't another reference.
            if let Some(at) = hashes.iter().position(|known| *known == hash) {
                hashes.remove(at);
            }
            found.push(Reference::basic(part(1).to_lowercase()));
        }
        found.extend(hashes.into_iter().map(Reference::basic));
    }
}

/// The first group of every match.
fn all<'a>(regex: &'a Regex, text: &'a str) -> impl Iterator<Item = &'a str> {
    let matches = regex.captures_iter(text).filter_map(Result::ok);
    matches.filter_map(|found| found.get(1).map(|part| part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(markdown: &str) -> Vec<String> {
        let found = references(markdown).into_iter();
        let shown = found.map(|found| {
            let sign = if found.is_pairing { "+" } else { "" };
            format!("{sign}{}", found.text)
        });
        shown.collect()
    }

    #[test]
    fn finds_links_to_discussions_and_releases() {
        let home = "https://github.com/octo/alpha";
        let text = format!(
            "See {home}/discussions/7#discussioncomment-12, {home}/discussions/8, {home}/discussions/new and \
             {home}/releases/tag/v1.0-rc.1."
        );
        let found = [
            "discussions/7#discussioncomment-12",
            "discussions/8",
            "releases/tag/v1.0-rc.1",
        ];
        assert_eq!(texts(&text), found.map(|found| format!("{home}/{found}")));
    }

    /// What SourceCred's own code finds in the same texts, sorted by kinds.
    #[test]
    fn finds_what_the_real_plugin_finds() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let link = format!("https://github.com/Octo/alpha/commit/{hash}");
        let cases: [(&str, &[&str]); 28] = [
            ("#1, #2 (#3) x#4 #5y ##6", &["#1", "#2", "#3", "#6"]),
            ("thanks @ana-b, @ben_x and me@mail.example", &["@ana-b"]),
            ("octo/alpha#7", &["octo/alpha#7"]),
            ("`#1` <code>#2 <b>#3</b></code> #4\n\n    #5\n", &["#4"]),
            ("a *#1* **[@ana](https://x.example)**", &["#1", "@ana"]),
            ("Paired with @ana and @ana", &["+@ana", "@ana"]),
            ("paired-with: @ben", &["+@ben"]),
            (
                "see https://github.com/octo/alpha/issues/3#issuecomment-12.",
                &["https://github.com/octo/alpha/issues/3#issuecomment-12"],
            ),
            ("https://github.com/octo/alpha", &[]),
            ("https://github.com/octo.", &["https://github.com/octo"]),
            (hash, &[hash]),
            (&link, &[&link.to_lowercase()]),
            ("<!-- #1 -->\n\ntext #2", &["#2"]),
            ("<div>\n#1\n</div>\n", &[]),
            ("line #1\nnext @ana", &["#1", "@ana"]),
            ("&#35;9 and \\#8", &["#9", "#8"]),
            ("a<br/>#1 <code>x<br/>#2</code>#3 </code>", &[]),
            ("- #1\n- #2\n  more @x\n\n> @y", &["#1", "#2", "@x", "@y"]),
            (
                "![#1](x.png) <https://github.com/o/a/pull/3>",
                &["#1", "https://github.com/o/a/pull/3"],
            ),
            ("one  \n#2\\\n#3", &["#2", "#3"]),
            ("# @title #1\n***\n@a", &["#1", "@title", "@a"]),
            ("a <code>b\n\n@c</code> @d", &["@d"]),
            ("@a@b #1#2 @a.b @a/b", &["#1", "@a", "@a", "@a"]),
            ("**@a**b *#1*2", &["#12", "@ab"]),
            ("|@a|#1|\n|-|-|\n|x|y|", &["#1", "@a"]),
            (
                "[ref #1][r]\n\n[r]: https://github.com/x/y/issues/9",
                &["#1"],
            ),
            ("@ana\u{2028}#1 é#2 🤔#3", &["#1", "#2", "#3", "@ana"]),
            ("Paired with @ana. paired With: @ben", &["+@ana", "+@ben"]),
        ];
        for (markdown, expected) in cases {
            assert_eq!(texts(markdown), expected, "{markdown}");
        }
    }
}
