//! `coracle info`.

use super::{Cx, doctor, human, output};
use crate::engine::doc::Doc;
use crate::engine::info::info;
use crate::error::Result;
use serde_json::Value;

/// Show the host, the store and what containers get here.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print json or the result of a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Taken for compatibility, without effect
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let doc = info(&cx.engine, &doctor::environment())?;
    let format = if args.json { Some("json") } else { args.format.as_deref() };
    output::print_object(format, &doc, || text(&doc))?;
    Ok(0)
}

fn text(doc: &Doc) -> String {
    let (host, store) = (doc.get("host"), doc.get("store"));
    let counts = store.get("containerStore");
    let memory = |key: &str| human::bytes_size(plain(host.get(key)).parse().unwrap_or(0));
    let ids = host.get("idMappings");
    let user_ids: u64 = match ids.get("uidmap") {
        Doc::List(ranges) => ranges.iter().filter_map(|r| plain(r.get("size")).parse::<u64>().ok()).sum(),
        _ => 0,
    };
    let mut lines = vec![
        ("Version", plain(doc.get("ServerVersion"))),
        (
            "Containers",
            format!(
                "{} ({} running, {} paused, {} stopped)",
                plain(counts.get("number")),
                plain(counts.get("running")),
                plain(counts.get("paused")),
                plain(counts.get("stopped"))
            ),
        ),
        ("Images", plain(doc.get("Images"))),
        ("Data directory", plain(store.get("graphRoot"))),
        ("Runtime directory", plain(store.get("runRoot"))),
        ("Rootless", plain(host.get("security").get("rootless"))),
        ("User ids", format!("{user_ids} (level {})", plain(ids.get("level")))),
        ("Root file system", plain(host.get("rootFileSystem"))),
        ("Network", plain(host.get("rootlessNetworkCmd"))),
        ("Cgroup version", plain(doc.get("CgroupVersion"))),
        ("Operating system", plain(doc.get("OperatingSystem"))),
        ("Kernel", plain(host.get("kernel"))),
        ("Architecture", plain(host.get("arch"))),
        ("CPUs", plain(host.get("cpus"))),
        ("Memory", format!("{} ({} free)", memory("memTotal"), memory("memFree"))),
        ("Host name", plain(host.get("hostname"))),
    ];
    if let Doc::List(warnings) = doc.get("Warnings") {
        lines.extend(warnings.iter().map(|w| ("Warning", plain(w))));
    }
    lines.iter().map(|(label, value)| format!("{:<19}{value}\n", format!("{label}:"))).collect()
}

fn plain(doc: &Doc) -> String {
    match doc {
        Doc::Value(Value::String(text)) => text.clone(),
        Doc::Value(value) => value.to_string(),
        _ => String::new(),
    }
}
