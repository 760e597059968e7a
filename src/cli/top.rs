//! `coracle top`.

use super::{Cx, Personality, output, table};
use crate::engine::top::{parse_columns, top};
use crate::error::Result;

/// Show the processes of a container.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Columns: pid hpid ppid user uid huser group gid hgroup comm args cmd pcpu pmem etime time stime tty \
                  state nice vsz rss pgid sid nlwp capeff. The forms aux, -ef and -o COLUMNS of ps are understood."
)]
pub struct Args {
    /// Name or id of a running container
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Columns, or options of ps
    #[arg(value_name = "COLUMN", trailing_var_arg = true, allow_hyphen_values = true)]
    columns: Vec<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let columns = parse_columns(&args.columns, cx.personality == Personality::Docker)?;
    let rows = top(&cx.engine, &args.container, &columns)?;
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    output::raw(table::align(&lines).as_bytes())?;
    Ok(0)
}
