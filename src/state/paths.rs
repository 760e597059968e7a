//! Where everything lives on disk.
//!
//! ```text
//! <data>  $XDG_DATA_HOME/coracle (or --root)
//!   version lock oci-layout index.json index.lock blobs/sha256/<hex>
//!   layers/<chainid>-<map>/{diff/,meta.json,opaque}   views/<layer>/as-<map>/   held-layers
//!   containers/<id>/{config.json spec.json name state.json desired lock life log upper/ work/ etc/}
//!   names/<name> -> id   volumes/<name>/{_data,meta.json}   networks/<name>.json   leases/<network>/<address>
//!   build/   events.jsonl   tmp/ trash/ partial/<hex>
//! <run>   $XDG_RUNTIME_DIR/coracle (or --runroot): sockets and pids only, all rebuildable
//!   c/<id12>/{attach,ctl}   net/{lock,socket,keeper.json}   outer
//! ```

use std::path::{Path, PathBuf};

/// The two roots of one store, and the names below them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Paths {
    /// Durable data; survives reboots.
    pub data: PathBuf,
    /// Sockets; may vanish at any logout or reboot.
    pub run: PathBuf,
}

impl Paths {
    pub fn new(data: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Self {
        Paths { data: data.into(), run: run.into() }
    }
    pub fn blobs(&self) -> PathBuf {
        self.data.join("blobs/sha256")
    }
    /// The image layout's index: which images exist, and their names.
    pub fn image_index(&self) -> PathBuf {
        self.data.join("index.json")
    }
    /// Exclusive flock of whoever changes the index.
    pub fn image_index_lock(&self) -> PathBuf {
        self.data.join("index.lock")
    }
    pub fn layers(&self) -> PathBuf {
        self.data.join("layers")
    }
    /// Layers as other id maps see them (`views/<layer>/as-<map>`).
    pub fn views(&self) -> PathBuf {
        self.data.join("views")
    }
    /// Exists while some layers belong to containers alone, whose images are gone.
    pub fn held_layers(&self) -> PathBuf {
        self.data.join("held-layers")
    }
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }
    pub fn names(&self) -> PathBuf {
        self.data.join("names")
    }
    pub fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }
    /// Results of build steps: `<key>.json`, the directories of cache mounts, and the hashes of contexts' files.
    pub fn build(&self) -> PathBuf {
        self.data.join("build")
    }
    /// Records of user-defined networks.
    pub fn networks(&self) -> PathBuf {
        self.data.join("networks")
    }
    /// Which container has which address of which network.
    pub fn leases(&self) -> PathBuf {
        self.data.join("leases")
    }
    /// The holder of user networks: its lock, socket and record.
    pub fn holder(&self) -> PathBuf {
        self.run.join("net")
    }
    pub fn tmp(&self) -> PathBuf {
        self.data.join("tmp")
    }
    /// Blobs whose download broke off; see `image::partial`.
    pub fn partial(&self) -> PathBuf {
        self.data.join("partial")
    }
    pub fn trash(&self) -> PathBuf {
        self.data.join("trash")
    }
    pub fn events(&self) -> PathBuf {
        self.data.join("events.jsonl")
    }
    /// A cache: which registries' repositories hold which blobs.
    pub fn blob_places(&self) -> PathBuf {
        self.data.join("places.json")
    }
    pub fn store_lock(&self) -> PathBuf {
        self.data.join("lock")
    }
    pub fn container(&self, id: &str) -> ContainerDir {
        ContainerDir { dir: self.containers().join(id) }
    }
    /// Who holds the outer user namespace.
    pub fn outer(&self) -> PathBuf {
        self.run.join("outer")
    }
    /// Socket directory of one container: 12 characters of the id keep the path under the 107 bytes of sun_path.
    pub fn sockets(&self, id: &str) -> PathBuf {
        self.run.join("c").join(&id[..id.len().min(12)])
    }
}

/// The files of one container.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerDir {
    pub dir: PathBuf,
}

impl ContainerDir {
    pub fn path(&self) -> &Path {
        &self.dir
    }
    /// What the user asked for (`state::container::Config`); written once.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.json")
    }
    /// What the runtime makes of it (`spec::model::Spec`); written once.
    pub fn spec(&self) -> PathBuf {
        self.dir.join("spec.json")
    }
    /// The container's present name (one line); `names/<name>` points back.
    pub fn name(&self) -> PathBuf {
        self.dir.join("name")
    }
    /// `state::container::State`; written by the monitor while it lives.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }
    /// One word from the CLI to the monitor, in a symbolic link: `stopped` forbids a restart.
    pub fn desired(&self) -> PathBuf {
        self.dir.join("desired")
    }
    /// Exclusive flock of whoever changes the container (start, rm, rename).
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }
    /// OFD lock held by the monitor from start to finished clean-up.
    pub fn life(&self) -> PathBuf {
        self.dir.join("life")
    }
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
    pub fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }
    /// What is written to overlays of mounts (`-v …:O`).
    pub fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }
    /// Generated hosts, hostname and resolv.conf.
    pub fn etc(&self) -> PathBuf {
        self.dir.join("etc")
    }
}
