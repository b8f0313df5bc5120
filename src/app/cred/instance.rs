//! Reads a SourceCred instance as `credrank` does.

use std::{
    error::Error,
    fs,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use flate2::read::ZlibDecoder;
use serde::{Deserialize, de::DeserializeOwned};

use propsbot_archive::Millis;
use propsbot_sourcecred::{
    Document, Drawing, IdentityProposal, NodeAddress, Types, WeightedGraph,
    cred::{Budget, BudgetConfig, Inputs, Ledger},
};

/// The longest file that is read, uncompressed: SourceCred reads no longer ones than half of it.
const LONGEST: u64 = 1 << 30;

pub(super) const LEDGER: &str = "data/ledger.json";
pub(super) const DEPENDENCIES: &str = "config/dependencies.json";
pub(super) const ATTRIBUTIONS: &str = "config/personalAttributions.json";

/// Where an instance's files are; without a folder there are none.
pub(super) struct Instance<'a> {
    folder: Option<&'a Path>,
    ledger: Option<&'a Path>,
}

/// Graphs, and the accounts that they propose.
#[derive(Default)]
struct Graphs {
    graphs: Vec<WeightedGraph>,
    proposals: Vec<IdentityProposal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    bundled_plugins: Vec<String>,
}

impl<'a> Instance<'a> {
    /// An instance, or only a ledger.
    pub(super) fn new(folder: Option<&'a Path>, ledger: Option<&'a Path>) -> Self {
        Self { folder, ledger }
    }

    /// Everything that cred is computed from.
    pub(super) fn inputs(
        &self,
        drawn: Vec<(String, Drawing)>,
        now: Millis,
    ) -> anyhow::Result<Inputs> {
        let Graphs { graphs, proposals } = self.graphs(drawn)?;
        let ledger = match self.text(LEDGER)? {
            None => Ledger::default(),
            Some(text) => Ledger::parse(&text)
                .with_context(|| format!("could not read {}", self.shown(LEDGER)))?,
        };
        let budgets = match self.json::<BudgetConfig>("config/pluginBudgets.json")? {
            None => Vec::new(),
            Some(budgets) => Budget::all(budgets, |plugin| self.node_prefix(plugin))
                .context("could not read config/pluginBudgets.json")?,
        };
        Ok(Inputs {
            graphs,
            ledger,
            proposals,
            overrides: self.json("config/weights.json")?.unwrap_or_default(),
            budgets,
            dependencies: self.json(DEPENDENCIES)?.unwrap_or_default(),
            attributions: self.json(ATTRIBUTIONS)?.unwrap_or_default(),
            now,
        })
    }

    /// A file of the instance, as text.
    pub(super) fn text(&self, file: &str) -> anyhow::Result<Option<String>> {
        let Some(path) = self.path(file) else {
            return Ok(None);
        };
        let is_wanted = file == LEDGER && self.ledger.is_some();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_wanted => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn path(&self, file: &str) -> Option<PathBuf> {
        match self.ledger {
            Some(ledger) if file == LEDGER => Some(ledger.to_owned()),
            _ => self.folder.map(|folder| folder.join(file)),
        }
    }

    fn shown(&self, file: &str) -> String {
        self.path(file)
            .map_or_else(|| file.to_owned(), |path| path.display().to_string())
    }

    fn json<T: DeserializeOwned>(&self, file: &str) -> anyhow::Result<Option<T>> {
        self.path(file).map_or(Ok(None), |path| read_json(&path))
    }

    /// Fails if the folder isn't an instance.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.plugins().map(drop)
    }

    /// The plugins that the instance names.
    fn plugins(&self) -> anyhow::Result<Vec<String>> {
        let Some(folder) = self.folder else {
            return Ok(Vec::new());
        };
        let config: Option<Config> = self.json("sourcecred.json")?;
        let config = config.with_context(|| {
            format!(
                "{} is not a SourceCred instance: it has no sourcecred.json",
                folder.display()
            )
        })?;
        Ok(config.bundled_plugins)
    }

    fn graphs(&self, mut drawn: Vec<(String, Drawing)>) -> anyhow::Result<Graphs> {
        let mut graphs = Graphs::default();
        for plugin in self.plugins()? {
            let (owner, name) = plugin_id(&plugin)?;
            // The discord plugin draws the graph of SourceCred's own, too.
            match drawn.iter().position(|(drawn, _)| name == *drawn) {
                Some(index) => graphs.add(drawn.remove(index).1)?,
                None => self.add_stored(&mut graphs, &owner, &name)?,
            }
        }
        for (_, drawing) in drawn {
            graphs.add(drawing)?;
        }
        Ok(graphs)
    }

    /// Adds a plugin's graph as `graph` left it, or else as it would make it.
    fn add_stored(&self, graphs: &mut Graphs, owner: &str, name: &str) -> anyhow::Result<()> {
        let folder = format!("output/graphs/{owner}/{name}");
        if let Some(graph) = self.graph(&folder, ["graph", "graph.json"])? {
            graphs.graphs.push(graph);
            return Ok(());
        }
        if owner != "external" {
            bail!(
                "{folder} has no graph: run `sourcecred load` and `sourcecred graph`, which {owner}/{name} needs"
            );
        }
        let folder = format!("config/plugins/external/{name}");
        let url: Option<serde_json::Value> = self.json(&format!("{folder}/config.json"))?;
        if url.is_some() {
            bail!(
                "{folder}/config.json has URLs, which are not fetched here: run `sourcecred graph` first, or \
                 put the files themselves into the folder and remove config.json"
            );
        }
        let graph = self.graph(&folder, ["graph.json", "graph"])?;
        let graph = graph.with_context(|| {
            format!("external/{name} has no graph: {folder}/graph.json is missing")
        })?;
        let graph = graph.with_types(&self.types(name)?);
        graphs
            .graphs
            .push(graph.with_context(|| format!("could not read {folder}"))?);
        let proposals: Option<Vec<IdentityProposal>> =
            self.json(&format!("{folder}/{}", Document::IdentityProposals.name()))?;
        graphs.proposals.extend(proposals.unwrap_or_default());
        Ok(())
    }

    /// A graph in a file with one of these names, of which the one without suffix is compressed.
    fn graph(&self, folder: &str, names: [&str; 2]) -> anyhow::Result<Option<WeightedGraph>> {
        let mut first = None;
        for name in names {
            let Some(path) = self.path(&format!("{folder}/{name}")) else {
                continue;
            };
            match read(&path, WeightedGraph::from_json_as_is) {
                Ok(None) => {}
                Ok(graph) => return Ok(graph),
                // SourceCred tries the other one then, too.
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(None), Err)
    }

    /// The types of an external plugin.
    fn types(&self, name: &str) -> anyhow::Result<Types> {
        let file = format!(
            "config/plugins/external/{name}/{}",
            Document::Declaration.name()
        );
        let Some(text) = self.text(&file)? else {
            return Ok(Types::undeclared("external", name));
        };
        Types::from_json(text.as_bytes()).with_context(|| format!("could not read {file}"))
    }

    /// The prefix of a plugin's nodes.
    fn node_prefix(&self, plugin: &str) -> anyhow::Result<NodeAddress> {
        let (owner, name) = plugin_id(plugin)?;
        match (&*owner, &*name) {
            ("external", name) => Ok(self.types(name)?.node_prefix),
            ("sourcecred", "github" | "discourse" | "discord" | "initiatives" | "ethereum") => {
                Ok(NodeAddress::new(&[&owner, &name]))
            }
            _ => bail!("{plugin} is no plugin of SourceCred 0.11.2"),
        }
    }
}

impl Graphs {
    fn add(&mut self, Drawing { documents, .. }: Drawing) -> anyhow::Result<()> {
        let types = Types::from(&documents.declaration);
        self.graphs.push(documents.graph.with_types(&types)?);
        self.proposals.extend(documents.proposals);
        Ok(())
    }
}

/// The owner and the name of a plugin.
pub(in crate::app) fn plugin_id(id: &str) -> anyhow::Result<(String, String)> {
    let id = id.to_lowercase();
    let is_word = |word: &str| {
        let is_legal =
            |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        !word.is_empty() && word.chars().all(is_legal)
    };
    match id.split_once('/') {
        Some((owner, name)) if is_word(owner) && is_word(name) => {
            Ok((owner.to_owned(), name.to_owned()))
        }
        _ => bail!("{id:?} is no plugin: write it like external/props"),
    }
}

/// Reads a JSON file, which is compressed if it has no suffix; `None` if it doesn't exist.
pub(in crate::app) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    read(path, serde_json::from_reader)
}

/// A file's text, uncompressed. Parsers read it fast if they have it as it is, not by reference.
type Text = BufReader<Bounded<Box<dyn io::Read>>>;

/// What fails once it is longer than may be read.
struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R: io::Read> io::Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| {
            io::Error::other("it is longer than a GiB, which SourceCred can't read, either")
        })?;
        Ok(read)
    }
}

/// Parses a file while it is read, and so without its text in memory. It is compressed if it has no suffix; `None` if
/// it doesn't exist.
fn read<T, E>(path: &Path, parse: impl FnOnce(Text) -> Result<T, E>) -> anyhow::Result<Option<T>>
where
    E: Error + Send + Sync + 'static,
{
    let failed = || format!("could not read {}", path.display());
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(failed),
    };
    let source: Box<dyn io::Read> = match path.extension() {
        None => Box::new(ZlibDecoder::new(file)),
        Some(_) => Box::new(file),
    };
    let left = LONGEST;
    let text = BufReader::with_capacity(1 << 16, Bounded { source, left });
    parse(text).with_context(failed).map(Some)
}
