//! Programs that do what they must not do.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::{community, files, graph, program};
use crate::mirror::Mirror;

/// What a shell script says, and what is said about it.
const WRONG: [(&str, &str); 17] = [
    (
        "echo nothing",
        "line 1 of its output: it is not a line of the protocol",
    ),
    (
        "echo '{\"end\": true}'",
        "the first line has to say what it needs",
    ),
    (
        "echo '{\"needs\": [{\"table\": \"nothing\"}]}'",
        "there is no table \"nothing\": there are guilds",
    ),
    (
        "echo '{\"needs\": [{\"table\": \"messages\", \"columns\": [\"x\"]}]}'",
        "messages has no column \"x\"",
    ),
    (
        "echo '{\"needs\": [{\"table\": \"messages\", \"parts\": [\"5\"]}]}'",
        "there is no part 5",
    ),
    (
        "echo '{\"needs\": [{\"table\": \"members\", \"since\": 5}]}'",
        "members is a table of spaces",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"node\": {\"address\": [\"external\", \"props\", \"1\"], \"description\": \"\"}}'",
        "line 2 of its output: [\"external\", \"props\", \"1\"] is not an address of this plugin",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"weight\": {\"node\": [\"sourcecred\", \"discord\"], \"weight\": 5}}'",
        "line 2 of its output: [\"sourcecred\", \"discord\"] is not an address of this plugin",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"edge\": {\"address\": [\"external\", \"hostile\", \"e\"], \"timestamp\": 1, \
         \"src\": [\"external\", \"hostile\", \"gone\"], \"dst\": {\"member\": \"5\"}}}'; echo '{\"end\": true}'",
        "line 2 of its output: the edge leads to",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"weight\": {\"node\": [\"external\", \"hostile\", \"1\"], \"weight\": -1}}'",
        "line 2 of its output: -1 is not a weight",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"weight\": {\"node\": [\"external\", \"hostile\", \"1\"]}}'",
        "a weight has a node and its weight, or an edge with forwards and backwards",
    ),
    (
        "echo '{\"needs\": []}'; echo '{\"edge\": {\"address\": [\"external\", \"hostile\", \"e\"], \"timestamp\": 1, \
         \"src\": {\"member\": \"5\"}, \"dst\": {\"member\": null}}}'",
        "an edge leads from and to a node's address, or {\"member\": ID}",
    ),
    (
        "echo '{\"needs\": []}'; while :; do echo '{\"warning\": \"again\"}'; done",
        "line 102 of its output: it has more than 100 warnings",
    ),
    (
        "head -c 1000000 /dev/zero",
        "line 1 of its output: it is longer than 65536 bytes",
    ),
    (
        "echo '{\"needs\": []}'; line=$(printf '%65000s' '{\"needs\": []}'); while :; do echo \"$line\"; done",
        "line 2 of its output: it said before what it needs",
    ),
    (
        "echo '{\"needs\": []}'; echo for this reason >&2; exit 3",
        "it stopped without {\"end\": true}; it said: for this reason",
    ),
    ("exit 0", "it stopped without {\"end\": true}"),
];

async fn draws(mirror: &Mirror, script: &str, more: &[&str]) -> crate::mirror::Ended {
    program(mirror, "hostile.sh", &format!("#!/bin/sh\n{script}\n"));
    let arguments = [&["--plugin-exec", "./hostile.sh"][..], more].concat();
    mirror.run(&graph(&arguments)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named() {
    let mirror = community().await;
    for (script, says) in WRONG {
        draws(&mirror, script, &[])
            .await
            .failed(2, &["hostile.sh", says]);
    }
    assert!(!mirror.home.path().join("graph").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_output_is_cut() {
    let mirror = community().await;
    let script = "line=$(printf '%65000s' ' ')\necho '{\"needs\": []}'\n\
                  n=0; while :; do n=$((n + 1)); \
                  echo \"{\\\"node\\\": {\\\"address\\\": [\\\"external\\\", \\\"hostile\\\", \\\"$n\\\"], $line \
                  \\\"description\\\": \\\"\\\"}}\"; done";
    draws(&mirror, script, &[])
        .await
        .failed(2, &["the output is longer than 268435456 bytes"]);
}

/// Whether a process is there and runs.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie only waits for its parent.
    stat.rsplit(')')
        .next()
        .is_some_and(|after| !after.trim().is_empty() && !after.starts_with(" Z"))
}

async fn ends(pid_file: &Path) {
    let pid = fs::read_to_string(pid_file).unwrap();
    let begun = Instant::now();
    while runs(pid.trim()) {
        assert!(begun.elapsed() < Duration::from_mins(1), "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_hangs_is_killed_with_its_children() {
    let mirror = community().await;
    let pid = mirror.home.path().join("pid");
    let child = "sleep 1000 & echo $! > pid\n";
    for (script, says) in [
        ("wait", "to say what it needs"),
        ("echo '{\"needs\": []}'; wait", "to end"),
    ] {
        let ended = draws(
            &mirror,
            &format!("{child}{script}"),
            &["--plugin-timeout", "2s"],
        )
        .await;
        ended.failed(2, &["it took longer than 2s", says]);
        ends(&pid).await;
    }
    // What it started goes with it, also if all went well, and holds nothing up.
    let script = format!(
        "{child}echo '{{\"needs\": []}}'\necho '{{\"node\": {{\"address\": [\"external\", \"hostile\", \"1\"], \
         \"description\": \"\", \"timestamp\": 1}}}}'\necho '{{\"end\": true}}'"
    );
    draws(&mirror, &script, &[]).await.ok();
    ends(&pid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_may_write_before_it_reads_and_need_not_read() {
    let mirror = community().await;
    let node = "echo \"{\\\"node\\\": {\\\"address\\\": [\\\"external\\\", \\\"hostile\\\", \\\"$n\\\"], \
                \\\"description\\\": \\\"one of many\\\", \\\"timestamp\\\": 1}}\"";
    let many = format!("n=0; while [ $n -lt 3000 ]; do n=$((n + 1)); {node}; done");
    let needs = "echo '{\"needs\": [{\"table\": \"messages\"}, {\"table\": \"members\"}]}'";
    for read in ["cat > /dev/null", "exec 0<&-", ""] {
        let script = format!("{needs}\n{many}\n{read}\necho '{{\"end\": true}}'");
        draws(&mirror, &script, &[]).await.ok();
        let graph = &files(&mirror.home.path().join("graph"))["graph.json"];
        assert_eq!(
            String::from_utf8_lossy(graph)
                .matches("one of many")
                .count(),
            3000
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_has_no_environment() {
    let mirror = community().await;
    let script = "echo '{\"needs\": []}'\necho \"{\\\"warning\\\": \\\"has $(env | cut -d= -f1 | sort | tr '\\n' ' ')\\\"}\"\n\
                  echo '{\"end\": true}'";
    let said = draws(&mirror, script, &[]).await.ok().stdout;
    let line = said.lines().find(|line| line.contains("has ")).unwrap();
    let (_, names) = line.split_once("has ").unwrap();
    // A shell adds the last three.
    let known = ["PATH", "LANG", "PWD", "_", "SHLVL"];
    assert!(
        names.split_whitespace().all(|name| known.contains(&name)),
        "{line}"
    );
    assert!(names.contains("PATH"), "{line}");
}
