//! The store as its callers use it.

use super::tar::{Entry, Kind, TarWriter};
use super::*;
use crate::state::paths::Paths;
use crate::userns::{IdMap, Level};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

struct Bed {
    _dir: tempfile::TempDir,
    paths: Paths,
    store: Store,
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path().join("data"), dir.path().join("run"));
    let store = Store::open(&paths).unwrap();
    Bed { _dir: dir, paths, store }
}

/// One id, so that the tests need no privilege.
fn map() -> IdMap {
    serde_json::from_value(serde_json::json!({"level": Level::OneId, "uids": [], "gids": []})).unwrap()
}

fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (path, text) in files {
        let kind = if path.ends_with('/') { Kind::Directory } else { Kind::Regular };
        let mode = if kind == Kind::Directory { 0o711 } else { 0o644 };
        let data = if kind == Kind::Regular { text.as_bytes() } else { b"" };
        writer.file(&Entry { path: path.as_bytes().to_vec(), kind, mode, ..Entry::default() }, data).unwrap();
    }
    writer.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Manifest and blobs of an image of uncompressed `tars`, compressed by `pack`.
fn image(tars: &[Vec<u8>], pack: Pack, docker: bool, comment: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let config = ImageConfig {
        created: "2024-01-02T03:04:05Z".into(),
        author: comment.into(),
        architecture: "amd64".into(),
        os: "linux".into(),
        rootfs: RootFs { kind: "layers".into(), diff_ids: tars.iter().map(|t| Digest::of(t)).collect() },
        ..ImageConfig::default()
    };
    let config = serde_json::to_vec(&config).unwrap();
    let mut blobs: Vec<Vec<u8>> = tars.iter().map(|t| pack(t)).collect();
    let (m, c, l) = if docker {
        (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP)
    } else {
        (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP)
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: m.into(),
        config: Descriptor::new(c, Digest::of(&config), config.len() as u64),
        layers: blobs.iter().map(|b| Descriptor::new(l, Digest::of(b), b.len() as u64)).collect(),
        annotations: Default::default(),
    };
    blobs.push(config);
    (serde_json::to_vec(&manifest).unwrap(), blobs)
}

fn put(store: &Store, manifest: &[u8], blobs: &[Vec<u8>]) -> Descriptor {
    for blob in blobs {
        store.put(blob).unwrap();
    }
    Descriptor::new(OCI_MANIFEST, store.put(manifest).unwrap(), manifest.len() as u64)
}

fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

#[test]
fn names_come_and_go() {
    let b = bed();
    assert!(b.store.list().unwrap().is_empty());
    assert!(b.store.lookup("x").is_err() && !b.paths.data.exists(), "looking makes nothing");
    let (m1, blobs1) = image(&[layer(&[("a", "1")])], gzip, false, "one");
    let (m2, blobs2) = image(&[layer(&[("a", "2")])], gzip, true, "two");
    let (d1, d2) = (put(&b.store, &m1, &blobs1), put(&b.store, &m2, &blobs2));
    b.store.tag(&d1, &name("app")).unwrap();
    b.store.tag(&d1, &name("ex.com/other:v1")).unwrap();
    b.store.tag_pulled(&d2, &name("ex.com:5000/app:2"), Some(&Digest::of(b"index"))).unwrap();
    let one = b.store.lookup("app").unwrap();
    assert_eq!(one.names, ["docker.io/library/app:latest", "ex.com/other:v1"]);
    assert_eq!(b.store.lookup("other:v1").unwrap(), one, "a short name, in one registry only");
    for text in [&one.id, &one.id[..12], &format!("sha256:{}", one.id), one.manifest.as_str(), "docker.io/app"] {
        assert_eq!(b.store.lookup(text).unwrap(), one, "{text}");
    }
    let two = b.store.lookup("ex.com:5000/app:2").unwrap();
    assert_eq!(two.manifest, d2.digest, "the manifest as pulled, not its translation");
    assert_eq!(two.repo_digests, [format!("ex.com:5000/app@{}", Digest::of(b"index"))]);
    assert_eq!(b.store.lookup(&two.repo_digests[0]).unwrap(), two);
    assert_eq!(b.store.lookup(&format!("ex.com:5000/app@{}", d2.digest)).unwrap(), two);
    assert_eq!(b.store.list().unwrap().len(), 2);
    // The name moves on, and leaves a dangling image.
    b.store.tag(&d2, &name("app")).unwrap();
    b.store.tag(&d2, &name("ex.com/other:v1")).unwrap();
    assert_eq!(b.store.lookup("app").unwrap().id, two.id);
    assert!(b.store.lookup(&one.id).unwrap().names.is_empty());
    assert!(b.store.untag(&name("app")).unwrap() && !b.store.untag(&name("app")).unwrap());
    assert!(b.store.remove(&two).unwrap() && b.store.remove(&one).unwrap());
    assert!(b.store.list().unwrap().is_empty());
}

#[test]
fn unpacks_layers_of_all_compressions() {
    let b = bed();
    let tars = [
        layer(&[("etc/", ""), ("etc/a", "low")]),
        layer(&[("etc/b", "implied"), ("big", &"0123456789".repeat(100_000))]),
        layer(&[]),
        layer(&[("etc/a", "top")]),
    ];
    let packs: [Pack; 3] = [gzip, |t| zstd::encode_all(t, 3).unwrap(), <[u8]>::to_vec];
    for (i, pack) in packs.into_iter().enumerate() {
        let (m, blobs) = image(&tars[..=i + 1], pack, i == 1, "");
        let d = put(&b.store, &m, &blobs);
        let done = Mutex::new(Vec::new());
        b.store
            .unpack(&d.digest, 2, &map(), &|e| {
                if let LayerEvent::Done { index } = e {
                    done.lock().unwrap().push(index)
                }
            })
            .unwrap();
        // Each image shares the layers of the one before.
        assert_eq!(done.into_inner().unwrap().len(), if i == 0 { 2 } else { 1 });
        let image = b.store.image(&d.digest).unwrap();
        let chain: Vec<String> = image.layers.iter().map(|l| l.chain_id.clone()).collect();
        let dirs = b.store.layer_dirs(&chain, &map()).unwrap();
        assert_eq!(dirs.len(), i + 2);
        assert!(dirs.last().unwrap().join("etc/a").exists());
        let implied = dirs[dirs.len() - 2].join("etc");
        assert_eq!(std::fs::metadata(implied).unwrap().permissions().mode() & 0o7777, 0o711);
        b.store.unpack(&d.digest, 2, &map(), &|_| panic!("nothing was missing")).unwrap();
    }
    assert_eq!(std::fs::read_dir(b.paths.tmp()).unwrap().count(), 0);
}

#[test]
fn unpacks_while_downloading_and_survives_retries() {
    let b = bed();
    let noise: String =
        (0..400_000u32).map(|i| char::from(b'a' + (i.wrapping_mul(2654435761) >> 13) as u8 % 26)).collect();
    let (m, blobs) = image(&[layer(&[("a", &noise)]), layer(&[("b", "b")]), layer(&[("c", "c")])], gzip, false, "");
    let manifest = Manifest::parse(&m).unwrap();
    let config = ImageConfig::parse(&blobs[3]).unwrap();
    let layers = LayerRef::list(&manifest, &config).unwrap();
    b.store.put(&blobs[1]).unwrap();
    let unpacker = b.store.unpacker(&layers, 2, &map()).unwrap();
    assert_eq!([0, 1, 2].map(|i| unpacker.needs_blob(i)), [true, false, true]);
    // A download that breaks off, one that goes on from there and is damaged, one that is good.
    let mine = |index: usize| match unpacker.sink(index).unwrap() {
        Sink::Mine(sink) => sink,
        other => panic!("{other:?}"),
    };
    let half = blobs[0].len() / 2;
    let mut sink = mine(0);
    sink.write_all(&blobs[0][..half]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    drop(sink);
    let mut sink = mine(0);
    assert_eq!(sink.written(), half as u64);
    sink.write_all(&vec![7; blobs[0].len() - half]).unwrap();
    // The extractor comes to the damage before the digest shows it.
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(sink.commit().unwrap_err().to_string().contains("digest"));
    for (i, size) in [(2, 1), (0, 1000)] {
        let mut sink = mine(i);
        assert_eq!(sink.written(), 0);
        for chunk in blobs[i].chunks(size) {
            sink.write_all(chunk).unwrap();
        }
        assert_eq!(sink.commit().unwrap(), layers[i].digest);
    }
    unpacker.finish(&|_| {}).unwrap();
    let chain: Vec<String> = layers.iter().map(|l| l.chain_id.clone()).collect();
    let dirs = b.store.layer_dirs(&chain, &map()).unwrap();
    assert_eq!(std::fs::read_to_string(dirs[2].join("a")).unwrap(), noise);
    assert_eq!(std::fs::read_dir(b.paths.tmp()).unwrap().count(), 0);
}

#[test]
fn refuses_damaged_images_and_leaves_nothing() {
    let b = bed();
    let (good, bad) = (layer(&[("a", "1")]), layer(&[("a", "2")]));
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("another content", gzip(&bad), "digest"),
        ("cut short", gzip(&good)[..40].to_vec(), "extract layer"),
        ("no tar", gzip(&[1u8; 600]), "checksum"),
        ("bzip2 cut short", b"BZh91AY&SY123456".to_vec(), "decompression not finished"),
    ];
    for (what, blob, error) in cases {
        let (m, mut blobs) = image(std::slice::from_ref(&good), gzip, false, what);
        let mut manifest = Manifest::parse(&m).unwrap();
        manifest.layers[0] = Descriptor::new(OCI_LAYER_GZIP, Digest::of(&blob), blob.len() as u64);
        blobs[0] = blob;
        let d = put(&b.store, &serde_json::to_vec(&manifest).unwrap(), &blobs);
        let e = b.store.unpack(&d.digest, 2, &map(), &|_| {}).unwrap_err().to_string();
        assert!(e.contains(error), "{what}: {e}");
        assert_eq!(std::fs::read_dir(b.paths.layers()).unwrap().count(), 0, "{what}");
        assert_eq!(std::fs::read_dir(b.paths.tmp()).unwrap().count(), 0, "{what}");
    }
    // An unfinished download must end finish(), not hang it.
    let (m, blobs) = image(&[good], gzip, false, "");
    let layers = LayerRef::list(&Manifest::parse(&m).unwrap(), &ImageConfig::parse(&blobs[1]).unwrap()).unwrap();
    let e = bed().store.unpacker(&layers, 1, &map()).unwrap().finish(&|_| {}).unwrap_err();
    assert!(e.to_string().contains("download ended"), "{e}");
}

#[test]
fn hello_is_made_when_asked_for_and_is_always_the_same() {
    let (a, b) = (bed(), bed());
    assert!(a.store.lookup("hello").is_err());
    let hello = a.store.resolve("hello").unwrap();
    assert_eq!(hello.names, ["localhost/hello:latest"]);
    assert_eq!(b.store.resolve("localhost/hello:latest").unwrap(), hello);
    assert!(b.store.resolve("hello:other").is_err());
    b.store.unpack(&hello.manifest, 2, &map(), &|_| {}).unwrap();
    let dirs = b.store.layer_dirs(&[hello.layers[0].chain_id.clone()], &map()).unwrap();
    assert_eq!(std::fs::read(dirs[0].join("hello")).unwrap(), crate::hello::PROGRAM);
}

#[test]
fn blobs_are_verified() {
    let b = bed();
    let digest = Digest::of(b"data");
    let mut w = b.store.writer(Some(&digest), Some(4)).unwrap();
    w.write_all(b"dat").unwrap();
    assert!(w.commit().unwrap_err().to_string().contains("3 bytes came, 4 were announced"));
    let mut w = b.store.writer(Some(&digest), Some(4)).unwrap();
    assert!(w.write_all(b"data!").is_err());
    drop(w);
    let mut w = b.store.writer(Some(&digest), None).unwrap();
    w.write_all(b"Data").unwrap();
    assert!(w.commit().is_err() && !b.store.has_blob(&digest, None));
    b.store.put(b"data").unwrap();
    assert!(b.store.has_blob(&digest, Some(4)) && !b.store.has_blob(&digest, Some(5)));
    std::fs::write(b.store.blob(&digest), "dbta").unwrap();
    assert!(b.store.read(&digest).unwrap_err().to_string().contains("damaged"));
    assert_eq!(std::fs::read_dir(b.paths.tmp()).unwrap().count(), 0);
}

#[test]
fn collects_what_nothing_refers_to() {
    let b = bed();
    let shared = layer(&[("a", "1")]);
    let (m1, blobs1) = image(&[shared.clone(), layer(&[("b", "1")])], gzip, true, "one");
    let (m2, blobs2) = image(&[shared, layer(&[("b", "2")])], gzip, false, "two");
    let (d1, d2) = (put(&b.store, &m1, &blobs1), put(&b.store, &m2, &blobs2));
    b.store.tag(&d1, &name("one")).unwrap();
    b.store.tag(&d2, &name("two")).unwrap();
    for d in [&d1, &d2] {
        b.store.unpack(&d.digest, 2, &map(), &|_| {}).unwrap();
    }
    let count = |p: std::path::PathBuf| std::fs::read_dir(p).unwrap().count();
    // Docker's manifest and its translation, an OCI one, two configs, three layers.
    assert_eq!((count(b.paths.blobs()), count(b.paths.layers())), (8, 3));
    let again = || Store::open(&b.paths).unwrap();
    assert_eq!(again().collect().unwrap(), None, "our own store's lease forbids it");
    let one = b.store.lookup("one").unwrap();
    b.store.remove(&one).unwrap();
    std::fs::write(b.paths.tmp().join("blob-of-a-dead-process"), "").unwrap();
    assert_eq!(b.store.collect().unwrap().map(|c| (c.blobs, c.layers)), Some((4, 1)));
    assert_eq!(count(b.paths.tmp()), 0);
    assert_eq!(again().lookup("two").unwrap().layers.len(), 2);
    // A container keeps its layers, even when its image is gone.
    let two = again().lookup("two").unwrap();
    let id = crate::state::containers::new_id().unwrap();
    let spec = crate::spec::model::Spec {
        root: crate::spec::model::Root { layers: vec![two.layers[0].chain_id.clone()], ..Default::default() },
        ..Default::default()
    };
    let config = crate::state::container::Config { id, ..Default::default() };
    crate::state::containers::create(&b.paths, &config, &spec, None).unwrap();
    let store = again();
    store.remove(&two).unwrap();
    assert_eq!(store.collect().unwrap().map(|c| (c.blobs, c.layers)), Some((4, 1)));
    assert_eq!((count(b.paths.blobs()), count(b.paths.layers())), (0, 1));
}

#[test]
fn damaged_images_can_be_mended_or_removed() {
    let b = bed();
    let (m, blobs) = image(&[layer(&[("a", "1")])], gzip, false, "");
    let d = put(&b.store, &m, &blobs);
    b.store.tag(&d, &name("app")).unwrap();
    // A layer blob that rotted on the disk, its size unchanged.
    let path = b.store.blob(&Digest::of(&blobs[0]));
    let mut rotten = blobs[0].clone();
    rotten[20] ^= 1;
    std::fs::write(&path, rotten).unwrap();
    assert!(b.store.unpack(&d.digest, 1, &map(), &|_| {}).is_err());
    assert!(!path.exists(), "the next pull has to fetch it");
    let e = b.store.unpack(&d.digest, 1, &map(), &|_| {}).unwrap_err();
    assert_eq!(e.kind, crate::error::Kind::NotFound, "{e}");
    b.store.put(&blobs[0]).unwrap();
    b.store.unpack(&d.digest, 1, &map(), &|_| {}).unwrap();
    // A config that is gone: the image is not listed, but its name can be removed.
    std::fs::remove_file(b.store.blob(&Digest::of(&blobs[1]))).unwrap();
    assert!(b.store.list().unwrap().is_empty() && b.store.lookup("app").is_err());
    assert_eq!(b.store.forget_named("app").unwrap().as_deref(), Some("docker.io/library/app:latest"));
    assert_eq!(b.store.forget_named("app").unwrap(), None);
    std::fs::write(b.paths.image_index(), "{").unwrap();
    assert!(b.store.list().unwrap_err().to_string().contains("index.json"));
}
