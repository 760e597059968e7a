//! `--ulimit`, and the resource limits of cgroups.

use super::model::{Resources, Rlimit};
use super::request::RunRequest;
use super::units::parse_size;
use crate::error::{Error, Result};

/// Docker refuses less, since the container's first process would not come up.
const MEMORY_MIN: u64 = 6 << 20;
/// Processes and threads per container unless asked otherwise (containers.conf(5) default).
const PIDS_DEFAULT: i64 = 1024;
/// Microseconds; the kernel's own default period.
const CPU_PERIOD: u64 = 100_000;

const RLIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `NAME=SOFT[:HARD]`, `-1` or `unlimited` for no limit. `None` for `host`, which is what happens anyway.
pub fn parse_ulimit(text: &str) -> Result<Option<Rlimit>> {
    if text == "host" {
        return Ok(None);
    }
    let bad = |why: &str| Error::user(format!("read --ulimit '{text}': {why}")).hint("write NAME=SOFT[:HARD]");
    let (name, values) = text.split_once('=').ok_or_else(|| bad("a value is missing"))?;
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    if !RLIMITS.contains(&name) {
        return Err(bad(&format!("there is no limit called '{name}'")));
    }
    let one = |word: &str| match word {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => word.parse::<u64>().map_err(|_| bad(&format!("'{word}' is no number"))),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (one(soft)?, one(hard)?);
    if soft > hard {
        return Err(bad("the soft limit is above the hard one"));
    }
    Ok(Some(Rlimit { name: name.to_string(), soft, hard }))
}

/// All `--ulimit` flags; the last of a name counts.
pub fn ulimits(list: &[String]) -> Result<Vec<Rlimit>> {
    let mut out: Vec<Rlimit> = Vec::new();
    for text in list {
        if let Some(limit) = parse_ulimit(text)? {
            out.retain(|l| l.name != limit.name);
            out.push(limit);
        }
    }
    Ok(out)
}

/// The cgroup limits of a request.
pub fn resources(request: &RunRequest) -> Result<Resources> {
    let size = |flag: &str, value: &Option<String>| -> Result<Option<u64>> {
        match value.as_deref() {
            None => Ok(None),
            Some(text) => {
                let bytes = parse_size(text).map_err(|e| e.context(format!("read --{flag}")))?;
                Ok((bytes > 0).then_some(bytes))
            }
        }
    };
    let memory = size("memory", &request.memory)?;
    if memory.is_some_and(|m| m < MEMORY_MIN) {
        return Err(Error::user("limit memory below 6m: the container could not start"));
    }
    let memory_reservation = size("memory-reservation", &request.memory_reservation)?;
    if let (Some(limit), Some(soft)) = (memory, memory_reservation)
        && soft > limit
    {
        return Err(Error::user("set --memory-reservation above --memory: the limit would always come first"));
    }
    let memory_swap = match request.memory_swap.as_deref() {
        None | Some("0") => None,
        Some("-1") => Some(-1),
        Some(text) => {
            let bytes = parse_size(text).map_err(|e| e.context("read --memory-swap"))?;
            Some(i64::try_from(bytes).map_err(|_| Error::user(format!("read --memory-swap '{text}': too large")))?)
        }
    };
    match (memory, memory_swap) {
        (None, Some(swap)) if swap != -1 => {
            return Err(Error::user("use --memory-swap without --memory: it counts memory and swap together"));
        }
        (Some(memory), Some(swap)) if swap != -1 && (swap as u64) < memory => {
            return Err(Error::user("set --memory-swap below --memory: it counts memory and swap together"));
        }
        _ => {}
    }
    let (cpu_quota, cpu_period) = match request.cpus.as_deref() {
        None => (request.cpu_quota.filter(|q| *q != 0), request.cpu_period.filter(|p| *p != 0)),
        Some(_) if request.cpu_quota.is_some() || request.cpu_period.is_some() => {
            return Err(Error::user("combine --cpus with --cpu-quota or --cpu-period: they set the same limit"));
        }
        Some(text) => match text.parse::<f64>() {
            Ok(0.0) => (None, None),
            Ok(cpus) if (0.01..1e6).contains(&cpus) => {
                (Some((cpus * CPU_PERIOD as f64).round() as i64), Some(CPU_PERIOD))
            }
            _ => return Err(Error::user(format!("read --cpus '{text}': write a number of 0.01 or more"))),
        },
    };
    if cpu_quota.is_some_and(|q| q != -1 && q < 1000) {
        return Err(Error::user("set --cpu-quota below 1000 microseconds: the kernel refuses it"));
    }
    if cpu_period.is_some_and(|p| !(1000..=1_000_000).contains(&p)) {
        return Err(Error::user("set --cpu-period outside 1000 to 1000000 microseconds: the kernel refuses it"));
    }
    for (flag, value) in [("cpuset-cpus", &request.cpuset_cpus), ("cpuset-mems", &request.cpuset_mems)] {
        if let Some(text) = value {
            check_cpu_list(text).map_err(|why| Error::user(format!("read --{flag} '{text}': {why}")))?;
        }
    }
    let explicit = memory.is_some()
        || memory_reservation.is_some()
        || memory_swap.is_some()
        || cpu_quota.is_some()
        || cpu_period.is_some()
        || request.cpu_shares.is_some_and(|s| s != 0)
        || request.cpuset_cpus.is_some()
        || request.cpuset_mems.is_some()
        || request.pids_limit.is_some_and(|p| p > 0);
    Ok(Resources {
        memory,
        memory_swap,
        memory_reservation,
        cpu_quota,
        cpu_period,
        cpu_shares: request.cpu_shares.filter(|s| *s != 0).map(|s| s.clamp(2, 262_144)),
        cpuset_cpus: request.cpuset_cpus.clone().filter(|c| !c.is_empty()),
        cpuset_mems: request.cpuset_mems.clone().filter(|c| !c.is_empty()),
        // 0 and -1 both mean "no limit" to docker.
        pids: Some(request.pids_limit.map_or(PIDS_DEFAULT, |p| if p > 0 { p } else { -1 })),
        pids_default: request.pids_limit.is_none(),
        explicit,
    })
}

/// The limits of a container that has `before`: what the request does not mention stays.
pub fn change(before: &Resources, request: &RunRequest) -> Result<Resources> {
    let keep = |asked: &Option<String>, had: Option<String>| asked.clone().or(had);
    let size = |had: Option<u64>| had.map(|bytes| bytes.to_string());
    let cpu_is_asked = request.cpus.is_some();
    let merged = RunRequest {
        memory: keep(&request.memory, size(before.memory)),
        memory_swap: keep(&request.memory_swap, before.memory_swap.map(|bytes| bytes.to_string())),
        memory_reservation: keep(&request.memory_reservation, size(before.memory_reservation)),
        cpus: request.cpus.clone(),
        cpu_quota: request.cpu_quota.or(before.cpu_quota.filter(|_| !cpu_is_asked)),
        cpu_period: request.cpu_period.or(before.cpu_period.filter(|_| !cpu_is_asked)),
        cpu_shares: request.cpu_shares.or(before.cpu_shares),
        cpuset_cpus: keep(&request.cpuset_cpus, before.cpuset_cpus.clone()),
        cpuset_mems: keep(&request.cpuset_mems, before.cpuset_mems.clone()),
        pids_limit: request.pids_limit.or(before.pids.filter(|_| !before.pids_default)),
        ..RunRequest::default()
    };
    resources(&merged)
}

/// `0-3,7` (cpuset(7) list format).
fn check_cpu_list(text: &str) -> Result<(), &'static str> {
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (start, end) = part.split_once('-').unwrap_or((part, part));
        match (start.parse::<u32>(), end.parse::<u32>()) {
            (Ok(start), Ok(end)) if start <= end => {}
            _ => return Err("write it like 0-3,7"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rlimits() {
        let limit = |text: &str| parse_ulimit(text).unwrap().map(|l| (l.name, l.soft, l.hard));
        assert_eq!(limit("nofile=1024"), Some(("nofile".into(), 1024, 1024)));
        assert_eq!(limit("NOFILE=10:20"), Some(("nofile".into(), 10, 20)));
        assert_eq!(limit("core=0:-1"), Some(("core".into(), 0, u64::MAX)));
        assert_eq!(limit("RLIMIT_NPROC=unlimited"), Some(("nproc".into(), u64::MAX, u64::MAX)));
        assert_eq!(limit("host"), None);
        for bad in ["", "nofile", "nope=1", "nofile=x", "nofile=2:1", "nofile=", "nofile=1:2:3"] {
            assert!(parse_ulimit(bad).is_err(), "{bad}");
        }
        let all = ulimits(&["core=1".into(), "nproc=5".into(), "core=2".into()]).unwrap();
        assert_eq!(all.iter().map(|l| (l.name.as_str(), l.soft)).collect::<Vec<_>>(), [("nproc", 5), ("core", 2)]);
    }

    fn with(change: impl FnOnce(&mut RunRequest)) -> Result<Resources> {
        let mut request = RunRequest::default();
        change(&mut request);
        resources(&request)
    }

    #[test]
    fn limits() {
        let none = with(|_| {}).unwrap();
        assert!(!none.explicit && none.pids == Some(1024) && none.memory.is_none());
        let some = with(|r| {
            r.memory = Some("64m".into());
            r.memory_swap = Some("1g".into());
            r.cpus = Some("1.5".into());
            r.pids_limit = Some(50);
        })
        .unwrap();
        assert!(some.explicit);
        assert_eq!((some.memory, some.memory_swap), (Some(64 << 20), Some(1 << 30)));
        assert_eq!((some.cpu_quota, some.cpu_period, some.pids), (Some(150_000), Some(100_000), Some(50)));
        assert_eq!(with(|r| r.pids_limit = Some(0)).unwrap().pids, Some(-1));
        assert_eq!(with(|r| r.cpu_shares = Some(1)).unwrap().cpu_shares, Some(2));
    }

    #[test]
    fn changes_keep_the_rest() {
        let before = with(|r| {
            r.memory = Some("64m".into());
            r.cpu_quota = Some(5000);
            r.pids_limit = Some(9);
        })
        .unwrap();
        let request = RunRequest { cpus: Some("2".into()), ..RunRequest::default() };
        let now = change(&before, &request).unwrap();
        assert_eq!((now.memory, now.cpu_quota, now.pids), (Some(64 << 20), Some(200_000), Some(9)));
        assert_eq!(change(&before, &RunRequest::default()).unwrap(), before);
        let free = RunRequest { memory: Some("0".into()), pids_limit: Some(-1), ..RunRequest::default() };
        let now = change(&before, &free).unwrap();
        assert_eq!((now.memory, now.pids), (None, Some(-1)));
        let small = RunRequest { memory_swap: Some("10m".into()), ..RunRequest::default() };
        assert!(change(&before, &small).is_err());
    }

    #[test]
    fn refusals() {
        let text = |s: &str| Some(s.to_string());
        assert!(with(|r| r.memory = text("4k")).is_err());
        assert!(with(|r| r.memory = text("lots")).unwrap_err().to_string().contains("--memory"));
        assert!(with(|r| r.memory_swap = text("1g")).is_err());
        assert!(with(|r| (r.memory, r.memory_swap) = (text("1g"), text("512m"))).is_err());
        assert!(with(|r| (r.memory, r.memory_reservation) = (text("1g"), text("2g"))).is_err());
        assert!(with(|r| (r.cpus, r.cpu_quota) = (text("1"), Some(5000))).is_err());
        assert!(with(|r| r.cpus = text("0.001")).is_err());
        assert!(with(|r| r.cpus = text("-1")).is_err());
        assert!(with(|r| r.cpus = text("NaN")).is_err());
        assert!(with(|r| r.cpu_period = Some(10)).is_err());
        assert!(with(|r| r.cpuset_cpus = text("3-1")).is_err());
        assert!(with(|r| r.cpuset_cpus = text("0-1,3")).is_ok());
    }
}
