//! `coracle image tree`.

use super::{Cx, human, output};
use crate::engine::images::{self, Listed};
use crate::error::Result;
use std::collections::BTreeMap;

/// Show the layers of an image, the lowest first, and the names of other images that end at each.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Show the images that are built upon it instead
    #[arg(long)]
    whatrequires: bool,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let image = images::find(&cx.engine, &args.image)?;
    let all = images::list(&cx.engine)?;
    let sizes = images::layer_sizes(&cx.engine, &image)?;
    let mut out = format!("Image ID: {}\nTags:     [{}]\n", human::short_id(&image.id), image.names.join(" "));
    out += &format!("Size:     {}\n", human::size(sizes.iter().sum()));
    if args.whatrequires {
        let above = |l: &&Listed| {
            l.image.id != image.id && !image.layers.is_empty() && l.image.layers.starts_with(&image.layers)
        };
        for user in all.iter().filter(above) {
            out += &format!("├── {} {}\n", human::short_id(&user.image.id), user.image.names.join(" "));
        }
    } else {
        // Images by the layer that they end at.
        let mut ends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for listed in &all {
            if let Some(last) = listed.image.layers.last() {
                ends.entry(&last.chain_id).or_default().extend(listed.image.names.iter().map(String::as_str));
            }
        }
        out += "Image Layers\n";
        for (n, (layer, size)) in image.layers.iter().zip(&sizes).enumerate() {
            let branch = if n + 1 == image.layers.len() { "└──" } else { "├──" };
            let tops = ends.get(layer.chain_id.as_str()).map(|names| format!(" Top Layer of: [{}]", names.join(" ")));
            let id = human::short_id(&layer.chain_id);
            out += &format!("{branch} ID: {id} Size: {:>7}{}\n", human::size(*size), tops.unwrap_or_default());
        }
    }
    output::raw(out.as_bytes())?;
    Ok(0)
}
