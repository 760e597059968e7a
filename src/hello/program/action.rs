//! Small deeds that tests ask for.

use crate::json::Value;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{chown, symlink};
use std::time::Duration;

/// Prints without dying of a closed pipe.
pub fn print(text: &str) -> Result<u8, String> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| format!("write to stdout: {e}"))?;
    Ok(0)
}

pub fn sleep(time: &str) -> Result<u8, String> {
    if time == "forever" {
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
    let seconds = time.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    std::thread::sleep(seconds.ok_or_else(|| format!("sleep {time}: not a number of seconds"))?);
    Ok(0)
}

/// `count` bytes: lines of 64 bytes (digits and a line feed), so that a loss in the middle shows.
pub fn fill(out: impl Write, count: &str) -> Result<u8, String> {
    let mut left: u64 = count.parse().map_err(|_| format!("{count}: not a number"))?;
    let mut out = BufWriter::with_capacity(65536, out);
    let mut number = 0u64;
    let mut write = || -> io::Result<()> {
        while left > 0 {
            let line = format!("{number:063}\n");
            let n = left.min(64);
            out.write_all(&line.as_bytes()[..n as usize])?;
            left -= n;
            number += 1;
        }
        out.flush()
    };
    write().map(|()| 0).map_err(|e| format!("write: {e}"))
}

pub fn lines(count: &str, text: &str) -> Result<u8, String> {
    let count: u64 = count.parse().map_err(|_| format!("{count}: not a number"))?;
    let mut out = BufWriter::with_capacity(65536, io::stdout());
    let mut write = || -> io::Result<()> {
        for n in 1..=count {
            writeln!(out, "{text} {n}")?;
        }
        out.flush()
    };
    write().map(|()| 0).map_err(|e| format!("write: {e}"))
}

pub fn cat() -> Result<u8, String> {
    let mut out = io::stdout();
    io::copy(&mut io::stdin(), &mut out).and_then(|_| out.flush()).map_err(|e| format!("copy: {e}"))?;
    Ok(0)
}

pub fn count() -> Result<u8, String> {
    let n = io::copy(&mut io::stdin(), &mut io::sink()).map_err(|e| format!("read stdin: {e}"))?;
    print(&format!("{n}\n"))
}

pub fn env(name: &str) -> Result<u8, String> {
    match std::env::var_os(name) {
        Some(value) => print(&format!("{}\n", value.to_string_lossy())),
        None => Ok(1),
    }
}

pub fn read(path: &str) -> Result<u8, String> {
    let mut text = Vec::new();
    fs::File::open(path).and_then(|mut f| f.read_to_end(&mut text)).map_err(|e| format!("read {path}: {e}"))?;
    io::stdout().write_all(&text).map_err(|e| format!("write: {e}"))?;
    Ok(0)
}

pub fn write(path: &str, text: &str) -> Result<u8, String> {
    fs::write(path, format!("{text}\n")).map(|()| 0).map_err(|e| format!("write {path}: {e}"))
}

/// What a container must not be able to do, as far as plain file calls can try it. "ok" is a finding.
pub fn forbidden() -> Value {
    let mut rows: Vec<(String, Value)> = Vec::new();
    let mut note = |name: String, result: io::Result<()>| {
        let value = match result {
            Ok(()) => Value::text("ok"),
            Err(e) => e.raw_os_error().map_or_else(|| Value::text(e.to_string()), |n| Value::Number(n.into())),
        };
        rows.push((name, value));
    };
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda"] {
        // A masked file is an empty one: only bytes read count as success.
        let read = fs::File::open(path).and_then(|mut f| f.read_exact(&mut [0; 1]));
        note(format!("read {path}"), read);
    }
    for path in [
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/drop_caches",
        "/proc/irq/default_smp_affinity",
        "/proc/bus/none",
        "/sys/kernel/uevent_helper",
        "/sys/power/state",
        "/proc/1/oom_score_adj_none",
        "/proc/self/uid_map",
    ] {
        note(format!("write {path}"), OpenOptions::new().write(true).open(path).map(drop));
    }
    // The engine's own binary as seen by a process it started.
    note("write /proc/1/exe".into(), OpenOptions::new().write(true).open("/proc/1/exe").map(drop));
    note("list /sys/firmware".into(), list("/sys/firmware"));
    note("list /proc/scsi".into(), list("/proc/scsi"));
    note("list /proc/acpi".into(), list("/proc/acpi"));
    note("chown to an unmapped id".into(), chown_own_file());
    note("make /proc/hello".into(), symlink("/", "/proc/hello"));
    note("make /sys/hello".into(), fs::create_dir("/sys/hello"));
    note("make /sys/fs/cgroup/hello".into(), fs::create_dir("/sys/fs/cgroup/hello"));
    // Where it did work (outside of a container), leave nothing behind.
    let _ = fs::remove_dir("/sys/fs/cgroup/hello");
    Value::Object(rows)
}

fn chown_own_file() -> io::Result<()> {
    let path = "/hello-forbidden";
    fs::write(path, "")?;
    let result = chown(path, Some(1 << 30), None);
    fs::remove_file(path)?;
    result
}

/// A masked directory is an empty one.
fn list(dir: &str) -> io::Result<()> {
    match fs::read_dir(dir)?.next() {
        Some(entry) => entry.map(drop),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "empty")),
    }
}
