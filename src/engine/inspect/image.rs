//! `inspect` of an image.

use super::Style;
use crate::engine::doc::{Doc, fields, or_null, set};
use crate::image::{Healthcheck, Image, Reference};

/// An image (`size` bytes when extracted) as `docker image inspect` shows it, with podman's `Digest`, `Labels`, `User` and `History` besides.
pub fn image(image: &Image, size: u64, style: Style) -> Doc {
    let config = &image.config.config;
    let digest = image.manifest.to_string();
    let history: Vec<Doc> = image
        .config
        .history
        .iter()
        .map(|h| {
            fields! { "created" => &h.created, "created_by" => &h.created_by, "author" => &h.author,
            "comment" => &h.comment, "empty_layer" => h.empty_layer }
        })
        .collect();
    let diff_ids: Vec<String> = image.config.rootfs.diff_ids.iter().map(ToString::to_string).collect();
    fields! {
        "Id" => if style.docker { format!("sha256:{}", image.id) } else { image.id.clone() },
        "Digest" => &digest,
        "RepoTags" => image.names.iter().filter(|n| !n.contains('@')).map(|n| shown(n, style)).collect::<Vec<_>>(),
        "RepoDigests" => image.repo_digests.iter().map(|n| shown(n, style)).collect::<Vec<_>>(),
        "Parent" => "",
        "Comment" => image.config.history.last().map(|h| h.comment.clone()).unwrap_or_default(),
        "Created" => &image.config.created,
        "Config" => fields! {
            "User" => &config.user,
            "ExposedPorts" => set(config.exposed_ports.keys().cloned()),
            "Env" => or_null(&config.env),
            "Entrypoint" => or_null(&config.entrypoint),
            "Cmd" => or_null(&config.cmd),
            "Healthcheck" => config.healthcheck.as_ref().map(healthcheck),
            "Volumes" => set(config.volumes.keys().cloned()),
            "WorkingDir" => &config.working_dir,
            "Labels" => &config.labels,
            "StopSignal" => &config.stop_signal,
            "Shell" => or_null(&config.shell),
            "OnBuild" => or_null(&config.on_build),
        },
        "Version" => "",
        "Author" => &image.config.author,
        "Architecture" => &image.config.architecture,
        "Variant" => &image.config.variant,
        "Os" => &image.config.os,
        "Size" => size,
        "VirtualSize" => size,
        "GraphDriver" => fields! { "Name" => "overlay", "Data" => fields! {} },
        "RootFS" => fields! { "Type" => "layers", "Layers" => diff_ids },
        "Metadata" => fields! { "LastTagTime" => "0001-01-01T00:00:00Z" },
        "Labels" => &config.labels,
        "User" => &config.user,
        "History" => history,
        "NamesHistory" => image.names.clone(),
    }
}

/// Docker shows `debian:12`, podman `docker.io/library/debian:12`.
fn shown(name: &str, style: Style) -> String {
    match style.docker {
        true => Reference::parse(name).map(|r| r.familiar()).unwrap_or_else(|_| name.to_string()),
        false => name.to_string(),
    }
}

fn healthcheck(check: &Healthcheck) -> Doc {
    fields! {
        "Test" => &check.test,
        "Interval" => check.interval,
        "Timeout" => check.timeout,
        "StartPeriod" => check.start_period,
        "StartInterval" => check.start_interval,
        "Retries" => check.retries,
    }
}
