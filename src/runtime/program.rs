//! The last steps before the program: limits, ids, capabilities, filter, execve.

use super::user::User;
use crate::error::{Context, Error, Kind, Result};
use crate::spec::model::Rlimit;
use crate::stage::Channel;
use crate::stage::spawn::cstring;
use crate::sys::{caps, process, seccomp};
use rustix::fs::{Access, AtFlags, FileType, Mode};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Gid, Signal, Uid, set_parent_process_death_signal, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// What the container's process is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub user: String,
    pub groups: Vec<String>,
    pub capabilities: Vec<String>,
    pub ambient: Vec<String>,
    pub no_new_privileges: bool,
    pub rlimits: Vec<Rlimit>,
    pub umask: Option<u32>,
    pub oom_score_adj: Option<i32>,
    /// One `struct sock_filter` each.
    pub seccomp: Option<Vec<u64>>,
    /// setgroups(2) is refused in this user namespace.
    pub one_id: bool,
    /// Line of passwd(5) for the user if the image has none for him.
    pub passwd: Option<String>,
    /// Names of the listening sockets that it is given as 3, 4, … (sd_listen_fds(3)).
    pub listening: Vec<String>,
}

/// docker's default where the environment has no PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Program {
    /// Goes to the working directory, which is made where it is missing if `make`. Nothing of the host may be reachable by a
    /// descriptor any more, or `/proc/self/fd/N` as a working directory would lead out (CVE-2024-21626); checked all
    /// the same.
    pub fn enter_cwd(&self, make: bool) -> Result<()> {
        let cwd = if self.cwd.is_empty() { "/" } else { &self.cwd };
        let what = || format!("enter the working directory {cwd}");
        match rustix::process::chdir(cwd) {
            Ok(()) => {}
            Err(Errno::NOENT) if make => {
                std::fs::create_dir_all(cwd).with_context(what)?;
                rustix::process::chdir(cwd).with_context(what)?;
            }
            Err(e) => {
                let error = Error::errno(e.raw_os_error(), what());
                return Err(match e {
                    Errno::NOTDIR => error.kind(Kind::User),
                    // As runc(8): the program can't be invoked there.
                    Errno::NOENT => error.kind(Kind::CannotExec),
                    _ => error,
                });
            }
        }
        match rustix::process::getcwd(Vec::new()) {
            Ok(path) if path.as_bytes().starts_with(b"/") => Ok(()),
            _ => Err(Error::denied(what()).hint("it is outside the container's root")),
        }
    }

    /// Environment with HOME (and PATH, if there is none at all).
    fn environment(&self, user: &User) -> Result<Vec<CString>> {
        let mut env: Vec<CString> = Vec::with_capacity(self.env.len() + 2);
        for entry in &self.env {
            env.push(cstring(entry.as_str())?);
        }
        if !self.listening.is_empty() {
            env.push(cstring(format!("LISTEN_FDS={}", self.listening.len()))?);
            env.push(cstring(format!("LISTEN_PID={}", rustix::process::getpid().as_raw_nonzero()))?);
            env.push(cstring(format!("LISTEN_FDNAMES={}", self.listening.join(":")))?);
        }
        let has = |name: &str| self.env.iter().any(|e| e.split('=').next() == Some(name));
        if !has("PATH") {
            env.push(cstring(format!("PATH={PATH}"))?);
        }
        if !has("HOME") {
            env.push(cstring(format!("HOME={}", if user.home.is_empty() { "/" } else { &user.home }))?);
        }
        Ok(env)
    }

    /// For this process and its children. Before it is made undumpable, or its own file may not be its to write.
    pub fn adjust_oom_score(&self) {
        if let Some(score) = self.oom_score_adj {
            // Lowering it needs a privilege over the host that nobody here has.
            let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
        }
    }

    /// Becomes the container's user, with exactly his rights. The process must be single-threaded and hold all
    /// capabilities of the user namespace.
    pub fn restrict(&self, user: &User) -> Result<()> {
        for limit in &self.rlimits {
            set_limit(limit)?;
        }
        umask(Mode::from_raw_mode(self.umask.unwrap_or(0o022) & 0o777));
        let keep = caps::from_names(self.capabilities.iter().map(String::as_str))
            & caps::permitted().context("read the capabilities")?;
        let ambient = caps::from_names(self.ambient.iter().map(String::as_str)) & keep;
        caps::bound(keep).context("limit the capabilities")?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true).context("set no_new_privs")?;
        } else {
            // Without no_new_privs the filter needs CAP_SYS_ADMIN, which is about to go.
            self.filter()?;
        }
        rustix::thread::set_keep_capabilities(true).context("keep the capabilities")?;
        self.take_ids(user)?;
        if user.uid == 0 {
            caps::set(keep, 0, 0).context("set the capabilities")?;
        } else {
            caps::set(ambient, ambient, ambient).context("set the capabilities")?;
        }
        rustix::thread::set_keep_capabilities(false).context("drop the capabilities")?;
        if self.no_new_privileges {
            self.filter()?;
        }
        Ok(())
    }

    fn filter(&self) -> Result<()> {
        match &self.seccomp {
            Some(program) => seccomp::install(program).context("install the seccomp filter"),
            None => Ok(()),
        }
    }

    fn take_ids(&self, user: &User) -> Result<()> {
        let unmapped = |e: Errno, what: String| {
            let error = Error::errno(e.raw_os_error(), what);
            if e == Errno::INVAL {
                error.kind(Kind::User).hint(
                    "the container has no such id: see `coracle info` for how many there are, and /etc/subuid for more",
                )
            } else {
                error
            }
        };
        if !self.one_id && !user.keep_groups {
            let groups: Vec<Gid> = user.groups.iter().map(|g| Gid::from_raw(*g)).collect();
            match set_thread_groups(&groups) {
                Ok(()) => {}
                Err(Errno::PERM) if user.groups.iter().all(|g| *g == user.gid) => {}
                Err(e) => return Err(unmapped(e, format!("take the groups {:?}", user.groups))),
            }
        }
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        set_thread_res_gid(gid, gid, gid).map_err(|e| unmapped(e, format!("become group {}", user.gid)))?;
        set_thread_res_uid(uid, uid, uid).map_err(|e| unmapped(e, format!("become user {}", user.uid)))
    }

    /// Dies with the parent thread. To be called after the last change of ids, which clears it.
    pub fn die_with_parent() -> Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL)).context("tie the process to its monitor")
    }

    /// Arguments and environment of the program.
    fn command(&self, user: &User) -> Result<(&str, Vec<CString>, Vec<CString>)> {
        let env = self.environment(user)?;
        let Some(name) = self.args.first() else {
            return Err(Error::user("run a container: no command is given, and the image names none"));
        };
        let argv = self.args.iter().map(|a| cstring(a.as_str())).collect::<Result<Vec<_>>>()?;
        Ok((name, argv, env))
    }

    /// Executes the program; returns only the error.
    pub fn exec(&self, user: &User) -> Error {
        let (name, argv, env) = match self.command(user) {
            Ok(command) => command,
            Err(e) => return e,
        };
        process::reset_signals();
        let mut denied = None;
        for path in self.candidates(name) {
            let Ok(file) = cstring(path.as_str()) else { continue };
            let errno = process::exec(&file, &argv, &env);
            match errno {
                Errno::NOENT | Errno::NOTDIR if !exists(&path) => {}
                // A directory of PATH entries is no candidate, as in execvp(3).
                Errno::ACCESS => denied = Some((path, errno)),
                _ => return cannot(&path, errno),
            }
        }
        match denied {
            Some((path, errno)) => cannot(&path, errno),
            None => missing(name),
        }
    }

    /// Executes the program through the launcher, for a process that is still our own binary; returns only an error
    /// that comes before. `announce` gets the path of the program: should it be refused then, the launcher sends the
    /// errno over `channel`, for [`refused`].
    pub(super) fn launch(
        &self,
        user: &User,
        channel: &Channel,
        launcher: BorrowedFd<'_>,
        announce: impl FnOnce(&str) -> Result<()>,
    ) -> Error {
        let through = || -> Result<Errno> {
            let (name, mut argv, env) = self.command(user)?;
            let path = self.choose(name)?;
            argv.insert(0, cstring(path.as_str())?);
            announce(&path)?;
            process::reset_signals();
            // The launcher makes it close-on-exec again.
            rustix::io::fcntl_setfd(channel, FdFlags::empty()).context("keep the channel for the launcher")?;
            Ok(process::exec_fd(launcher, &argv, &env))
        };
        match through() {
            Ok(errno) => Error::errno(errno.raw_os_error(), "execute the launcher")
                .hint("does a security policy forbid programs in memory?"),
            Err(e) => e,
        }
    }

    /// The file that execve(2) is to be tried on: as [`Program::exec`] does by trying.
    fn choose(&self, name: &str) -> Result<String> {
        let mut denied = None;
        for path in self.candidates(name) {
            if path.contains('\0') {
                continue;
            }
            let access = rustix::fs::accessat(rustix::fs::CWD, path.as_str(), Access::EXEC_OK, AtFlags::EACCESS);
            match access {
                Ok(()) if is_dir(&path) => denied = Some(path),
                Ok(()) => return Ok(path),
                Err(Errno::NOENT | Errno::NOTDIR) if !exists(&path) => {}
                Err(Errno::ACCESS) => denied = Some(path),
                // A filter may refuse the question (ENOSYS, EPERM), but not the call itself.
                Err(_) if exists(&path) => return Ok(path),
                Err(e) => return Err(cannot(&path, e)),
            }
        }
        Err(denied.map_or_else(|| missing(name), |path| cannot(&path, Errno::ACCESS)))
    }

    fn candidates(&self, name: &str) -> Vec<String> {
        if name.contains('/') {
            return vec![name.to_string()];
        }
        if name.is_empty() {
            return Vec::new();
        }
        let path = self.env.iter().rev().find_map(|e| e.strip_prefix("PATH=")).unwrap_or(PATH);
        path.split(':').map(|dir| if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") }).collect()
    }
}

fn exists(path: &str) -> bool {
    rustix::fs::statat(rustix::fs::CWD, path, AtFlags::empty()).is_ok()
}

fn is_dir(path: &str) -> bool {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::empty());
    stat.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory)
}

fn missing(name: &str) -> Error {
    let why = if name.contains('/') { "no such file in the container" } else { "not in the container's PATH" };
    Error::new(Kind::CommandNotFound, format!("find {name}: {why}"))
}

/// Why a file that is there was not executed; to be asked where the file is.
fn cannot(path: &str, errno: Errno) -> Error {
    match errno {
        Errno::ACCESS if is_dir(path) => not_executed(path, errno).hint("it is a directory"),
        _ => refused(path, errno),
    }
}

fn not_executed(path: &str, errno: Errno) -> Error {
    Error::errno(errno.raw_os_error(), format!("execute {path}")).kind(Kind::CannotExec)
}

/// Why a file that is there, and no directory, was not executed.
pub(super) fn refused(path: &str, errno: Errno) -> Error {
    let error = not_executed(path, errno);
    match errno {
        Errno::ACCESS => error.hint("it is not executable for this user"),
        Errno::NOEXEC => error.hint("it is for another processor, or a script without a #! line"),
        Errno::NOENT | Errno::NOTDIR => {
            error.hint("its interpreter (#! line or dynamic loader) is not in the container")
        }
        _ => error,
    }
}

/// Numbers of setrlimit(2).
const RLIMITS: &[(&str, u32)] = &[
    ("cpu", libc::RLIMIT_CPU),
    ("fsize", libc::RLIMIT_FSIZE),
    ("data", libc::RLIMIT_DATA),
    ("stack", libc::RLIMIT_STACK),
    ("core", libc::RLIMIT_CORE),
    ("rss", libc::RLIMIT_RSS),
    ("nproc", libc::RLIMIT_NPROC),
    ("nofile", libc::RLIMIT_NOFILE),
    ("memlock", libc::RLIMIT_MEMLOCK),
    ("as", libc::RLIMIT_AS),
    ("locks", libc::RLIMIT_LOCKS),
    ("sigpending", libc::RLIMIT_SIGPENDING),
    ("msgqueue", libc::RLIMIT_MSGQUEUE),
    ("nice", libc::RLIMIT_NICE),
    ("rtprio", libc::RLIMIT_RTPRIO),
    ("rttime", libc::RLIMIT_RTTIME),
];

/// Sets one limit, not above the hard limit we have: raising that needs a privilege over the host.
fn set_limit(limit: &Rlimit) -> Result<()> {
    let what = || format!("set the limit {}={}:{}", limit.name, limit.soft, limit.hard);
    let number = RLIMITS.iter().find(|(name, _)| *name == limit.name).map(|r| r.1);
    let number = number.ok_or_else(|| Error::user(what()).hint("no limit has this name"))?;
    let (_, most) = process::rlimit(number).with_context(what)?;
    let hard = limit.hard.min(most);
    process::set_rlimit(number, limit.soft.min(hard), hard).with_context(what)
}

/// One line for each of `limits` that [`set_limit`] would not set as it was asked for.
pub fn lowered_limits(limits: &[Rlimit]) -> Vec<String> {
    let most = |name: &str| {
        let number = RLIMITS.iter().find(|(known, _)| *known == name)?.1;
        process::rlimit(number).ok().map(|(_, hard)| hard)
    };
    let lowered = limits.iter().filter_map(|limit| {
        let hard = most(&limit.name).filter(|hard| limit.hard > *hard)?;
        let asked = if limit.hard == u64::MAX { "no limit".into() } else { limit.hard.to_string() };
        Some(format!("--ulimit {}: {hard} instead of {asked}, which this user may not set", limit.name))
    });
    lowered.collect()
}

/// Pipes belong to whoever made them: the container's user gets them, so that he can reopen /dev/stdout.
pub fn give_pipe(fd: BorrowedFd<'_>, user: &User) {
    let pipe = rustix::fs::fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo);
    if pipe && user.uid != 0 {
        let owner = rustix::fs::Uid::from_raw(user.uid);
        // Not fatal: an unmapped owner (a pipe of another user) can't be changed.
        let _ = rustix::fs::fchown(fd, Some(owner), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_a_name_up_in_path() {
        let program = Program { env: vec!["PATH=/a::/b".into()], ..Program::default() };
        assert_eq!(program.candidates("x"), ["/a/x", "./x", "/b/x"]);
        assert_eq!(program.candidates("./x"), ["./x"]);
        assert!(program.candidates("").is_empty());
        assert_eq!(Program::default().candidates("sh").len(), 6);
    }

    #[test]
    fn completes_the_environment() {
        let user = User { home: "/home/u".into(), ..User::default() };
        let env = |list: &[&str]| {
            let program = Program { env: list.iter().map(|s| s.to_string()).collect(), ..Program::default() };
            program.environment(&user).unwrap().into_iter().map(|e| e.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(env(&["PATH=/x", "A=1"]), ["PATH=/x", "A=1", "HOME=/home/u"]);
        assert_eq!(env(&["HOME=/y", "PATH=/x"]), ["HOME=/y", "PATH=/x"]);
    }

    #[test]
    fn clamps_limits() {
        let (_, most) = process::rlimit(libc::RLIMIT_CORE).unwrap();
        set_limit(&Rlimit { name: "core".into(), soft: 0, hard: u64::MAX }).unwrap();
        assert_eq!(process::rlimit(libc::RLIMIT_CORE).unwrap(), (0, most));
        assert!(set_limit(&Rlimit { name: "nope".into(), soft: 0, hard: 0 }).is_err());
    }
}
