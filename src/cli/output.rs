//! What commands print on stdout: tables, templates, JSON. stdout carries data only; messages go to stderr.

use super::Cx;
use super::template::Template;
use crate::error::{Context, Error, Kind, Result};
use serde_json::Value;
use std::io::Write;

/// One field of a listing's rows.
#[derive(Clone, Debug)]
pub struct Column {
    /// The row's key, as in `{{.Names}}`.
    pub field: &'static str,
    /// What stands above it: `NAMES`.
    pub header: &'static str,
    /// Part of the default table.
    pub shown: bool,
}

/// A column of the default table.
pub const fn col(field: &'static str, header: &'static str) -> Column {
    Column { field, header, shown: true }
}

/// A field that only templates and JSON show.
pub const fn extra(field: &'static str, header: &'static str) -> Column {
    Column { field, header, shown: false }
}

/// How a listing is to be printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions<'a> {
    /// `--format` as given: none or `table` (default table), `json`, `ndjson`, `table TEMPLATE`, or a template.
    pub format: Option<&'a str>,
    /// No header row (`--noheading`).
    pub no_heading: bool,
}

/// Prints the rows of a listing in the asked form; nothing reaches stdout when the template is wrong.
///
/// A row is a JSON object with the keys of the columns. Keys that begin with `_` are hidden from JSON; an object under
/// `_Label` serves the method call `{{.Label "key"}}`.
pub fn print_rows(cx: &Cx, format: Option<&str>, columns: &[Column], rows: Vec<Value>) -> Result<()> {
    print_list(cx, ListOptions { format, ..Default::default() }, columns, rows)
}

/// [`print_rows`] with all options.
pub fn print_list(_cx: &Cx, _options: ListOptions, _columns: &[Column], _rows: Vec<Value>) -> Result<()> {
    Err(Error::unsupported("print a list: not built yet"))
}

/// Prints an `inspect` result: always an array, or the template once for each object.
pub fn print_inspect(format: Option<&str>, objects: &[Value]) -> Result<()> {
    match format {
        None | Some("json") => line(&pretty(&Value::Array(objects.to_vec()))),
        Some(text) => {
            let template = Template::parse(text)?;
            let mut all = String::new();
            for object in objects {
                all.push_str(&template.render(object)?);
                all.push('\n');
            }
            raw(all.as_bytes())
        }
    }
}

/// Prints one object (`info`, `version`): `text` by default, pretty JSON for `json`, else the template.
pub fn print_object(format: Option<&str>, object: &Value, text: impl FnOnce() -> String) -> Result<()> {
    match format {
        None | Some("") => raw(text().as_bytes()),
        Some("json") => line(&pretty(object)),
        Some(template) => line(&Template::parse(template)?.render(object)?),
    }
}

/// Pretty JSON with Docker's four spaces.
pub fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, format);
    // Serialising a Value into memory can't fail: its keys are strings.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    String::from_utf8_lossy(&out).into_owned()
}

/// Prints one line on stdout.
pub fn line(text: &str) -> Result<()> {
    raw(format!("{text}\n").as_bytes())
}

/// Prints bytes on stdout and flushes them; a reader that went away ends the command quietly (exit code 141, as SIGPIPE
/// would).
pub fn raw(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context("write to standard output")
}

/// Prints `coracle: warning: TEXT` on stderr.
pub fn warn(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "coracle: warning: {text}");
}

/// Runs `act` for each name, echoes each name that worked as typed, prints the errors of the others, and returns the
/// exit code: 0, or that of the worst error by `code`.
pub fn each(names: &[String], code: impl Fn(&Error) -> u8, mut act: impl FnMut(&str) -> Result<()>) -> Result<u8> {
    let mut worst = 0;
    for name in names {
        match act(name) {
            Ok(()) => line(name)?,
            Err(e) => {
                let _ = writeln!(std::io::stderr(), "coracle: {e}");
                worst = worst.max(code(&e));
            }
        }
    }
    Ok(worst)
}

/// The exit code of `rm`, `rmi`, `volume rm`: 1 missing, 2 in use, 125 otherwise (FEATURES 3.3, podman); docker: 1.
pub fn remove_code(cx: &Cx) -> impl Fn(&Error) -> u8 {
    let docker = cx.personality == super::Personality::Docker;
    move |e| match e.kind {
        _ if docker => 1,
        Kind::NotFound => 1,
        Kind::Conflict => 2,
        _ => e.exit_code(),
    }
}
