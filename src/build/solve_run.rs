//! RUN in a build: mounts, the process, and the layer of what it changed.

use super::cache;
use super::copy;
use super::foreign;
use super::mounts::{self, Kind, Mount, Secret, Sharing};
use super::named::NamedContext;
use super::progress::Event;
use super::run::{self, RunStep, Streams};
use super::scratch::Scratch;
use super::shell;
use super::solve::{Built, Failure, StageBuild, whose_fault};
use super::source::Span;
use super::state::RunWork;
use crate::error::{Context, Error, Result};
use crate::image::diff::{self, Trees};
use crate::image::{Digest, StoredLayer};
use crate::runtime::jobs::{ChownTree, RootFs};
use crate::runtime::owned::Layers;
use crate::spec::model;
use crate::stage::{Work, WorkNs};
use crate::state::atomic;
use crate::state::lock::Flock;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The directories and variables of a RUN's mounts.
#[derive(Default)]
struct Prepared {
    mounts: Vec<model::Mount>,
    volumes: BTreeMap<String, PathBuf>,
    env: Vec<String>,
    /// Mount points that are not to stay in the layer.
    stubs: Vec<String>,
    locks: Vec<Flock>,
}

impl StageBuild<'_> {
    pub(super) fn run(
        &mut self,
        index: usize,
        work: &RunWork,
        built: &Built,
        title: &str,
        span: Span,
    ) -> Result<Option<StoredLayer>, Failure> {
        let below = built.layers.clone();
        let all: Vec<Mount> = work.mounts.iter().map(|m| mounts::read(m, &work.cwd, span)).collect::<Result<_, _>>()?;
        // Waits for the stages that it looks into, before the step begins.
        for name in all.iter().filter_map(|m| m.from.as_deref()).filter(|n| !self.is_dir_context(n)).collect::<Vec<_>>()
        {
            self.layers_of(index, name)?;
        }
        let epoch = built.epoch;
        self.doing(title, span, |this, number| {
            let mut inputs = Vec::new();
            for mount in &all {
                inputs.push(this.mount_key(index, mount)?);
            }
            let key = cache::key(&(
                "run",
                cache::chain(&below),
                &work.args,
                &work.env,
                (&work.user, &work.cwd, &work.script),
                (format!("{:?}", work.run.network), &inputs),
                epoch,
            ))?;
            this.cached(&key, title, &below, &mut |this| {
                let done = this.execute(index, (number, span), work, &all, &below, epoch);
                done.map_err(|f| Failure { error: foreign::explain(f.error, &built.config.architecture), ..f })
            })
        })
    }

    /// What of a mount belongs to the cache key: bound content does, caches and secrets do not.
    fn mount_key(&mut self, index: usize, mount: &Mount) -> Result<String> {
        let plain = format!("{:?} {} {}", mount.kind, mount.target, mount.readonly);
        if mount.kind != Kind::Bind {
            return Ok(plain);
        }
        let content = match &mount.from {
            Some(name) if !self.is_dir_context(name) => cache::chain(&self.layers_of(index, name)?),
            _ => {
                let scratch = Scratch::new(&self.ctx.paths, self.idmap)?;
                let request = self.bind_request(index, mount, scratch.path())?;
                atomic::make_dirs(&self.ctx.paths.build())?;
                copy::digest(&request, self.idmap, &self.ctx.paths.build().join("files"))?.0
            }
        };
        Ok(format!("{plain} {} {content}", mount.source))
    }

    /// The tree that a bind shows, as a copy.
    fn bind_request(&mut self, index: usize, mount: &Mount, scratch: &Path) -> Result<copy::Request> {
        let mut ignore = Vec::new();
        let source = match &mount.from {
            Some(name) => match self.plan.contexts.get(name) {
                Some(NamedContext::Dir(dir)) => {
                    ignore = super::context::ignore(dir, None, None)?.lines();
                    copy::Tree::Dir(dir.clone())
                }
                _ => {
                    let layers = self.layers_of(index, name)?;
                    self.tree(&layers, scratch, "source")?
                }
            },
            None => {
                let none = || Error::not_found("mount the context: there is none");
                ignore = self.plan.ignore.lines();
                copy::Tree::Dir(self.plan.context.clone().ok_or_else(none)?)
            }
        };
        let path = if mount.source.is_empty() { ".".to_string() } else { mount.source.clone() };
        // File or directory: it becomes `x`.
        Ok(copy::Request {
            source,
            items: vec![copy::Item::Path(path)],
            dest: "/x".into(),
            ignore,
            ..copy::Request::default()
        })
    }

    fn execute(
        &mut self,
        index: usize,
        (number, span): (usize, Span),
        work: &RunWork,
        mounts: &[Mount],
        below: &[StoredLayer],
        epoch: i64,
    ) -> Result<Option<StoredLayer>, Failure> {
        let scratch = Scratch::new(&self.ctx.paths, self.idmap)?;
        let lowers = self.lowers(below)?;
        let mut prepared = Prepared::default();
        // In one order everywhere: two steps that want two locks do not wait for each other.
        let mut locked: Vec<&Mount> =
            mounts.iter().filter(|m| m.kind == Kind::Cache && m.sharing == Sharing::Locked).collect();
        locked.sort_by_key(|m| &m.id);
        locked.dedup_by_key(|m| &m.id);
        for mount in locked {
            let dir = self.cache_dir(mount, 0)?;
            prepared.locks.push(Flock::dir(&dir)?);
        }
        for (n, mount) in mounts.iter().enumerate() {
            self.prepare(index, n, mount, scratch.path(), &mut prepared)
                .map_err(|e| e.context(format!("mount {}", mount.target)))?;
        }
        prepared.stubs.extend(self.plan.run.given.stubs());
        if let Some((name, text)) = &work.script {
            script(name, text, scratch.path(), &mut prepared)?;
        }
        let link = self.link;
        let dir = scratch.container();
        let step = |work, env: &[String]| RunStep {
            paths: &self.ctx.paths,
            idmap: self.idmap,
            options: &self.plan.run,
            work,
            id: &scratch.id,
            dir: dir.clone(),
            lowers: lowers.clone(),
            mounts: prepared.mounts.clone(),
            volumes: prepared.volumes.clone(),
            env: env.to_vec(),
        };
        let mut output = |stderr, bytes: &[u8]| link.event(Event::Output { number, stderr, bytes: bytes.into() });
        let code = run::run(step(work, &prepared.env), Streams::Lines(&mut output)).map_err(|error| Failure {
            code: Some(i32::from(error.exit_code())).filter(|c| *c != 125),
            error,
            span: None,
        })?;
        if code != 0 {
            let words = work.args.join(" ");
            let error = Error::user(format!("process \"{words}\" did not complete successfully: exit code: {code}"));
            let failure = Failure { error, span: Some(span), code: Some(code) };
            if self.plan.debug_shell {
                link.halt(&failure)?;
                let shell = RunWork { args: vec![shell::program(&work.args)], ..work.clone() };
                let mut env = prepared.env.clone();
                env.extend(std::env::var("TERM").map(|term| format!("TERM={term}")));
                if let Err(error) = run::run(step(&shell, &env), Streams::Terminal) {
                    link.warn(&format!("no shell in the failed step: {error}"));
                }
            }
            return Err(failure);
        }
        drop(prepared.locks);
        let root = RootFs {
            layers: Layers { lowers: lowers.clone(), data: None },
            upper: dir.upper(),
            work: dir.work(),
            rootfs: None,
        };
        let trees = Trees {
            upper: Some(dir.upper()),
            lowers,
            whole: root.is_whole(),
            data: None,
            against: None,
            own: true,
            stubs: prepared.stubs,
        };
        let mut packing = diff::pack(&trees, self.idmap, Some(epoch))?;
        let layer = self.store.put_layer(&mut packing);
        let packed = packing.finish();
        let (layer, notes) = whose_fault(layer, packed)?;
        notes.iter().for_each(|note| self.link.warn(note));
        Ok(layer)
    }

    fn prepare(&mut self, index: usize, n: usize, mount: &Mount, scratch: &Path, out: &mut Prepared) -> Result<()> {
        match mount.kind {
            Kind::Tmpfs => {
                let size = mount.size.map(|bytes| format!("size={bytes}"));
                out.add(model::MountKind::Tmpfs, mount, false, size.into_iter().collect());
            }
            Kind::Bind => self.bind(index, n, mount, scratch, out)?,
            Kind::Cache => self.cache_mount(n, mount, out)?,
            Kind::Secret => self.secret(n, mount, scratch, out)?,
            Kind::Ssh => match self.plan.ssh.get(&mount.id) {
                Some(socket) => {
                    let source = socket.display().to_string();
                    out.add(model::MountKind::Bind { source }, mount, false, Vec::new());
                    out.env.push(format!("SSH_AUTH_SOCK={}", mount.target));
                }
                None if mount.required => {
                    return Err(Error::not_found(format!("use the ssh agent '{}': none was given", mount.id))
                        .hint(format!("--ssh {0}, with a running agent, or --ssh {0}=KEYFILE", mount.id)));
                }
                None => {}
            },
        }
        Ok(())
    }

    fn bind(&mut self, index: usize, n: usize, mount: &Mount, scratch: &Path, out: &mut Prepared) -> Result<()> {
        // The context itself, where nothing of it is left out and nothing can be written.
        if mount.from.is_none()
            && mount.readonly
            && self.plan.ignore.is_empty()
            && let Some(context) = &self.plan.context
        {
            out.volume(n, context.clone(), mount, mount.source.clone());
            return Ok(());
        }
        let dir = scratch.join(format!("bind{n}"));
        std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        let request = self.bind_request(index, mount, &scratch.join(format!("from{n}")))?;
        copy::extract(&request, self.idmap, &dir)?;
        out.volume(n, dir, mount, "x".into());
        Ok(())
    }

    fn cache_mount(&mut self, n: usize, mount: &Mount, out: &mut Prepared) -> Result<()> {
        if mount.from.is_some() {
            return Err(Error::unsupported("a cache mount with from= is not supported"));
        }
        for copy in 0.. {
            let dir = self.cache_dir(mount, copy)?;
            // A locked one is ours already.
            if mount.sharing == Sharing::Private {
                match Flock::try_dir(&dir) {
                    Some(lock) => out.locks.push(lock),
                    // Somebody else works with it: one of our own.
                    None => continue,
                }
            }
            // The time of the last use, for pruning.
            if let Ok(file) = std::fs::File::open(&dir) {
                let _ = file.set_modified(std::time::SystemTime::now());
            }
            out.volume(n, dir.join("data"), mount, String::new());
            return Ok(());
        }
        Ok(())
    }

    /// The directory of a cache mount, or of its n-th copy; its files are in `data`.
    fn cache_dir(&self, mount: &Mount, copy: usize) -> Result<PathBuf> {
        let caches = self.ctx.paths.build().join("mounts");
        atomic::make_dirs(&caches)?;
        let hash = Digest::of(mount.id.as_bytes()).hex()[..24].to_string();
        let dir = caches.join(if copy == 0 { hash } else { format!("{hash}-{copy}") });
        let data = dir.join("data");
        if !data.is_dir() {
            make_cache(&dir, &data, mount, self)?;
        }
        Ok(dir)
    }

    fn secret(&mut self, n: usize, mount: &Mount, scratch: &Path, out: &mut Prepared) -> Result<()> {
        let Some(secret) = self.plan.secrets.get(&mount.id) else {
            return match mount.required {
                true => Err(Error::not_found(format!("find secret '{}'", mount.id))
                    .hint(format!("--secret id={},src=FILE", mount.id))),
                false => Ok(()),
            };
        };
        let bytes = match secret {
            Secret::File(path) => std::fs::read(path).with_context(|| format!("read secret {}", path.display()))?,
            Secret::Value(text) => text.clone().into_bytes(),
        };
        if let Some(name) = &mount.env {
            let text = String::from_utf8(bytes.clone())
                .map_err(|_| Error::user(format!("pass secret '{}' as variable {name}: it is not text", mount.id)))?;
            out.env.push(format!("{name}={text}"));
        }
        if mount.target.is_empty() {
            return Ok(());
        }
        // Private to the user, and gone with the step.
        let dir = scratch.join(format!("secret{n}"));
        std::fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        let path = dir.join("secret");
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        let mode = std::fs::Permissions::from_mode(mount.mode.unwrap_or(0o400));
        std::fs::set_permissions(&path, mode).with_context(|| format!("write {}", path.display()))?;
        self.give(&path, mount)?;
        out.volume(n, dir, &Mount { readonly: true, ..mount.clone() }, "secret".into());
        Ok(())
    }

    fn give(&self, path: &Path, mount: &Mount) -> Result<()> {
        if (mount.uid, mount.gid) == (0, 0) {
            return Ok(());
        }
        let request = ChownTree { path: path.into(), uid: mount.uid, gid: mount.gid };
        Work::start("chown-tree", WorkNs::New(self.idmap), &request, &[])?.finish::<serde_json::Value>().map(drop)
    }
}

/// Makes the directory of a cache mount, whole or not at all.
fn make_cache(dir: &Path, data: &Path, mount: &Mount, solver: &StageBuild<'_>) -> Result<()> {
    let what = || format!("make {}", dir.display());
    atomic::make_dirs(dir)?;
    let draft = dir.join(format!("draft-{}", std::process::id()));
    std::fs::create_dir_all(&draft).with_context(what)?;
    let mode = std::fs::Permissions::from_mode(mount.mode.unwrap_or(0o755));
    std::fs::set_permissions(&draft, mode).with_context(what)?;
    solver.give(&draft, mount)?;
    std::fs::write(dir.join("id"), &mount.id).with_context(what)?;
    match std::fs::rename(&draft, data) {
        // Another build was quicker.
        Err(_) if data.is_dir() => Ok(()),
        other => other.with_context(what),
    }
}

/// The script of a here-document, where the shell looks for it.
fn script(name: &str, text: &str, scratch: &Path, out: &mut Prepared) -> Result<()> {
    let dir = scratch.join("pipes");
    let path = dir.join(name);
    let what = || format!("write {}", path.display());
    std::fs::create_dir(&dir).with_context(what)?;
    std::fs::write(&path, text).with_context(what)?;
    for path in [&dir, &path] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).with_context(what)?;
    }
    let source = dir.display().to_string();
    out.mounts.push(mount_of(model::MountKind::Bind { source }, "/dev/pipes", true, Vec::new()));
    Ok(())
}

fn mount_of(kind: model::MountKind, target: &str, readonly: bool, options: Vec<String>) -> model::Mount {
    model::Mount {
        kind,
        destination: target.into(),
        readonly,
        options,
        propagation: String::new(),
        recursive: true,
        chown: false,
        overlay: None,
    }
}

impl Prepared {
    fn add(&mut self, kind: model::MountKind, mount: &Mount, readonly: bool, options: Vec<String>) {
        self.mounts.push(mount_of(kind, &mount.target, readonly, options));
        let mut path = Path::new(mount.target.trim_start_matches('/'));
        while !path.as_os_str().is_empty() {
            self.stubs.push(path.display().to_string());
            path = path.parent().unwrap_or(Path::new(""));
        }
    }

    /// Binds `dir`, or what is at `subpath` in it; links in there lead nowhere else.
    fn volume(&mut self, n: usize, dir: PathBuf, mount: &Mount, subpath: String) {
        let name = format!("build-{n}");
        self.volumes.insert(name.clone(), dir);
        self.add(model::MountKind::Volume { name, copy_up: false, subpath }, mount, mount.readonly, Vec::new());
    }
}
