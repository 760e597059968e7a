//! Go's text/template over JSON values, as `--format` needs it.
//!
//! Own engine: no crate speaks this language in full (missing fields, `%q`, `break`, Docker's functions). All parts are
//! bounded, so that no template can exhaust stack or memory.

mod eval;
mod functions;
mod lexer;
mod literal;
mod parser;
mod printf;
#[cfg(test)]
mod tests;
pub mod value;

use crate::error::Result;
use serde_json::Value;

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    tree: parser::Tree,
}

impl Template {
    /// Parses a template; errors name the place.
    pub fn parse(text: &str) -> Result<Template> {
        Ok(Template { tree: parser::parse(text)? })
    }

    /// The text for one value; nothing is printed on an error.
    pub fn render(&self, value: &Value) -> Result<String> {
        eval::render(&self.tree, value, false)
    }

    /// The header row for `table` templates: `titles` holds the columns' titles by field.
    pub fn header(&self, titles: &Value) -> Result<String> {
        eval::render(&self.tree, titles, true)
    }
}
