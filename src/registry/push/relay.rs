//! Blobs on their way from one registry to another: members of a manifest list whose layers are not in the store.

use super::compress::{Sink, nameless};
use crate::error::{Context, Error};
use crate::image::{Digest, Reference};
use crate::registry::blob::Download;
use crate::registry::client::Client;
use crate::registry::conf::Registries;
use crate::registry::fault::{Failure, Result as Step};
use crate::registry::options::PullOptions;
use crate::registry::retry::Retries;
use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The place that the blobs of one image come from.
pub(super) struct Relay<'a> {
    client: Client<'a>,
    options: &'a PullOptions,
}

impl<'a> Relay<'a> {
    /// `from` is `repository@digest`.
    pub fn open<'r>(
        from: &str,
        registries: &'a Registries,
        options: &'a PullOptions,
        retries: &dyn Fn() -> Retries<'r>,
    ) -> Step<Relay<'a>> {
        let reference = Reference::parse(from)?;
        crate::registry::conf::check_policy(&reference, &options.env)?;
        let mut result = Err(Failure::from(Error::bug("no source to fetch from")));
        for source in registries.sources(&reference)? {
            result = retries().run("the registry", || Client::connect(source.clone(), registries, options));
            if result.is_ok() {
                break;
            }
        }
        Ok(Relay { client: result?, options })
    }

    /// Fetches a blob into a nameless file in `dir`, and verifies it.
    pub fn fetch(
        &self,
        (digest, size): (&Digest, u64),
        name: &str,
        dir: &Path,
        stop: &AtomicBool,
        retries: Retries<'_>,
    ) -> Step<File> {
        let mut sink = Sink::new(nameless(dir)?);
        let download = Download {
            client: &self.client,
            digest,
            size,
            name,
            limits: &self.options.limits,
            stop,
            received: &|_| {},
        };
        download.run(0, &mut sink, retries)?;
        let (mut file, found, _) = sink.finish();
        if found != *digest {
            return Err(crate::registry::client::mismatch(name, digest, &found, self.client.registry()));
        }
        file.rewind().context("read a temporary file")?;
        Ok(file)
    }
}
