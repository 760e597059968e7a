//! The schedule of a build: a process for each stage that is under way.
//!
//! The first process starts no thread and makes nothing itself: it forks a process for each stage whose base is there,
//! as many as may run at once, and passes what they tell on. A stage's process builds step after step; where it
//! needs another stage, or a result that another one is making, it waits and another may run in its place. Stages need
//! only earlier ones, and nobody who holds a claim waits for a stage: there is always one that can go on.
//!
//! The first failure ends all other processes. All descendants are children of the first process in the end
//! (PR_SET_CHILD_SUBREAPER), so that it can see to it that none is left.

use super::link::{Link, Order, Report};
use super::lint::Warning;
use super::progress::{Event, Progress};
use super::run::pipe;
use super::solve::{Built, Failure};
use super::stages::{self, Base};
use crate::error::{Context, Error, Kind, Result};
use crate::image::StoredLayer;
use crate::stage::{Channel, Heard};
use crate::sys::process;
use crate::sys::signal::{Interruptible, interrupted};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Longest line of a helper that is kept together, in bytes.
const LONGEST: usize = 8 << 10;

/// What the schedule has to know of a build.
pub struct Schedule<'a> {
    pub file: &'a super::ast::Dockerfile,
    pub origins: &'a [stages::Origin],
    pub target: usize,
    /// Stages at once.
    pub jobs: usize,
    pub progress: &'a dyn Progress,
}

/// What came of all the stages.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<Built, Failure>,
    pub warnings: Vec<Warning>,
}

/// How a stage's process stands.
#[derive(Debug)]
enum Stand {
    Running,
    /// For a stage.
    Needs(usize),
    /// For the maker of what a key names.
    Waits(String),
    /// For its turn, with what it will be told then.
    Ready(Order),
}

struct Member {
    pid: i32,
    channel: Channel,
    /// What it and its helpers write to stderr, which is the view's: does not block. `None` at its end.
    errors: Option<OwnedFd>,
    partial: Vec<u8>,
    stand: Stand,
    /// The numbers that its steps have for the user.
    numbers: BTreeMap<usize, usize>,
    /// Steps that have begun and not ended.
    open: BTreeSet<usize>,
}

/// Something that a key names.
enum Claim {
    Open,
    Settled(Option<StoredLayer>),
}

struct Crew<'a> {
    plan: &'a Schedule<'a>,
    /// Stages that have no process yet.
    waiting: BTreeSet<usize>,
    members: BTreeMap<usize, Member>,
    built: BTreeMap<usize, Built>,
    claims: BTreeMap<String, Claim>,
    warnings: Vec<Warning>,
    number: usize,
    told: Option<Instant>,
    /// Children that are none of a stage's.
    others: Vec<i32>,
}

/// Builds the target and what it needs. `build` is called in a process of its own for each stage, with the stages that
/// are there by then.
pub fn run(
    plan: &Schedule<'_>,
    mut build: impl FnMut(usize, BTreeMap<usize, Built>, &Link) -> (Result<Built, Failure>, Vec<Warning>),
) -> Outcome {
    let _interruptible = Interruptible::new();
    // Left alone when it can't be: then only a killed stage's own children go with it.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let mut crew = Crew {
        plan,
        waiting: stages::needed(plan.file, plan.origins, plan.target).into_iter().collect(),
        members: BTreeMap::new(),
        built: BTreeMap::new(),
        claims: BTreeMap::new(),
        warnings: Vec::new(),
        number: 0,
        told: None,
        others: children(),
    };
    let result = crew.work(&mut build);
    if result.is_err() {
        crew.end_others(None);
    }
    let _ = rustix::process::set_child_subreaper(None);
    Outcome { result, warnings: crew.warnings }
}

type Build<'b> = dyn FnMut(usize, BTreeMap<usize, Built>, &Link) -> (Result<Built, Failure>, Vec<Warning>) + 'b;

impl Crew<'_> {
    fn work(&mut self, build: &mut Build<'_>) -> Result<Built, Failure> {
        loop {
            if interrupted() {
                return Err(Error::new(Kind::Interrupted, "build the image: interrupted").into());
            }
            if let Some(done) = self.built.remove(&self.plan.target) {
                return Ok(done);
            }
            self.dispatch(build)?;
            for index in self.listen()? {
                self.hear(index)?;
            }
        }
    }

    /// Lets as many go on as may, those of earlier stages first.
    fn dispatch(&mut self, build: &mut Build<'_>) -> Result<(), Failure> {
        loop {
            let running = self.members.values().filter(|m| matches!(m.stand, Stand::Running)).count();
            if running >= self.plan.jobs {
                return Ok(());
            }
            let ready = self.members.iter().find(|(_, m)| matches!(m.stand, Stand::Ready(_))).map(|(i, _)| *i);
            let new = self.waiting.iter().copied().find(|i| match self.plan.origins[*i].base {
                Base::Stage(base) => self.built.contains_key(&base),
                _ => true,
            });
            match (ready, new) {
                (Some(index), new) if new.is_none_or(|new| index < new) => {
                    let Some(member) = self.members.get_mut(&index) else { continue };
                    if let Stand::Ready(order) = std::mem::replace(&mut member.stand, Stand::Running) {
                        member.channel.send(&order, &[])?;
                    }
                }
                (_, Some(index)) => self.begin(index, build)?,
                _ => return Ok(()),
            }
        }
    }

    /// Forks the process of a stage.
    fn begin(&mut self, index: usize, build: &mut Build<'_>) -> Result<()> {
        self.waiting.remove(&index);
        let (ours, theirs) = Channel::pair()?;
        let (errors, their_errors) = pipe()?;
        rustix::io::ioctl_fionbio(&errors, true).context("set up a pipe")?;
        let parent = process::own_pid();
        let pid = process::fork(false).with_context(|| format!("start a process for stage {index}"))?;
        if pid == 0 {
            // With the first process everything ends.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid().map(Pid::as_raw_pid) != Some(parent) {
                process::exit(1);
            }
            drop((ours, errors));
            let _ = rustix::stdio::dup2_stderr(&their_errors);
            drop(their_errors);
            self.members.clear();
            let link = Link::new(theirs);
            let known = std::mem::take(&mut self.built);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| build(index, known, &link)));
            match done {
                Ok((Ok(built), warnings)) => link.report(&Report::Built(Box::new(built), warnings)),
                Ok((Err(failure), warnings)) => link.report(&Report::Failed(Box::new(failure), warnings)),
                Err(_) => {}
            }
            process::exit(0);
        }
        let member = Member {
            pid,
            channel: ours,
            errors: Some(errors),
            partial: Vec::new(),
            stand: Stand::Running,
            numbers: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        self.members.insert(index, member);
        Ok(())
    }

    /// Waits for reports and gives the stages that have one.
    fn listen(&mut self) -> Result<Vec<usize>> {
        let pace = self.plan.progress.pace().map(|p| Duration::from_millis(p.into()));
        // A signal that comes just before the wait is seen a second later.
        let left = match (pace, self.told) {
            (Some(pace), Some(told)) => pace.saturating_sub(told.elapsed()),
            (Some(_), None) => Duration::ZERO,
            (None, _) => Duration::from_secs(1),
        };
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let members: Vec<usize> = self.members.keys().copied().collect();
        let mut fds: Vec<PollFd<'_>> = self.members.values().map(|m| PollFd::new(&m.channel, PollFlags::IN)).collect();
        fds.extend(self.members.values().filter_map(|m| m.errors.as_ref()).map(|e| PollFd::new(e, PollFlags::IN)));
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e).context("wait for the stages"),
        }
        let ready = members.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(i, _)| *i).collect();
        for member in self.members.values_mut() {
            member.relay(self.plan.progress);
        }
        if pace.is_some_and(|pace| self.told.is_none_or(|told| told.elapsed() >= pace)) {
            self.plan.progress.tick();
            self.told = Some(Instant::now());
        }
        Ok(ready)
    }

    /// Takes one report of a stage.
    fn hear(&mut self, index: usize) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(&index) else { return Ok(()) };
        let report = match member.channel.hear::<Report>()? {
            Heard::Frame(report, _) => report,
            Heard::Refused(_) | Heard::End => {
                let code = self.part(index)?;
                let error = Error::new(Kind::Io, format!("build stage {index}: its process died ({code})"));
                return Err(error.hint("see the kernel's log: memory may have been short").into());
            }
        };
        match report {
            Report::Event(mut event) => {
                if let Some(number) = event.number_mut() {
                    let local = *number;
                    *number = *member.numbers.entry(local).or_insert_with(|| {
                        self.number += 1;
                        self.number
                    });
                    match event {
                        Event::Step { number, .. } => drop(member.open.insert(number)),
                        // Told already, if it was halted.
                        Event::Failed { number, .. } if !member.open.remove(&number) => return Ok(()),
                        Event::Done { number, .. } | Event::Cached { number } => drop(member.open.remove(&number)),
                        _ => {}
                    }
                }
                self.plan.progress.event(event);
            }
            Report::Need(stage) => {
                member.stand = match self.built.get(&stage) {
                    Some(built) => Stand::Ready(Order::Have(Box::new(built.clone()))),
                    None => Stand::Needs(stage),
                };
            }
            Report::Claim(key) => match self.claims.get(&key) {
                // It keeps its turn.
                None => {
                    self.claims.insert(key, Claim::Open);
                    member.channel.send(&Order::Make, &[])?;
                }
                Some(Claim::Settled(layer)) => member.channel.send(&Order::Made(layer.clone()), &[])?,
                Some(Claim::Open) => member.stand = Stand::Waits(key),
            },
            Report::Settled(key, layer) => {
                for member in self.members.values_mut() {
                    if matches!(&member.stand, Stand::Waits(k) if *k == key) {
                        member.stand = Stand::Ready(Order::Made(layer.clone()));
                    }
                }
                self.claims.insert(key, Claim::Settled(layer));
            }
            Report::Built(built, warnings) => {
                self.warnings.extend(warnings);
                self.part(index)?;
                for member in self.members.values_mut() {
                    if matches!(member.stand, Stand::Needs(stage) if stage == index) {
                        member.stand = Stand::Ready(Order::Have(built.clone()));
                    }
                }
                self.built.insert(index, *built);
            }
            Report::Halted(failure) => {
                let error = failure.error.to_string();
                for number in std::mem::take(&mut member.open) {
                    self.plan.progress.event(Event::Failed { number, error: error.as_str().into() });
                }
                self.end_others(Some(index));
                self.plan.progress.halt(&failure);
                if let Some(member) = self.members.get(&index) {
                    member.channel.send(&Order::Proceed, &[])?;
                }
            }
            Report::Failed(failure, warnings) => {
                self.warnings.extend(warnings);
                self.part(index)?;
                return match interrupted() {
                    true => Err(Error::new(Kind::Interrupted, "build the image: interrupted").into()),
                    false => Err(*failure),
                };
            }
        }
        Ok(())
    }

    /// Waits for the end of a stage's process.
    fn part(&mut self, index: usize) -> Result<i32> {
        let Some(mut member) = self.members.remove(&index) else { return Ok(0) };
        let code = process::wait(member.pid).with_context(|| format!("wait for stage {index}"));
        member.relay(self.plan.progress);
        member.errors = None;
        member.relay(self.plan.progress);
        code
    }

    /// Ends all processes but that of stage `but`, with all that they have started.
    fn end_others(&mut self, but: Option<usize>) {
        let ended: Vec<usize> = self.members.keys().copied().filter(|i| Some(*i) != but).collect();
        for index in ended {
            let Some(member) = self.members.remove(&index) else { continue };
            for number in &member.open {
                self.plan.progress.event(Event::Canceled { number: *number });
            }
            let _ = process::kill(member.pid, Signal::KILL.as_raw());
            let _ = process::wait(member.pid);
        }
        let kept = but.and_then(|i| self.members.get(&i)).map(|m| m.pid);
        // The orphans are our children by now; their children follow them.
        loop {
            let left: Vec<i32> =
                children().into_iter().filter(|pid| Some(*pid) != kept && !self.others.contains(pid)).collect();
            if left.is_empty() {
                return;
            }
            for pid in left {
                let _ = process::kill(pid, Signal::KILL.as_raw());
                let _ = process::wait(pid);
            }
        }
    }
}

impl Member {
    /// Passes on what was written to stderr, as lines.
    fn relay(&mut self, progress: &dyn Progress) {
        let mut buffer = [0; 4096];
        while let Some(errors) = &self.errors {
            match rustix::io::read(errors, &mut buffer) {
                Ok(0) => self.errors = None,
                Ok(n) => self.partial.extend_from_slice(&buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.errors = None,
            }
            if self.partial.len() > LONGEST {
                break;
            }
        }
        let end = match self.partial.iter().rposition(|b| *b == b'\n') {
            _ if self.errors.is_none() || self.partial.len() > LONGEST => self.partial.len(),
            Some(at) => at + 1,
            None => 0,
        };
        let whole: Vec<u8> = self.partial.drain(..end).collect();
        for line in String::from_utf8_lossy(&whole).lines() {
            progress.event(Event::Note(line.into()));
        }
    }
}

/// Our children, as the kernel lists them (CONFIG_PROC_CHILDREN; without it none).
fn children() -> Vec<i32> {
    let pid = process::own_pid();
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}
