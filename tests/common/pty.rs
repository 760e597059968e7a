//! A terminal for tests: the program runs as leader of a session whose controlling terminal is a new pty.

use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Pty {
    master: OwnedFd,
    pub child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    /// How much of the output earlier `expect` calls have used up.
    at: usize,
}

impl Pty {
    /// Starts a command on a terminal of 80 columns and 24 rows.
    pub fn spawn(command: Command) -> Pty {
        Pty::sized(command, 24, 80)
    }

    pub fn sized(command: Command, rows: u16, columns: u16) -> Pty {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("open a pty");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(rows, columns)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let end = || {
            use std::os::unix::fs::OpenOptionsExt;
            let flags = rustix::fs::OFlags::NOCTTY.bits() as i32;
            Stdio::from(std::fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(&name).unwrap())
        };
        // `setsid --ctty` of util-linux makes fd 0 the controlling terminal: no unsafe pre_exec code here.
        let mut wrapped = Command::new("setsid");
        wrapped.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        wrapped.env_clear().envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        if let Some(dir) = command.get_current_dir() {
            wrapped.current_dir(dir);
        }
        wrapped.stdin(end()).stdout(end()).stderr(end());
        let child = wrapped.spawn().unwrap_or_else(|e| panic!("start {wrapped:?}: {e}"));
        drop(wrapped); // Our copies of the slave side; otherwise the master never sees the end.
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sink, mut reader) = (seen.clone(), File::from(master.try_clone().unwrap()));
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            // EIO is the end of file of a pty master.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Pty { master, child, seen, at: 0 }
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        File::from(self.master.try_clone().unwrap()).write_all(text.as_bytes()).expect("write to the pty");
    }

    pub fn line(&mut self, text: &str) {
        self.send(text);
        self.send("\r");
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.master, size(rows, columns)).unwrap();
    }

    /// Waits until `text` appears after what was expected before; returns what came up to its end.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        self.expect_within(text, 30)
    }

    #[track_caller]
    pub fn expect_within(&mut self, text: &str, seconds: u64) -> String {
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            {
                let seen = self.seen.lock().unwrap();
                let new = &seen[self.at..];
                if let Some(i) = new.windows(text.len()).position(|w| w == text.as_bytes()) {
                    let part = String::from_utf8_lossy(&new[..i + text.len()]).into_owned();
                    self.at += i + text.len();
                    return part;
                }
                let shown = String::from_utf8_lossy(new);
                assert!(Instant::now() < end, "'{text}' did not appear on the terminal; it shows:\n{shown}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits for the program's end; its exit code.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader thread may be a moment behind.
                std::thread::sleep(Duration::from_millis(50));
                use std::os::unix::process::ExitStatusExt;
                return (status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), self.screen());
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!("the program on the terminal does not end; it shows:\n{}", self.screen());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
