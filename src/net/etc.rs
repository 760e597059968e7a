//! hosts, hostname and resolv.conf of a container.

use crate::error::{Error, Result};
use crate::spec::model::Spec;
use crate::state::container::NetworkState;

/// The text of the three files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcContent {
    /// `None` with `--no-hosts` (the image's own file stays).
    pub hosts: Option<String>,
    pub hostname: String,
    pub resolv_conf: String,
}

/// The host's files that the container's are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostEtc {
    pub resolv_conf: String,
    pub hosts: String,
}

impl HostEtc {
    /// Reads /etc/resolv.conf and /etc/hosts; a missing file is an empty one.
    pub fn read() -> HostEtc {
        HostEtc::default()
    }
}

/// The three files for a container on `net`, from this host's present files.
pub fn etc_files(spec: &Spec, net: &NetworkState) -> Result<EtcContent> {
    etc_content(spec, net, &HostEtc::read())
}

/// As [`etc_files`], without reading anything.
pub fn etc_content(_spec: &Spec, _net: &NetworkState, _host: &HostEtc) -> Result<EtcContent> {
    Err(Error::unsupported("write the container's /etc files"))
}
