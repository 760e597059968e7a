//! The flags of `coracle build` about the cache.

use super::{Cx, progress};
use crate::build::cache::Cache;
use crate::build::shared::{self, From, To, ToKind};
use crate::error::Result;
use crate::image::{Store, StoredLayer};
use crate::registry::PullOptions;

/// Flatten into the command's arguments.
#[derive(clap::Args, Debug)]
pub struct CacheFlags {
    /// Take no step from the cache
    #[arg(long)]
    pub no_cache: bool,
    /// Take no step of these stages from the cache
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Take steps from a shared cache: NAME, type=registry,ref=NAME or type=local,src=DIR; may be given several times
    #[arg(long, value_name = "CACHE")]
    cache_from: Vec<String>,
    /// Write a shared cache: NAME, type=inline, type=registry,ref=NAME or type=local,dest=DIR[,mode=max]; may be given several times
    #[arg(long, value_name = "CACHE")]
    cache_to: Vec<String>,
    /// Accepted: every step is a layer and in the cache
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    layers: Option<bool>,
}

/// What the flags mean, checked before anything is built.
#[derive(Default)]
pub struct Caches {
    from: Vec<From>,
    to: Vec<To>,
    no_cache: bool,
    quiet: bool,
}

impl CacheFlags {
    /// `inline`: BUILDKIT_INLINE_CACHE asks for one, too.
    pub fn caches(&self, inline: bool, quiet: bool) -> Result<Caches> {
        let mut to = self.cache_to.iter().map(|text| To::parse(text)).collect::<Result<Vec<_>>>()?;
        if inline && !to.iter().any(|t| t.kind == ToKind::Inline) {
            to.push(To { kind: ToKind::Inline, max: false, ignore_error: false });
        }
        // An empty word is what a variable of a pipeline leaves that is not set.
        let from = self.cache_from.iter().filter(|text| !text.is_empty());
        let from = from.map(|text| From::parse(text)).collect::<Result<_>>()?;
        Ok(Caches { from, to, no_cache: self.no_cache, quiet })
    }
}

impl Caches {
    /// The store's cache with those that were asked for behind it.
    pub fn open(&self, cx: &Cx, store: &Store, options: &PullOptions, note: &dyn Fn(&str)) -> Cache {
        let own = Cache::new(&cx.engine.paths, self.no_cache);
        if self.from.is_empty() || self.no_cache {
            return own;
        }
        let progress = progress::for_stderr(self.quiet);
        own.with(shared::import(&self.from, store, options, progress.as_ref(), note))
    }

    pub fn inline(&self) -> bool {
        self.to.iter().any(|t| t.kind == ToKind::Inline)
    }

    /// Writes what was asked for.
    pub fn write(
        &self,
        cx: &Cx,
        store: &Store,
        cache: &Cache,
        images: &[Vec<StoredLayer>],
        options: &PullOptions,
        note: &dyn Fn(&str),
    ) -> Result<()> {
        let wanted: Vec<&To> = self.to.iter().filter(|t| t.kind != ToKind::Inline).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let progress = progress::for_push(self.quiet);
        let records = cache.seen();
        let layers: Vec<StoredLayer> = records.values().filter_map(|r| r.layer.clone().map(|l| l.stored())).collect();
        for to in wanted {
            let done = cache
                .fetch(store, &layers, options, progress.as_ref())
                .and_then(|()| shared::export(&cx.engine, store, to, &records, images, options, progress.as_ref()));
            match done {
                Err(e) if to.ignore_error => note(&e.to_string()),
                other => other?,
            }
        }
        Ok(())
    }
}
