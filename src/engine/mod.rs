//! Use-cases: what the commands do, without printing.

pub mod attach;
pub mod check;
pub mod commit;
pub mod connect;
pub mod cp;
pub mod create;
pub mod df;
pub mod diff;
pub mod doc;
pub mod doctor;
pub mod exec;
mod exec_relay;
pub mod export;
pub mod filter;
mod glob;
pub mod image_filter;
pub mod images;
pub mod info;
pub mod inspect;
pub mod login;
pub mod logout;
pub mod logs;
pub mod manifest;
pub mod mounts;
pub mod network;
mod output;
pub mod prune;
pub mod ps;
pub mod pull;
pub mod push;
pub mod recover;
pub mod relay;
pub mod rename;
pub mod reset;
pub mod restart;
pub mod rm;
pub mod save;
pub mod search;
pub mod size;
pub mod start;
pub mod stats;
pub mod stop;
pub mod term;
pub mod top;
mod transport;
pub mod tree;
pub mod unshare;
pub mod update;
pub mod volume;

pub mod wait;

use crate::state::paths::Paths;

/// What every use-case needs. Making one touches no file.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub paths: Paths,
}
