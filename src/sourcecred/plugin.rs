//! What a graph plugin is: it draws a graph for SourceCred from one provider's rows.

use std::{error::Error, sync::Arc};

use propsbot_archive::{Millis, ReadError, RowSource, Schema, read_together};

use super::{Documents, NodeAddress, WeightedGraph, join};

/// Draws SourceCred's graph from the rows of one provider.
///
/// The rows come from an archive, or from an export that is under way: a plugin can't tell which, so
/// `propsbot graph` and the files beside an archive agree. A plugin asks for the tables that it needs,
/// in the order that suits it, and keeps of their rows what it needs. No more than a few files are in
/// memory besides.
///
/// Several plugins that are drawn together ([`draw_all`]) share what they read: each file is read once if
/// they ask for the tables of spaces in the order of the schema, then for those of parts from its last to its
/// first. That puts rows before those that they refer to, such as reactions before messages.
///
/// What [`draw`](Self::draw) returns must depend on nothing but the rows and the plugin's settings: no
/// clock, no network. The same rows in another order give the same documents.
///
/// # Examples
///
/// A provider of one table, and a plugin that draws who lent a book to whom:
///
/// ```
/// use std::ops::RangeInclusive;
///
/// use propsbot_archive::{
///     EncodedRow, ExportRequest, ExportSpace, ExportedRows, Id, Level, Millis, Row, RowKey,
///     RowSource, Schema, Scope, Source, SourceError, Table,
/// };
/// use propsbot_sourcecred::{
///     Alias, Declaration, Documents, DrawError, Drawing, EdgeAddress, EdgeType, EdgeWeight,
///     GraphPlugin, IdentityProposal, IdentityType, Keys, NodeAddress, NodeType, Unusable, Weight,
///     WeightedGraph, description, draw, legal_name,
/// };
/// use serde::{Deserialize, Serialize};
///
/// // The provider: its one table has a row for each loan. A library is a space.
/// #[derive(Serialize, Deserialize)]
/// struct Loan {
///     library: String,
///     at: Millis,
///     book: String,
///     from: String,
///     to: String,
/// }
///
/// impl Row for Loan {
///     const TABLE: &'static str = "loans";
///
///     fn is_of(&self, scope: &Scope) -> bool {
///         *scope == Scope::space(&self.library)
///     }
///
///     fn key(&self) -> RowKey {
///         RowKey { time: self.at, sort: self.book.clone().into() }
///     }
/// }
///
/// static LIBRARIES: Schema = Schema {
///     provider: "libraries",
///     version: 1,
///     tables: &[Table::of::<Loan>(Level::Space)],
///     spaces: Loan::TABLE,
///     parts: "",
///     classes: &["loans"],
///     is_id: |id| !id.is_empty(),
///     has_numeric_ids: false,
///     notes: "",
///     readme: |libraries| format!("{} libraries\n", libraries.len()),
///     commit_message: |_, _, _| "Export".to_owned(),
/// };
///
/// // The plugin. External plugins have a folder of their own name in a SourceCred instance.
/// struct Loans;
///
/// fn readers() -> NodeAddress {
///     NodeAddress::new(&[&"external", &"loans", &"READER"])
/// }
///
/// fn loans() -> NodeAddress {
///     NodeAddress::new(&[&"external", &"loans", &"LOAN"])
/// }
///
/// fn edges() -> EdgeAddress {
///     EdgeAddress::new(&[&"external", &"loans"])
/// }
///
/// impl GraphPlugin for Loans {
///     fn name(&self) -> &str {
///         "loans"
///     }
///
///     fn provider(&self) -> &'static Schema {
///         &LIBRARIES
///     }
///
///     fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
///         let mut graph = WeightedGraph::default();
///         rows.each(|_| true, |loan: &Loan| {
///             let node = loans().with(&[&loan.library, &loan.book, &loan.at.0]);
///             let text = format!("Lent: {}", description::text(&loan.book, 40));
///             graph.add_node(node.clone(), text, Some(loan.at));
///             for (name, edge) in [(&loan.from, "LENDS"), (&loan.to, "BORROWS")] {
///                 let reader = readers().with(&[name]);
///                 graph.add_node(reader.clone(), description::text(name, 40), None);
///                 let edge = edges().with(&[&edge, &loan.library, &loan.book, &loan.at.0]);
///                 graph.add_edge(edge, node.clone(), reader, loan.at);
///             }
///         })?;
///         let reader = NodeType {
///             name: "Reader".into(),
///             plural_name: "Readers".into(),
///             prefix: readers(),
///             default_weight: Weight::ZERO,
///             description: "Somebody who lends or borrows books".into(),
///         };
///         let loan = NodeType {
///             name: "Loan".into(),
///             plural_name: "Loans".into(),
///             prefix: loans(),
///             default_weight: Weight::ONE,
///             description: "A book that was lent".into(),
///         };
///         let edge = |forward: &'static str, backward: &'static str, r#type: &str, forwards| EdgeType {
///             forward_name: forward.into(),
///             backward_name: backward.into(),
///             prefix: edges().with(&[&r#type]),
///             default_weight: EdgeWeight::new(forwards, 0.0),
///             description: "Connects a loan to a reader".into(),
///         };
///         // The ledger should know everyone in the graph.
///         let people = graph.nodes.iter().filter(|(node, _)| node.has_prefix(&readers()));
///         let proposals = people.map(|(node, reader)| IdentityProposal {
///             name: legal_name(&reader.description),
///             plugin_name: "loans".into(),
///             r#type: IdentityType::User,
///             alias: Alias { description: reader.description.clone(), address: node.clone() },
///         });
///         let documents = Documents {
///             declaration: Declaration {
///                 name: "Loans".to_owned(),
///                 node_prefix: NodeAddress::new(&[&"external", &"loans"]),
///                 edge_prefix: edges(),
///                 node_types: vec![reader.clone(), loan],
///                 edge_types: vec![
///                     edge("was lent by", "lends", "LENDS", 2.0),
///                     edge("was lent to", "borrows", "BORROWS", 1.0),
///                 ],
///                 user_types: vec![reader],
///                 keys: Keys::default(),
///             },
///             proposals: proposals.collect(),
///             graph,
///         };
///         Ok(Drawing::from(documents))
///     }
/// }
///
/// // Rows on their way into an archive. Those of an archive: `propsbot_archive::read_rows`.
/// struct Lent(Vec<Loan>);
///
/// impl Source for Lent {
///     fn scan(
///         &self,
///         scope: &Scope,
///         _table: &'static str,
///         times: RangeInclusive<Millis>,
///         each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
///     ) -> Result<(), SourceError> {
///         let loans = self.0.iter().filter(|loan| loan.is_of(scope) && times.contains(&loan.at));
///         loans.map(EncodedRow::new).try_for_each(each)
///     }
/// }
///
/// let lent = Lent(vec![Loan {
///     library: "north".to_owned(),
///     at: Millis(1_700_000_000_000),
///     book: "The Divan".to_owned(),
///     from: "Ana".to_owned(),
///     to: "Ben".to_owned(),
/// }]);
/// let north = ExportSpace {
///     id: Id::new("north"),
///     name: "The north library".to_owned(),
///     heard_at: None,
///     synced: [("loans".to_owned(), Some(Millis(1_700_000_000_000)))].into(),
///     history: None,
///     stamps: None,
///     parts: Vec::new(),
/// };
/// let request = ExportRequest { spaces: vec![north], ..ExportRequest::new(&LIBRARIES) };
/// let drawing = draw(&Loans, &ExportedRows::new(&lent, &request))?;
/// assert_eq!(drawing.documents.unusable(), None);
/// assert_eq!(drawing.documents.graph.nodes.len(), 3);
/// assert_eq!(drawing.documents.proposals[1].name, "Ben");
/// # Ok::<(), DrawError>(())
/// ```
pub trait GraphPlugin: Send + Sync {
    /// The plugin's name, as it is chosen on the command line.
    fn name(&self) -> &str;

    /// The provider whose rows it reads. Archives of another one are refused before it is asked.
    fn provider(&self) -> &'static Schema;

    /// Its place among plugins that are drawn together.
    fn standing(&self) -> Standing {
        Standing::Other
    }

    /// The address of the node that it drew in this graph for a contribution, if the contribution is there. How
    /// contributions are written is a convention of the provider's plugins, or it is a link; see [`Reference`].
    fn node_of(&self, _contribution: &str, _graph: &WeightedGraph) -> Option<NodeAddress> {
        None
    }

    /// What it may mint in a week, if that has to be limited in `config/pluginBudgets.json`.
    fn budget(&self) -> Option<f64> {
        None
    }

    /// Draws the graph. It may block, and may be called several times: the archive can change while it
    /// is read. Call it through [`draw`].
    ///
    /// # Errors
    /// Rows that can't be read, or that the plugin's settings don't fit.
    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError>;
}

/// Draws a plugin's graph from rows of its provider.
///
/// # Errors
/// Those of [`GraphPlugin::draw`], and rows of another provider.
pub fn draw(plugin: &dyn GraphPlugin, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
    let (found, wanted) = (rows.schema().provider, plugin.provider().provider);
    if found == wanted {
        return plugin.draw(rows);
    }
    let found = found.to_owned();
    Err(ReadError::OtherProvider { found, wanted }.into())
}

/// A plugin's place among those that are drawn together: of people whom several of them know, the first one
/// decides how they are declared, described and proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its documents are prescribed. The others follow, and no edge is added to them.
    Prescribed,
    /// It is usually there.
    First,
    /// It follows the others. Of these, the first by name decides.
    Other,
}

/// Draws the graphs of several plugins from rows of their provider, and makes them fit together in one
/// instance. What they ask for is read together. The order of the plugins changes only that of the drawings.
///
/// # Errors
/// Those of [`draw`].
pub fn draw_all(
    plugins: &[Arc<dyn GraphPlugin>],
    rows: &dyn RowSource,
) -> Result<Vec<Drawing>, DrawError> {
    let mut drawings = draw_each(plugins, rows)?;
    join(plugins, &mut drawings);
    Ok(drawings)
}

/// The same, but what is drawn has yet to be [joined](join): with that of plugins of other providers.
///
/// # Errors
/// Those of [`draw`].
pub fn draw_each(
    plugins: &[Arc<dyn GraphPlugin>],
    rows: &dyn RowSource,
) -> Result<Vec<Drawing>, DrawError> {
    let readers = plugins.iter();
    let readers = readers.map(|plugin| |rows: &dyn RowSource| draw(plugin.as_ref(), rows));
    let mut drawings: Vec<Drawing> = read_together(rows, readers.collect())?;
    for drawing in &mut drawings {
        let unusable = drawing.documents.unusable();
        let unusable = unusable.map(|unusable| unusable.to_string());
        drawing.warnings.extend(unusable);
    }
    Ok(drawings)
}

/// What a plugin has drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// SourceCred's files.
    pub documents: Documents,
    /// What in the plugin's settings is probably a mistake, such as a weight that matches nothing: a
    /// sentence each.
    pub warnings: Vec<String>,
    /// Which contributions refer to others. They become edges if another plugin that is drawn at the same
    /// time has the other one.
    pub references: Vec<Reference>,
}

impl From<Documents> for Drawing {
    fn from(documents: Documents) -> Self {
        Self {
            documents,
            warnings: Vec::new(),
            references: Vec::new(),
        }
    }
}

/// A contribution refers to another one.
///
/// Contributions are written as the provider's plugins agreed. In Discord: `CHANNEL/MESSAGE`. Those of other providers
/// are links as they were written, such as `https://github.com/octo-org/alpha/issues/7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The contribution that refers to another one.
    pub from: String,
    /// Its node.
    pub node: NodeAddress,
    /// The contribution that it refers to.
    pub to: String,
    /// When it does.
    pub at: Millis,
}

/// Why a plugin drew nothing.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The rows could not be read.
    #[error(transparent)]
    Rows(#[from] ReadError),
    /// The plugin's settings don't fit the rows: the operator has to change one of them.
    #[error(transparent)]
    Settings(Box<dyn Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use propsbot_archive::{EachBatch, Level, Scope, TableQuery};

    use super::*;

    static SHELF: Schema = schema("shelf");
    static ATTIC: Schema = schema("attic");

    const fn schema(provider: &'static str) -> Schema {
        Schema {
            provider,
            version: 1,
            tables: &[],
            spaces: "",
            parts: "",
            classes: &[],
            is_id: |_| true,
            has_numeric_ids: false,
            notes: "",
            readme: |_| String::new(),
            commit_message: |_, _, _| String::new(),
        }
    }

    /// No rows of this provider.
    struct Rows(&'static Schema);

    impl RowSource for Rows {
        fn schema(&self) -> &'static Schema {
            self.0
        }

        fn scopes(&self, _: Level) -> Vec<Scope> {
            Vec::new()
        }

        fn scan(
            &self,
            _: &TableQuery,
            _: &dyn Fn(&Scope) -> bool,
            _: &mut EachBatch<'_>,
        ) -> Result<(), ReadError> {
            Ok(())
        }
    }

    struct Shelves;

    impl GraphPlugin for Shelves {
        fn name(&self) -> &'static str {
            "shelves"
        }

        fn provider(&self) -> &'static Schema {
            &SHELF
        }

        fn draw(&self, _: &dyn RowSource) -> Result<Drawing, DrawError> {
            Err(DrawError::Settings("it was asked".into()))
        }
    }

    #[test]
    fn a_plugin_is_not_asked_about_rows_of_another_provider() {
        let says = |provider| draw(&Shelves, &Rows(provider)).unwrap_err().to_string();
        assert_eq!(says(&SHELF), "it was asked");
        let refused = says(&ATTIC);
        assert!(
            refused.contains("of the provider \"attic\", not of \"shelf\""),
            "{refused}"
        );
    }
}
