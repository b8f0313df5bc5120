//! What shells and `man` know of the command line, generated from its definition.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Error, error::Tried as _};

/// Returns a shell's completions of the commands and options.
pub fn completions(mut command: Command, shell: Shell) -> Vec<String> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    vec![text(&script)]
}

/// Returns the manual page, or writes it and one for each command into a folder.
pub fn manual(command: Command, folder: Option<&Path>) -> Result<Vec<String>, Error> {
    if let Some(folder) = folder {
        let written = clap_mangen::generate_to(command, folder);
        written.tried(|| format!("could not write manual pages to {}", folder.display()))?;
        return Ok(Vec::new());
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(vec![text(&page)])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
