//! `--log-level`: messages of the `log` crate on stderr.

use crate::error::{Error, Result};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::Write;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _metadata: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let level = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug | Level::Trace => "debug",
        };
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr(), "coracle: {level}: {}", record.args());
    }

    fn flush(&self) {}
}

/// Takes docker's and podman's level names; docker's `fatal` and podman's `panic` mean errors only.
pub fn start(level: &str) -> Result<()> {
    let filter = match level.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::Trace,
        "debug" => LevelFilter::Debug,
        "info" => LevelFilter::Info,
        "warn" | "warning" => LevelFilter::Warn,
        "error" | "fatal" | "panic" => LevelFilter::Error,
        _ => return Err(Error::user(format!("use log level '{level}'")).hint("error, warn, info, debug or trace")),
    };
    // Set already: a second command line in one process (tests).
    let _ = log::set_logger(&Stderr);
    log::set_max_level(filter);
    Ok(())
}
