//! The archive's README beside the manifests. What it says is the provider's (`Schema::readme`).

/// Where it is.
pub const README: &str = "README.md";

/// What is around the figures: they may be of an earlier generation, and a README says of which.
pub const FIGURES: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// The pieces of text around all figures; `None` if there are none.
pub(super) fn without_figures(readme: &str) -> Option<Vec<String>> {
    let (before, mut rest) = readme.split_once(FIGURES[0])?;
    let mut pieces = vec![before.to_owned()];
    loop {
        let (_, after) = rest.split_once(FIGURES[1])?;
        let Some((between, from)) = after.split_once(FIGURES[0]) else {
            pieces.push(after.to_owned());
            return Some(pieces);
        };
        pieces.push(between.to_owned());
        rest = from;
    }
}
