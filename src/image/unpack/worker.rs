//! The job `unpack`: runs in a process with mapped ids, as the root of its user namespace.

use super::feed::{FromWorker, Socket, ToWorker};
use super::layer::{Follow, Growth};
use super::{LayerJob, Request, pipeline};
use crate::error::{Context, Error, Kind, Result};
use crate::image::apply::{self, Report};
use crate::image::tree;
use crate::state::gcdir;
use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The job's entry for the table in main.rs: a [`Request`] and the socket come in, the reports go out.
pub fn job(request: serde_json::Value, mut fds: Vec<OwnedFd>) -> Result<serde_json::Value> {
    let request: Request = serde_json::from_value(request).context("read the request")?;
    let socket = Socket::from(fds.pop().ok_or_else(|| Error::bug("extract layers: no socket"))?);
    if request.own_process {
        // Modes are exact then, and most files need no chmod.
        rustix::process::umask(Mode::empty());
    }
    let done = run(&request, &socket);
    if done.is_err() {
        // Only this process may delete files of mapped ids.
        for layer in &request.layers {
            let _ = gcdir::remove_tree(&layer.dir.join("diff"));
        }
    }
    serde_json::to_value(done?).context("encode the answer")
}

/// What the threads share.
struct Shared<'a> {
    request: &'a Request,
    socket: &'a Socket,
    state: Mutex<State>,
    changed: Condvar,
    /// Some layer failed: the others need not go on.
    stop: AtomicBool,
}

struct State {
    /// Layers whose data is there, or on its way.
    ready: VecDeque<Ready>,
    /// How far each layer's download is, by position in the request.
    growth: Vec<Option<Arc<Growth>>>,
    reports: Vec<(usize, Report)>,
    /// Layers being extracted. A broken-off attempt must end before the next one uses the same directory.
    running: Vec<usize>,
    /// No more data will be announced.
    closed: bool,
    failed: Option<Error>,
}

struct Ready {
    /// Position in the request.
    job: usize,
    /// Where the data is: the first of these that exists.
    paths: Vec<PathBuf>,
    growth: Arc<Growth>,
}

fn run(request: &Request, socket: &Socket) -> Result<Vec<(usize, Report)>> {
    let shared = Shared {
        request,
        socket,
        state: Mutex::new(State {
            ready: VecDeque::new(),
            growth: vec![None; request.layers.len()],
            reports: Vec::new(),
            running: Vec::new(),
            closed: false,
            failed: None,
        }),
        changed: Condvar::new(),
        stop: AtomicBool::new(false),
    };
    shared.queue_blobs();
    std::thread::scope(|scope| {
        scope.spawn(|| shared.listen());
        let workers: Vec<_> = (0..request.jobs).map(|_| scope.spawn(|| shared.work())).collect();
        for worker in workers {
            if worker.join().is_err() {
                shared.fail(Error::bug("extract layers: a thread panicked"));
            }
        }
        // The listener sits in recv(2): shutting the socket down for reading ends it.
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Read);
    });
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(e) = state.failed {
        return Err(e);
    }
    inherit(request, &state.reports)?;
    Ok(state.reports)
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, e: Error) {
        self.fail_locked(&mut self.lock(), e);
    }

    fn fail_locked(&self, state: &mut State, e: Error) {
        self.stop.store(true, Ordering::Relaxed);
        state.failed.get_or_insert(e);
        // Readers that wait for a download have to notice.
        for growth in state.growth.iter().flatten() {
            growth.abort();
        }
        self.changed.notify_all();
    }

    /// Complete blobs, largest first: the last one to finish should be a short one.
    fn queue_blobs(&self) {
        let mut blobs: Vec<(u64, usize, PathBuf)> = Vec::new();
        for (job, layer) in self.request.layers.iter().enumerate() {
            if let Some(path) = &layer.blob {
                let size = std::fs::metadata(path).map_or(0, |m| m.len());
                blobs.push((size, job, path.clone()));
            }
        }
        blobs.sort_by_key(|(size, ..)| std::cmp::Reverse(*size));
        let mut state = self.lock();
        for (size, job, path) in blobs {
            let growth = Arc::new(Growth::default());
            growth.end(size);
            state.ready.push_back(Ready { job, paths: vec![path], growth });
        }
    }

    /// Takes the news about downloads.
    fn listen(&self) {
        let position = |index: usize| self.request.layers.iter().position(|l| l.index == index);
        while let Ok(Some(news)) = self.socket.recv::<ToWorker>() {
            let mut state = self.lock();
            let (ToWorker::Start { index, .. }
            | ToWorker::Grow { index }
            | ToWorker::End { index, .. }
            | ToWorker::Abort { index }) = &news;
            let Some(job) = position(*index) else { continue };
            if let ToWorker::Start { temp, blob, doubtful, .. } = news {
                let growth = Arc::new(Growth::new(doubtful));
                if let Some(old) = state.growth[job].replace(Arc::clone(&growth)) {
                    old.abort();
                }
                state.ready.retain(|r| r.job != job);
                state.ready.push_back(Ready { job, paths: vec![temp, blob], growth });
                self.changed.notify_all();
                continue;
            }
            let Some(growth) = &state.growth[job] else { continue };
            match news {
                ToWorker::Grow { .. } => growth.grow(),
                ToWorker::End { size, .. } => growth.end(size),
                _ => growth.abort(),
            }
        }
        let mut state = self.lock();
        state.closed = true;
        for growth in state.growth.iter().flatten() {
            growth.close();
        }
        self.changed.notify_all();
    }

    fn work(&self) {
        while let Some(ready) = self.next() {
            let layer = &self.request.layers[ready.job];
            let result = self.extract(layer, &ready);
            let given_up = result.is_err() && ready.growth.given_up();
            let mut state = self.lock();
            state.running.retain(|job| *job != ready.job);
            match result {
                Ok(report) => {
                    state.reports.push((layer.index, report));
                    self.socket.try_send(&FromWorker::Done { index: layer.index });
                }
                // The download broke off; it may start again.
                Err(_) if given_up && state.failed.is_none() => {}
                // Under the same lock as the end of the job: between the two, others would take the rest for lost.
                Err(e) => self.fail_locked(&mut state, e),
            }
            self.changed.notify_all();
        }
    }

    /// The next layer to extract; `None` when there is nothing left to do.
    fn next(&self) -> Option<Ready> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() || state.reports.len() == self.request.layers.len() {
                return None;
            }
            let free = state.ready.iter().position(|r| !state.running.contains(&r.job));
            if let Some(ready) = free.and_then(|at| state.ready.remove(at)) {
                state.running.push(ready.job);
                return Some(ready);
            }
            if state.closed && state.running.is_empty() {
                let e = Error::new(Kind::Interrupted, "extract the layers: the download ended before all were there");
                state.failed.get_or_insert(e);
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn extract(&self, layer: &LayerJob, ready: &Ready) -> Result<Report> {
        let named = || format!("extract layer {}", layer.diff_id);
        let diff = layer.dir.join("diff");
        // A broken-off attempt may have left something.
        gcdir::remove_tree(&diff).with_context(named)?;
        rustix::fs::mkdir(&diff, Mode::from_raw_mode(0o755)).with_context(|| format!("create {}", diff.display()))?;
        let source = Follow::open(&ready.paths, Arc::clone(&ready.growth), layer.index, self.socket, &self.stop)
            .with_context(named)?;
        let ((mut report, contents), found) =
            pipeline::extract(source, open_dir(&diff)?, self.request.owners).with_context(named)?;
        if found.digest != layer.diff_id {
            return Err(Error::denied(format!("{}: its content's digest is {}", named(), found.digest))
                .hint("the image is damaged: its config does not fit its layers"));
        }
        let implied = report.implied.iter().map(String::as_str).collect();
        let summary = tree::record(open_dir(&diff)?.as_fd(), &contents, &implied, &layer.dir.join(tree::FILE))
            .with_context(named)?;
        report.tree = Some(summary.digest);
        report.allocated = Some(summary.allocated);
        report.tar = Some(found.size);
        Ok(report)
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))
}

/// Implied directories take after the layers below; lowest first, since each may be a model for the next.
fn inherit(request: &Request, reports: &[(usize, Report)]) -> Result<()> {
    for (index, layer) in request.chain.iter().enumerate().filter(|(_, l)| l.new) {
        let Some((_, report)) = reports.iter().find(|(i, _)| *i == index) else { continue };
        if report.implied.is_empty() {
            continue;
        }
        let mut lowers = Vec::new();
        if !report.opaque_root {
            for below in request.chain[..index].iter().rev() {
                lowers.push(open_dir(&below.diff)?);
                let new_opaque = |(i, r): &(usize, Report)| request.chain[*i].diff == below.diff && r.opaque_root;
                if below.opaque_root || reports.iter().any(new_opaque) {
                    break;
                }
            }
        }
        apply::inherit_implied(open_dir(&layer.diff)?.as_fd(), &report.implied, &lowers)
            .with_context(|| format!("finish {}", layer.diff.display()))?;
    }
    Ok(())
}
