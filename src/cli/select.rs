//! Which containers a command is about: names, `--all`, `--filter`, `--cidfile`.

use super::{Cx, output};
use crate::engine::filter::Filters;
use crate::engine::ps;
use crate::error::{Error, Kind, Result};
use crate::state::containers::{self, Container};
use std::path::PathBuf;

/// The flags that choose containers.
#[derive(clap::Args, Debug)]
pub struct Selection {
    /// All containers
    #[arg(short, long)]
    pub all: bool,
    /// Only containers that pass (KEY=VALUE, see ps)
    #[arg(short = 'f', long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Read the container's id from a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Vec<PathBuf>,
    /// Containers that don't exist are no error
    #[arg(short, long)]
    pub ignore: bool,
    /// Names or ids of containers
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

impl Selection {
    /// The words to look up, as typed; with `--all` and `--filter` ids of containers that `fits` says yes to.
    pub fn words(&self, cx: &Cx, fits: impl Fn(&Container) -> bool) -> Result<Vec<String>> {
        let mut words = self.containers.clone();
        for path in &self.cidfile {
            match std::fs::read_to_string(path) {
                Ok(text) => words.push(text.trim().to_string()),
                Err(e) if self.ignore && e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(crate::error::IntoError::context(e, format!("read {}", path.display()))),
            }
        }
        let chosen = self.all || !self.filter.is_empty();
        if chosen && !words.is_empty() {
            return Err(Error::user("combine --all or --filter with names of containers: use one of them"));
        }
        if chosen {
            let filters = Filters::parse(&cx.engine, &self.filter)?;
            let all = ps::list(&cx.engine)?;
            let found = all.into_iter().filter(|c| fits(c) && filters.matches(&cx.engine, c));
            return Ok(found.map(|c| c.id).collect());
        }
        if words.is_empty() && self.cidfile.is_empty() {
            return Err(Error::user("choose containers: none is named").hint("name some, or use --all"));
        }
        Ok(words)
    }

    /// Runs `act` for each chosen container's full id, as [`output::each`] does. With `missing_ok` and `--ignore` what
    /// does not exist is passed over.
    pub fn each(
        &self,
        cx: &Cx,
        code: impl Fn(&Error) -> u8,
        fits: impl Fn(&Container) -> bool,
        mut act: impl FnMut(&str) -> Result<()>,
    ) -> Result<u8> {
        let mut words = self.words(cx, fits)?;
        if self.ignore {
            words.retain(|w| !matches!(id(cx, w), Err(e) if e.kind == Kind::NotFound));
        }
        output::each(&words, code, |word| act(&id(cx, word)?))
    }
}

/// The full id for a word.
pub fn id(cx: &Cx, word: &str) -> Result<String> {
    containers::resolve(&cx.engine.paths, word)
}

/// The container for a word.
pub fn container(cx: &Cx, word: &str) -> Result<Container> {
    ps::find(&cx.engine, word)
}

/// Exit code of errors of the commands that act on containers: docker's 1, podman's 125.
pub fn code(cx: &Cx) -> impl Fn(&Error) -> u8 {
    let docker = cx.personality == super::Personality::Docker;
    move |e| if docker { 1 } else { e.exit_code() }
}

/// Seconds, as `--time` has them; negative ones wait for ever (docker).
pub fn seconds(value: Option<i64>) -> Option<std::time::Duration> {
    value.map(|s| match u64::try_from(s) {
        Ok(s) => std::time::Duration::from_secs(s),
        // A hundred years: far enough, and small enough for the kernel.
        Err(_) => std::time::Duration::from_secs(100 * 365 * 86_400),
    })
}
