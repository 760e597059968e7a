//! Certificates: the system's roots and the `certs.d` trees of docker and containers.

use super::Env;
use super::options::PullOptions;
use crate::error::{Context, Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// What `certs.d` holds for one registry.
#[derive(Debug, Default)]
pub struct HostCerts {
    pub roots: Vec<Certificate<'static>>,
    pub client: Option<(Vec<Certificate<'static>>, PrivateKey<'static>)>,
}

impl HostCerts {
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.client.is_none()
    }

    /// Reads `--cert-dir`, or the first `certs.d/HOST` that there is (containers-certs.d(5)): the user's, the
    /// system's, docker's.
    pub fn load(host: &str, options: &PullOptions) -> Result<HostCerts> {
        if let Some(dir) = &options.cert_dir {
            if !dir.is_dir() {
                return Err(Error::not_found(format!("open certificate directory {}", dir.display()))
                    .hint("--cert-dir takes a directory with *.crt, *.cert and *.key files"));
            }
            return HostCerts::read(dir);
        }
        for dir in candidates(host, &options.env).into_iter().filter(|dir| dir.is_dir()) {
            match HostCerts::read(&dir) {
                // The administrator's own (docker's tree is root's on many hosts).
                Err(e) if e.is_errno(libc::EACCES) => log::debug!("skipping {}: {e}", dir.display()),
                other => return other,
            }
        }
        Ok(HostCerts::default())
    }

    /// `*.crt`: CAs; `NAME.cert` + `NAME.key`: a client certificate.
    fn read(dir: &Path) -> Result<HostCerts> {
        let list = || format!("list certificate directory {}", dir.display());
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(dir).with_context(list)? {
            names.push(entry.with_context(list)?.path());
        }
        names.sort();
        let mut certs = HostCerts::default();
        for path in names {
            match path.extension().and_then(|e| e.to_str()) {
                Some("crt") => certs.roots.extend(certificates(&path)?),
                Some("cert") => {
                    let key_path = path.with_extension("key");
                    if !key_path.exists() {
                        return Err(Error::not_found(format!(
                            "find key {} of client certificate {}",
                            key_path.display(),
                            path.display()
                        ))
                        .hint("certificates of authorities must be named *.crt"));
                    }
                    certs.client = Some(client(&path, &key_path)?);
                }
                _ => {}
            }
        }
        Ok(certs)
    }
}

fn candidates(host: &str, env: &Env) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(config) = env.config_home() {
        dirs.push(config.join("containers/certs.d"));
        dirs.push(config.join("docker/certs.d"));
    }
    dirs.push(env.system("etc/containers/certs.d"));
    dirs.push(env.system("etc/docker/certs.d"));
    dirs.into_iter().map(|dir| dir.join(host)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read certificate file {}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let pem = read(path)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let Ok(PemItem::Certificate(certificate)) = item {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(Error::user(format!("parse certificate file {}: no PEM certificate in it", path.display()))
            .hint("convert it with openssl x509 -inform der"));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKey<'static>> {
    PrivateKey::from_pem(&read(path)?)
        .map_err(|_| Error::user(format!("parse key file {}: no unencrypted PEM private key in it", path.display())))
}

/// A client certificate that TLS can use: ureq takes no error for one that rustls refuses.
fn client(path: &Path, key_path: &Path) -> Result<(Vec<Certificate<'static>>, PrivateKey<'static>)> {
    let (chain, key) = (certificates(path)?, key(key_path)?);
    let refused = |why: &dyn std::fmt::Display| {
        Error::user(format!("use client certificate {} with key {}: {why}", path.display(), key_path.display())).hint(
            "it takes an X.509 v3 certificate and the key that it was made for: openssl x509 -noout -text -in FILE",
        )
    };
    let ders = chain.iter().map(|c| CertificateDer::from(c.der().to_vec())).collect();
    let secret = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|e| refused(&e))?;
    let usable = CertifiedKey::from_der(ders, secret, &ring::default_provider()).and_then(|pair| {
        let end = pair.end_entity_cert()?;
        rustls::server::ParsedCertificate::try_from(end).map(drop)
    });
    usable.map_err(|e| refused(&e))?;
    Ok((chain, key))
}

/// The TLS settings for a registry. Loads the system's roots (8–11 ms): only for a connection that uses TLS.
pub fn config(certs: &HostCerts, verify: bool) -> TlsConfig {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    if verify {
        // Errors of single files are skipped, as OpenSSL skips them: the rest may hold the root that is needed.
        let native = rustls_native_certs::load_native_certs();
        if native.certs.is_empty() {
            let why = native.errors.first().map_or_else(String::new, |e| format!(" ({e})"));
            log::warn!("no certificate authorities found{why}: install ca-certificates, or set SSL_CERT_FILE");
        }
        roots.extend(native.certs.iter().map(|der| Certificate::from_der(der).to_owned()));
        roots.extend(certs.roots.iter().cloned());
    }
    let client = certs.client.as_ref().map(|(chain, key)| ClientCert::new_with_certs(chain, key.to_owned()));
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .client_cert(client)
        .disable_verification(!verify)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_malformed_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let options = |d: &Path| PullOptions { cert_dir: Some(d.into()), ..PullOptions::default() };
        assert!(HostCerts::load("h", &options(&dir.path().join("none"))).unwrap_err().to_string().contains("none"));
        assert!(HostCerts::load("h", &options(dir.path())).unwrap().is_empty());
        std::fs::write(dir.path().join("a.cert"), "x").unwrap();
        assert!(HostCerts::load("h", &options(dir.path())).unwrap_err().to_string().contains("a.key"));
        std::fs::remove_file(dir.path().join("a.cert")).unwrap();
        std::fs::write(dir.path().join("ca.crt"), "not PEM").unwrap();
        assert!(HostCerts::load("h", &options(dir.path())).unwrap_err().to_string().contains("ca.crt"));
    }

    #[test]
    fn unreadable_directories_are_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        if rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut env = Env::default();
        env.root = dir.path().into();
        let certs = dir.path().join("etc/docker/certs.d/h");
        std::fs::create_dir_all(&certs).unwrap();
        std::fs::write(certs.join("ca.crt"), "not PEM").unwrap();
        let options = PullOptions { env, ..PullOptions::default() };
        assert!(HostCerts::load("h", &options).is_err());
        std::fs::set_permissions(&certs, std::fs::Permissions::from_mode(0o000)).unwrap();
        assert!(HostCerts::load("h", &options).unwrap().is_empty());
        std::fs::set_permissions(&certs, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn the_users_directory_comes_before_the_systems() {
        let env = Env::from_lookup(|n| (n == "HOME").then(|| "/home/u".into()));
        let first = candidates("reg:5000", &env).remove(0);
        assert_eq!(first, Path::new("/home/u/.config/containers/certs.d/reg:5000"));
    }
}
