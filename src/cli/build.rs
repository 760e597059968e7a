//! `coracle build`.

use super::build_cache::CacheFlags;
use super::build_more_flags::MoreFlags;
use super::build_output::{OutputFlags, Outputs};
use super::build_platform::PlatformFlags;
use super::build_progress::{Shown, Style};
use super::build_run_flags::RunFlags;
use super::connection_flags::ConnectionFlags;
use super::{Cx, Personality, docker_config, output, term};
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
use crate::build::ssh::Agents;
use crate::build::{stages, verify};
use crate::engine::images;
use crate::engine::pull::Policy;
use crate::error::{Error, Result};
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
    /// Pass an ssh agent to RUN --mount=type=ssh: default, NAME=SOCKET or NAME=KEY[,KEY]
    #[arg(long, value_name = "AGENT", num_args = 0..=1, require_equals = false, default_missing_value = "default")]
    ssh: Vec<String>,
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
    /// Stages built at once; 0 is all (default: as many as there are cores, and at least 4)
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// After a failed RUN, open a shell in what it left, with its mounts and variables
    #[arg(long)]
    debug_shell: bool,
    /// Build once more, without the cache, and tell all differences between the two images
    #[arg(long)]
    verify: bool,
    /// How to show the build: auto, plain, tty, rawjson or quiet
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
    #[command(flatten)]
    more: MoreFlags,
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
    args.more.check()?;
    let log = args.more.log()?;
    let docker = cx.personality == Personality::Docker;
    let store = Store::open(&cx.engine.paths)?;
    let registry = args.connection.options()?;
    let platforms = args.platform.platforms(&registry.env)?;
    let outputs = args.out.outputs(docker, &args.connection, &platforms)?;
    // All that reads standard input and the context does so before anything is done.
    let mut given: BTreeMap<String, String> = docker_config::load(cx).proxies().into_iter().collect();
    given.extend(args.more.arguments()?);
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
    if args.check || args.more.only_check() {
        return run_check(&input, &store, &mut arguments(&given, &platforms[0]), &mut lint);
    }
    if args.debug_shell && !(term::is_terminal(std::io::stdin()) && term::is_terminal(std::io::stdout())) {
        return Err(Error::user("use --debug-shell: standard input or output is no terminal"));
    }
    let shown = Shown::new(style(&args)?);
    let source = input.source.clone();
    shown.on_halt(move |failure, output| {
        eprintln!("coracle: {}", explain(failure, &source, output));
        eprintln!("A shell in the failed step; the build ends with it.");
    });
    let result = build(&args, cx, &store, &input, &given, &platforms, &shown, &mut lint, &outputs);
    warn(&input.source, &mut lint, &shown, args.out.quiet);
    match result {
        Ok(()) if outputs.stays() => Ok(0),
        Ok(()) => images::collect(&cx.engine, store).map(|()| 0),
        Err(failure) => {
            // Layers of steps that went well are kept for the next build; the rest goes.
            let _ = images::collect(&cx.engine, store);
            drop(log);
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
        shown.event(Event::Warning(format!("{place}: {}: {}", warning.rule.name(), warning.message).into()));
    }
}

fn fail(failure: Failure, source: &Source, shown: &Shown, docker: bool) -> Result<u8> {
    if shown.halted() {
        // All was said before the shell.
        return Ok(failure.code.filter(|_| !docker).map_or(1, |code| code as u8));
    }
    let error = explain(&failure, source, &shown.failed_step());
    match failure.code.filter(|_| failure.span.is_some()) {
        // The program's own code, as podman gives it on.
        Some(code) if !docker => {
            eprintln!("coracle: {error}");
            Ok(code as u8)
        }
        _ => Err(error),
    }
}

/// Shows where in the Dockerfile it failed, with the step's last output.
fn explain(failure: &Failure, source: &Source, output: &str) -> Error {
    let Some(span) = failure.span else { return failure.error.clone() };
    if failure.code.is_some() {
        eprint!("{output}");
    }
    eprint!("{}", source.excerpt(span));
    Fault { error: failure.error.clone(), span }.in_file(source)
}

fn style(args: &Args) -> Result<Style> {
    let environment = std::env::var("BUILDKIT_PROGRESS").ok();
    let movable = std::env::var_os("TERM").is_some_and(|t| t != "dumb");
    let terminal = term::is_terminal(std::io::stderr()) && movable;
    // Somebody reads a CI job's log later, not live.
    let live = terminal && (args.progress.is_some() || std::env::var_os("CI").is_none_or(|v| v.is_empty()));
    Style::choose(args.progress.as_deref(), environment.as_deref(), args.out.quiet, live)
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
    let note = |text: &str| shown.event(Event::Warning(text.into()));
    let inline = given.get("BUILDKIT_INLINE_CACHE").is_some_and(|v| v == "1" || v == "true");
    let caches = args.cache.caches(inline, args.out.quiet)?;
    let cache = caches.open(cx, store, &registry, &note);
    let agents = Agents::open(&cx.engine.paths, &args.ssh)?;
    let idmap = IdMap::detect()?;
    if idmap.has_one_id() {
        shown.event(Event::Warning(
            "there is one id only: in RUN, changes of owners and users are accepted and have no effect (see `coracle doctor`)".into(),
        ));
    }
    let several = platforms.len() > 1;
    let shared = Shared {
        args,
        cx,
        store,
        input,
        shown,
        contexts: &contexts,
        cache: &cache,
        agents: &agents,
        idmap: &idmap,
        several,
    };
    let mut results = Vec::new();
    let mut differences = Vec::new();
    let mut build_all = || {
        for (n, platform) in platforms.iter().enumerate() {
            // The findings are the same for all.
            let mut unheard = Lint::default();
            let (first, lint) = (n == 0, if n == 0 { &mut *lint } else { &mut unheard });
            let (built, differs) = one(&shared, arguments(given, platform), platform.clone(), lint, first)?;
            let place = if several { format!("{platform}: ") } else { String::new() };
            differences.extend(differs.into_iter().map(|line| format!("{place}{line}")));
            results.push((platform.clone(), built));
        }
        Ok::<(), Failure>(())
    };
    let built = build_all();
    // What is written from here on stands below the view.
    shown.finish();
    built?;
    let records = cache.seen();
    let report = outputs.write(cx, store, &idmap, &results, caches.inline().then_some(&records))?;
    let images: Vec<_> = results.iter().map(|(_, built)| built.layers.clone()).collect();
    caches.write(cx, store, &cache, &images, &registry, &note)?;
    outputs.tell(cx, &report)?;
    if args.verify {
        verified(&differences)?;
    }
    Ok(())
}

fn arguments(given: &BTreeMap<String, String>, platform: &Platform) -> BuildArgs {
    BuildArgs::new(given.clone(), &platform_args(platform), &platform_args(&Platform::host()))
}

/// What the builds for all platforms share.
struct Shared<'a> {
    args: &'a Args,
    cx: &'a Cx,
    store: &'a Store,
    input: &'a Input,
    shown: &'a Shown,
    contexts: &'a Contexts,
    cache: &'a Cache,
    agents: &'a Agents,
    idmap: &'a IdMap,
    /// Steps are to say for which platform they are.
    several: bool,
}

/// Builds for one platform; what a second build did otherwise comes with it (`--verify`).
fn one(
    shared: &Shared<'_>,
    mut build_args: BuildArgs,
    platform: Platform,
    lint: &mut Lint,
    first: bool,
) -> Result<(Built, Vec<String>), Failure> {
    let Shared { args, cx, store, input, shown, contexts, cache, agents, idmap, several } = *shared;
    let registry = args.connection.options()?;
    let mut file = parse(&input.source, lint)?;
    static_rules(&file, &input.ignore, lint);
    if let (Some(from), Some(stage)) = (&args.more.from, file.stages.first_mut()) {
        stage.from.clone_from(from);
    }
    contexts.replace_stages(&mut file);
    let origins = stages::resolve(&file, &mut build_args, lint)?;
    let target = stages::target(&file, args.target.as_deref())?;
    if let Some(fault) = lint.failure() {
        return Err(fault.into());
    }
    if first {
        unused(&file, &build_args, shown);
    }
    let epoch = match (args.timestamp, build_args.given.get("SOURCE_DATE_EPOCH")) {
        (Some(seconds), _) if seconds >= 0 => Some(seconds),
        (Some(seconds), _) => return Err(Error::user(format!("read --timestamp {seconds}: it is before 1970")).into()),
        (None, Some(text)) => Some(seconds(text)?),
        (None, None) => {
            std::env::var("SOURCE_DATE_EPOCH").ok().filter(|t| !t.is_empty()).map(|t| seconds(&t)).transpose()?
        }
    };
    let mut plan = Plan {
        file: &file,
        origins: &origins,
        args: &build_args,
        context: input.context.clone(),
        ignore: input.ignore.clone(),
        contexts,
        target,
        policy: Policy::parse(args.more.policy(&args.pull))?,
        registry: &registry,
        platform,
        several,
        no_cache: args.cache.no_cache,
        cache: cache.clone(),
        no_cache_filter: args.cache.no_cache_filter.iter().map(|s| s.to_lowercase()).collect(),
        jobs: match args.jobs {
            Some(0) => usize::MAX,
            Some(n) => n,
            None => jobs(),
        },
        debug_shell: args.debug_shell,
        run: run_options(args, &build_args)?,
        secrets: secrets(&args.secret)?,
        ssh: agents,
        inherit_labels: args.more.inherit_labels,
        epoch,
    };
    let solver = Solver { ctx: &cx.engine, store, idmap, plan: &plan, progress: shown, lint };
    let mut built = solver.solve()?;
    let mut differences = Vec::new();
    if args.verify {
        plan.no_cache = true;
        let mut unheard = Lint::default();
        let solver = Solver { ctx: &cx.engine, store, idmap, plan: &plan, progress: shown, lint: &mut unheard };
        let again = solver.solve()?;
        differences = verify::differences(store, &built, &again)?;
    }
    let config = &mut built.config.config;
    args.more.set_env(&mut config.env);
    config.env.retain(|word| !args.run.unsetenv.iter().any(|name| word.split('=').next() == Some(name)));
    config.labels.retain(|name, _| !args.run.unsetlabel.contains(name));
    Ok((built, differences))
}

/// Tells how the two builds of `--verify` differ.
fn verified(differences: &[String]) -> Result<()> {
    if differences.is_empty() {
        eprintln!("Verified: two builds gave the same image.");
        return Ok(());
    }
    for line in differences {
        eprintln!("{line}");
    }
    let n = differences.len();
    Err(Error::conflict(format!(
        "verify the build: the second one differs in {n} {}",
        if n == 1 { "place" } else { "places" }
    ))
    .hint("dates, random names and the like in what RUN writes"))
}

/// Stages at once: as many as keep the cores busy, though they wait for the network now and then.
fn jobs() -> usize {
    std::thread::available_parallelism().map_or(4, |n| n.get().max(4))
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
        shown.event(Event::Warning(format!("build arguments that nothing declares: {}", names.join(", ")).into()));
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
    for name in PROXIES.into_iter().filter(|_| args.more.http_proxy) {
        let given = build_args.given.contains_key(name);
        if let Some(value) = std::env::var(name).ok().filter(|v| !v.is_empty() && !given) {
            proxies.push(format!("{name}={value}"));
        }
    }
    Ok(RunOptions {
        network,
        allow_host: args.more.allows_host_network(),
        no_hosts: args.more.no_hosts,
        group_add: args.more.group_add.clone(),
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
