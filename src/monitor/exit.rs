//! What is written down when a container ends, and what goes away with it.

use super::incarnation::{Incarnation, Subject};
use super::remove;
use super::serve::End;
use crate::error::{Context, Error, Result};
use crate::state::atomic;
use crate::state::container::{State, Status};
use crate::state::events;
use crate::state::paths::ContainerDir;
use rustix::fs::inotify;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Content of the file `desired` that forbids a restart.
pub const STOPPED: &str = "stopped";

/// The same, and the CLI is about to start the container again: with `--rm` it stays.
pub const RESTARTING: &str = "restarting";

/// Ends the helpers and gives the state after this end; `status` is for the caller to say.
pub fn record(subject: &Subject, incarnation: &mut Incarnation, end: End) -> State {
    let oom_killed = incarnation.cgroup.as_ref().is_some_and(|c| c.oom_killed());
    // A tap device takes the kernel many milliseconds to undo: nobody who waits for the container waits for that.
    if let Some(net) = &mut incarnation.net {
        net.stop();
    }
    incarnation.remains = incarnation.net.take();
    incarnation.init.ended();
    if let Some(cgroup) = incarnation.cgroup.take() {
        cgroup.remove();
    }
    let state = State {
        status: Status::Exited,
        pid: 0,
        start_ticks: 0,
        exit_code: end.code,
        signal: end.signal,
        oom_killed,
        finished: events::now(),
        network: Default::default(),
        cgroup: String::new(),
        ..incarnation.state.clone()
    };
    let attributes = [("exitCode", end.code.to_string()), ("image", subject.config.image.clone())];
    events::container(&subject.frame.paths, "die", &subject.frame.id, &subject.name, &attributes);
    if oom_killed {
        events::container(&subject.frame.paths, "oom", &subject.frame.id, &subject.name, &[]);
    }
    state
}

/// Writes the state, on a full disk too. Without it the container is seen through as lost.
pub fn write(subject: &Subject, state: &State) {
    let pid = if state.status == Status::Exited { 0 } else { state.monitor_pid };
    let state = State { monitor_pid: pid, ..state.clone() };
    if let Ok(mut text) = serde_json::to_vec(&state) {
        text.push(b'\n');
        let _ = atomic::write_forced(&subject.dir.state(), &text);
    }
}

/// Brings the exit record to the disk.
pub fn sync(dir: &ContainerDir) {
    let path = dir.state();
    let _ = std::fs::File::open(&path).and_then(|f| f.sync_data());
    let _ = atomic::sync_dir(dir.path());
}

/// After a start that failed: the state before it, with the reason; with `--rm` nothing at all.
pub fn undo(subject: &Subject, before: &State, error: &Error) {
    let state = State { exit_code: i32::from(error.exit_code()), error: error.to_string(), pid: 0, ..before.clone() };
    write(subject, &state);
    if let Some(trash) = remove_if_asked(subject) {
        remove::destroy(&trash, Some(&subject.frame.idmap));
    }
}

/// `--rm`: the container does not exist any more when this returns. Gives the place of its files.
pub fn remove_if_asked(subject: &Subject) -> Option<PathBuf> {
    if !subject.config.auto_remove || wish(&subject.dir).is_some_and(|w| w == RESTARTING) {
        return None;
    }
    let frame = &subject.frame;
    // The name may have been changed while the container ran.
    let name = crate::state::names::recorded(&frame.paths, &frame.id).unwrap_or_else(|| subject.name.clone());
    remove::unlink(&frame.paths, &frame.id, &name, &subject.config, true).ok()
}

/// The user has asked for the end (`stop`, `rm -f`, `kill`).
pub fn stop_wished(dir: &ContainerDir) -> bool {
    // A removed container does not come back.
    !dir.path().exists() || wish(dir).is_some_and(|w| w == STOPPED || w == RESTARTING)
}

fn wish(dir: &ContainerDir) -> Option<String> {
    atomic::read_word(&dir.desired())
}

/// Becomes readable when a wish is written.
pub fn watch_wishes(dir: &ContainerDir) -> Result<OwnedFd> {
    let fd =
        inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).context("make an inotify")?;
    let events = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::MOVE_SELF | inotify::WatchFlags::DELETE_SELF;
    inotify::add_watch(&fd, dir.path(), events).with_context(|| format!("watch {}", dir.path().display()))?;
    Ok(fd)
}
