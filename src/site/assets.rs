//! The files that every site has: the style sheet, scripts, and two libraries as npm has them.

use super::Files;

/// Path and content.
const FILES: [(&str, &str); 9] = [
    ("assets/site.css", include_str!("assets/site.css")),
    ("assets/icon.svg", include_str!("assets/icon.svg")),
    ("assets/site.js", include_str!("assets/site.js")),
    ("assets/search.js", include_str!("assets/search.js")),
    ("assets/graph.js", include_str!("assets/graph.js")),
    ("assets/zoom.js", include_str!("assets/zoom.js")),
    ("assets/minisearch.js", include_str!("vendor/minisearch.js")),
    ("assets/uplot.js", include_str!("vendor/uplot.js")),
    ("assets/uplot.css", include_str!("vendor/uplot.css")),
];

pub(crate) fn files() -> Files {
    let files = FILES.iter();
    let mut files: Files = files
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    // GitHub Pages would run Jekyll, which takes minutes and leaves files out.
    files.insert(".nojekyll".to_owned(), Vec::new());
    files
}
