//! The host's own servers, as /etc/resolv.conf lists them now.

use crate::net::etc::parse_resolv;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the file is looked at while questions come.
const LOOK: Duration = Duration::from_secs(1);

/// Servers of the host; they follow the file.
#[derive(Debug)]
pub(super) struct HostServers {
    file: PathBuf,
    looked: Option<Instant>,
    /// Device, inode, size and time of what was read.
    stamp: Option<(u64, u64, u64, i64, i64)>,
    servers: Vec<IpAddr>,
}

impl HostServers {
    pub(super) fn new(file: impl Into<PathBuf>) -> HostServers {
        HostServers { file: file.into(), looked: None, stamp: None, servers: Vec::new() }
    }

    pub(super) fn get(&mut self, now: Instant) -> &[IpAddr] {
        if self.looked.is_none_or(|at| now.duration_since(at) >= LOOK) {
            self.looked = Some(now);
            let stamp =
                std::fs::metadata(&self.file).ok().map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
            if stamp.is_none() || stamp != self.stamp {
                self.stamp = stamp;
                let text = std::fs::read_to_string(&self.file).unwrap_or_default();
                self.servers = parse_resolv(&text).servers.iter().filter_map(|s| s.parse().ok()).collect();
                if self.servers.is_empty() {
                    // resolv.conf(5): without an entry the server is on this machine.
                    self.servers.push(Ipv4Addr::LOCALHOST.into());
                }
            }
        }
        &self.servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        std::fs::write(&file, "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n").unwrap();
        let mut servers = HostServers::new(&file);
        let now = Instant::now();
        assert_eq!(servers.get(now), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        std::fs::write(&file, "nameserver 192.0.2.22\nnameserver 2001:db8::1\n").unwrap();
        assert_eq!(servers.get(now).len(), 1);
        assert_eq!(servers.get(now + LOOK).len(), 2);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(servers.get(now + 2 * LOOK), [IpAddr::from([127, 0, 0, 1])]);
    }
}
