//! `coracle build`.

use super::build_cache::CacheFlags;
use super::build_output::{OutputFlags, Outputs};
use super::build_platform::PlatformFlags;
use super::build_progress::{Shown, Style};
use super::build_run_flags::RunFlags;
use super::connection_flags::ConnectionFlags;
use super::{Cx, Personality, docker_config, output, progress};
use crate::build::args::{BuildArgs, PROXIES, PlatformArgs};
use crate::build::ast::{Dockerfile, Network};
use crate::build::cache::Cache;
use crate::build::check::{check, static_rules};
use crate::build::input::{self, Input};
use crate::build::lint::Lint;
use crate::build::mounts::{self, Secret};
use crate::build::named::Contexts;
use crate::build::parser::parse;
use crate::build::progress::{Event, Progress};
use crate::build::run::RunOptions;
use crate::build::solve::{Built, Failure, Plan, Solver};
use crate::build::source::{Fault, Source};
use crate::build::stages;
use crate::engine::images;
use crate::engine::pull::Policy;
use crate::error::{Context, Error, Result};
use crate::image::Store;
use crate::registry::Platform;
use crate::userns::IdMap;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Build an image from a Dockerfile.
///
/// The context is a directory, a git repository (URL[#REF[:DIRECTORY]]), an http(s) address or - for a tar or a
/// Dockerfile on standard input. The same inputs give the same image: files get the time of the base image, or that of --timestamp or
/// SOURCE_DATE_EPOCH. Prints the image's id; all else goes to stderr.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The Dockerfile, or - for standard input (default: Containerfile or Dockerfile in the context)
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Value of an ARG; without a value, that of the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Another context for FROM, --from and stages: a directory, docker-image://IMAGE, oci-layout://DIR[:TAG], a git repository or the address of a tar
    #[arg(long, value_name = "NAME=CONTEXT")]
    build_context: Vec<String>,
    /// The stage to build (default: the last)
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// When to ask the registry for base images: always, missing, never, newer
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_missing_value = "always", default_value = "missing")]
    pull: String,
    /// Network of RUN: default, none or host
    #[arg(long, alias = "net", value_name = "NETWORK", default_value = "default")]
    network: String,
    /// Secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Pass the ssh agent to RUN --mount=type=ssh: default, or default=SOCKET
    #[arg(long, value_name = "AGENT", num_args = 0..=1, require_equals = false, default_missing_value = "default")]
    ssh: Option<String>,
    /// Add a line to /etc/hosts of RUN
    #[arg(long, value_name = "HOST:IP")]
    add_host: Vec<String>,
    /// DNS server of RUN
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// Limit of RUN, as NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    ulimit: Vec<String>,
    /// Size of /dev/shm in RUN
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
    /// Give RUN a capability
    #[arg(long, value_name = "CAP")]
    cap_add: Vec<String>,
    /// Take a capability from RUN
    #[arg(long, value_name = "CAP")]
    cap_drop: Vec<String>,
    /// Security option of RUN
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    #[command(flatten)]
    run: RunFlags,
    /// How to show the build: auto, plain, rawjson or quiet
    #[arg(long, value_name = "STYLE")]
    progress: Option<String>,
    /// Time of the image and its new files, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or the base image's)
    #[arg(long, alias = "source-date-epoch", value_name = "SECONDS")]
    timestamp: Option<i64>,
    /// The ignore file (default: FILE.dockerignore, .containerignore or .dockerignore)
    #[arg(long, value_name = "FILE")]
    ignorefile: Option<PathBuf>,
    /// Check the Dockerfile instead of building it
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cache: CacheFlags,
    #[command(flatten)]
    out: OutputFlags,
    #[command(flatten)]
    platform: PlatformFlags,
    #[command(flatten)]
    connection: ConnectionFlags,
    /// Accepted: nothing is left of a build but its image
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<bool>,
    /// Accepted: nothing is left of a build but its image
    #[arg(long, hide = true)]
    force_rm: bool,
    /// Directory, git repository or - (standard input)
    #[arg(value_name = "CONTEXT", default_value = ".")]
    context: String,
}

pub fn run(args: Args, cx: &Cx) -> Result<u8> {
    let docker = cx.personality == Personality::Docker;
    let store = Store::open(&cx.engine.paths)?;
    let registry = args.connection.options()?;
    let platforms = args.platform.platforms(&registry.env)?;
    let outputs = args.out.outputs(docker, &args.connection, &platforms)?;
    // All that reads standard input and the context does so before anything is done.
    let mut given: BTreeMap<String, String> = docker_config::load(cx).proxies().into_iter().collect();
    given.extend(self::given(&args.build_arg)?);
    let keep_git = given.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR").is_some_and(|v| v == "1" || v == "true");
    let input = input::open(
        &cx.engine.paths,
        &input::Request {
            context: &args.context,
            file: args.file.as_deref(),
            ignorefile: args.ignorefile.as_deref(),
            docker,
            keep_git,
            registry: &registry,
        },
    )?;
    let mut lint = Lint::default();
    if let Ok(text) = std::env::var("BUILDKIT_DOCKERFILE_CHECK") {
        lint.configure(&text)?;
    }
    if args.check {
        return run_check(&input, &store, &mut arguments(&given, &platforms[0]), &mut lint);
    }
    let shown = Shown::new(style(&args)?);
    let result = build(&args, cx, &store, &input, &given, &platforms, &shown, &mut lint, &outputs);
    warn(&input.source, &mut lint, &shown, args.out.quiet);
    match result {
        Ok(()) if outputs.stays() => Ok(0),
        Ok(()) => images::collect(&cx.engine, store).map(|()| 0),
        Err(failure) => {
            // Layers of steps that went well are kept for the next build; the rest goes.
            let _ = images::collect(&cx.engine, store);
            fail(failure, &input.source, &shown, docker)
        }
    }
}

/// The finding of the checks, at the end, where they are seen.
fn warn(source: &Source, lint: &mut Lint, shown: &Shown, quiet: bool) {
    lint.sort();
    if quiet {
        return;
    }
    for warning in &lint.warnings {
        let place = format!("{}:{}", source.name, warning.span.start);
        shown.event(Event::Warning(&format!("{place}: {}: {}", warning.rule.name(), warning.message)));
    }
}

fn fail(failure: Failure, source: &Source, shown: &Shown, docker: bool) -> Result<u8> {
    let Some(span) = failure.span else { return Err(failure.error) };
    if failure.code.is_some() {
        eprint!("{}", shown.failed_step());
    }
    eprint!("{}", source.excerpt(span));
    let error = Fault { error: failure.error, span }.in_file(source);
    match failure.code {
        // The program's own code, as podman gives it on.
        Some(code) if !docker => {
            eprintln!("coracle: {error}");
            Ok(code as u8)
        }
        _ => Err(error),
    }
}

fn style(args: &Args) -> Result<Style> {
    let text = match &args.progress {
        Some(text) => text.clone(),
        None => {
            std::env::var("BUILDKIT_PROGRESS").ok().filter(|t| !t.is_empty() && t != "tty").unwrap_or("auto".into())
        }
    };
    Style::parse(&text, args.out.quiet)
}

fn run_check(input: &Input, store: &Store, build_args: &mut BuildArgs, lint: &mut Lint) -> Result<u8> {
    let known = |name: &str| store.lookup(name).ok().map(|image| image.config.config);
    let source = &input.source;
    let checked = parse(source, lint).and_then(|file| check(&file, build_args, &input.ignore, &known, lint));
    lint.sort();
    report(source, lint, checked.as_ref().err())?;
    match checked {
        Err(fault) => Err(fault.in_file(source)),
        Ok(()) => Ok(u8::from(!lint.warnings.is_empty())),
    }
}

/// Docker's text: a count, then each finding with its place.
fn report(source: &Source, lint: &Lint, fault: Option<&Fault>) -> Result<()> {
    let mut text = String::new();
    match (lint.warnings.len(), fault) {
        (0, None) => text.push_str("Check complete, no warnings found.\n"),
        (0, Some(_)) => {}
        (1, _) => text.push_str("Check complete, 1 warning has been found!\n"),
        (n, _) => text.push_str(&format!("Check complete, {n} warnings have been found!\n")),
    }
    for warning in &lint.warnings {
        text.push('\n');
        text.push_str(&warning.display(source));
    }
    if let Some(fault) = fault {
        eprint!("{}", source.excerpt(fault.span));
    }
    output::raw(text.as_bytes())
}

#[allow(clippy::too_many_arguments)] // The pieces of one command line.
fn build(
    args: &Args,
    cx: &Cx,
    store: &Store,
    input: &Input,
    given: &BTreeMap<String, String>,
    platforms: &[Platform],
    shown: &Shown,
    lint: &mut Lint,
    outputs: &Outputs<'_>,
) -> Result<(), Failure> {
    let registry = args.connection.options()?;
    let contexts = Contexts::open(&cx.engine.paths, &args.build_context, &registry)?;
    let note = |text: &str| shown.event(Event::Warning(text));
    let inline = given.get("BUILDKIT_INLINE_CACHE").is_some_and(|v| v == "1" || v == "true");
    let caches = args.cache.caches(inline, args.out.quiet)?;
    let cache = caches.open(cx, store, &registry, &note);
    if IdMap::detect()?.has_one_id() {
        shown.event(Event::Warning(
            "there is one id only: in RUN, changes of owners and users are accepted and have no effect (see `coracle doctor`)",
        ));
    }
    let mut results = Vec::new();
    for (n, platform) in platforms.iter().enumerate() {
        // The findings are the same for all.
        let mut unheard = Lint::default();
        let lint = if n == 0 { &mut *lint } else { &mut unheard };
        let build_args = arguments(given, platform);
        let built = one(args, cx, store, input, build_args, platform.clone(), shown, lint, &contexts, &cache)?;
        results.push((platform.clone(), built));
    }
    let idmap = IdMap::detect()?;
    let records = cache.seen();
    let report = outputs.write(cx, store, &idmap, &results, caches.inline().then_some(&records))?;
    let images: Vec<_> = results.iter().map(|(_, built)| built.layers.clone()).collect();
    caches.write(cx, store, &cache, &images, &registry, &note)?;
    outputs.tell(cx, &report)?;
    Ok(())
}

fn arguments(given: &BTreeMap<String, String>, platform: &Platform) -> BuildArgs {
    BuildArgs::new(given.clone(), &platform_args(platform), &platform_args(&Platform::host()))
}

/// Builds for one platform.
#[allow(clippy::too_many_arguments)] // The pieces of one command line.
fn one(
    args: &Args,
    cx: &Cx,
    store: &Store,
    input: &Input,
    mut build_args: BuildArgs,
    platform: Platform,
    shown: &Shown,
    lint: &mut Lint,
    contexts: &Contexts,
    cache: &Cache,
) -> Result<Built, Failure> {
    let registry = args.connection.options()?;
    let mut file = parse(&input.source, lint)?;
    static_rules(&file, &input.ignore, lint);
    contexts.replace_stages(&mut file);
    let origins = stages::resolve(&file, &mut build_args, lint)?;
    let target = stages::target(&file, args.target.as_deref())?;
    if let Some(fault) = lint.failure() {
        return Err(fault.into());
    }
    unused(&file, &build_args, shown);
    let epoch = match (args.timestamp, build_args.given.get("SOURCE_DATE_EPOCH")) {
        (Some(seconds), _) if seconds >= 0 => Some(seconds),
        (Some(seconds), _) => return Err(Error::user(format!("read --timestamp {seconds}: it is before 1970")).into()),
        (None, Some(text)) => Some(seconds(text)?),
        (None, None) => {
            std::env::var("SOURCE_DATE_EPOCH").ok().filter(|t| !t.is_empty()).map(|t| seconds(&t)).transpose()?
        }
    };
    let pulls = progress::for_stderr(args.out.quiet);
    let plan = Plan {
        file: &file,
        origins: &origins,
        args: &build_args,
        context: input.context.clone(),
        ignore: input.ignore.clone(),
        contexts,
        target,
        policy: Policy::parse(&args.pull)?,
        registry: &registry,
        pull_progress: pulls.as_ref(),
        platform,
        no_cache: args.cache.no_cache,
        cache: cache.clone(),
        no_cache_filter: args.cache.no_cache_filter.iter().map(|s| s.to_lowercase()).collect(),
        run: run_options(args, &build_args)?,
        secrets: secrets(&args.secret)?,
        ssh: args.ssh.as_deref().map(agent).transpose()?,
        epoch,
    };
    let idmap = IdMap::detect()?;
    let mut built = Solver::new(&cx.engine, store, &idmap, &plan, shown, lint).solve()?;
    let config = &mut built.config.config;
    config.env.retain(|word| !args.run.unsetenv.iter().any(|name| word.split('=').next() == Some(name)));
    config.labels.retain(|name, _| !args.run.unsetlabel.contains(name));
    Ok(built)
}

fn seconds(text: &str) -> Result<i64> {
    let number = text.trim().parse::<i64>().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| Error::user(format!("read SOURCE_DATE_EPOCH: '{text}' is no number of seconds")))
}

/// Arguments that no ARG asks for are slips, most likely.
fn unused(file: &Dockerfile, args: &BuildArgs, shown: &Shown) {
    let declared = crate::build::check::declared(file);
    let names: Vec<&str> = args.unused(&declared).collect();
    if !names.is_empty() {
        shown.event(Event::Warning(&format!("build arguments that nothing declares: {}", names.join(", "))));
    }
}

fn run_options(args: &Args, build_args: &BuildArgs) -> Result<RunOptions> {
    let network = match args.network.as_str() {
        "default" | "" | "bridge" | "private" => Network::Default,
        "none" => Network::None,
        "host" => Network::Host,
        other => return Err(Error::unsupported(format!("use --network {other}")).hint("default, none or host")),
    };
    // Given ones first; else those of the caller, as docker and podman pass them on.
    let mut proxies: Vec<String> = build_args.proxies().map(|(k, v)| format!("{k}={v}")).collect();
    for name in PROXIES {
        let given = build_args.given.contains_key(name);
        if let Some(value) = std::env::var(name).ok().filter(|v| !v.is_empty() && !given) {
            proxies.push(format!("{name}={value}"));
        }
    }
    Ok(RunOptions {
        network,
        add_host: args.add_host.clone(),
        dns: args.dns.clone(),
        ulimit: args.ulimit.clone(),
        shm_size: args.shm_size.clone(),
        cap_add: args.cap_add.clone(),
        cap_drop: args.cap_drop.clone(),
        security_opt: args.security_opt.clone(),
        proxies,
        given: args.run.given()?,
    })
}

fn secrets(words: &[String]) -> Result<BTreeMap<String, Secret>> {
    words.iter().map(|text| mounts::secret(text, &|name| std::env::var(name).ok())).collect()
}

/// The agent's socket.
fn agent(text: &str) -> Result<PathBuf> {
    let socket = match text.split_once('=') {
        None if text == "default" => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from).ok_or_else(|| {
            Error::not_found("use --ssh default: SSH_AUTH_SOCK is not set").hint("start an agent: eval $(ssh-agent)")
        })?,
        Some(("default", path)) => path.into(),
        _ => return Err(Error::unsupported(format!("use --ssh {text}")).hint("default, or default=SOCKET")),
    };
    let meta = std::fs::metadata(&socket).with_context(|| format!("use the ssh agent {}", socket.display()))?;
    if !std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()) {
        return Err(Error::unsupported(format!(
            "use --ssh {text}: only the socket of an agent is supported, not keys"
        )));
    }
    Ok(socket)
}

/// `--build-arg NAME` takes the value from the environment, or is not given at all.
fn given(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for word in words {
        match word.split_once('=') {
            Some(("", _)) => return Err(Error::user(format!("read --build-arg '{word}': write NAME=VALUE"))),
            Some((name, value)) => drop(all.insert(name.to_string(), value.to_string())),
            None => {
                if let Ok(value) = std::env::var(word) {
                    all.insert(word.clone(), value);
                }
            }
        }
    }
    Ok(all)
}

fn platform_args(platform: &Platform) -> PlatformArgs {
    PlatformArgs {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
    }
}
