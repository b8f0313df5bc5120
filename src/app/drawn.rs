//! Draws the graphs of plugins from an archive, for the commands that go on with them.

use super::{
    Error, PluginOrder,
    archive::{as_of, incomplete},
    error::Tried as _,
};
use crate::config::Config;
use propsbot_archive::{Id, Manifest, Millis, read_rows};
use propsbot_backends::ArchiveSpec;
use propsbot_sourcecred::{Drawing, draw_all};

/// What plugins have drawn.
pub(super) struct Drawn {
    /// Each plugin's name, and its graph.
    pub(super) graphs: Vec<(String, Drawing)>,
    /// What they are drawn from.
    pub(super) manifests: Vec<Manifest>,
    /// How old the archive is.
    pub(super) as_of: Vec<String>,
    /// What the archive lacks.
    pub(super) incomplete: Vec<String>,
}

/// Draws the graphs of all plugins in one reading of the archive.
pub(super) async fn draw_from(
    config: &Config,
    from: &ArchiveSpec,
    order: &PluginOrder,
    only: Option<&Id>,
    now: Millis,
) -> Result<Drawn, Error> {
    let plugins = order.open()?;
    let names: Vec<String> = plugins
        .iter()
        .map(|plugin| plugin.name().to_owned())
        .collect();
    let schema = plugins
        .first()
        .expect("an order has at least one plugin")
        .provider();
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let graphs = if names.len() == 1 { "graph" } else { "graphs" };
    let tried = || {
        format!(
            "could not draw the {} {graphs} from {from}",
            names.join(", ")
        )
    };
    let reading = read_rows(archive.as_ref(), schema, only, move |rows| {
        draw_all(&plugins, rows)
    });
    let (drawings, manifests) = reading.await.tried(tried)?;
    let as_of = as_of(&manifests, now).tried(tried)?;
    Ok(Drawn {
        graphs: names.into_iter().zip(drawings).collect(),
        as_of,
        incomplete: incomplete(&manifests, schema),
        manifests,
    })
}

impl Drawn {
    /// The warnings of all plugins, each with the plugin's name if there are several.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, drawing) in &self.graphs {
            let of = match &*self.graphs {
                [_] => String::new(),
                _ => format!("{name}: "),
            };
            let own = drawing.warnings.iter();
            warnings.extend(own.map(|warning| format!("warning: {of}{warning}")));
        }
        warnings
    }
}
