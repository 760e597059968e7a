//! The one error type of coracle.
//!
//! Errors cross process borders (PID 1 → monitor → CLI), so they are plain data: serde writes them into a
//! handshake frame and the CLI prints what PID 1 saw, with its errno. Convention (see contrib/ARCHITECTURE.md):
//! a message is a verb phrase in lower case that names the object (`mount overlay on /x`), the errno is kept
//! apart from the text, and the hint is the command or setting that mends it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What went wrong, coarsely: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The caller's input is wrong (option, reference, name): exit 125.
    User,
    /// The named object does not exist: exit 125, or 1 where FEATURES 3.3 says so.
    NotFound,
    /// The object is in use or already exists: exit 125, or 2 where FEATURES 3.3 says so.
    Conflict,
    /// The kernel, a registry or a policy refused: exit 125.
    Denied,
    /// This host or this build can't do it: exit 125.
    Unsupported,
    /// The container's command was found but can't be executed: exit 126.
    CannotExec,
    /// The container's command was not found: exit 127.
    CommandNotFound,
    /// A system call or the network failed: exit 125.
    Io,
    /// Interrupted by the user: exit 130.
    Interrupted,
    /// A broken invariant of ours: exit 125.
    Bug,
}

/// A failure with its context chain, errno and remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    pub kind: Kind,
    /// Outermost first: `["start container web", "mount overlay on /x"]`.
    pub context: Vec<String>,
    /// The errno of the system call that failed, where one did.
    pub errno: Option<i32>,
    /// The command or setting that mends it, as a sentence part without a full stop.
    pub hint: Option<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, context: vec![message.into()], errno: None, hint: None }
    }
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }
    /// The failed system call `message` (a verb phrase) with its errno.
    pub fn errno(errno: i32, message: impl Into<String>) -> Self {
        Error { kind: Kind::Io, context: vec![message.into()], errno: Some(errno), hint: None }
    }
    /// The current thread's errno: call directly after a failed libc call.
    pub fn last_os(message: impl Into<String>) -> Self {
        std::io::Error::last_os_error().context(message)
    }

    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.context.insert(0, message.into());
        self
    }
    /// Adds the remedy, unless one nearer to the cause is there already.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
    pub fn is_errno(&self, errno: i32) -> bool {
        self.errno == Some(errno)
    }

    /// The exit code of an engine error (FEATURES 3.3); commands with codes of their own map [`Kind`] themselves.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::CannotExec => 126,
            Kind::CommandNotFound => 127,
            Kind::Interrupted => 130,
            _ => 125,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context.join(": "))?;
        if let Some(errno) = self.errno {
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            // std appends "(os error N)"; the errno's text alone is what users know.
            let text = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
            write!(f, ": {text}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns foreign errors and missing values into [`Error`] with a verb phrase.
pub trait Context<T> {
    fn context(self, message: impl Into<String>) -> Result<T>;
    fn with_context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: IntoError> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|e| e.context(message))
    }
    fn with_context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| e.context(message()))
    }
}

/// Errors of libraries that know how to become an [`Error`].
pub trait IntoError {
    fn context(self, message: impl Into<String>) -> Error;
}

impl IntoError for Error {
    fn context(self, message: impl Into<String>) -> Error {
        Error::context(self, message)
    }
}

impl IntoError for std::io::Error {
    fn context(self, message: impl Into<String>) -> Error {
        match self.raw_os_error() {
            Some(errno) => Error::errno(errno, message),
            // An error that carries one of ours (a reader over a hostile archive, say) keeps it whole.
            None => match self.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
                Some(inner) => inner.clone().context(message),
                None => Error::new(Kind::Io, self.to_string()).context(message),
            },
        }
    }
}

impl IntoError for rustix::io::Errno {
    fn context(self, message: impl Into<String>) -> Error {
        Error::errno(self.raw_os_error(), message)
    }
}

impl IntoError for nix::errno::Errno {
    fn context(self, message: impl Into<String>) -> Error {
        Error::errno(self as i32, message)
    }
}

impl IntoError for serde_json::Error {
    fn context(self, message: impl Into<String>) -> Error {
        Error::new(Kind::Io, self.to_string()).context(message)
    }
}

impl From<Error> for std::io::Error {
    fn from(e: Error) -> Self {
        std::io::Error::other(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_chain_errno_and_hint() {
        let e = Error::errno(libc::EACCES, "open /x").context("start container web").hint("chmod +r /x");
        assert_eq!(e.to_string(), "start container web: open /x: permission denied (hint: chmod +r /x)");
        assert_eq!(e.exit_code(), 125);
    }

    #[test]
    fn survives_a_process_border_and_io_error() {
        let e = Error::new(Kind::CommandNotFound, "find nosuch in PATH").hint("check the image");
        let back: Error = serde_json::from_str(&serde_json::to_string(&e).unwrap()).unwrap();
        assert_eq!(back, e);
        let through_io: std::io::Error = e.clone().into();
        assert_eq!(IntoError::context(through_io, "run").kind, Kind::CommandNotFound);
        assert_eq!(e.exit_code(), 127);
    }

    #[test]
    fn nearest_hint_wins() {
        assert_eq!(Error::user("x").hint("near").hint("far").hint.as_deref(), Some("near"));
    }
}
