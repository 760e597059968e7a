use super::super::parser::parse;
use super::super::source::Source;
use super::*;
use std::collections::BTreeMap;

/// Applies a one-stage Dockerfile; the state, the works and the warnings.
fn apply_with(text: &str, given: &[(&str, &str)]) -> Result<(State, Vec<Work>, Lint), Fault> {
    let mut lint = Lint::default();
    let file = parse(&Source::new("Dockerfile", text.as_bytes()).unwrap(), &mut lint)?;
    let given: BTreeMap<String, String> = given.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut args = BuildArgs::new(given, &Default::default(), &Default::default());
    super::super::stages::resolve(&file, &mut args, &mut lint)?;
    let base = RunConfig {
        env: vec!["PATH=/bin".into(), "BASE=1".into()],
        cmd: vec!["base-cmd".into()],
        working_dir: "/w".into(),
        ..RunConfig::default()
    };
    let mut state = State::from_base(base, String::new(), Vec::new());
    let setting = Setting { escape: file.directives.escape, args: &args };
    let mut works = Vec::new();
    for step in &file.stages[0].steps {
        works.push(state.apply(step, &setting, &mut lint)?);
    }
    Ok((state, works, lint))
}

fn apply(text: &str) -> (State, Vec<Work>) {
    let (state, works, _) = apply_with(&format!("FROM a\n{text}"), &[]).unwrap();
    (state, works)
}

fn env(text: &str) -> String {
    apply(text).0.config.env[2..].join(" ")
}

#[test]
fn variables_have_one_value_for_an_instruction() {
    for (text, want) in [
        ("ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc", "abc=bye def=hello ghi=bye"),
        ("ENV A=$BASE B=\"$A x\"", "A=1 B= x"),
        ("ENV A='$BASE' B=\\$BASE", "A=$BASE B=$BASE"),
        ("ENV A b $BASE", "A=b 1"),
        ("ARG X=1\nENV X=$X-2", "X=1-2"),
        // ENV wins over ARG, wherever it stands.
        ("ENV X=env\nARG X=arg\nENV Y=$X", "X=env Y=env"),
        ("ARG X=1 Y=${X}2\nENV Z=$Y", "Z=12"),
        ("ARG X\nENV Z=${X-unset}", "Z=unset"),
        ("ARG X=\nENV Z=${X-unset}", "Z="),
    ] {
        assert_eq!(env(text), want, "{text}");
    }
}

#[test]
fn arguments_are_scoped() {
    let env = |text: &str, given: &[(&str, &str)]| apply_with(text, given).unwrap().0.config.env[2..].join(" ");
    // Global ones count once they are declared.
    assert_eq!(env("ARG G=1\nFROM a\nENV A=$G\nARG G\nENV B=$G", &[]), "A= B=1");
    assert_eq!(env("ARG G=1\nFROM a\nARG G=2\nENV B=$G", &[]), "B=2");
    assert_eq!(env("ARG G=1\nFROM a\nARG G\nENV B=$G", &[("G", "9")]), "B=9");
    assert_eq!(env("FROM a\nENV A=$G\nARG G=1\nENV B=$G", &[("G", "9")]), "A= B=9");
    // A platform argument needs its declaration too.
    let args = [("TARGETARCH", "arm64")];
    assert_eq!(env("FROM a\nENV A=$TARGETARCH\nARG TARGETARCH\nENV B=$TARGETARCH", &args), "A= B=arm64");
}

#[test]
fn commands_clear_each_other() {
    assert_eq!(apply("ENTRYPOINT [\"e\"]").0.config.cmd, Vec::<String>::new());
    assert_eq!(apply("CMD [\"c\"]\nENTRYPOINT [\"e\"]").0.config.cmd, ["c"]);
    assert_eq!(apply("CMD x y").0.config.cmd, ["/bin/sh", "-c", "x y"]);
    assert_eq!(apply("SHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT x").0.config.entrypoint, ["/bin/bash", "-ec", "x"]);
    assert_eq!(apply("ENV A=1\nCMD echo $A").0.config.cmd[2], "echo $A");
}

#[test]
fn configuration() {
    let (state, _) = apply(
        "EXPOSE 80 53/udp 8000-8001\nVOLUME /a $BASE\nVOLUME [\"/b c\"]\nUSER u:$BASE\nSTOPSIGNAL SIGQUIT\nLABEL a=\"b c\" d=$BASE\nMAINTAINER Me <a@b>\nHEALTHCHECK --retries=3 CMD x\nONBUILD RUN y $BASE\nWORKDIR x/../y\nWORKDIR ./z/",
    );
    let c = &state.config;
    assert_eq!(c.exposed_ports.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
    assert_eq!(c.volumes.keys().collect::<Vec<_>>(), ["/a", "/b c", "1"]);
    assert_eq!((c.user.as_str(), c.stop_signal.as_str(), c.working_dir.as_str()), ("u:1", "SIGQUIT", "/w/y/z"));
    assert_eq!((c.labels["a"].as_str(), c.labels["d"].as_str(), state.author.as_str()), ("b c", "1", "Me <a@b>"));
    assert_eq!(c.healthcheck.as_ref().unwrap().test, ["CMD-SHELL", "x"]);
    assert_eq!(c.on_build, ["RUN y $BASE"]);
    for bad in
        ["EXPOSE http", "EXPOSE 70000", "EXPOSE 80/x", "EXPOSE 9-8", "STOPSIGNAL NOPE", "VOLUME $NOPE", "ENV A=${"]
    {
        assert!(apply_with(&format!("FROM a\n{bad}"), &[]).is_err(), "{bad}");
    }
}

/// Which instructions expand variables, and which leave that to a shell or to nobody.
#[test]
fn variables_are_expanded_where_the_reference_says() {
    let text = "ARG P=80 S=QUIT M=750\nEXPOSE $P/udp ${P}00-80${P#8}1\nSTOPSIGNAL SIG$S\nUSER $BASE:${BASE}2\nVOLUME [\"/v$BASE\"]\nLABEL l$BASE=$P\n\
        HEALTHCHECK CMD curl $P\nCMD echo $P\nENTRYPOINT [\"$P\"]\nSHELL [\"$P\"]\nONBUILD ENV X=$P\nMAINTAINER $P";
    let (state, _) = apply(text);
    let c = &state.config;
    assert_eq!(c.exposed_ports.keys().collect::<Vec<_>>(), ["80/udp", "8000/tcp", "8001/tcp"]);
    assert_eq!((c.stop_signal.as_str(), c.user.as_str()), ("SIGQUIT", "1:12"));
    assert!(c.volumes.contains_key("/v1"));
    assert_eq!(c.labels["l1"], "80");
    assert_eq!((c.healthcheck.as_ref().unwrap().test[1].as_str(), c.cmd[2].as_str()), ("curl $P", "echo $P"));
    assert_eq!((c.entrypoint[0].as_str(), c.on_build[0].as_str(), state.author.as_str()), ("$P", "ENV X=$P", "$P"));
    let (_, works) = apply(
        "ARG M=750 F=stage T=/t\nCOPY --chmod=$M --chown=$BASE:$BASE $M* /x$M/\nADD --checksum=sha256:$M http://h/$M $T\nRUN --mount=type=cache,target=$T,id=$F echo $M\n",
    );
    let Work::Copy(copy) = &works[1] else { panic!() };
    assert_eq!(
        (copy.copy.chmod.as_deref(), copy.copy.chown.as_deref(), copy.dest.as_str()),
        (Some("750"), Some("1:1"), "/x750/")
    );
    let Work::Copy(add) = &works[2] else { panic!() };
    assert_eq!((add.copy.checksum.as_deref(), add.dest.as_str()), (Some("sha256:750"), "/t"));
    let Work::Run(run) = &works[3] else { panic!() };
    let mount = format!("{:?}", run.mounts);
    assert!(mount.contains("/t") && mount.contains("stage") && !mount.contains('$'), "{mount}");
    assert_eq!(run.args[2], "echo $M");
}

#[test]
fn runs_get_arguments_in_their_environment() {
    let (_, works) = apply("ARG A=1 BASE=2 C\nRUN echo $A");
    let Work::Run(run) = &works[1] else { panic!() };
    assert_eq!(run.args, ["/bin/sh", "-c", "echo $A"]);
    assert_eq!(run.env, ["PATH=/bin", "BASE=1", "A=1"]);
    assert_eq!((run.arg_env.join(" "), run.cwd.as_str()), ("A=1".into(), "/w"));
}

#[test]
fn here_documents_of_run() {
    let args = |text: &str| match apply(text).1.remove(0) {
        Work::Run(run) => (run.args[2].clone(), run.script),
        other => panic!("{other:?}"),
    };
    assert_eq!(args("RUN <<E\na $X\nb\nE").0, "a $X\nb\n");
    assert_eq!(args("RUN <<-E\n\ta\n\tE").0, "a\n");
    assert_eq!(args("RUN <<E cat > x\na\nE").0, "<<E cat > x\na\nE");
    let (line, script) = args("RUN <<E\n#!/bin/x\na\nE");
    assert_eq!((line.as_str(), script), ("/dev/pipes/E", Some(("E".to_string(), "#!/bin/x\na\n".to_string()))));
}

#[test]
fn copies_expand_and_resolve() {
    let copy = |text: &str| match apply(text).1.remove(0) {
        Work::Copy(copy) => copy,
        other => panic!("{other:?}"),
    };
    for (text, want) in [
        ("COPY a .", "/w/"),
        ("COPY a b", "/w/b"),
        ("COPY a /b/", "/b/"),
        ("COPY a ../../x/./y/..", "/x"),
        ("COPY a /", "/"),
        ("COPY a $BASE/", "/w/1/"),
    ] {
        assert_eq!(copy(text).dest, want, "{text}");
    }
    let doc = |text: &str| match copy(text).copy.sources.remove(0) {
        CopySource::Heredoc(h) => h.content,
        CopySource::Path(p) => p,
    };
    assert_eq!(doc("COPY <<E /x\n\"$BASE\" '\\$X'\nE"), "\"1\" '$X'\n");
    assert_eq!(doc("COPY <<'E' /x\n$BASE\nE"), "$BASE\n");
    assert_eq!(doc("COPY $BASE.txt /x"), "1.txt");
    assert_eq!(copy("COPY --chown=$BASE:2 a b").copy.chown.as_deref(), Some("1:2"));
    let fault = apply_with("FROM a\nCOPY --from=x$BASE a b", &[]).unwrap_err().error.to_string();
    assert!(fault.contains("does not support variable expansion (hint: define a stage"), "{fault}");
    assert!(apply_with("FROM a\nCOPY $NOPE b", &[]).is_err());
}
