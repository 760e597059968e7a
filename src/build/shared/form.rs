//! The list of records, as BuildKit writes it.

use crate::build::cache::{Layer, Record, VERSION};
use crate::error::{Context, Error, Result};
use crate::image::{Digest, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, oci_layer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The media type of the list, as the config of a manifest.
pub const CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
/// Records of one cache; a build has some hundred.
const MAX_RECORDS: usize = 20_000;
/// Go's zero time, which BuildKit wants to find.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct List {
    layers: Vec<ListedLayer>,
    records: Vec<ListedRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ListedLayer {
    blob: Digest,
    /// The layer below, by number; -1 for none.
    #[serde(default)]
    parent: i64,
    annotations: Option<Notes>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notes {
    media_type: String,
    #[serde(rename = "diffID")]
    diff_id: Digest,
    size: u64,
    #[serde(default)]
    created_at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ListedRecord {
    #[serde(default)]
    layers: Vec<Outcome>,
    digest: Digest,
    /// What only we know; records without it are not ours.
    #[serde(rename = "io.coracle", default)]
    ours: Option<Ours>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    layer: usize,
    #[serde(default)]
    created_at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ours {
    title: String,
    chain: String,
}

/// Writes records, by their keys.
pub fn write(records: &BTreeMap<String, Record>) -> Result<Vec<u8>> {
    let mut list = List::default();
    for (key, record) in records {
        let layers = match &record.layer {
            None => Vec::new(),
            Some(layer) => {
                let known = list.layers.iter().position(|l| l.blob == layer.digest);
                let number = known.unwrap_or(list.layers.len());
                if known.is_none() {
                    let notes = Notes {
                        media_type: layer.media_type.clone(),
                        diff_id: layer.diff_id.clone(),
                        size: layer.size,
                        created_at: NEVER.into(),
                    };
                    list.layers.push(ListedLayer { blob: layer.digest.clone(), parent: -1, annotations: Some(notes) });
                }
                vec![Outcome { layer: number, created_at: NEVER.into() }]
            }
        };
        let ours = Some(Ours { title: record.title.clone(), chain: record.chain.clone() });
        list.records.push(ListedRecord { layers, digest: Digest::from_hex(key)?, ours });
    }
    serde_json::to_vec(&list).context("encode the build cache")
}

/// Reads records. Those of other programs are left out, whatever is strange is refused.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Record>> {
    let list: List = serde_json::from_slice(bytes).context("read the build cache")?;
    if list.records.len() > MAX_RECORDS {
        return Err(Error::user(format!("read the build cache: it has more than {MAX_RECORDS} records")));
    }
    let mut all = BTreeMap::new();
    for record in list.records {
        let Some(ours) = record.ours else { continue };
        let strange = |what: &str| Error::user(format!("read the build cache: record {} {what}", record.digest));
        if !(ours.chain.is_empty() || Digest::from_hex(&ours.chain).is_ok()) {
            return Err(strange("has no chain of layers"));
        }
        let layer = match record.layers.first() {
            None => None,
            Some(outcome) => {
                let listed =
                    list.layers.get(outcome.layer).ok_or_else(|| strange("names a layer that is not there"))?;
                let notes = listed.annotations.as_ref().ok_or_else(|| strange("has a layer without its digest"))?;
                let media_type = oci_layer(&notes.media_type);
                if ![OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD].contains(&media_type) {
                    return Err(strange("has a layer of an unknown kind"));
                }
                Some(Layer {
                    digest: listed.blob.clone(),
                    diff_id: notes.diff_id.clone(),
                    size: notes.size,
                    media_type: media_type.into(),
                })
            }
        };
        // Titles are shown on terminals.
        let title = ours.title.chars().filter(|c| !c.is_control()).take(200).collect();
        let record_of_ours = Record { version: VERSION, title, layer, chain: ours.chain };
        all.insert(record.digest.hex().to_string(), record_of_ours);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(layer: Option<&[u8]>) -> Record {
        Record {
            version: VERSION,
            title: "RUN x".into(),
            chain: Digest::of(b"chain").hex().into(),
            layer: layer.map(|l| Layer {
                digest: Digest::of(l),
                diff_id: Digest::of(b"diff"),
                size: 7,
                media_type: OCI_LAYER_GZIP.into(),
            }),
        }
    }

    #[test]
    fn records_survive_and_others_are_left_out() {
        let key = |n: u8| Digest::of(&[n]).hex().to_string();
        let all: BTreeMap<String, Record> =
            [(key(1), record(Some(b"a"))), (key(2), record(None)), (key(3), record(Some(b"a")))].into();
        let bytes = write(&all).unwrap();
        assert_eq!(read(&bytes).unwrap(), all);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["layers"].as_array().unwrap().len(), 1, "a layer is listed once");
        // As BuildKit writes it.
        let theirs = format!(
            r#"{{"layers":[{{"blob":"{0}","parent":-1,"annotations":{{"mediaType":"x","diffID":"{0}","size":1,"createdAt":"2024-01-01T00:00:00Z"}}}}],"records":[{{"layers":[{{"layer":0,"createdAt":"2024-01-01T00:00:00Z"}}],"digest":"{0}","inputs":[[{{"link":0}}]]}}]}}"#,
            Digest::of(b"z")
        );
        assert!(read(theirs.as_bytes()).unwrap().is_empty());
        for (from, to) in [
            ("\"layer\":0", "\"layer\":9"),
            ("tar+gzip", "tar+lzma"),
            (record(None).chain.as_str(), "../x"),
            ("\"size\":7", "\"size\":-7"),
        ] {
            let bad = String::from_utf8(bytes.clone()).unwrap().replace(from, to);
            assert!(read(bad.as_bytes()).is_err(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
