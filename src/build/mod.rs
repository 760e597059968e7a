//! Building images from Dockerfiles.
//!
//! Text → logical lines ([`lexer`]) → instructions ([`parser`]) → stages and what they need ([`stages`]) → what each
//! instruction does to a configuration and which work it leaves ([`state`]). All of it is plain data.

pub mod args;
pub mod ast;
pub mod check;
pub mod context;
pub mod glob;
pub mod ignore;
pub mod lexer;
pub mod lint;
mod options;
pub mod parser;
mod pattern;
pub mod source;
pub mod stages;
pub mod state;
mod words;
