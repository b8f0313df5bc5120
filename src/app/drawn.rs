//! Draws the graphs of plugins from an archive, for the commands that go on with them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Error, PluginOrder,
    error::Tried as _,
    providers::Providers,
    verify::{as_of, incomplete},
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

/// Draws the graphs of all plugins from one archive, as [`draw`].
pub(super) async fn draw_from(
    config: &Config,
    from: &ArchiveSpec,
    order: &PluginOrder,
    only: Option<&Id>,
    now: Millis,
) -> Result<Drawn, Error> {
    let plugins = order.open(&config.network, now).await?;
    draw(config, &plugins, |_| from, only, now).await
}

/// Draws the graphs of these plugins, in one reading of each provider's spaces, from the archive that has them. `only` one
/// space is read of the provider that has it, and all spaces of the others.
pub(super) async fn draw<'a>(
    config: &Config,
    plugins: &[Arc<dyn GraphPlugin>],
    from: impl Fn(&Schema) -> &'a ArchiveSpec,
    only: Option<&Id>,
    now: Millis,
) -> Result<Drawn, Error> {
    let limits: Vec<Option<f64>> = plugins.iter().map(|plugin| plugin.budget()).collect();
    let names: Vec<String> = plugins
        .iter()
        .map(|plugin| plugin.name().to_owned())
        .collect();
    let open = |from| propsbot_backends::open_to_read(from, &config.access, &config.network);
    let graphs = if names.len() == 1 { "graph" } else { "graphs" };
    let tried = |from: &ArchiveSpec| {
        let all = names.join(", ");
        format!("could not draw the {all} {graphs} from {from}")
    };
    let schemas = schemas(plugins);
    let mut chosen = None;
    for schema in schemas.iter().filter(|_| schemas.len() > 1) {
        if let (Some(only), None) = (only, chosen) {
            let from = from(schema);
            let providers = Providers::of(open(from)?.as_ref()).await;
            chosen = providers.tried(|| tried(from))?.of_space(only);
        }
    }
    let (mut drawings, mut manifests) = (BTreeMap::new(), Vec::new());
    let (mut lacks, mut ages) = (Vec::new(), Vec::new());
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
        let from = from(schema);
        let archive = open(from)?;
        let reading = read_rows(archive.as_ref(), schema, only, move |rows| {
            draw_each(&own, rows)
        });
        let (drawn, read) = reading.await.tried(|| tried(from))?;
        let age = as_of(&read, now).tried(|| tried(from))?;
        ages.extend(age);
        drawings.extend(numbers.into_iter().zip(drawn));
        lacks.extend(incomplete(&read, schema));
        manifests.extend(read);
    }
    // In the order of the plugins.
    let mut drawings: Vec<Drawing> = drawings.into_values().collect();
    join(plugins, &mut drawings);
    let limited = names.iter().zip(&drawings).zip(limits);
    let budgets = limited.filter_map(|((name, drawing), limit)| {
        let prefix = drawing.documents.declaration.node_prefix.clone();
        Some(Budget::weekly(format!("external/{name}"), prefix, limit?))
    });
    Ok(Drawn {
        budgets: budgets.collect(),
        graphs: names.into_iter().zip(drawings).collect(),
        as_of: ages,
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
