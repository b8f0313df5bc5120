//! Which provider a store belongs to. Providers number their tables alike, so none may open another's store.

use std::{fs, io, path::Path};

use crate::StoreError;

/// The file beside the store's own that names the provider.
const FILE: &str = "provider";

/// Notes that the store in this folder belongs to a provider, or checks that it does.
///
/// `is_first`: stores without such a note are of this provider, which had the first ones.
///
/// # Errors
/// [`StoreError::OtherProvider`] if it belongs to another one.
pub fn claim(path: &Path, provider: &'static str, is_first: bool) -> Result<(), StoreError> {
    let unusable = |source| StoreError::Unusable {
        path: path.to_owned(),
        source,
    };
    let file = path.join(FILE);
    let owner = match fs::read_to_string(&file) {
        // A crash may have left nothing in it.
        Ok(owner) if owner.is_empty() && !path.join("lock").exists() => {
            return fs::write(&file, provider).map_err(unusable);
        }
        Ok(owner) => owner,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
        Err(_) if is_first => return Ok(()),
        Err(_) if path.join("lock").exists() => String::new(),
        Err(_) => {
            crate::engine::make(path).map_err(unusable)?;
            return fs::write(&file, provider).map_err(unusable);
        }
    };
    if owner == provider {
        return Ok(());
    }
    let path = path.to_owned();
    Err(StoreError::OtherProvider { path, provider })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_belongs_to_one_provider() {
        let home = tempfile::tempdir().unwrap();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("lock"), "used\n").unwrap();
        claim(&old, "forum", true).unwrap();
        let other = |path: &Path, name, is_first| {
            let refused = claim(path, name, is_first).unwrap_err();
            assert!(matches!(refused, StoreError::OtherProvider { .. }));
        };
        other(&old, "wiki", false);
        claim(&new, "wiki", false).unwrap();
        claim(&new, "wiki", false).unwrap();
        other(&new, "forum", true);
    }
}
