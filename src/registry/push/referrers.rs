//! Manifests that say which other one they are about (`subject`): registries without a list of referrers get one kept in
//! a tag (distribution-spec 1.1, "Pushing Manifests with Subject" and "Referrers Tag Schema").

use crate::error::Context;
use crate::image::{Descriptor, Digest, OCI_INDEX};
use crate::registry::client::Client;
use crate::registry::fault::{Cause, Failure, Result};
use serde_json::{Value, json};

/// The digest of the manifest that this one is about.
pub(super) fn subject(manifest: &Value) -> Option<Digest> {
    Digest::parse(manifest["subject"]["digest"].as_str()?).ok()
}

/// Adds the pushed manifest to the list that the registry has for its subject.
pub(super) fn list(client: &Client<'_>, subject: &Digest, pushed: &Descriptor, manifest: &Value) -> Result<()> {
    let tag = subject.as_str().replacen(':', "-", 1);
    let old = match client.manifest(&tag, None) {
        Ok(served) => {
            serde_json::from_slice(&served.bytes).context("parse the list of referrers").map_err(Failure::answer)?
        }
        Err(f) if f.cause == Cause::NotFound => json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        Err(f) => return Err(f),
    };
    let Some(new) = with(old, pushed, manifest) else { return Ok(()) };
    let bytes = serde_json::to_vec(&new).context("encode the list of referrers")?;
    client.put_manifest(&tag, OCI_INDEX, &bytes).map(drop)
}

/// The list with one more entry; `None` when it has it already.
fn with(mut index: Value, pushed: &Descriptor, manifest: &Value) -> Option<Value> {
    let mut entry = json!({"mediaType": pushed.media_type, "digest": pushed.digest, "size": pushed.size});
    let artifact = match manifest["artifactType"].as_str().filter(|t| !t.is_empty()) {
        Some(artifact) => Some(artifact),
        // What an image is without saying so.
        None => manifest["config"]["mediaType"].as_str(),
    };
    if let Some(artifact) = artifact {
        entry["artifactType"] = artifact.into();
    }
    if manifest["annotations"].is_object() {
        entry["annotations"] = manifest["annotations"].clone();
    }
    if !index["manifests"].is_array() {
        index["manifests"] = json!([]);
    }
    let entries = index["manifests"].as_array_mut()?;
    if entries.iter().any(|e| e["digest"] == entry["digest"]) {
        return None;
    }
    entries.push(entry);
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::OCI_MANIFEST;

    #[test]
    fn an_entry_says_what_the_manifest_is() {
        let pushed = Descriptor::new(OCI_MANIFEST, Digest::of(b"x"), 7);
        let manifest = json!({"artifactType": "a/b", "config": {"mediaType": "c/d"}, "annotations": {"k": "v"}});
        let new = with(json!({"schemaVersion": 2}), &pushed, &manifest).unwrap();
        let entry = &new["manifests"][0];
        assert_eq!(
            (&entry["artifactType"], &entry["annotations"]["k"], &entry["size"]),
            (&json!("a/b"), &json!("v"), &json!(7))
        );
        assert!(with(new.clone(), &pushed, &manifest).is_none());
        let other = Descriptor::new(OCI_MANIFEST, Digest::of(b"y"), 7);
        let more = with(new, &other, &json!({"config": {"mediaType": "c/d"}})).unwrap();
        assert_eq!(more["manifests"][1]["artifactType"], "c/d");
        assert_eq!(subject(&json!({"subject": {"digest": Digest::of(b"z")}})), Some(Digest::of(b"z")));
        assert_eq!(subject(&manifest), None);
    }
}
