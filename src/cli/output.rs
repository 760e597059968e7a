//! What commands print on stdout: tables, templates, JSON. stdout carries data only; messages go to stderr.

use super::template::{Template, value};
use super::{Cx, Personality, table};
use crate::error::{Context, Error, Kind, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;

/// What failed when stdout could not be written: the reader of a pipe may leave at any time.
pub(super) const WRITE: &str = "write to standard output";

/// One field of a listing's rows.
#[derive(Clone, Copy, Debug)]
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
pub fn print_list(cx: &Cx, options: ListOptions, columns: &[Column], rows: Vec<Value>) -> Result<()> {
    raw(list_text(cx.personality, options, columns, &rows)?.as_bytes())
}

fn list_text(who: Personality, options: ListOptions, columns: &[Column], rows: &[Value]) -> Result<String> {
    let default = || {
        let fields = columns.iter().filter(|c| c.shown).map(|c| format!("{{{{.{}}}}}", c.field));
        fields.collect::<Vec<_>>().join("\t")
    };
    match options.format.map(str::trim) {
        Some("json") if who != Personality::Docker => {
            let visible: Vec<_> = rows.iter().map(value::visible).collect();
            Ok(pretty(&visible) + "\n")
        }
        // Docker prints one object a line.
        Some("json" | "ndjson") => Ok(rows.iter().map(|row| value::visible(row).to_string() + "\n").collect()),
        None | Some("" | "table") => table_text(options, columns, &default(), rows),
        Some(format) => match format.strip_prefix("table").filter(|r| r.starts_with([' ', '\t', '\\', '{'])) {
            Some(template) => table_text(options, columns, template.trim_start(), rows),
            None => {
                let template = Template::parse(format)?;
                let mut out = String::new();
                for row in rows {
                    out += &template.render(row)?;
                    out.push('\n');
                }
                Ok(out)
            }
        },
    }
}

fn table_text(options: ListOptions, columns: &[Column], template: &str, rows: &[Value]) -> Result<String> {
    let template = Template::parse(template)?;
    let mut lines = Vec::with_capacity(rows.len() + 1);
    if !options.no_heading {
        let mut titles: Map<String, Value> =
            columns.iter().map(|c| (c.field.to_string(), Value::from(c.header))).collect();
        titles.insert("_Label".into(), Value::Object(Map::new()));
        lines.push(template.header(&Value::Object(titles))?);
    }
    for row in rows {
        lines.push(template.render(row)?);
    }
    Ok(table::align(&lines))
}

/// Prints an `inspect` result: always an array, or the template once for each object.
///
/// Typed objects keep the order of their fields in JSON.
pub fn print_inspect<T: Serialize>(format: Option<&str>, objects: &[T]) -> Result<()> {
    match format.map(str::trim) {
        None | Some("" | "json") => line(&pretty(&objects)),
        Some("ndjson") => raw(objects.iter().map(|o| compact(o) + "\n").collect::<String>().as_bytes()),
        Some(text) => {
            let template = Template::parse(text)?;
            let mut all = String::new();
            for object in objects {
                let value = serde_json::to_value(object).context("turn the object into JSON")?;
                all.push_str(&template.render(&value)?);
                all.push('\n');
            }
            raw(all.as_bytes())
        }
    }
}

/// Prints one object (`info`, `version`): `text` by default, pretty JSON for `json`, else the template.
pub fn print_object<T: Serialize>(format: Option<&str>, object: &T, text: impl FnOnce() -> String) -> Result<()> {
    match format.map(str::trim) {
        None | Some("") => raw(text().as_bytes()),
        Some("json") => line(&pretty(object)),
        Some("ndjson") => line(&compact(object)),
        Some(template) => {
            let value = serde_json::to_value(object).context("turn the object into JSON")?;
            line(&Template::parse(template)?.render(&value)?)
        }
    }
}

fn compact<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Pretty JSON with Docker's four spaces.
pub fn pretty<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, format);
    // Serialising into memory can't fail: all our keys are strings.
    let _ = value.serialize(&mut serializer);
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
    out.write_all(bytes).and_then(|()| out.flush()).context(WRITE)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[col("ID", "CONTAINER ID"), col("Names", "NAMES"), extra("Image", "IMAGE")];

    fn text(who: Personality, format: Option<&str>) -> Result<String> {
        let rows = vec![
            json!({"ID": "012345678901", "Names": "web", "Image": "debian", "_Label": {"a": "1"}}),
            json!({"ID": "ab", "Names": "a-long-name-indeed", "Image": "x", "_Label": {}}),
        ];
        list_text(who, ListOptions { format, no_heading: false }, COLUMNS, &rows)
    }

    #[test]
    fn lists() {
        let native = |format| text(Personality::Coracle, format).unwrap();
        let table = "CONTAINER ID   NAMES\n012345678901   web\nab             a-long-name-indeed\n";
        assert_eq!(native(None), table);
        assert_eq!(native(Some("table")), table);
        assert_eq!(native(Some("{{.ID}} {{.Image}}")), "012345678901 debian\nab x\n");
        assert_eq!(
            native(Some(r#"table {{.Image}}\t{{.Label "a"}}\t{{.ID}}"#)),
            "IMAGE     A         CONTAINER ID\ndebian    1         012345678901\nx                   ab\n"
        );
        let line = r#"{"ID":"012345678901","Image":"debian","Names":"web"}"#;
        assert!(native(Some("ndjson")).starts_with(&format!("{line}\n{{")));
        assert!(native(Some("{{json .}}")).starts_with(&format!("{line}\n{{")));
        assert!(native(Some("json")).starts_with("[\n    {\n        \"ID\": \"012345678901\""));
        assert!(text(Personality::Docker, Some("json")).unwrap().starts_with(line));
        assert_eq!(native(Some("tables")), "tables\ntables\n");
        assert!(text(Personality::Coracle, Some("{{.Nope}}")).is_err());
        let none =
            list_text(Personality::Podman, ListOptions { format: Some("json"), no_heading: false }, COLUMNS, &[]);
        assert_eq!(none.unwrap(), "[]\n");
        let options = ListOptions { format: None, no_heading: true };
        assert_eq!(list_text(Personality::Podman, options, COLUMNS, &[]).unwrap(), "");
    }
}
