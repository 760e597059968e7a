//! `coracle builder du`.

use super::output::{Column, col, extra, print_rows};
use super::{Cx, human, output};
use crate::build::prune;
use crate::error::Result;
use serde_json::json;

/// Show what the build cache keeps.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print json, ndjson, a table (table TEMPLATE), or the result of a Go template for each line
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print all that is known of each
    #[arg(long)]
    verbose: bool,
}

const COLUMNS: &[Column] = &[
    col("ID", "ID"),
    col("Type", "TYPE"),
    col("Size", "SIZE"),
    col("Shared", "SHARED"),
    col("LastUsed", "LAST USED"),
    col("Description", "DESCRIPTION"),
    extra("RawSize", "SIZE"),
];

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let items = prune::list(&cx.engine)?;
    let total: u64 = items.iter().filter(|i| !i.shared).map(|i| i.size).sum();
    if args.verbose && args.format.is_none() {
        for item in &items {
            let used = jiff::Timestamp::try_from(item.used).unwrap_or_default();
            let kind = if item.kind == "mount" { "exec.cachemount" } else { "regular" };
            output::line(&format!("ID:           {}", item.id))?;
            output::line(&format!("Description:  {}", item.title.replace('\n', " ")))?;
            output::line(&format!("Type:         {kind}"))?;
            output::line(&format!("Shared:       {}", item.shared))?;
            output::line(&format!("Size:         {}", human::size(item.size)))?;
            output::line(&format!("Last used:    {}\n", human::ago(used)))?;
        }
        return output::line(&format!("Total:        {}", human::size(total))).map(|()| 0);
    }
    let rows = items.iter().map(|item| {
        let used = jiff::Timestamp::try_from(item.used).unwrap_or_default();
        let title = item.title.lines().next().unwrap_or_default();
        json!({
            "ID": human::short_id(&item.id),
            "Type": item.kind,
            "Size": human::size(item.size),
            "Shared": item.shared.to_string(),
            "LastUsed": human::ago(used),
            "Description": human::ellipsis(title, 60),
            "RawSize": item.size,
        })
    });
    print_rows(cx, args.format.as_deref(), COLUMNS, rows.collect())?;
    if args.format.is_none() {
        output::line(&format!("Total: {}", human::size(total)))?;
    }
    Ok(0)
}
