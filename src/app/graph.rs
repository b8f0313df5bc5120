//! `graph`: builds the files that SourceCred reads from an archive, and compares them with earlier ones.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    slice,
};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{
    Error, PluginOrder,
    drawn::{Drawn, draw_from},
};
use crate::config::Config;
use propsbot_archive::{Id, printable_json};
use propsbot_backends::ArchiveSpec;
use propsbot_jobs::clock::Clock;
use propsbot_sourcecred::{
    BeforeAndNow, Changes, Comparison, Document, Documents, Drawing, Types, WeightedGraph,
    cred::Budget,
};

/// The file with what plugins may mint.
const BUDGETS: &str = "pluginBudgets.json";

const DIFF_TAKES: &str = "--diff takes the folder of an earlier output, or its graph.json with declaration.json beside it";

#[derive(Debug)]
pub struct GraphOrder<'a> {
    pub plugin: &'a PluginOrder,
    /// The folder for `SourceCred`'s three files; with several plugins, for a folder of each.
    pub out: Option<&'a Path>,
    /// The only space to include; `None` for all.
    pub space: Option<Id>,
    /// Earlier graphs to compare with: as `out`, or the only graph's file.
    pub diff: Option<&'a Path>,
    pub json: bool,
}

/// Builds the graphs, writes `SourceCred`'s three files of each, and compares each with an earlier one.
pub async fn graph(
    config: &Config,
    spec: &ArchiveSpec,
    order: GraphOrder<'_>,
) -> Result<Vec<String>, Error> {
    // A mistake is told before the archive is read.
    if let Some(path) = order.diff
        && !path.exists()
    {
        let why = format!("{} doesn't exist: {DIFF_TAKES}", path.display());
        return Err(Error::Wrong(anyhow::Error::msg(why)));
    }
    let now = Clock::now();
    let drawn = draw_from(config, spec, order.plugin, order.space.as_ref(), now).await?;
    let [out, earlier] = [order.out, order.diff].map(|path| path.map(Path::to_owned));
    let writing = tokio::task::spawn_blocking(move || {
        // Before writing: the output may overwrite the earlier graphs.
        let compared = match earlier {
            Some(path) => compare(&drawn.graphs, &path).map_err(Error::Wrong)?,
            None => Vec::new(),
        };
        Ok::<_, Error>((write_all(&drawn, out.as_deref())?, compared))
    });
    let (mut notes, compared) = writing.await.context("could not write the graph")??;
    if compared.is_empty() {
        return Ok(notes);
    }
    if order.json {
        return Ok(vec![json(&compared, &notes)?]);
    }
    let is_one = compared.len() == 1;
    for (name, compared) in &compared {
        notes.extend((!is_one).then(|| format!("\n{name}:")));
        notes.push(table(compared));
    }
    Ok(notes)
}

/// The folder of one of these graphs: one alone has it to itself.
fn folder_of(folder: &Path, name: &str, graphs: &[(String, Drawing)]) -> PathBuf {
    match graphs {
        [_] => folder.to_owned(),
        _ => folder.join(name),
    }
}

/// Compares each graph with an earlier one.
fn compare(graphs: &[(String, Drawing)], path: &Path) -> anyhow::Result<Vec<(String, Comparison)>> {
    let compared = graphs.iter().map(|(name, Drawing { documents, .. })| {
        let (graph, types) = read_earlier(&folder_of(path, name, graphs))?;
        let now = Types::from(&documents.declaration);
        let compared = Comparison::new((&graph, &types), (&documents.graph, &now));
        Ok((name.clone(), compared))
    });
    compared.collect()
}

/// Writes the files of each graph.
fn write_all(drawn: &Drawn, out: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let mut notes = drawn.as_of.clone();
    let mut warnings = drawn.warnings();
    for (name, Drawing { documents, .. }) in &drawn.graphs {
        let Some(out) = out else { continue };
        let folder = folder_of(out, name, &drawn.graphs);
        for (document, path) in Document::ALL.into_iter().zip(write(documents, &folder)?) {
            notes.push(format!("wrote {}", path.display()));
            let bytes = path.metadata().map_or(0, |file| file.len());
            let too_long = document.too_long(bytes);
            warnings.extend(too_long.map(|too_long| format!("warning: {too_long}")));
        }
        let id = format!("external/{name}");
        let mut budgets = drawn.budgets.iter();
        if let Some(budget) = budgets.find(|budget| budget.plugin() == id) {
            let path = folder.join(BUDGETS);
            fs::write(&path, Budget::json(slice::from_ref(budget)))
                .with_context(|| format!("could not write {}", path.display()))?;
            notes.push(format!(
                "wrote {}: add what it says to config/{BUDGETS}, without which {id} mints without bounds",
                path.display()
            ));
        }
    }
    notes.extend(warnings);
    notes.extend(drawn.incomplete.iter().cloned());
    Ok(notes)
}

/// Reads an earlier graph and its types; `path` is the folder, or the graph's file in it.
fn read_earlier(path: &Path) -> anyhow::Result<(WeightedGraph, Types)> {
    let folder = path.is_dir();
    let in_folder = |document: Document| path.join(document.name());
    let (graph, declaration) = if folder {
        (in_folder(Document::Graph), in_folder(Document::Declaration))
    } else {
        let declaration = path.with_file_name(Document::Declaration.name());
        (path.to_owned(), declaration)
    };
    let read = |path: &Path| {
        fs::read(path).with_context(|| format!("could not read {}: {DIFF_TAKES}", path.display()))
    };
    let wrong = |path: &Path| format!("could not compare with {}", path.display());
    let graph = WeightedGraph::from_json(&read(&graph)?).with_context(|| wrong(&graph))?;
    let types = Types::from_json(&read(&declaration)?).with_context(|| wrong(&declaration))?;
    Ok((graph, types))
}

/// The comparison of the only graph; of several, each by its plugin's name.
fn json(compared: &[(String, Comparison)], notes: &[String]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Output<'a, T: Serialize> {
        #[serde(flatten)]
        compared: T,
        notes: &'a [String],
    }
    let json = match compared {
        [(_, compared)] => serde_json::to_string(&Output { compared, notes })?,
        several => {
            let by_plugin: BTreeMap<_, _> = several.iter().map(|(name, one)| (name, one)).collect();
            let compared = BTreeMap::from([("plugins", by_plugin)]);
            serde_json::to_string(&Output { compared, notes })?
        }
    };
    Ok(printable_json(&json))
}

fn table(compared: &Comparison) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["minted for", "before", "now", "change", ""]);
    for member in &compared.members {
        table.add_row(row(&member.name, member.minted));
    }
    table.add_row(row("total minted", compared.minted));
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let Comparison { nodes, edges, .. } = compared;
    let describe = |changes: &Changes| {
        format!(
            "{} appeared, {} vanished, {} changed",
            changes.appeared, changes.vanished, changes.changed
        )
    };
    format!(
        "{table}\nmembers with the same minted weight: {}\nnodes: {}\nedges: {}",
        compared.unchanged_members,
        describe(nodes),
        describe(edges)
    )
}

fn row(name: &str, minted: BeforeAndNow) -> [String; 5] {
    let BeforeAndNow { before, now } = minted;
    let change = minted.change();
    let percent = if before > 0.0 {
        format!("{:+.1} %", 100.0 * change / before)
    } else {
        String::new()
    };
    [
        name.to_owned(),
        format!("{before:.3}"),
        format!("{now:.3}"),
        format!("{change:+.3}"),
        percent,
    ]
}

/// Writes the three files into a folder, and replaces earlier ones only when all are written.
fn write(documents: &Documents, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)
        .with_context(|| format!("could not create the folder {}", folder.display()))?;
    let path = |document: Document| folder.join(document.name());
    let partial = |document: Document| folder.join(format!(".{}.partial", document.name()));
    for document in Document::ALL {
        let path = partial(document);
        let write = || {
            let mut file = BufWriter::with_capacity(1 << 16, File::create(&path)?);
            documents.write(document, &mut file)?;
            file.flush()
        };
        write().with_context(|| format!("could not write {}", path.display()))?;
    }
    for document in Document::ALL {
        let path = path(document);
        fs::rename(partial(document), &path)
            .with_context(|| format!("could not replace {}", path.display()))?;
    }
    Ok(Document::ALL.map(path).to_vec())
}
