//! The containers of a store: creating, finding, listing and reading them.
//!
//! Readers take no lock: configuration never changes, state is replaced by rename, and a state that its dead monitor
//! left behind is seen through (`Container::state` is then what repair will write).

use super::atomic::{self, Class};
use super::container::{Config, SCHEMA, State, Status};
use super::gcdir::Staging;
use super::lock::Life;
use super::paths::{ContainerDir, Paths};
use super::{boot, names, store};
use crate::error::{Context, Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Exit code recorded when the machine went down under a container.
pub const REBOOTED: i32 = 255;
/// Exit code recorded when the monitor died: its container is killed with it.
pub const MONITOR_LOST: i32 = 137;

/// One container as it stands.
#[derive(Clone, Debug)]
pub struct Container {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    pub dir: ContainerDir,
    pub config: Config,
    /// As it really is: see [`Container::stale`].
    pub state: State,
    /// Its monitor holds the life lock.
    pub alive: bool,
    /// The state file says something else than `state`: the monitor died or the machine rebooted, and
    /// `engine::recover` has work to do.
    pub stale: bool,
    /// Its files can't be read; only `rm` works on it.
    pub damaged: Option<Error>,
}

impl Container {
    /// The first twelve digits, as tables show it.
    pub fn short_id(&self) -> &str {
        &self.id[..self.id.len().min(12)]
    }
    /// A program of it runs (or is paused, or is about to be restarted).
    pub fn active(&self) -> bool {
        is_active(self.state.status)
    }
    /// The error of a damaged container, for verbs that need its records.
    pub fn sound(&self) -> Result<()> {
        match &self.damaged {
            None => Ok(()),
            Some(e) => Err(e.clone().context(format!("use container {}", self.short_id()))),
        }
    }
}

/// Statuses that only a living monitor can keep true.
pub fn is_active(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused | Status::Restarting | Status::Stopping)
}

/// A new random id: 64 hex digits, never all decimal in its short form (docker: such a host name would be a number).
pub fn new_id() -> Result<String> {
    loop {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| Error::new(Kind::Io, format!("get random bytes: {e}")))?;
        let id: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        if id[..12].bytes().any(|b| b.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// Creates the container's directory under `config.id`, all or nothing, with `name` or a random one. Returns the name.
/// `spec` is `spec::model::Spec`, which this layer does not know.
pub fn create(paths: &Paths, config: &Config, spec: &impl Serialize, name: Option<&str>) -> Result<String> {
    store::open(paths)?;
    let id = &config.id;
    let staging = Staging::new(paths, id)?;
    // A container that vanishes with its program needs not survive a power cut.
    let class = if config.auto_remove { Class::Volatile } else { Class::Durable };
    let dir = ContainerDir { dir: staging.path().to_path_buf() };
    // From here on the lease in tmp/ keeps the name; a failure drops both.
    let name = take_name(paths, id, name)?;
    let filled = (|| {
        plain(&dir.config(), config, class)?;
        plain(&dir.spec(), spec, class)?;
        plain(&dir.state(), &State { version: SCHEMA, ..State::default() }, Class::Volatile)?;
        put(&dir.name(), format!("{name}\n").as_bytes(), class)?;
        put(&dir.lock(), b"", Class::Volatile)?;
        put(&dir.life(), b"", Class::Volatile)?;
        for sub in [dir.upper(), dir.work(), dir.etc()] {
            rustix::fs::mkdir(&sub, rustix::fs::Mode::RWXU | rustix::fs::Mode::from_raw_mode(0o055))
                .with_context(|| format!("create {}", sub.display()))?;
        }
        if class == Class::Durable {
            atomic::sync_dir(staging.path())?;
        }
        staging.publish(paths.container(id).path())?;
        if class == Class::Durable { atomic::sync_dir(&paths.containers()) } else { Ok(()) }
    })();
    if let Err(e) = filled {
        names::release(paths, &name, id);
        return Err(e.context("create container"));
    }
    super::events::container(paths, "create", id, &name, &[("image", config.image.clone())]);
    Ok(name)
}

fn take_name(paths: &Paths, id: &str, name: Option<&str>) -> Result<String> {
    if let Some(name) = name {
        names::claim(paths, name, id)?;
        return Ok(name.to_string());
    }
    for _ in 0..1000 {
        let name = names::random(paths);
        match names::claim(paths, &name, id) {
            Err(e) if e.kind == Kind::Conflict => continue,
            other => return other.map(|()| name),
        }
    }
    Err(Error::conflict("find a free name").hint("choose one with --name"))
}

/// Files of a directory that nobody sees yet need no rename.
fn put(path: &std::path::Path, data: &[u8], class: Class) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let named = || format!("write {}", path.display());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(named)?;
    file.write_all(data).with_context(named)?;
    if class == Class::Durable { file.sync_data().with_context(named) } else { Ok(()) }
}

fn plain(path: &std::path::Path, value: &impl Serialize, class: Class) -> Result<()> {
    let mut text = serde_json::to_vec(value).with_context(|| format!("encode {}", path.display()))?;
    text.push(b'\n');
    put(path, &text, class)
}

/// The full id for a name, a full id or a unique prefix of an id.
pub fn resolve(paths: &Paths, text: &str) -> Result<String> {
    let missing = || Error::not_found(format!("find container '{text}': no such container"));
    if text.len() == 64 && paths.container(text).config().exists() && !text.contains('/') {
        return Ok(text.to_string());
    }
    if let Some(id) = names::lookup(paths, text) {
        return Ok(id);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
        // Only a store of another version explains itself better than "no such container".
        store::check(paths)?;
        return Err(missing());
    }
    let mut found = ids(paths)?.into_iter().filter(|id| id.starts_with(text));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Error::user(format!("find container '{text}': several ids begin so"))
            .hint("use more digits of the id, or the name")),
        (None, _) => Err(missing()),
    }
}

/// Full ids of all containers, unsorted.
pub fn ids(paths: &Paths) -> Result<Vec<String>> {
    let dir = paths.containers();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            store::check(paths)?;
            return Ok(Vec::new());
        }
        Err(e) => return Err(crate::error::IntoError::context(e, format!("list {}", dir.display()))),
    };
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    Ok(names.filter(|n| n.len() == 64 && n.bytes().all(|b| b.is_ascii_hexdigit())).collect())
}

/// All containers, newest first; damaged ones included.
pub fn list(paths: &Paths) -> Result<Vec<Container>> {
    let mut all = Vec::new();
    for id in ids(paths)? {
        match load(paths, &id) {
            Ok(container) => all.push(container),
            // Removed since the directory was read.
            Err(e) if e.kind == Kind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    all.sort_by(|a, b| b.config.created.cmp(&a.config.created).then_with(|| a.id.cmp(&b.id)));
    Ok(all)
}

/// Reads one container by its full id.
pub fn load(paths: &Paths, id: &str) -> Result<Container> {
    let dir = paths.container(id);
    let gone = || Error::not_found(format!("find container '{id}': no such container"));
    if !dir.path().is_dir() {
        return Err(gone());
    }
    let mut damaged = None;
    let config: Config = record(&dir.config(), &mut damaged);
    if config.version > SCHEMA {
        return Err(Error::unsupported(format!("read container {id}: schema {}", config.version))
            .hint("a newer coracle made it; use that one"));
    }
    let (state, alive, stale) = match state(&dir) {
        Ok(seen) => seen,
        Err(e) => {
            damaged.get_or_insert(e);
            // One that can't be looked into must not keep the others from being listed.
            let alive = Life::held(&dir.life()).unwrap_or(false);
            (State { status: Status::Exited, exit_code: REBOOTED, ..State::default() }, alive, false)
        }
    };
    if damaged.is_some() && !dir.path().is_dir() {
        return Err(gone());
    }
    let name = names::read_name(&dir.name()).unwrap_or_default();
    Ok(Container { id: id.to_string(), name, dir, config, state, alive, stale, damaged })
}

/// The spec, written at create.
pub fn load_spec<T: DeserializeOwned>(paths: &Paths, id: &str) -> Result<T> {
    atomic::read_json(&paths.container(id).spec())
}

fn record<T: DeserializeOwned + Default>(path: &std::path::Path, damaged: &mut Option<Error>) -> T {
    match atomic::read_json(path) {
        Ok(value) => value,
        Err(e) => {
            damaged.get_or_insert(e);
            T::default()
        }
    }
}

/// What the state file says, corrected where nobody keeps it true: (state, monitor alive, corrected).
pub fn state(dir: &ContainerDir) -> Result<(State, bool, bool)> {
    let mut last: Option<State> = None;
    loop {
        let state: State = match atomic::read_json(&dir.state()) {
            Ok(state) => state,
            Err(e) if e.kind == Kind::NotFound || Life::held(&dir.life())? => return Err(e),
            // It is not synced before the exit: a power cut may leave anything.
            Err(_) => return Ok((lost(), false, true)),
        };
        if !is_active(state.status) && state.pid == 0 {
            let alive = Life::held(&dir.life())?;
            return Ok((state, alive, false));
        }
        // A monitor writes its last state before it lets go of the lock. So the state is a dead monitor's only if it
        // is still the same after the lock was seen free.
        if Life::held(&dir.life())? {
            return Ok((state, true, false));
        }
        if last.as_ref() == Some(&state) {
            let boot = boot::id()?;
            return Ok((corrected(state, &boot), false, true));
        }
        last = Some(state);
    }
}

/// The state of a container whose own can't be read any more.
pub fn lost() -> State {
    State {
        version: SCHEMA,
        status: Status::Exited,
        exit_code: REBOOTED,
        error: "its state was lost".into(),
        ..State::default()
    }
}

/// The state that repair writes for one that a dead monitor left behind.
pub fn corrected(mut state: State, boot: &str) -> State {
    let rebooted = state.boot_id != boot;
    if is_active(state.status) {
        state.status = Status::Exited;
        state.exit_code = if rebooted { REBOOTED } else { MONITOR_LOST };
        state.signal = if rebooted { 0 } else { libc::SIGKILL };
    }
    state.error = if rebooted { "the machine was rebooted" } else { "monitor lost" }.into();
    (state.pid, state.start_ticks, state.monitor_pid) = (0, 0, 0);
    state.network = Default::default();
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn store() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
        (dir, paths)
    }

    fn make(paths: &Paths, name: Option<&str>, created: &str) -> String {
        let id = new_id().unwrap();
        let config = Config { id: id.clone(), created: created.into(), ..Config::default() };
        create(paths, &config, &serde_json::json!({"version": 1}), name).unwrap();
        id
    }

    #[test]
    fn creates_finds_and_lists() {
        let (_dir, paths) = store();
        assert!(list(&paths).unwrap().is_empty());
        let a = make(&paths, Some("web"), "2026-01-01T00:00:00Z");
        let b = make(&paths, None, "2026-01-02T00:00:00Z");
        assert_eq!(resolve(&paths, "web").unwrap(), a);
        assert_eq!(resolve(&paths, &a[..12]).unwrap(), a);
        assert_eq!(resolve(&paths, &b).unwrap(), b);
        assert_eq!(resolve(&paths, "nosuch").unwrap_err().kind, Kind::NotFound);
        assert_eq!(resolve(&paths, "../web").unwrap_err().kind, Kind::NotFound);
        assert_eq!(resolve(&paths, "").unwrap_err().kind, Kind::NotFound);
        let all = list(&paths).unwrap();
        assert_eq!(all.iter().map(|c| &c.id).collect::<Vec<_>>(), [&b, &a]);
        assert_eq!(all[1].name, "web");
        let spec: serde_json::Value = load_spec(&paths, &a).unwrap();
        assert_eq!(spec["version"], 1);
    }

    #[test]
    fn a_taken_name_leaves_nothing_behind() {
        let (_dir, paths) = store();
        make(&paths, Some("web"), "x");
        let config = Config { id: new_id().unwrap(), ..Config::default() };
        let e = create(&paths, &config, &(), Some("web")).unwrap_err();
        assert_eq!(e.kind, Kind::Conflict);
        assert_eq!(ids(&paths).unwrap().len(), 1);
        assert_eq!(std::fs::read_dir(paths.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn sees_through_dead_monitors() {
        let (_dir, paths) = store();
        let id = make(&paths, None, "x");
        let dir = paths.container(&id);
        let boot_id = boot::id().unwrap();
        let running = State { status: Status::Running, pid: 42, boot_id: boot_id.clone(), ..State::default() };
        atomic::write_json(&dir.state(), &running, Class::Volatile).unwrap();
        let life = Life::acquire(&dir.life(), Duration::ZERO).unwrap().unwrap();
        let seen = load(&paths, &id).unwrap();
        assert!(seen.alive && !seen.stale && seen.state.status == Status::Running);
        drop(life);
        let seen = load(&paths, &id).unwrap();
        assert!(seen.stale && seen.state.exit_code == MONITOR_LOST && seen.state.error == "monitor lost");
        atomic::write_json(&dir.state(), &State { boot_id: "old".into(), ..running }, Class::Volatile).unwrap();
        let seen = load(&paths, &id).unwrap();
        assert_eq!((seen.state.status, seen.state.exit_code), (Status::Exited, REBOOTED));
        std::fs::write(dir.state(), "").unwrap();
        let seen = load(&paths, &id).unwrap();
        assert!(seen.stale && seen.sound().is_ok() && seen.state.error == "its state was lost");
    }

    #[test]
    fn damage_is_confined_to_its_container() {
        let (_dir, paths) = store();
        let a = make(&paths, Some("bad"), "x");
        make(&paths, Some("good"), "x");
        std::fs::write(paths.container(&a).state(), "").unwrap();
        std::fs::write(paths.container(&a).config(), "{").unwrap();
        let all = list(&paths).unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().any(|c| c.name == "bad" && c.sound().is_err()));
        assert!(all.iter().any(|c| c.name == "good" && c.sound().is_ok()));
    }
}
