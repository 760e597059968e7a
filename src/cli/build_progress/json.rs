//! A build as JSON, one of BuildKit's `SolveStatus` objects a line: what tools that drive docker read.

use super::model::Steps;
use crate::build::progress::Event;
use crate::image::Digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

/// The objects name a step's times each time anew.
#[derive(Default)]
pub struct Json {
    vertexes: BTreeMap<usize, Value>,
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

impl Json {
    pub fn event(&mut self, event: &Event<'_>, _: &Steps) {
        if let Some(value) = self.status(event) {
            let _ = writeln!(std::io::stderr(), "{value}");
        }
    }

    fn status(&mut self, event: &Event<'_>) -> Option<Value> {
        let step = |this: &Json, number: &usize| this.vertexes.get(number).map(|v| v["digest"].clone());
        Some(match event {
            Event::Step { number, title, .. } => {
                let digest = Digest::of(format!("{number} {title}").as_bytes()).to_string();
                let vertex = json!({"digest": digest, "name": title, "started": now()});
                self.vertexes.insert(*number, vertex.clone());
                json!({"vertexes": [vertex]})
            }
            Event::Cached { number } => self.end(*number, json!({"cached": true}))?,
            Event::Done { number, .. } => self.end(*number, json!({}))?,
            Event::Failed { number, error } => self.end(*number, json!({"error": error}))?,
            Event::Canceled { number } => self.end(*number, json!({"error": "canceled: another step failed"}))?,
            Event::Output { number, stderr, bytes } => {
                let stream = if *stderr { 2 } else { 1 };
                let data = STANDARD.encode(bytes);
                let log = json!({"vertex": step(self, number)?, "stream": stream, "data": data, "timestamp": now()});
                json!({"logs": [log]})
            }
            Event::Part { number, name, done, total, finished } => {
                let mut status = json!({
                    "id": name,
                    "vertex": step(self, number)?,
                    "current": done,
                    "total": total,
                    "timestamp": now(),
                });
                if *finished {
                    status["completed"] = now().into();
                }
                json!({"statuses": [status]})
            }
            Event::Warning(text) | Event::Note(text) => {
                json!({"warnings": [{"level": 1, "short": STANDARD.encode(text.as_bytes())}]})
            }
            Event::Planned { .. } => return None,
        })
    }

    fn end(&mut self, number: usize, more: Value) -> Option<Value> {
        let vertex = self.vertexes.get_mut(&number)?;
        vertex["completed"] = now().into();
        if let (Value::Object(vertex), Value::Object(more)) = (&mut *vertex, more) {
            vertex.extend(more);
        }
        Some(json!({"vertexes": [vertex]}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_buildkits_form() {
        let mut json = Json::default();
        let begun = json.status(&Event::Step { number: 1, title: "[1/1] RUN x".into(), span: None }).unwrap();
        let vertex = &begun["vertexes"][0];
        assert_eq!(vertex["name"], "[1/1] RUN x");
        let log = json.status(&Event::Output { number: 1, stderr: true, bytes: b"hi\n"[..].into() }).unwrap();
        assert_eq!(log["logs"][0]["data"], "aGkK");
        assert_eq!(log["logs"][0]["stream"], 2);
        assert_eq!(log["logs"][0]["vertex"], vertex["digest"]);
        let done = json.status(&Event::Cached { number: 1 }).unwrap();
        assert_eq!(done["vertexes"][0]["cached"], true);
        assert_eq!(done["vertexes"][0]["started"], vertex["started"]);
        assert!(done["vertexes"][0]["completed"].is_string());
        assert!(json.status(&Event::Done { number: 9, millis: 1 }).is_none());
    }
}
