//! Trusted root certificates: the platform's, or those the configuration names.

use std::{env, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

/// Loads the roots in this file and these folders (separated by `:`); `None` if neither is set.
///
/// # Errors
/// The variable at fault, and the reason.
pub(super) fn configured(
    file: Option<&str>,
    folders: Option<&str>,
) -> Result<Option<RootCertStore>, (&'static str, String)> {
    if file.is_none() && folders.is_none() {
        return Ok(None);
    }
    let mut certificates = Vec::new();
    let folders = folders.into_iter().flat_map(env::split_paths);
    let places = file.into_iter().map(|path| ("SSL_CERT_FILE", path.into()));
    for (variable, path) in places.chain(folders.map(|path| ("SSL_CERT_DIR", path))) {
        let read = if variable == "SSL_CERT_FILE" {
            load_certs_from_paths(Some(&path), None)
        } else {
            load_certs_from_paths(None, Some(&path))
        };
        if read.certs.is_empty() {
            let why = read.errors.first().map_or_else(
                || "has no certificates in it".to_owned(),
                |error| format!("could not be read: {}", crate::cause(error)),
            );
            return Err((variable, format!("{} {why}", path.display())));
        }
        certificates.extend(read.certs);
    }
    let roots = store(certificates);
    if roots.is_empty() {
        return Err(("SSL_CERT_FILE", "has no root certificate in it".to_owned()));
    }
    Ok(Some(roots))
}

/// Returns the platform's roots, or Mozilla's if there are none, as in a bare container.
pub(super) fn of_platform() -> RootCertStore {
    // SSL_CERT_FILE and SSL_CERT_DIR are unset here, or `configured` would have returned roots.
    let roots = store(load_native_certs().certs);
    if roots.is_empty() {
        tracing::debug!("this machine has no root certificates: using Mozilla's");
        return webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    }
    roots
}

fn store(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

/// Builds a TLS client configuration with these roots.
pub(super) fn client_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring can do all of rustls's protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blames_the_variable_without_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, "nothing").unwrap();
        let missing = folder.path().join("missing");
        let (file, missing) = (file.to_str(), missing.to_str());
        for (in_file, in_folder, variable) in [
            (file, None, "SSL_CERT_FILE"),
            (missing, None, "SSL_CERT_FILE"),
            (None, missing, "SSL_CERT_DIR"),
        ] {
            let mistake = configured(in_file, in_folder).unwrap_err();
            assert_eq!(mistake.0, variable);
            assert!(mistake.1.contains("missing") || mistake.1.contains("roots.pem"));
        }
        assert!(configured(None, None).unwrap().is_none());
    }
}
