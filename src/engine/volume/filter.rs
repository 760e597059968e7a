//! `--filter` of volumes: same key = any of the values (labels: all), different keys = all of them.

use crate::error::{Error, Result};
use crate::spec::units::{parse_bool, parse_time};
use crate::state::paths::Paths;
use crate::volume::{self, Volume};
use jiff::Timestamp;

/// The parsed filters.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<Filter>);

/// One `KEY=VALUE`.
#[derive(Clone, Debug)]
struct Filter {
    key: String,
    value: String,
    flag: bool,
    until: Option<Timestamp>,
}

impl Filters {
    /// Parses `KEY=VALUE` texts. Relative times count from now.
    pub fn parse(texts: &[String]) -> Result<Filters> {
        texts.iter().map(|text| Filter::parse(text)).collect::<Result<_>>().map(Filters)
    }

    /// Looks the volumes of `since=VOLUME` up.
    pub fn settle(mut self, paths: &Paths) -> Result<Filters> {
        for filter in self.0.iter_mut().filter(|f| matches!(f.key.as_str(), "since" | "after")) {
            let what = || format!("read --filter '{}={}'", filter.key, filter.value);
            let volume = volume::get(paths, &filter.value).map_err(|e| e.context(what()))?;
            filter.until = volume.created.parse().ok();
        }
        Ok(self)
    }

    /// Whether the volume passes; `used`: a container mounts it.
    pub fn pass(&self, volume: &Volume, used: bool) -> bool {
        self.0.iter().all(|f| match f.key.as_str() {
            "label" | "label!" => f.matches(volume, used),
            key => self.0.iter().any(|g| g.key == key && g.matches(volume, used)),
        })
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Filter> {
        let bad = || {
            Error::user(format!("read --filter '{text}'"))
                .hint("name, label, label!, driver, opt, scope, dangling, anonymous, since, until")
        };
        let (key, value) = text.split_once('=').ok_or_else(bad)?;
        let (mut flag, mut until) = (true, None);
        match key {
            "dangling" | "anonymous" => flag = parse_bool(value).map_err(|_| bad())?,
            "until" => until = Some(parse_time(value, Timestamp::now()).map_err(|e| e.context(bad().to_string()))?),
            "name" | "label" | "label!" | "driver" | "scope" | "opt" => {}
            // A time to come after is known once the volumes are: see `Filters::settle`.
            "since" | "after" => {}
            _ => return Err(bad()),
        };
        Ok(Filter { key: key.to_string(), value: value.to_string(), flag, until })
    }

    fn matches(&self, volume: &Volume, used: bool) -> bool {
        let labelled = || match self.value.split_once('=') {
            Some((key, value)) => volume.labels.get(key).is_some_and(|v| v == value),
            None => volume.labels.contains_key(&self.value),
        };
        match self.key.as_str() {
            "name" => volume.name.contains(&self.value),
            "label" => labelled(),
            "label!" => !labelled(),
            "driver" | "scope" => self.value == "local",
            "dangling" => self.flag != used,
            "opt" => match self.value.split_once('=') {
                Some((key, value)) => volume.options.get(key).is_some_and(|v| v == value),
                None => volume.options.contains_key(&self.value),
            },
            "since" | "after" => {
                volume.created.parse::<Timestamp>().is_ok_and(|made| self.until.is_some_and(|u| made > u))
            }
            "until" => volume.created.parse::<Timestamp>().is_ok_and(|made| self.until.is_some_and(|u| made < u)),
            _ => self.flag == volume.anonymous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let labels = [("a".to_string(), "1".to_string())].into();
        let volume =
            Volume { name: "data".into(), labels, created: "2026-01-01T00:00:00Z".into(), ..Volume::default() };
        let shown = |filters: &[&str], used: bool| {
            let filters: Vec<String> = filters.iter().map(|f| f.to_string()).collect();
            Filters::parse(&filters).unwrap().pass(&volume, used)
        };
        assert!(shown(&[], true));
        assert!(shown(&["name=at", "name=zz", "label=a"], true));
        assert!(!shown(&["label=a", "label=b"], true));
        assert!(shown(&["label=a=1", "dangling=false", "driver=local"], true));
        assert!(!shown(&["dangling=true"], true));
        assert!(!shown(&["label!=a"], true));
        assert!(shown(&["until=2026-01-02"], true) && !shown(&["until=2025-12-31"], true));
        assert!(!shown(&["opt=type"], true) && !shown(&["opt=type=tmpfs"], true));
        for bad in ["x", "nope=1", "dangling=maybe", "until=never"] {
            assert!(Filters::parse(&[bad.to_string()]).is_err(), "{bad}");
        }
    }
}
