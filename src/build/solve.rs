//! The build itself: stage by stage, step by step, each result taken from the cache where it is there.

use super::args::BuildArgs;
use super::ast::{Copy, CopySource, Dockerfile, Instruction, Step};
use super::cache::{self, Cache};
use super::copy;
use super::ignore::Ignore;
use super::lint::Lint;
use super::mounts::Secret;
use super::named::{Contexts, NamedContext};
use super::parser::instruction;
use super::progress::{Event, Progress};
use super::remote;
use super::run::RunOptions;
use super::scratch::Scratch;
use super::source::{Fault, Span};
use super::stages::{self, Base, Origin};
use super::state::{CopyWork, Setting, State, Work};
use crate::engine::Ctx;
use crate::engine::pull::{Policy, pull};
use crate::error::{Context, Error, Result};
use crate::image::{History, Image, ImageConfig, LayerRef, Store, StoredLayer, chain_ids, fill_history};
use crate::monitor::remove;
use crate::registry::{Platform, PullOptions};
use crate::userns::IdMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Layers extracted at once.
const UNPACK_JOBS: usize = 2;

/// What to build, and how.
pub struct Plan<'a> {
    pub file: &'a Dockerfile,
    pub origins: &'a [Origin],
    pub args: &'a BuildArgs,
    /// The directory; `None` when there is a Dockerfile only.
    pub context: Option<PathBuf>,
    pub ignore: Ignore,
    pub contexts: &'a Contexts,
    pub target: usize,
    pub policy: Policy,
    pub registry: &'a PullOptions,
    pub pull_progress: &'a dyn crate::registry::Progress,
    pub platform: Platform,
    pub no_cache: bool,
    pub cache: Cache,
    /// Stages (lower case) whose steps are not taken from the cache.
    pub no_cache_filter: Vec<String>,
    pub run: RunOptions,
    pub secrets: BTreeMap<String, Secret>,
    /// The agent's socket.
    pub ssh: Option<PathBuf>,
    /// Seconds since 1970: the image's time and that of all that is made.
    pub epoch: Option<i64>,
}

/// Why a build failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    pub span: Option<Span>,
    /// The exit code of a RUN's program.
    pub code: Option<i32>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, span: None, code: None }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure { error: fault.error, span: Some(fault.span), code: None }
    }
}

/// What a stage made.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// Lowest first.
    pub layers: Vec<StoredLayer>,
    /// All but what the layers are.
    pub config: ImageConfig,
    pub epoch: i64,
    /// How many of the layers are the base image's.
    pub base_layers: usize,
    state: State,
}

/// A build under way.
pub struct Solver<'a> {
    pub ctx: &'a Ctx,
    pub store: &'a Store,
    pub idmap: &'a IdMap,
    pub plan: &'a Plan<'a>,
    pub progress: &'a dyn Progress,
    pub lint: &'a mut Lint,
    pub cache: Cache,
    pub number: usize,
    pub built: BTreeMap<usize, Built>,
    /// Images that COPY and mounts take from.
    images: BTreeMap<String, Vec<StoredLayer>>,
}

impl<'a> Solver<'a> {
    pub fn new(
        ctx: &'a Ctx,
        store: &'a Store,
        idmap: &'a IdMap,
        plan: &'a Plan<'a>,
        progress: &'a dyn Progress,
        lint: &'a mut Lint,
    ) -> Solver<'a> {
        let cache = plan.cache.clone();
        Solver {
            ctx,
            store,
            idmap,
            plan,
            progress,
            lint,
            cache,
            number: 0,
            built: BTreeMap::new(),
            images: BTreeMap::new(),
        }
    }

    /// Builds the target and what it needs.
    pub fn solve(mut self) -> Result<Built, Failure> {
        // What builds that died left behind: room for this one.
        remove::sweep(&self.ctx.paths, Some(self.idmap));
        self.store.lease()?;
        for index in stages::needed(self.plan.file, self.plan.origins, self.plan.target) {
            let built = self.stage(index)?;
            self.built.insert(index, built);
        }
        let built = self.built.remove(&self.plan.target);
        let built = built.ok_or_else(|| Error::bug("build a stage that was not planned"))?;
        self.fetch(&built.layers)?;
        Ok(built)
    }

    fn stage(&mut self, index: usize) -> Result<Built, Failure> {
        let file = self.plan.file;
        let stage = &file.stages[index];
        let name = stage.name.clone().unwrap_or_else(|| format!("stage-{index}"));
        self.cache.blind = self.plan.no_cache || self.plan.no_cache_filter.contains(&name);
        let total = stage.steps.iter().filter(|s| makes_layer(&s.what)).count() + 1;
        let mut place = 1;
        let title = |what: &str, place: usize| match file.stages.len() {
            1 => format!("[{place}/{total}] {what}"),
            _ => format!("[{name} {place}/{total}] {what}"),
        };
        let (mut built, triggers) = self.base(index, &mut |what| title(what, 1)).map_err(|mut failure| {
            failure.span.get_or_insert(stage.span);
            failure
        })?;
        let triggers = triggers
            .iter()
            .map(|text| {
                let what = instruction(text).map_err(|f| Fault { span: stage.span, ..f })?;
                Ok(Step {
                    span: stage.span,
                    text: text.clone(),
                    keyword: what.name().into(),
                    comments: Vec::new(),
                    what,
                })
            })
            .collect::<Result<Vec<Step>, Fault>>()?;
        let setting = Setting { escape: file.directives.escape, args: self.plan.args };
        for step in triggers.iter().chain(&stage.steps) {
            let mut state = std::mem::take(&mut built.state);
            let work = state.apply(step, &setting, self.lint);
            built.state = state;
            let work = work?;
            if makes_layer(&step.what) {
                place += 1;
            }
            let done = self.step(index, step, &work, &mut built, &title(&step.text, place.min(total.max(place))));
            done.map_err(|mut failure| {
                failure.span.get_or_insert(step.span);
                failure
            })?;
        }
        built.config.config = built.state.config.clone();
        if !built.state.author.is_empty() {
            built.config.author = built.state.author.clone();
        }
        Ok(built)
    }

    /// What FROM gives, and the triggers of the base image.
    fn base(&mut self, index: usize, title: &mut dyn FnMut(&str) -> String) -> Result<(Built, Vec<String>), Failure> {
        let plan = self.plan;
        let origin = &plan.origins[index];
        let platform = match &origin.platform {
            Some(text) => Platform::parse(text)?,
            None => plan.platform.clone(),
        };
        match &origin.base {
            Base::Stage(earlier) => {
                let mut built =
                    self.built.get(earlier).cloned().ok_or_else(|| Error::bug("use a stage before it is built"))?;
                let triggers = std::mem::take(&mut built.state.config.on_build);
                let (config, author, args) = (built.state.config, built.state.author, built.state.args);
                built.state = State::from_base(config, author, args);
                Ok((built, triggers))
            }
            Base::Scratch => {
                let config = scratch_config(&platform);
                let state = State::scratch();
                let epoch = plan.epoch.unwrap_or(0);
                Ok((Built { config, epoch, state, ..Built::default() }, Vec::new()))
            }
            Base::Image(name) => {
                if let Some(NamedContext::Dir(dir)) = plan.contexts.get(name) {
                    let title = title(&format!("FROM {name}"));
                    return Ok((
                        self.directory_base(dir, &platform, &title, plan.file.stages[index].span)?,
                        Vec::new(),
                    ));
                }
                let number = self.begin(&title(&format!("FROM {name}")), Some(plan.file.stages[index].span));
                let begun = Instant::now();
                let image = self.image(name, &platform).inspect_err(|e| {
                    self.progress.event(Event::Failed { number, error: &e.to_string() });
                })?;
                self.progress.event(Event::Done { number, millis: begun.elapsed().as_millis() as u64 });
                let layers = self.store.stored_layers(&image)?;
                let mut config = ImageConfig { inline_cache: String::new(), ..image.config.clone() };
                let created: i64 = config.created.parse::<jiff::Timestamp>().map_or(0, |t| t.as_second().max(0));
                let epoch = plan.epoch.unwrap_or(created);
                fill_history(&mut config.history, layers.len(), &config.created.clone());
                let triggers = std::mem::take(&mut config.config.on_build);
                let state = State::from_base(config.config.clone(), config.author.clone(), Vec::new());
                Ok((Built { base_layers: layers.len(), layers, config, epoch, state }, triggers))
            }
        }
    }

    /// A stage that begins with the files of a named context.
    fn directory_base(&mut self, dir: &Path, platform: &Platform, title: &str, span: Span) -> Result<Built, Failure> {
        let epoch = self.plan.epoch.unwrap_or(0);
        let request = copy::Request {
            source: copy::Tree::Dir(dir.to_path_buf()),
            items: vec![copy::Item::Path(".".into())],
            dest: "/".into(),
            ignore: super::context::ignore(dir, None, None)?.lines(),
            link: true,
            time: Some(epoch),
            made: epoch,
            ..copy::Request::default()
        };
        crate::state::atomic::make_dirs(&self.ctx.paths.build())?;
        let (digest, _) = copy::digest(&request, self.idmap, &self.ctx.paths.build().join("files"))?;
        let key = cache::key(&("from", &digest, epoch))?;
        let layer = self.cached(&key, title, span, &[], &mut |this, _| Ok(this.pack(&request)?))?;
        let mut config = scratch_config(platform);
        config.history.push(History {
            created: stamp(epoch)?,
            created_by: title.into(),
            empty_layer: layer.is_none(),
            ..History::default()
        });
        let layers: Vec<StoredLayer> = layer.into_iter().collect();
        Ok(Built { base_layers: layers.len(), layers, config, epoch, state: State::scratch() })
    }

    /// Finds or pulls an image, or takes what a named context says.
    fn image(&self, name: &str, platform: &Platform) -> Result<Image> {
        let plan = self.plan;
        let name = match plan.contexts.get(name) {
            Some(NamedContext::Image(image)) => image,
            Some(NamedContext::Layout(layout)) => return layout.image(self.store, platform),
            _ => name,
        };
        let options = PullOptions { platform: Some(platform.clone()), ..plan.registry.clone() };
        let pulled = pull(self.ctx, name, plan.policy, &options, plan.pull_progress)?;
        self.store.resolve(&pulled.id)
    }

    fn begin(&mut self, title: &str, span: Option<Span>) -> usize {
        self.number += 1;
        self.progress.event(Event::Step { number: self.number, title, span });
        self.number
    }

    /// The layers that a `--from` or `from=` means.
    pub(super) fn layers_of(&mut self, index: usize, name: &str) -> Result<Vec<StoredLayer>> {
        let image = match stages::reference(self.plan.file, index, name) {
            Base::Stage(stage) => {
                let built = self.built.get(&stage).ok_or_else(|| Error::bug("use a stage before it is built"))?;
                return Ok(built.layers.clone());
            }
            Base::Scratch => return Ok(Vec::new()),
            Base::Image(image) => image,
        };
        if let Some(layers) = self.images.get(&image) {
            return Ok(layers.clone());
        }
        let found = self.image(&image, &self.plan.platform.clone())?;
        let layers = self.store.stored_layers(&found)?;
        self.images.insert(image, layers.clone());
        Ok(layers)
    }

    /// Brings layers that a shared cache has into the store.
    fn fetch(&self, layers: &[StoredLayer]) -> Result<()> {
        self.cache.fetch(self.store, layers, self.plan.registry, self.plan.pull_progress)
    }

    /// The directories of layers, top-most first, extracted if need be.
    pub(super) fn lowers(&self, layers: &[StoredLayer]) -> Result<Vec<PathBuf>> {
        self.fetch(layers)?;
        lowers(self.store, self.idmap, layers)
    }

    fn step(&mut self, index: usize, step: &Step, work: &Work, built: &mut Built, title: &str) -> Result<(), Failure> {
        let created_by = history_text(step, work, &built.state);
        let layer = match work {
            Work::Metadata => None,
            Work::Workdir(path) => self.workdir(path, built, title, step.span)?,
            Work::Copy(copy) => self.copy(index, copy, built, title, step.span)?,
            Work::Run(run) => self.run(index, run, built, title, step.span)?,
        };
        built.config.history.push(History {
            created: stamp(built.epoch)?,
            created_by,
            author: built.state.author.clone(),
            comment: String::new(),
            empty_layer: layer.is_none(),
        });
        built.layers.extend(layer);
        Ok(())
    }

    /// Looks a step up, or does it and remembers the result.
    pub(super) fn cached(
        &mut self,
        key: &str,
        title: &str,
        span: Span,
        below: &[StoredLayer],
        make: &mut dyn FnMut(&mut Self, usize) -> Result<Option<StoredLayer>, Failure>,
    ) -> Result<Option<StoredLayer>, Failure> {
        let number = self.begin(title, Some(span));
        if let Some(found) = self.cache.find(self.store, key) {
            self.progress.event(Event::Cached { number });
            return Ok(found);
        }
        let begun = Instant::now();
        match make(self, number) {
            Ok(layer) => {
                let all: Vec<StoredLayer> = below.iter().chain(&layer).cloned().collect();
                // The layer is on disk before anything says that it is.
                self.store.sync()?;
                self.cache.put(key, title, layer.as_ref(), &cache::chain(&all))?;
                self.progress.event(Event::Done { number, millis: begun.elapsed().as_millis() as u64 });
                Ok(layer)
            }
            Err(failure) => {
                self.progress.event(Event::Failed { number, error: &failure.error.to_string() });
                Err(failure)
            }
        }
    }

    /// The directory of WORKDIR, if it is not there.
    fn workdir(&mut self, path: &str, built: &Built, title: &str, span: Span) -> Result<Option<StoredLayer>, Failure> {
        let chain = cache::chain(&built.layers);
        let user = built.state.config.user.clone();
        let key = cache::key(&("workdir", &chain, path, &user, built.epoch))?;
        let below = built.layers.clone();
        let (path, epoch) = (path.to_string(), built.epoch);
        self.cached(&key, title, span, &below, &mut |this, _| {
            let scratch = Scratch::new(&this.ctx.paths, this.idmap)?;
            let request = copy::Request {
                target: this.tree(&below, scratch.path(), "target")?,
                // A directory is made for the sake of what is not in it.
                items: vec![copy::Item::Directory],
                dest: format!("{}/", path.trim_end_matches('/')),
                chown: (!user.is_empty()).then(|| user.clone()),
                made: epoch,
                ..copy::Request::default()
            };
            Ok(this.pack(&request)?)
        })
    }

    /// The tree of some layers for a copy; `name` is a place in the scratch directory.
    pub(super) fn tree(&self, layers: &[StoredLayer], scratch: &Path, name: &str) -> Result<copy::Tree> {
        if layers.is_empty() {
            return Ok(copy::Tree::Empty);
        }
        Ok(copy::Tree::Layers { lowers: self.lowers(layers)?, scratch: scratch.join(name) })
    }

    /// Makes the layer of a copy.
    fn pack(&self, request: &copy::Request) -> Result<Option<StoredLayer>> {
        let mut packing = copy::pack(request, self.idmap)?;
        let layer = self.store.put_layer(&mut packing);
        // The packer's own reason is better than that of its reader.
        packing.finish()?;
        layer
    }

    fn copy(
        &mut self,
        index: usize,
        work: &CopyWork,
        built: &Built,
        title: &str,
        span: Span,
    ) -> Result<Option<StoredLayer>, Failure> {
        let below = built.layers.clone();
        let scratch = Scratch::new(&self.ctx.paths, self.idmap)?;
        let mut request = self.copy_request(work, built.epoch, scratch.path())?;
        let from = match &work.copy.from {
            Some(name) if !self.is_dir_context(name) => Some(self.layers_of(index, name)?),
            _ => None,
        };
        let content = match &from {
            // Layers are known by their chain.
            Some(layers) => cache::key(&("from", cache::chain(layers), &plain(&request)))?,
            None => {
                // The files' own content: what lies below is in the key by its chain, and is not looked at unless
                // it has to say who is meant.
                if work
                    .copy
                    .chown
                    .as_deref()
                    .is_some_and(|owner| owner.contains(|c: char| c != ':' && !c.is_ascii_digit()))
                {
                    request.target = self.tree(&below, scratch.path(), "target")?;
                }
                let hashes = self.ctx.paths.build().join("files");
                crate::state::atomic::make_dirs(&self.ctx.paths.build())?;
                let (digest, notes) = copy::digest(&request, self.idmap, &hashes)?;
                for note in notes {
                    self.progress.event(Event::Warning(&note));
                }
                digest
            }
        };
        // Where it goes depends on the layers below, unless it is independent of them.
        let needs_root = !work.copy.link || work.copy.chown.is_some();
        let chain = if needs_root { cache::chain(&below) } else { String::new() };
        let key = cache::key(&("copy", &chain, &work.dest, &content, built.epoch))?;
        self.cached(&key, title, span, &below, &mut |this, _| {
            if let Some(layers) = &from {
                request.source = this.tree(layers, scratch.path(), "source")?;
            }
            if needs_root && matches!(request.target, copy::Tree::Empty) {
                request.target = this.tree(&below, scratch.path(), "target")?;
            }
            Ok(this.pack(&request)?)
        })
    }

    pub(super) fn is_dir_context(&self, name: &str) -> bool {
        matches!(self.plan.contexts.get(name), Some(NamedContext::Dir(_)))
    }

    /// The sources of a COPY or ADD.
    fn copy_request(&mut self, work: &CopyWork, epoch: i64, scratch: &Path) -> Result<copy::Request> {
        let Copy { sources, from, chown, chmod, link, parents, exclude, checksum, keep_git_dir, unpack, .. } =
            &work.copy;
        let mut tree = None;
        let remote = |source: &CopySource| matches!(source, CopySource::Path(p) if work.add && remote::is_remote(p));
        if (checksum.is_some() || keep_git_dir.is_some()) && !sources.iter().any(remote) {
            return Err(Error::user("use --checksum or --keep-git-dir: the sources are no addresses"));
        }
        if checksum.is_some() && sources.len() > 1 {
            return Err(Error::user("use --checksum with several sources").hint("one ADD for each"));
        }
        let mut items = Vec::new();
        let mut wants_context = false;
        for source in sources {
            items.push(match source {
                CopySource::Heredoc(doc) => copy::Item::Text { name: doc.name.clone(), content: doc.content.clone() },
                CopySource::Path(url) if remote(source) => {
                    let number = items.len();
                    let (item, found) = remote::get(url, work, self.plan.registry, scratch, number, epoch)?;
                    if found.is_some() && sources.len() > 1 {
                        return Err(Error::unsupported("ADD of a git repository together with other sources")
                            .hint("one ADD for each"));
                    }
                    tree = found;
                    item
                }
                CopySource::Path(path) => {
                    wants_context = true;
                    copy::Item::Path(path.clone())
                }
            });
        }
        let mut ignore = Vec::new();
        let mut time = Some(epoch);
        let source = match from {
            _ if tree.is_some() => tree.unwrap_or_default(),
            _ if !wants_context => copy::Tree::Empty,
            Some(name) => match self.plan.contexts.get(name) {
                Some(NamedContext::Dir(dir)) => {
                    ignore = super::context::ignore(dir, None, None)?.lines();
                    copy::Tree::Dir(dir.clone())
                }
                _ => {
                    // What comes from a stage or an image has its times already; it is looked at when it has to be.
                    time = None;
                    copy::Tree::Empty
                }
            },
            None => {
                let dir = self.plan.context.clone().ok_or_else(|| {
                    Error::not_found("copy from the context: there is none")
                        .hint("the Dockerfile came alone; name a directory")
                })?;
                ignore = self.plan.ignore.lines();
                copy::Tree::Dir(dir)
            }
        };
        Ok(copy::Request {
            target: copy::Tree::Empty,
            source,
            items,
            dest: work.dest.clone(),
            chown: chown.clone(),
            chmod: chmod.clone(),
            parents: *parents,
            exclude: exclude.clone(),
            ignore,
            unpack: *unpack,
            add: work.add,
            link: *link,
            time,
            made: epoch,
        })
    }
}

/// The directories of layers, top-most first, extracted if need be.
pub fn lowers(store: &Store, idmap: &IdMap, layers: &[StoredLayer]) -> Result<Vec<PathBuf>> {
    let ids: Vec<_> = layers.iter().map(|l| l.diff_id.clone()).collect();
    let chain = chain_ids(&ids);
    if let Ok(found) = store.layer_dirs(&chain, idmap) {
        return Ok(found);
    }
    let refs: Vec<LayerRef> = layers
        .iter()
        .zip(&chain)
        .map(|(l, chain_id)| LayerRef {
            digest: l.digest.clone(),
            diff_id: l.diff_id.clone(),
            chain_id: chain_id.clone(),
            size: l.size,
            media_type: l.media_type.clone(),
        })
        .collect();
    store.unpacker(&refs, UNPACK_JOBS, idmap)?.finish(&|_| {}).context("extract the layers")?;
    store.layer_dirs(&chain, idmap)
}

/// A request without the places that differ from build to build.
fn plain(request: &copy::Request) -> copy::Request {
    copy::Request { target: copy::Tree::Empty, source: copy::Tree::Empty, ..request.clone() }
}

/// The configuration of an image without a base.
fn scratch_config(platform: &Platform) -> ImageConfig {
    ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    }
}

/// Instructions that are worth a number.
fn makes_layer(what: &Instruction) -> bool {
    matches!(what, Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_))
}

/// RFC 3339.
pub fn stamp(epoch: i64) -> Result<String> {
    jiff::Timestamp::from_second(epoch)
        .map(|t| t.to_string())
        .map_err(|_| Error::user(format!("use the time {epoch}: it is out of range")))
}

/// How the history calls a step.
fn history_text(step: &Step, work: &Work, state: &State) -> String {
    match work {
        Work::Run(run) => {
            let words = run.args.join(" ");
            match run.arg_env.len() {
                0 => format!("RUN {words}"),
                n => format!("RUN |{n} {} {words}", run.arg_env.join(" ")),
            }
        }
        Work::Workdir(path) => format!("WORKDIR {path}"),
        _ => match &step.what {
            Instruction::Cmd(_) => format!("CMD {}", json(&state.config.cmd)),
            Instruction::Entrypoint(_) => format!("ENTRYPOINT {}", json(&state.config.entrypoint)),
            _ => step.text.clone(),
        },
    }
}

fn json(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}
