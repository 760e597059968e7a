//! `coracle manifest annotate`.

use super::manifest_flags::NoteFlags;
use super::{Cx, Personality, output};
use crate::engine::manifest;
use crate::error::{Error, Result};
use crate::image::MemberNotes;

/// Say more about an image of a manifest list, or about the list itself.
///
/// Prints the id of the list.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Annotate the list itself (with --annotation alone)
    #[arg(long)]
    index: bool,
    #[command(flatten)]
    notes: NoteFlags,
    /// Name or id of the list
    #[arg(value_name = "LIST")]
    list: String,
    /// Digest (or its beginning) of the image in the list, or its name in the store
    #[arg(value_name = "IMAGE", required_unless_present = "index")]
    image: Option<String>,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let notes = args.notes.notes()?;
    let list = match (&args.image, args.index) {
        (Some(image), false) => manifest::annotate(&cx.engine, &args.list, image, &notes)?,
        _ => {
            if (MemberNotes { annotations: Default::default(), ..notes.clone() }) != MemberNotes::default() {
                return Err(Error::user("annotate the list itself: it has no platform")
                    .hint("use --annotation alone with --index"));
            }
            manifest::annotate_list(&cx.engine, &args.list, &notes.annotations)?
        }
    };
    // Docker prints nothing.
    if cx.personality != Personality::Docker {
        output::line(&list.id)?;
    }
    Ok(0)
}
