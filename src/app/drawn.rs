//! Draws the graphs of plugins from an archive, for the commands that go on with them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Error, PluginOrder,
    archive::{as_of, incomplete},
    error::Tried as _,
    providers::Providers,
};
use crate::config::Config;
use propsbot_archive::{Id, Manifest, Millis, Schema, read_rows};
use propsbot_backends::ArchiveSpec;
use propsbot_sourcecred::{Drawing, GraphPlugin, cred::Budget, draw_each, join};

/// What plugins have drawn.
pub(super) struct Drawn {
    /// Each plugin's name, and its graph.
    pub(super) graphs: Vec<(String, Drawing)>,
    /// What plugins may mint that have to be limited.
    pub(super) budgets: Vec<Budget>,
    /// What they are drawn from.
    pub(super) manifests: Vec<Manifest>,
    /// How old the archive is.
    pub(super) as_of: Vec<String>,
    /// What the archive lacks.
    pub(super) incomplete: Vec<String>,
}

/// Draws the graphs of all plugins, in one reading of each provider's spaces. `only` one space is read of the provider
/// that has it, and all spaces of the others.
pub(super) async fn draw_from(
    config: &Config,
    from: &ArchiveSpec,
    order: &PluginOrder,
    only: Option<&Id>,
    now: Millis,
) -> Result<Drawn, Error> {
    let plugins = order.open(&config.network, now).await?;
    let limits: Vec<Option<f64>> = plugins.iter().map(|plugin| plugin.budget()).collect();
    let names: Vec<String> = plugins
        .iter()
        .map(|plugin| plugin.name().to_owned())
        .collect();
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let archive = archive.as_ref();
    let graphs = if names.len() == 1 { "graph" } else { "graphs" };
    let tried = || {
        format!(
            "could not draw the {} {graphs} from {from}",
            names.join(", ")
        )
    };
    let schemas = schemas(&plugins);
    let chosen = match only {
        Some(only) if schemas.len() > 1 => {
            Providers::of(archive).await.tried(tried)?.of_space(only)
        }
        _ => None,
    };
    let (mut drawings, mut manifests) = (BTreeMap::new(), Vec::new());
    let mut lacks = Vec::new();
    for schema in schemas {
        let is_own = |plugin: &Arc<dyn GraphPlugin>| plugin.provider().provider == schema.provider;
        let numbers = (0..plugins.len()).filter(|number| is_own(&plugins[*number]));
        let numbers: Vec<usize> = numbers.collect();
        let own: Vec<_> = numbers
            .iter()
            .map(|number| Arc::clone(&plugins[*number]))
            .collect();
        let is_chosen = |chosen: &Schema| chosen.provider == schema.provider;
        let only = only.filter(|_| chosen.is_none_or(is_chosen));
        let reading = read_rows(archive, schema, only, move |rows| draw_each(&own, rows));
        let (drawn, read) = reading.await.tried(tried)?;
        drawings.extend(numbers.into_iter().zip(drawn));
        lacks.extend(incomplete(&read, schema));
        manifests.extend(read);
    }
    // In the order of the plugins.
    let mut drawings: Vec<Drawing> = drawings.into_values().collect();
    join(&plugins, &mut drawings);
    let as_of = as_of(&manifests, now).tried(tried)?;
    let limited = names.iter().zip(&drawings).zip(limits);
    let budgets = limited.filter_map(|((name, drawing), limit)| {
        let prefix = drawing.documents.declaration.node_prefix.clone();
        Some(Budget::weekly(format!("external/{name}"), prefix, limit?))
    });
    Ok(Drawn {
        budgets: budgets.collect(),
        graphs: names.into_iter().zip(drawings).collect(),
        as_of,
        incomplete: lacks,
        manifests,
    })
}

/// The providers of these plugins, each once.
fn schemas(plugins: &[Arc<dyn GraphPlugin>]) -> Vec<&'static Schema> {
    let mut schemas: Vec<&'static Schema> = Vec::new();
    for schema in plugins.iter().map(|plugin| plugin.provider()) {
        if schemas
            .iter()
            .all(|known| known.provider != schema.provider)
        {
            schemas.push(schema);
        }
    }
    schemas
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
