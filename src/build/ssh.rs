//! `--ssh`: agents for RUN --mount=type=ssh, ours where keys were given.

use crate::error::{Context, Error, IntoError, Result};
use crate::state::containers;
use crate::state::paths::Paths;
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Sockets by the names that mounts call them.
#[derive(Debug, Default)]
pub struct Agents {
    sockets: BTreeMap<String, PathBuf>,
    /// They end with this value.
    _own: Vec<Agent>,
}

impl Agents {
    /// Reads `default`, `NAME`, `NAME=SOCKET` and `NAME=KEY[,KEY...]`; a name alone is the agent of SSH_AUTH_SOCK.
    pub fn open(paths: &Paths, words: &[String]) -> Result<Agents> {
        let mut agents = Agents::default();
        for word in words {
            let (name, places) = word.split_once('=').map_or((word.as_str(), None), |(n, p)| (n, Some(p)));
            let name = if name.is_empty() { "default" } else { name };
            let socket = agents.one(paths, places).with_context(|| format!("use --ssh {word}"))?;
            if agents.sockets.insert(name.into(), socket).is_some() {
                return Err(Error::user(format!("use --ssh {word}: '{name}' was given before")));
            }
        }
        Ok(agents)
    }

    fn one(&mut self, paths: &Paths, places: Option<&str>) -> Result<PathBuf> {
        let places: Vec<PathBuf> = match places {
            None => {
                let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|s| !s.is_empty());
                vec![socket.map(PathBuf::from).ok_or_else(|| {
                    Error::not_found("SSH_AUTH_SOCK is not set").hint("eval $(ssh-agent), or --ssh default=KEYFILE")
                })?]
            }
            Some(text) => text.split(',').map(PathBuf::from).collect(),
        };
        let mut keys = Vec::new();
        for place in &places {
            let place = std::path::absolute(place).with_context(|| format!("find {}", place.display()))?;
            let meta = std::fs::metadata(&place).with_context(|| format!("find {}", place.display()))?;
            match meta.file_type() {
                t if t.is_socket() && places.len() == 1 => return Ok(place),
                t if t.is_socket() => return Err(Error::user("give an agent's socket, or keys, not both")),
                t if t.is_file() => keys.push(place),
                _ => return Err(Error::user(format!("{} is neither a socket nor a key", place.display()))),
            }
        }
        let agent = Agent::start(paths)?;
        agent.add(&keys)?;
        let socket = agent.socket();
        self._own.push(agent);
        Ok(socket)
    }

    pub fn get(&self, name: &str) -> Option<&Path> {
        self.sockets.get(name).map(PathBuf::as_path)
    }
}

/// An ssh-agent of our own.
///
/// `ssh-agent COMMAND` ends when its command does; ours reads a pipe of this process, so that it does not survive us,
/// however we end.
#[derive(Debug)]
struct Agent {
    dir: PathBuf,
    command: Child,
    pid: Option<Pid>,
}

impl Agent {
    fn start(paths: &Paths) -> Result<Agent> {
        // Short, as sockets' paths must be.
        let dir = paths.sockets(&containers::new_id()?);
        crate::state::atomic::make_dirs(&dir)?;
        let command = Command::new("ssh-agent")
            .arg("-a")
            .arg(dir.join("agent"))
            .args(["sh", "-c", "echo $SSH_AGENT_PID; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let command = match command {
            Ok(command) => command,
            Err(e) => {
                let _ = std::fs::remove_dir_all(&dir);
                let error = e.context("start ssh-agent for the keys");
                return Err(error.hint("apt install openssh-client, or give the socket of an agent"));
            }
        };
        let mut agent = Agent { dir, command, pid: None };
        let mut line = String::new();
        if let Some(stdout) = agent.command.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("start ssh-agent")?;
        }
        agent.pid = line.trim().parse().ok().and_then(Pid::from_raw);
        match agent.pid {
            Some(_) => Ok(agent),
            None => Err(Error::user("start ssh-agent for the keys: it ended at once")),
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("agent")
    }

    /// ssh-add asks for passphrases itself, on the terminal.
    fn add(&self, keys: &[PathBuf]) -> Result<()> {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg("--")
            .args(keys)
            .env("SSH_AUTH_SOCK", self.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .context("run ssh-add")?;
        if added.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&added.stderr);
        let said: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty() && !l.contains("@@@")).collect();
        Err(Error::user(format!("add the keys to an agent: {}", said.join(" "))))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        drop(self.command.stdin.take());
        let _ = self.command.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
