//! Building images from Dockerfiles.
//!
//! Text → logical lines ([`lexer`]) → instructions ([`parser`]) → stages and what they need ([`stages`]) → what each
//! instruction does to a configuration and which work it leaves ([`state`]). All of it is plain data. [`solve`] does the
//! work step by step: a result that the [`cache`] has is taken, [`copy`] makes layers straight from files, [`run`] runs a
//! process whose changes become a layer.

pub mod args;
pub mod ast;
pub mod cache;
pub mod check;
pub mod context;
pub mod copy;
mod crew;
pub mod export;
mod filehash;
pub mod foreign;
mod git;
pub mod glob;
pub mod ignore;
pub mod input;
pub mod lexer;
mod link;
pub mod lint;
pub mod mounts;
pub mod named;
mod options;
pub mod output;
pub mod parser;
mod pattern;
pub mod progress;
pub mod prune;
mod remote;
pub mod run;
mod scratch;
pub mod shared;
mod shell;
pub mod solve;
mod solve_run;
pub mod source;
pub mod ssh;
pub mod stages;
pub mod state;
pub mod verify;
mod words;
