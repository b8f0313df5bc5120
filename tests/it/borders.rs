//! The borders between the parts, kept by reading the sources: what a file must not name.
//!
//! Comments and texts may name anything.

use std::{fs, path::Path};

/// Which files must not name what.
struct Border {
    /// Why, as the design says it.
    rule: &'static str,
    /// The folders and files that it concerns.
    within: &'static [&'static str],
    /// Those of them that it does not concern.
    except: &'static [&'static str],
    /// Identifiers, or paths of them.
    never: &'static [&'static str],
}

const EVERYTHING: &[&str] = &["src/", "commands/"];

const BORDERS: &[Border] = &[
    Border {
        rule: "what is pure neither waits, nor talks to anyone, nor keeps anything",
        within: &["src/model/", "src/ingest/", "src/archive/", "src/graph/"],
        // An export is carried out, and what keeps an archive waited for; reading and verifying take
        // all cores.
        except: &[
            "src/archive/reader.rs",
            "src/archive/verify/mod.rs",
            "src/archive/export.rs",
            "src/archive/folder.rs",
            "src/archive/bucket/",
            "src/archive/github/",
        ],
        never: &["serenity", "poise", "sled", "octocrab", "tokio", "reqwest"],
    },
    Border {
        rule: "what is pure is told the time",
        within: &["src/model/", "src/ingest/", "src/archive/", "src/graph/"],
        // They wait for servers, and for how long a claim holds.
        except: &[
            "src/archive/bucket/claim.rs",
            "src/archive/github/client.rs",
        ],
        never: &["SystemTime", "Instant", "Timestamp::now", "Zoned::now"],
    },
    Border {
        rule: "only the store's engine knows sled",
        within: EVERYTHING,
        except: &["src/store/engine.rs"],
        never: &["sled"],
    },
    Border {
        rule: "only their archive knows object stores",
        within: EVERYTHING,
        except: &["src/archive/bucket/"],
        never: &["object_store"],
    },
    Border {
        rule: "only the archive on GitHub knows its library",
        within: EVERYTHING,
        except: &["src/archive/github/"],
        never: &["octocrab"],
    },
    Border {
        rule: "only the Discord side and the commands know Discord's libraries",
        within: EVERYTHING,
        except: &["src/discord/", "commands/"],
        never: &["serenity", "poise"],
    },
    Border {
        rule: "commands ask the service, and nobody else",
        within: &["commands/"],
        // It tells Discord of the commands.
        except: &["commands/runner/"],
        never: &[
            "store", "Store", "archive", "octocrab", "reqwest", "sled", "History", "Rest",
        ],
    },
    Border {
        rule: "only the configuration reads the environment",
        within: EVERYTHING,
        except: &["src/config/environment.rs"],
        never: &["env::var", "env::vars", "env::var_os", "dotenvy"],
    },
    Border {
        rule: "connections are made by one policy",
        within: EVERYTHING,
        except: &["src/network/"],
        never: &["Client::builder", "TcpStream::connect", "HttpsConnector"],
    },
    Border {
        rule: "only main ends the process",
        within: EVERYTHING,
        except: &["src/main.rs"],
        never: &["process::exit", "process::abort"],
    },
    Border {
        rule: "the simulator is independent of what it is used to test",
        within: &["simulator/"],
        except: &[],
        never: &["propsbot"],
    },
    Border {
        rule: "the program knows nothing of the simulator",
        within: EVERYTHING,
        except: &[],
        never: &["simulator"],
    },
    Border {
        rule: "the Discord side knows nothing of what is done with what it tells",
        within: &["src/discord/"],
        except: &[],
        never: &[
            "crate::jobs",
            "crate::app",
            "crate::store",
            "crate::commands",
            "crate::service",
            "crate::status",
        ],
    },
    Border {
        rule: "the store and the pure parts know nothing of those who use them",
        within: &[
            "src/model/",
            "src/ingest/",
            "src/archive/",
            "src/graph/",
            "src/store/",
        ],
        except: &[],
        never: &[
            "crate::jobs",
            "crate::app",
            "crate::discord",
            "crate::commands",
            "crate::service",
        ],
    },
];

/// The code without comments, texts and blanks between tokens.
fn bare(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(text) = rest.strip_prefix('r').filter(|_| !code.ends_with(is_word)) {
            let hashes = text.len() - text.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(hashes));
            let raw = text[hashes..]
                .strip_prefix('"')
                .and_then(|it| it.find(&end));
            raw.map_or(0, |length| 2 * hashes + length + 3)
        } else if let Some(text) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = text.find(|it| {
                let ends = it == '"' && !escaped;
                escaped = it == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(text) = rest.strip_prefix("'\\") {
            // What is escaped may be a quote itself.
            let end = text.char_indices().skip(1).find(|(_, it)| *it == '\'');
            end.map_or(rest.len(), |(end, _)| end + 3)
        } else {
            0
        };
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

/// Whether the code names this path: whole identifiers only.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        !code[..at].ends_with(is_word) && !code[at + path.len()..].starts_with(is_word)
    })
}

impl Border {
    fn concerns(&self, path: &str) -> bool {
        let is_in = |all: &[&str]| all.iter().any(|it| path.starts_with(it));
        is_in(self.within) && !is_in(self.except)
    }

    /// What this file names against the rule.
    fn crossed(&self, path: &str, source: &str) -> Vec<String> {
        let code = bare(source);
        let named = self.never.iter().filter(|it| names(&code, it));
        named
            .map(|it| format!("{path} names {it}: {}", self.rule))
            .collect()
    }
}

/// All Rust files of the repository that borders can concern, with their text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = ["src", "commands", "simulator/src"]
        .map(|it| root.join(it))
        .into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn no_file_crosses_a_border() {
    let sources = sources();
    let mut crossed = Vec::new();
    for border in BORDERS {
        let concerned = sources.iter().filter(|(path, _)| border.concerns(path));
        let mut files = 0;
        for (path, source) in concerned {
            files += 1;
            crossed.extend(border.crossed(path, source));
        }
        assert!(
            files > 0,
            "no file is concerned by {:?}: was a folder renamed?",
            border.rule
        );
        for except in border.except {
            let needs = |(path, text): &&(String, String)| {
                path.starts_with(except) && border.never.iter().any(|it| names(&bare(text), it))
            };
            assert!(
                sources.iter().any(|it| needs(&it)),
                "{except} needs no exception"
            );
        }
    }
    assert!(crossed.is_empty(), "{}", crossed.join("\n"));
}

/// The simulator could be taken out of the repository: its manifest names nothing else of it.
#[test]
fn the_simulator_depends_on_nothing_of_ours() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("simulator/Cargo.toml")).unwrap();
    assert!(manifest.contains("[dependencies]"));
    assert!(!manifest.contains("path =") && !manifest.contains("propsbot"));
}

/// For every border, and all that it forbids: a made-up line crosses it.
#[test]
fn every_border_can_be_crossed() {
    for border in BORDERS {
        for never in border.never {
            for line in [
                format!("use {never};"),
                format!("fn f() {{ let it = {never}(); }}"),
                format!("let quote = '\"'; std::{never}::call(\"text\");"),
            ] {
                let path = format!("{}made_up.rs", border.within[0]);
                assert!(border.concerns(&path));
                assert_eq!(border.crossed(&path, &line).len(), 1, "{line}");
            }
            for line in [
                format!("// {never} is named in a comment"),
                format!("let text = \"{never}, and \\\"{never}\\\" quoted\";"),
                format!("let text = r#\"{never} \"in\" quotes\"#;"),
                format!("use our_{never}s;"),
            ] {
                assert_eq!(
                    border.crossed("any.rs", &line),
                    Vec::<String>::new(),
                    "{line}"
                );
            }
        }
    }
}
