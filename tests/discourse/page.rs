//! docs/providers.md shows what is here.

const PAGE: &str = include_str!("../../docs/providers.md");

const FILES: [&str; 7] = [
    include_str!("api.rs"),
    include_str!("exports.rs"),
    include_str!("exports_tests.rs"),
    include_str!("merge.rs"),
    include_str!("provider.rs"),
    include_str!("rows.rs"),
    include_str!("sync_tests.rs"),
];

/// The lines of a text, wherever they are indented to.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// Each block of code is somewhere in these files, apart from its indentation.
#[test]
fn code_blocks_are_excerpts() {
    let files = FILES.map(lines);
    let blocks = PAGE.split("```rust\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 8, "the page has {} blocks", blocks.len());
    for block in blocks {
        let wanted = lines(block);
        let is_there = |file: &Vec<&str>| file.windows(wanted.len()).any(|some| some == wanted);
        assert!(
            files.iter().any(is_there),
            "in no file of tests/discourse:\n{block}"
        );
    }
}
