//! The composition root: builds the parts, connects them and runs them.
//!
//! Each subcommand of the command line is one function here. They take a [`Config`](crate::config::Config),
//! never read the environment, and never end the process.

mod archive;
mod bars;
mod car;
mod check;
mod compact;
mod console;
mod control;
mod cred;
mod drawn;
mod error;
mod exec_plugin;
mod forget;
mod graph;
mod graph_instance;
mod health;
mod lines;
mod link_comments;
mod log;
mod manual;
mod openrank;
mod output;
mod plugins;
mod providers;
mod query;
mod row_text;
mod run;
mod service_manager;
mod site;
mod status;
mod sync;
mod tables;
mod verify;

pub use archive::restore;
pub use car::car;
pub use check::{CheckOrder, check};
pub use compact::compact;
pub use control::{Destination, StoreCommand, ask_running, carry_out};
pub use cred::{CredOrder, KeepOrder, LedgerCommand, cred, keep_cred, ledger};
pub use error::Error;
pub use graph::{GraphOrder, graph};
pub use log::{log, warn_of_exposed_secrets};
pub use manual::{completions, manual};
pub use openrank::openrank;
pub use output::{print_line, printed};
pub use plugins::{ExecChoice, PluginChoice, PluginName, PluginOrder, plugins};
pub use query::{QueryOrder, query};
pub use run::run;
pub use site::{SiteOrder, site};
pub use sync::sync;
pub use tables::{TablesOrder, tables};
pub use verify::verify;
