//! Where the result of `coracle build` goes: flags, and what they do once all is built.

use super::connection_flags::ConnectionFlags;
use super::{Cx, Personality, archive_out, output, progress};
use crate::build::cache::Record;
use crate::build::export::{Annotation, Export, Kind, Level};
use crate::build::output::{self as out, Parts};
use crate::build::solve::{Built, lowers};
use crate::engine::push::{self, Request};
use crate::engine::save::{self, SaveOptions};
use crate::error::{Context, Error, Result};
use crate::image::{
    Descriptor, Digest, Draft, Format, Image, ImageList, ManifestPlatform, OCI_INDEX, Reference, SaveFormat,
    SaveLayers, Store, ToSave, What,
};
use crate::registry::{Members, Platform};
use crate::userns::IdMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Flatten into the command's arguments.
#[derive(clap::Args, Debug)]
pub struct OutputFlags {
    /// Name of the image; may be given several times
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub tag: Vec<String>,
    /// What to make: type=image|registry|docker|oci|tar|local|cacheonly[,dest=PATH][,name=NAME][,push=true], DIR or -; may be given several times
    #[arg(short, long, value_name = "OUTPUT")]
    output: Vec<String>,
    /// Push the image to the registries of its names
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    push: Option<bool>,
    /// Keep the image in the store, whatever else --output asks for
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    load: Option<bool>,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write digests and names as JSON to a file
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub quiet: bool,
    /// Form of the manifest: oci or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    format: String,
    /// Label of the image
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Annotation of the manifest, or of what stands before a colon: index, manifest[PLATFORM], manifest-descriptor
    #[arg(long, value_name = "[LEVEL:]KEY=VALUE")]
    annotation: Vec<String>,
    /// One layer for all that is new
    #[arg(long)]
    squash: bool,
    /// One layer for all, the base image's too
    #[arg(long)]
    squash_all: bool,
    /// Leave out of the image what it was made by
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    omit_history: Option<bool>,
    /// Add the images to the manifest list of that name, which is made if need be
    #[arg(long, value_name = "LIST")]
    manifest: Option<String>,
    /// Accepted: new files are never later than the time of the image
    #[arg(long, hide = true)]
    rewrite_timestamp: bool,
}

/// What the flags mean, checked before anything is built.
pub struct Outputs<'a> {
    flags: &'a OutputFlags,
    exports: Vec<Export>,
    names: Vec<Reference>,
    labels: BTreeMap<String, String>,
    annotations: Vec<Annotation>,
    format: Format,
    docker: bool,
    connection: &'a ConnectionFlags,
    /// Several platforms: an index.
    several: bool,
    list: Option<Reference>,
}

/// A manifest in the store.
struct Made {
    image: Image,
    descriptor: Descriptor,
    platform: Platform,
}

/// What a build for one or several platforms gives.
enum Whole<'m> {
    Image(&'m Made),
    Index { draft: Draft, descriptor: Box<Descriptor> },
}

impl Whole<'_> {
    fn descriptor(&self) -> &Descriptor {
        match self {
            Whole::Image(made) => &made.descriptor,
            Whole::Index { descriptor, .. } => descriptor,
        }
    }

    /// What scripts go on with: the image's id, or the index's digest.
    fn id(&self) -> String {
        match self {
            Whole::Image(made) => made.image.id.clone(),
            Whole::Index { descriptor, .. } => descriptor.digest.hex().to_string(),
        }
    }
}

/// What scripts are told of the image.
#[derive(Default)]
pub struct Report {
    id: String,
    /// The id is that of a config.
    config: bool,
    descriptor: Option<Descriptor>,
    names: Vec<String>,
}

impl Report {
    /// The manifest that others see.
    fn is_elsewhere(&mut self, digest: &Digest, size: u64) {
        if let Some(descriptor) = &mut self.descriptor {
            (descriptor.digest, descriptor.size) = (digest.clone(), size);
        }
        // An index is known by its digest alone.
        if !self.config {
            self.id = digest.hex().into();
        }
    }
}

impl OutputFlags {
    /// # Errors
    /// What can't be done is said before the build begins.
    pub fn outputs<'a>(
        &'a self,
        docker: bool,
        connection: &'a ConnectionFlags,
        platforms: &[Platform],
    ) -> Result<Outputs<'a>> {
        let names = self.tag.iter().map(|t| name(t, docker)).collect::<Result<Vec<_>>>()?;
        let mut exports = self.output.iter().map(|text| Export::parse(text)).collect::<Result<Vec<_>>>()?;
        let push = self.push == Some(true);
        for export in exports.iter_mut().filter(|e| e.kind == Kind::Image) {
            export.push |= push;
        }
        // Alone, or beside outputs that leave no image.
        let image = exports.iter().any(|e| e.kind == Kind::Image);
        if exports.is_empty() || (!image && (push || self.load == Some(true))) {
            exports.push(Export { push, ..Export::default() });
        }
        if exports.iter().filter(|e| e.is_stdout()).count() > 1 {
            return Err(Error::user("write several outputs to standard output").hint("give the others a dest=FILE"));
        }
        let annotations = self.annotation.iter().map(|text| Annotation::parse(text)).collect::<Result<Vec<_>>>()?;
        let outputs = Outputs {
            flags: self,
            exports,
            names,
            labels: labels(&self.label)?,
            annotations,
            format: Format::parse(&self.format)?,
            docker,
            connection,
            several: platforms.len() > 1,
            list: self.manifest.as_deref().map(|text| name(text, docker)).transpose()?,
        };
        outputs.check()?;
        Ok(outputs)
    }
}

impl Outputs<'_> {
    fn check(&self) -> Result<()> {
        for export in &self.exports {
            let names = self.names_of(export)?;
            let unsupported = |what: &str| Err(Error::unsupported(format!("{what} for several platforms")));
            match (self.several, export.kind) {
                (true, Kind::Docker) => {
                    return unsupported("make docker's archive").map_err(|e| e.hint("use type=oci,dest=FILE"));
                }
                (true, Kind::Tar) => return unsupported("make a tar").map_err(|e| e.hint("use type=local,dest=DIR")),
                (true, Kind::Image) if export.by_digest => {
                    return unsupported("push by digest").map_err(|e| e.hint("build each platform by itself"));
                }
                _ => {}
            }
            if export.push {
                if names.is_empty() {
                    return Err(Error::user("push the image: it has no name").hint("-t REGISTRY/NAME:TAG"));
                }
                if let Some(local) = names.iter().find(|n| n.domain == "localhost") {
                    return Err(Error::user(format!("push {local}: it is a name of this host, not of a registry"))
                        .hint("-t REGISTRY/NAME:TAG"));
                }
            }
            if let Some(dest) = &export.dest
                && export.kind != Kind::Local
                && let Some(dir) = dest.parent().filter(|d| !d.as_os_str().is_empty() && !d.is_dir())
            {
                return Err(Error::not_found(format!(
                    "write {}: there is no directory {}",
                    dest.display(),
                    dir.display()
                )));
            }
            let annotated = !self.annotations.is_empty() || !export.annotations.is_empty();
            if annotated && self.format == Format::Docker && export.is_image() {
                return Err(Error::user("annotate an image of Docker's format: it has no annotations")
                    .hint("leave --format docker out"));
            }
        }
        Ok(())
    }

    /// Whether the store lists all that was made; else there is something to collect.
    pub fn stays(&self) -> bool {
        self.exports.iter().any(|e| e.kind == Kind::Image)
    }

    fn names_of(&self, export: &Export) -> Result<Vec<Reference>> {
        match export.names.is_empty() {
            true => Ok(self.names.clone()),
            false => export.names.iter().map(|n| name(n, self.docker)).collect(),
        }
    }

    /// Makes everything that was asked for; [`Outputs::tell`] says so when the rest is done, too.
    pub fn write(
        &self,
        cx: &Cx,
        store: &Store,
        idmap: &IdMap,
        results: &[(Platform, Built)],
        inline: Option<&BTreeMap<String, Record>>,
    ) -> Result<Report> {
        let mut all: Vec<(Platform, Parts)> = Vec::new();
        for (platform, built) in results {
            let squash = match (self.flags.squash_all, self.flags.squash) {
                (true, _) => Some(0),
                (false, true) => Some(built.base_layers),
                (false, false) => None,
            };
            let mut parts = out::parts(store, idmap, built, &self.labels, squash, inline)?;
            if self.flags.omit_history == Some(true) {
                parts.config.history.clear();
            }
            all.push((platform.clone(), parts));
        }
        let mut report: Option<(usize, Report)> = None;
        for export in &self.exports {
            match export.kind {
                Kind::Nothing => {}
                Kind::Local | Kind::Tar => {
                    for (platform, parts) in &all {
                        self.files(store, idmap, platform, parts, export)?;
                    }
                }
                Kind::Image | Kind::Oci | Kind::Docker => {
                    let each = all
                        .iter()
                        .map(|(platform, parts)| self.compose(store, parts, platform, export))
                        .collect::<Result<Vec<Made>>>()?;
                    let made = match &each[..] {
                        [only] if !self.several => Whole::Image(only),
                        _ => self.index(store, &each, export)?,
                    };
                    let names = self.names_of(export)?;
                    let mut said = Report {
                        id: made.id(),
                        config: matches!(made, Whole::Image(_)),
                        descriptor: Some(made.descriptor().clone()),
                        names: names.iter().map(Reference::canonical).collect(),
                    };
                    match export.kind {
                        Kind::Image => self.image(cx, store, &made, &each, &names, export, &mut said)?,
                        // What is in the archive may differ (compression); that is what others will read.
                        _ => {
                            if let Some(entry) = self.archive(store, &made, names, export)?.first() {
                                said.is_elsewhere(&entry.digest, entry.size);
                            }
                        }
                    }
                    // Docker tells of the first; what is in a registry or the store is what scripts go on with.
                    let worth = usize::from(export.kind == Kind::Image) + usize::from(export.push);
                    if report.as_ref().is_none_or(|(best, _)| worth > *best) {
                        report = Some((worth, said));
                    }
                }
            }
        }
        Ok(report.map(|(_, report)| report).unwrap_or_default())
    }

    /// The index of the images of all platforms.
    fn index(&self, store: &Store, each: &[Made], export: &Export) -> Result<Whole<'static>> {
        let all = self.annotations(export);
        let mut draft = Draft::new();
        for made in each {
            draft.add(&self.member(made, &all), None)?;
        }
        draft.annotate_list(&Annotation::pick(&all, &|level| *level == Level::Index));
        let bytes = draft.bytes()?;
        let descriptor = Descriptor::new(OCI_INDEX, store.put(&bytes)?, bytes.len() as u64);
        Ok(Whole::Index { draft, descriptor: Box::new(descriptor) })
    }

    /// The entry of an image in an index.
    fn member(&self, made: &Made, annotations: &[Annotation]) -> Descriptor {
        let mut member = made.descriptor.clone();
        let platform = &made.platform;
        member.platform = Some(ManifestPlatform {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            ..ManifestPlatform::default()
        });
        let own =
            |level: &Level| matches!(level, Level::ManifestDescriptor(p) if p.as_ref().is_none_or(|p| p == platform));
        member.annotations = Annotation::pick(annotations, &own);
        member
    }

    fn annotations(&self, export: &Export) -> Vec<Annotation> {
        self.annotations.iter().chain(&export.annotations).cloned().collect()
    }

    fn compose(&self, store: &Store, parts: &Parts, platform: &Platform, export: &Export) -> Result<Made> {
        let all = self.annotations(export);
        let own = |level: &Level| matches!(level, Level::Manifest(p) if p.as_ref().is_none_or(|p| p == platform));
        let annotations = Annotation::pick(&all, &own);
        let descriptor = store.compose_with(&parts.config, &parts.layers, self.format, annotations)?;
        // A base may be of another platform than was asked for: what the image says counts.
        let config = &parts.config;
        let platform = match config.architecture.is_empty() {
            true => platform.clone(),
            false => Platform::normalised(&config.os, &config.architecture, &config.variant),
        };
        Ok(Made { image: store.image(&descriptor.digest)?, descriptor, platform })
    }

    #[allow(clippy::too_many_arguments)] // What was made, and how it goes out.
    fn image(
        &self,
        cx: &Cx,
        store: &Store,
        made: &Whole<'_>,
        each: &[Made],
        names: &[Reference],
        export: &Export,
        report: &mut Report,
    ) -> Result<()> {
        match made {
            Whole::Image(image) => {
                names.iter().try_for_each(|name| store.tag(&image.descriptor, name))?;
                if names.is_empty() {
                    store.keep(&image.descriptor)?;
                }
            }
            Whole::Index { draft, .. } => {
                store.put_list(names, draft)?;
                if names.is_empty() {
                    each.iter().try_for_each(|image| store.keep(&image.descriptor))?;
                }
            }
        }
        if let Some(list) = &self.list {
            self.join(store, list, each, export)?;
        }
        if !export.push {
            return Ok(());
        }
        // With the names that it has now.
        let image = store.image(&each[0].descriptor.digest)?;
        let mut connection = self.connection.options()?;
        if export.insecure {
            connection.tls_verify.get_or_insert(false);
        }
        let request = Request {
            connection,
            compression: export.compression,
            force_compression: export.force_compression || export.compression.is_some(),
            by_digest: export.by_digest,
            ..Request::default()
        };
        let progress = progress::for_push(self.flags.quiet);
        for name in names {
            let pushed = match made {
                Whole::Image(_) => {
                    push::push_image(&cx.engine, store, &image, name, &request, progress.as_ref())?.pushed
                }
                Whole::Index { draft, .. } => {
                    let own = each.iter().map(|made| made.descriptor.digest.clone()).collect();
                    let members = Members { own, ..Members::default() };
                    push::push_index(&cx.engine, store, &draft.bytes()?, &members, name, &request, progress.as_ref())?
                }
            };
            // What the registry has may differ (compression); that is what others will ask for.
            report.is_elsewhere(&pushed.digest, pushed.size);
        }
        Ok(())
    }

    /// Adds the images to a manifest list of the store.
    fn join(&self, store: &Store, list: &Reference, each: &[Made], export: &Export) -> Result<()> {
        let all = self.annotations(export);
        let add = |draft: &mut Draft| each.iter().try_for_each(|made| draft.add(&self.member(made, &all), None));
        match store.find_list(&list.canonical())? {
            Some(known) => drop(store.change_list(&known.id, add)?),
            None => {
                let mut draft = Draft::new();
                add(&mut draft)?;
                store.create_list(list, &draft)?;
            }
        }
        Ok(())
    }

    /// Writes the archive or directory; the entries of its index, where it has one.
    fn archive(
        &self,
        store: &Store,
        made: &Whole<'_>,
        names: Vec<Reference>,
        export: &Export,
    ) -> Result<Vec<Descriptor>> {
        let what = match made {
            Whole::Image(made) => What::Image(Box::new(made.image.clone())),
            Whole::Index { draft, descriptor } => What::List(ImageList {
                id: descriptor.digest.hex().into(),
                digest: descriptor.digest.clone(),
                names: Vec::new(),
                created: String::new(),
                draft: draft.clone(),
            }),
        };
        let images = [ToSave { what, names, tag: None }];
        let format = match (export.kind, export.directory) {
            (Kind::Docker, _) => SaveFormat::DockerArchive,
            (_, true) => SaveFormat::OciDir,
            (_, false) => SaveFormat::OciArchive,
        };
        let how = SaveOptions { format, compress: false, layers: SaveLayers::Packed, platforms: Vec::new() };
        match &export.dest {
            Some(dir) if export.directory => {
                save::directory_of(store, &images, &how, dir).with_context(|| format!("write {}", dir.display()))
            }
            dest => {
                let mut file = archive_out::Output::open(dest.as_deref())?;
                let place = file.seekable()?;
                let written = save::archive_of(store, &images, &how, &mut file, place)?;
                file.finish()?;
                Ok(written)
            }
        }
    }

    fn files(&self, store: &Store, idmap: &IdMap, platform: &Platform, parts: &Parts, export: &Export) -> Result<()> {
        let lowers = lowers(store, idmap, &parts.layers)?;
        match (&export.dest, export.kind) {
            (Some(dir), Kind::Local) if export.split.unwrap_or(self.several) => {
                out::local(idmap, lowers, &dir.join(platform.to_string().replace('/', "_")))
            }
            (Some(dir), Kind::Local) => out::local(idmap, lowers, dir),
            (dest, _) => {
                let mut file = archive_out::Output::open(dest.as_deref())?;
                out::tar(idmap, lowers, &mut file)?;
                file.finish()
            }
        }
    }

    /// Says which image was made.
    pub fn tell(&self, cx: &Cx, report: &Report) -> Result<()> {
        self.describe(report)?;
        if report.id.is_empty() {
            return Ok(());
        }
        let id = format!("sha256:{}", report.id);
        if let Some(path) = &self.flags.iidfile {
            write(path, &id)?;
        }
        // Standard output is full of data already.
        if self.exports.iter().any(Export::is_stdout) {
            return Ok(());
        }
        match cx.personality {
            Personality::Docker if self.flags.quiet => output::line(&id),
            Personality::Docker => {
                eprintln!("writing image {id}");
                self.flags.tag.iter().for_each(|tag| eprintln!("naming to {tag}"));
                Ok(())
            }
            Personality::Coracle | Personality::Podman => output::line(&report.id),
        }
    }

    /// The metadata file, with the keys of buildx.
    fn describe(&self, report: &Report) -> Result<()> {
        let Some(path) = &self.flags.metadata_file else { return Ok(()) };
        let mut all: BTreeMap<&str, Value> = BTreeMap::new();
        if let Some(descriptor) = &report.descriptor {
            let text = json!({
                "digest": descriptor.digest,
                "mediaType": descriptor.media_type,
                "size": descriptor.size,
            });
            all.insert("containerimage.descriptor", text);
            all.insert("containerimage.digest", json!(descriptor.digest));
            if report.config {
                all.insert("containerimage.config.digest", format!("sha256:{}", report.id).into());
            }
        }
        if !report.names.is_empty() {
            all.insert("image.name", report.names.join(",").into());
        }
        write(path, &format!("{:#}\n", json!(all)))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = archive_out::Output::open(Some(path))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    file.finish()
}

/// Docker's short names are on its hub, podman's on this host.
fn name(text: &str, docker: bool) -> Result<Reference> {
    let name = Reference::parse_with(text, if docker { "docker.io" } else { "localhost" })?;
    match name.digest {
        None => Ok(name),
        Some(_) => Err(Error::user(format!("name an image '{text}'")).hint("a digest can't be given; use NAME[:TAG]")),
    }
}

fn labels(words: &[String]) -> Result<BTreeMap<String, String>> {
    let pairs = words.iter().map(|word| match word.split_once('=').unwrap_or((word, "")) {
        ("", _) => Err(Error::user(format!("read --label '{word}': write KEY=VALUE"))),
        (key, value) => Ok((key.to_string(), value.to_string())),
    });
    pairs.collect()
}
