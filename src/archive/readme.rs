//! The archive's README beside the manifests. What it says is the provider's (`Schema::readme`).

/// Where it is.
pub const README: &str = "README.md";

/// What is around the figures: they may be of an earlier generation, and a README says of which.
pub const FIGURES: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// What is before the figures, and after them.
pub(super) fn without_figures(readme: &str) -> Option<(&str, &str)> {
    let (before, rest) = readme.split_once(FIGURES[0])?;
    let (_, after) = rest.split_once(FIGURES[1])?;
    Some((before, after))
}
