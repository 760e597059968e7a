//! `coracle volume ls`.

use super::output::{col, extra, print_list};
use super::{Cx, output};
use crate::engine;
use crate::error::{Error, Result};
use crate::spec::units::parse_bool;
use crate::volume::{self, Volume};
use serde_json::json;

/// List volumes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only those that match: name=, label=, label!=, driver=, dangling=, anonymous=, scope=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each volume
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print no heading
    #[arg(long, visible_alias = "no-heading")]
    noheading: bool,
    /// Names only
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let paths = &cx.engine.paths;
    let filters = args.filter.iter().map(|f| Filter::parse(f)).collect::<Result<Vec<_>>>()?;
    let users = engine::volume::users(&cx.engine)?;
    let volumes = volume::list(paths)?;
    let shown: Vec<&Volume> =
        volumes.iter().filter(|v| Filter::all(&filters, v, users.contains_key(&v.name))).collect();
    if args.quiet && args.format.is_none() {
        for volume in shown {
            output::line(&volume.name)?;
        }
        return Ok(0);
    }
    let columns = [
        col("Driver", "DRIVER"),
        col("Name", "VOLUME NAME"),
        extra("Scope", "SCOPE"),
        extra("Mountpoint", "MOUNTPOINT"),
        extra("Labels", "LABELS"),
        extra("CreatedAt", "CREATED AT"),
        extra("Links", "LINKS"),
        extra("Size", "SIZE"),
    ];
    let rows = shown
        .iter()
        .map(|v| {
            let labels: Vec<String> = v.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            json!({
                "Driver": "local",
                "Name": v.name,
                "Scope": "local",
                "Mountpoint": v.data(paths),
                "Labels": labels.join(","),
                "_Label": v.labels,
                "CreatedAt": v.created,
                "Links": users.get(&v.name).map_or(0, Vec::len),
                "Size": "N/A",
            })
        })
        .collect();
    let options = output::ListOptions { format: args.format.as_deref(), no_heading: args.noheading };
    print_list(cx, options, &columns, rows)?;
    Ok(0)
}

/// One `--filter KEY=VALUE`.
struct Filter {
    key: String,
    value: String,
    flag: bool,
}

impl Filter {
    fn parse(text: &str) -> Result<Filter> {
        let bad =
            || Error::user(format!("read --filter '{text}'")).hint("name, label, driver, scope, dangling, anonymous");
        let (key, value) = text.split_once('=').ok_or_else(bad)?;
        let flag = match key {
            "dangling" | "anonymous" => parse_bool(value).map_err(|_| bad())?,
            "name" | "label" | "label!" | "driver" | "scope" => true,
            _ => return Err(bad()),
        };
        Ok(Filter { key: key.to_string(), value: value.to_string(), flag })
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
            _ => self.flag == volume.anonymous,
        }
    }

    /// Filters with the same key are alternatives (but for labels), different keys add up.
    fn all(filters: &[Filter], volume: &Volume, used: bool) -> bool {
        filters.iter().all(|f| match f.key.as_str() {
            "label" | "label!" => f.matches(volume, used),
            key => filters.iter().any(|g| g.key == key && g.matches(volume, used)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let labels = [("a".to_string(), "1".to_string())].into();
        let volume = Volume { name: "data".into(), labels, ..Volume::default() };
        let shown = |filters: &[&str], used: bool| {
            let filters: Vec<Filter> = filters.iter().map(|f| Filter::parse(f).unwrap()).collect();
            Filter::all(&filters, &volume, used)
        };
        assert!(shown(&[], true));
        assert!(shown(&["name=at", "name=zz", "label=a"], true));
        assert!(!shown(&["label=a", "label=b"], true));
        assert!(shown(&["label=a=1", "dangling=false", "driver=local"], true));
        assert!(!shown(&["dangling=true"], true));
        assert!(!shown(&["label!=a"], true));
        for bad in ["x", "nope=1", "dangling=maybe"] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
    }
}
