//! Looking at what a repository has, without pulling it: manifests, indexes and configs.

use super::client::{Client, Served};
use super::conf::Registries;
use super::fault::{Failure, Result as Step};
use super::options::PullOptions;
use super::platform::Platform;
use super::progress::Progress;
use super::retry::Retries;
use super::select;
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Index, Reference};
use std::sync::atomic::AtomicBool;

/// A repository, and the manifest that a reference means there.
pub struct Remote<'a> {
    client: Client<'a>,
    options: &'a PullOptions,
    progress: &'a dyn Progress,
    stop: AtomicBool,
    reference: Reference,
    /// What the reference means: an image's manifest or an index.
    pub top: Served,
}

impl<'a> Remote<'a> {
    /// Asks the reference's mirrors and its registry, the first that answers.
    ///
    /// # Errors
    /// One line that names the reference; `NotFound`, `Denied`, `Io` as for a pull.
    pub fn open(
        reference: &Reference,
        registries: &'a Registries,
        options: &'a PullOptions,
        progress: &'a dyn Progress,
    ) -> Result<Remote<'a>> {
        super::conf::check_policy(reference, &options.env)?;
        let mut result = Err(Failure::from(Error::bug("no source to ask")));
        for source in registries.sources(reference)? {
            let stop = AtomicBool::new(false);
            let retries = || Retries::new(options, progress, &stop);
            result = retries().run("the registry", || Client::connect(source.clone(), registries, options)).and_then(
                |client| {
                    let wanted = super::pull::wanted(reference);
                    let ask = || client.manifest(&wanted, reference.digest.as_ref());
                    let served = retries().run("the manifest", ask)?;
                    Ok((client, served))
                },
            );
            if result.is_ok() {
                break;
            }
        }
        let (client, top) = result.map_err(|f| f.error.context(format!("look for {reference}")))?;
        Ok(Remote { client, options, progress, stop: AtomicBool::new(false), reference: reference.clone(), top })
    }

    fn ask<T>(&self, what: &str, ask: impl FnMut() -> Step<T>) -> Result<T> {
        let retries = Retries::new(self.options, self.progress, &self.stop);
        retries.run(what, ask).map_err(|f| f.error.context(format!("look for {}", self.reference)))
    }

    /// A manifest of the repository by its digest.
    pub fn manifest(&self, digest: &Digest) -> Result<Served> {
        self.ask("the manifest", || self.client.manifest(digest.as_str(), Some(digest)))
    }

    /// A config, verified.
    pub fn config(&self, config: &Descriptor) -> Result<Vec<u8>> {
        self.ask("the image config", || self.client.small_blob(&config.digest, config.size, "the image config"))
    }
}

/// The member of an index that suits the platform.
///
/// # Errors
/// `Unsupported`, listing the platforms that there are.
pub fn member_for<'i>(index: &'i Index, platform: &Platform) -> Result<&'i Descriptor> {
    select::from_index(index, platform)
}
