//! The build itself: each stage in a process of its own (see [`super::crew`]), step by step, each result taken from the
//! cache where it is there.

use super::args::BuildArgs;
use super::ast::{Copy, CopySource, Dockerfile, Instruction, Step};
use super::cache::{self, Cache, Record};
use super::copy;
use super::crew::{self, Outcome, Schedule};
use super::ignore::Ignore;
use super::link::{Fetching, Link};
use super::lint::Lint;
use super::mounts::Secret;
use super::named::{Contexts, NamedContext};
use super::parser::instruction;
use super::progress::{Event, Progress};
use super::remote;
use super::run::RunOptions;
use super::scratch::Scratch;
use super::source::{Fault, Span};
use super::ssh::Agents;
use super::stages::{self, Base, Origin};
use super::state::{CopyWork, Setting, State, Work};
use crate::engine::Ctx;
use crate::engine::pull::{Policy, pull};
use crate::error::{Context, Error, Result};
use crate::image::{History, Image, ImageConfig, LayerRef, Store, StoredLayer, chain_ids, fill_history};
use crate::monitor::remove;
use crate::registry::{Platform, PullOptions};
use crate::userns::IdMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    pub platform: Platform,
    /// It is one of several that are built for: titles name it.
    pub several: bool,
    pub no_cache: bool,
    pub cache: Cache,
    /// Stages at once.
    pub jobs: usize,
    /// A shell in what a failed RUN leaves.
    pub debug_shell: bool,
    /// Stages (lower case) whose steps are not taken from the cache.
    pub no_cache_filter: Vec<String>,
    pub run: RunOptions,
    pub secrets: BTreeMap<String, Secret>,
    pub ssh: &'a Agents,
    /// Base images' labels are taken over.
    pub inherit_labels: bool,
    /// Seconds since 1970: the image's time and that of all that is made.
    pub epoch: Option<i64>,
}

/// Why a build failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Built {
    /// Lowest first.
    pub layers: Vec<StoredLayer>,
    /// All but what the layers are.
    pub config: ImageConfig,
    pub epoch: i64,
    /// How many of the layers are the base image's.
    pub base_layers: usize,
    state: State,
    /// The cache's records of it and of the stages that it took from.
    records: BTreeMap<String, Record>,
}

/// Everything that all stages of a build share.
pub struct Solver<'a> {
    pub ctx: &'a Ctx,
    pub store: &'a Store,
    pub idmap: &'a IdMap,
    pub plan: &'a Plan<'a>,
    pub progress: &'a dyn Progress,
    pub lint: &'a mut Lint,
}

impl Solver<'_> {
    /// Builds the target and what it needs.
    pub fn solve(self) -> Result<Built, Failure> {
        let Solver { ctx, store, idmap, plan, progress, lint } = self;
        // What builds that died left behind: room for this one.
        remove::sweep(&ctx.paths, Some(idmap));
        store.lease()?;
        let (file, origins, target) = (plan.file, plan.origins, plan.target);
        progress.event(Event::Planned { steps: planned(plan) });
        let schedule = Schedule { file, origins, target, jobs: plan.jobs.max(1), progress };
        let known = lint.clone();
        let Outcome { result, warnings } = crew::run(&schedule, |index, built, link| {
            let mut lint = known.clone();
            let begun = lint.warnings.len();
            let cache = plan.cache.clone();
            built.values().for_each(|built: &Built| cache.learn(&built.records));
            let stage = StageBuild {
                ctx,
                store,
                idmap,
                plan,
                link,
                lint: &mut lint,
                cache,
                number: 0,
                built,
                images: BTreeMap::new(),
            };
            let done = stage.build(index);
            (done, lint.warnings.split_off(begun))
        });
        lint.warnings.extend(warnings);
        if let Ok(built) = &result {
            plan.cache.learn(&built.records);
        }
        if result.is_err() {
            // What the ended processes had in hand.
            remove::sweep(&ctx.paths, Some(idmap));
        }
        result
    }
}

/// How many steps the Dockerfile asks for.
fn planned(plan: &Plan<'_>) -> usize {
    let steps = |index: &usize| {
        let from = usize::from(matches!(plan.origins[*index].base, Base::Image(_)));
        from + plan.file.stages[*index].steps.iter().filter(|s| makes_layer(&s.what)).count()
    };
    stages::needed(plan.file, plan.origins, plan.target).iter().map(steps).sum()
}

/// A stage under way, in its process.
pub(super) struct StageBuild<'a> {
    pub ctx: &'a Ctx,
    pub store: &'a Store,
    pub idmap: &'a IdMap,
    pub plan: &'a Plan<'a>,
    pub link: &'a Link,
    pub lint: &'a mut Lint,
    pub cache: Cache,
    /// Of the step last begun.
    pub number: usize,
    /// The stages that are known to be built.
    pub built: BTreeMap<usize, Built>,
    /// Images that COPY and mounts take from.
    images: BTreeMap<String, Vec<StoredLayer>>,
}

impl StageBuild<'_> {
    fn build(mut self, index: usize) -> Result<Built, Failure> {
        let file = self.plan.file;
        let stage = &file.stages[index];
        let name = stage.name.clone().unwrap_or_else(|| format!("stage-{index}"));
        self.cache.blind = self.plan.no_cache || self.plan.no_cache_filter.contains(&name);
        let total = stage.steps.iter().filter(|s| makes_layer(&s.what)).count() + 1;
        let mut place = 1;
        let own = match &self.plan.origins[index].platform {
            Some(text) => Platform::parse(text)?,
            None => self.plan.platform.clone(),
        };
        let mut whose =
            if self.plan.several { format!("{} ", own.on_the_way_to(&self.plan.platform)) } else { String::new() };
        if file.stages.len() > 1 {
            whose.push_str(&format!("{name} "));
        }
        let title = |what: &str, place: usize| format!("[{whose}{place}/{total}] {what}");
        let (mut built, triggers) = self.base(index, &mut |what| title(what, 1)).map_err(|mut failure| {
            failure.span.get_or_insert(stage.span);
            failure.error = stages::explain(file, self.plan.args, index, &self.plan.origins[index], failure.error);
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
        let lacks = |layer: &StoredLayer| !self.store.has_blob(&layer.digest, Some(layer.size));
        if index == self.plan.target && built.layers.iter().any(lacks) {
            self.doing("loading cached layers", stage.span, |this, _| Ok((this.fetch(&built.layers)?, false)))?;
        }
        built.records = self.cache.seen();
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
                let mut built = self.stage(*earlier)?.clone();
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
                    let what = format!("FROM {name}");
                    let span = plan.file.stages[index].span;
                    let built = self.directory_base(dir, &platform, (&what, &title(&what)), span)?;
                    return Ok((built, Vec::new()));
                }
                let title = title(&format!("FROM {name}"));
                let span = plan.file.stages[index].span;
                let image = self.doing(&title, span, |this, _| Ok((this.image(name, &platform)?, false)))?;
                let layers = self.store.stored_layers(&image)?;
                let mut config = ImageConfig { inline_cache: String::new(), ..image.config.clone() };
                let created: i64 = config.created.parse::<jiff::Timestamp>().map_or(0, |t| t.as_second().max(0));
                let epoch = plan.epoch.unwrap_or(created);
                fill_history(&mut config.history, layers.len(), &config.created.clone());
                let triggers = std::mem::take(&mut config.config.on_build);
                if !plan.inherit_labels {
                    config.config.labels.clear();
                }
                let state = State::from_base(config.config.clone(), config.author.clone(), Vec::new());
                Ok((Built { base_layers: layers.len(), layers, config, epoch, state, ..Built::default() }, triggers))
            }
        }
    }

    /// A stage that begins with the files of a named context; with what the history says of it comes the step's title.
    fn directory_base(
        &mut self,
        dir: &Path,
        platform: &Platform,
        (what, title): (&str, &str),
        span: Span,
    ) -> Result<Built, Failure> {
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
        let layer = self.doing(title, span, |this, _| {
            let (digest, _) = copy::digest(&request, this.idmap, &this.ctx.paths.build().join("files"))?;
            let key = cache::key(&("from", &digest, epoch))?;
            this.cached(&key, title, &[], &mut |this| Ok(this.pack(&request)?))
        })?;
        let mut config = scratch_config(platform);
        config.history.push(History {
            created: stamp(epoch)?,
            created_by: what.into(),
            empty_layer: layer.is_none(),
            ..History::default()
        });
        let layers: Vec<StoredLayer> = layer.into_iter().collect();
        Ok(Built { base_layers: layers.len(), layers, config, epoch, state: State::scratch(), ..Built::default() })
    }

    /// Another stage, as soon as it is built.
    fn stage(&mut self, index: usize) -> Result<&Built> {
        match self.built.entry(index) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let built = self.link.need(index)?;
                self.cache.learn(&built.records);
                Ok(place.insert(built))
            }
        }
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
        let progress = Fetching::new(self.link, self.number);
        // Asked for once in a build.
        let key = format!("image {name} {platform}");
        let policy = match self.link.claim(&key)? {
            Some(_) if plan.policy != Policy::Never => Policy::Missing,
            _ => plan.policy,
        };
        let pulled = pull(self.ctx, name, policy, &options, &progress)?;
        self.link.settle(&key, None);
        self.store.resolve(&pulled.id)
    }

    /// Tells of a step from its beginning to its end; `act` says whether its result was there already.
    pub(super) fn doing<T>(
        &mut self,
        title: &str,
        span: Span,
        act: impl FnOnce(&mut Self, usize) -> Result<(T, bool), Failure>,
    ) -> Result<T, Failure> {
        self.number += 1;
        let (number, begun) = (self.number, Instant::now());
        self.link.event(Event::Step { number, title: title.into(), span: Some(span) });
        let done = act(self, number);
        self.link.event(match &done {
            Ok((_, true)) => Event::Cached { number },
            Ok((_, false)) => Event::Done { number, millis: begun.elapsed().as_millis() as u64 },
            Err(failure) => Event::Failed { number, error: failure.error.to_string().into() },
        });
        done.map(|(result, _)| result)
    }

    /// The layers that a `--from` or `from=` means.
    pub(super) fn layers_of(&mut self, index: usize, name: &str) -> Result<Vec<StoredLayer>> {
        let image = match stages::reference(self.plan.file, index, name) {
            Base::Stage(stage) => return Ok(self.stage(stage)?.layers.clone()),
            Base::Scratch => return Ok(Vec::new()),
            Base::Image(image) => image,
        };
        if image.parse::<usize>().is_ok() && self.plan.contexts.get(&image).is_none() {
            let error = Error::user(format!("copy from stage {image}: there is none of that number before this one"));
            return Err(error.hint(match index {
                0 => "this is the first stage".into(),
                n => format!("they count from 0 to {}", n - 1),
            }));
        }
        if let Some(layers) = self.images.get(&image) {
            return Ok(layers.clone());
        }
        let file = self.plan.file;
        let stage = &file.stages[index];
        let mut whose = if self.plan.several { self.plan.platform.to_string() } else { String::new() };
        if let Some(stage) = &stage.name {
            whose = format!("{whose} {stage}");
        }
        let title = match whose.trim() {
            "" => format!("FROM {image}"),
            whose => format!("[{whose}] FROM {image}"),
        };
        let platform = self.plan.platform.clone();
        let found = self.doing(&title, stage.span, |this, _| Ok((this.image(&image, &platform)?, false)));
        let found = found.map_err(|mut failure| {
            let hint = stages::meant(file, index, name);
            failure.error.hint = hint.or(failure.error.hint);
            failure.error
        })?;
        let layers = self.store.stored_layers(&found)?;
        self.images.insert(image, layers.clone());
        Ok(layers)
    }

    /// Brings layers that a shared cache has into the store.
    fn fetch(&self, layers: &[StoredLayer]) -> Result<()> {
        self.cache.fetch(self.store, layers, self.plan.registry, &Fetching::new(self.link, self.number))
    }

    /// The directories of layers, top-most first, extracted if need be.
    pub(super) fn lowers(&self, layers: &[StoredLayer]) -> Result<Vec<PathBuf>> {
        self.fetch(layers)?;
        let key = format!("extracted {}", cache::chain(layers));
        match layers.is_empty() {
            true => Ok(Vec::new()),
            // Done once, even where several stages begin with the same.
            false if !self.is_extracted(layers) && self.link.claim(&key)?.is_none() => {
                let found = lowers(self.store, self.idmap, layers)?;
                self.link.settle(&key, None);
                Ok(found)
            }
            false => lowers(self.store, self.idmap, layers),
        }
    }

    fn is_extracted(&self, layers: &[StoredLayer]) -> bool {
        let ids: Vec<_> = layers.iter().map(|l| l.diff_id.clone()).collect();
        self.store.layer_dirs(&chain_ids(&ids), self.idmap).is_ok()
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

    /// Looks a step up, or does it and remembers the result; with it comes whether it was there already.
    pub(super) fn cached(
        &mut self,
        key: &str,
        title: &str,
        below: &[StoredLayer],
        make: &mut dyn FnMut(&mut Self) -> Result<Option<StoredLayer>, Failure>,
    ) -> Result<(Option<StoredLayer>, bool), Failure> {
        if let Some(found) = self.cache.find(self.store, key) {
            return Ok((found, true));
        }
        if let Some(made) = self.link.claim(key)? {
            self.cache.put(key, title, made.as_ref(), &chain_with(below, made.as_ref()))?;
            return Ok((made, true));
        }
        let layer = make(self)?;
        // The layer is on disk before anything says that it is.
        self.store.sync()?;
        self.cache.put(key, title, layer.as_ref(), &chain_with(below, layer.as_ref()))?;
        self.link.settle(key, layer.as_ref());
        Ok((layer, false))
    }

    /// The directory of WORKDIR, if it is not there.
    fn workdir(&mut self, path: &str, built: &Built, title: &str, span: Span) -> Result<Option<StoredLayer>, Failure> {
        let chain = cache::chain(&built.layers);
        let user = built.state.config.user.clone();
        let key = cache::key(&("workdir", &chain, path, &user, built.epoch))?;
        let below = built.layers.clone();
        let (path, epoch) = (path.to_string(), built.epoch);
        let mut make = |this: &mut Self| {
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
        };
        self.doing(title, span, |this, _| this.cached(&key, title, &below, &mut make))
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
        let packed = packing.finish();
        whose_fault(layer, packed).map(|(layer, ())| layer)
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
        // Waits for the stage that it takes from, before the step begins.
        let from = match &work.copy.from {
            Some(name) if !self.is_dir_context(name) => Some(self.layers_of(index, name)?),
            _ => None,
        };
        self.doing(title, span, |this, _| {
            let scratch = Scratch::new(&this.ctx.paths, this.idmap)?;
            let mut request = this.copy_request(work, built.epoch, scratch.path())?;
            let content = match &from {
                // Layers are known by their chain.
                Some(layers) => cache::key(&("from", cache::chain(layers), &plain(&request)))?,
                None => {
                    // The files' own content: what lies below is in the key by its chain, and is not looked at unless
                    // it has to say who is meant.
                    let named = |owner: &str| owner.contains(|c: char| c != ':' && !c.is_ascii_digit());
                    if work.copy.chown.as_deref().is_some_and(named) {
                        request.target = this.tree(&below, scratch.path(), "target")?;
                    }
                    let hashes = this.ctx.paths.build().join("files");
                    crate::state::atomic::make_dirs(&this.ctx.paths.build())?;
                    let (digest, notes) = copy::digest(&request, this.idmap, &hashes)?;
                    notes.iter().for_each(|note| this.link.warn(note));
                    digest
                }
            };
            // Where it goes depends on the layers below, unless it is independent of them.
            let needs_root = !work.copy.link || work.copy.chown.is_some();
            let chain = if needs_root { cache::chain(&below) } else { String::new() };
            let key = cache::key(&("copy", &chain, &work.dest, &content, built.epoch))?;
            this.cached(&key, title, &below, &mut |this| {
                if let Some(layers) = &from {
                    request.source = this.tree(layers, scratch.path(), "source")?;
                }
                if needs_root && matches!(request.target, copy::Tree::Empty) {
                    request.target = this.tree(&below, scratch.path(), "target")?;
                }
                Ok(this.pack(&request)?)
            })
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

/// What storing a stream and making it gave. The maker's own reason is better than that of its reader, unless it is that
/// the reader has gone (a full disk).
pub(super) fn whose_fault<L, P>(stored: Result<L>, made: Result<P>) -> Result<(L, P)> {
    match (stored, made) {
        (Ok(layer), Ok(packed)) => Ok((layer, packed)),
        (Err(reader), Err(maker)) if maker.errno == Some(libc::EPIPE) => Err(reader),
        (_, Err(maker)) => Err(maker),
        (Err(reader), Ok(_)) => Err(reader),
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

/// The name of a layer together with those below it.
fn chain_with(below: &[StoredLayer], layer: Option<&StoredLayer>) -> String {
    let all: Vec<StoredLayer> = below.iter().chain(layer).cloned().collect();
    cache::chain(&all)
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
