use super::*;
use proptest::prelude::*;

fn parse_text(text: &str) -> Result<Dockerfile, Fault> {
    parse(&Source::new("Dockerfile", text.as_bytes()).unwrap(), &mut Lint::default())
}

/// The instruction of a one-stage Dockerfile.
fn one(text: &str) -> Result<Instruction, String> {
    let file = parse_text(&format!("FROM a\n{text}\n")).map_err(|f| f.error.to_string())?;
    Ok(file.stages[0].steps[0].what.clone())
}

fn exec(words: &[&str]) -> Command {
    Command::Exec(words.iter().map(|w| w.to_string()).collect())
}

#[test]
fn forms_of_commands() {
    for (text, want) in [
        ("CMD [\"a\", \"b c\"]", exec(&["a", "b c"])),
        ("cmd [ \"a\" ]", exec(&["a"])),
        ("CMD a \"b c\"", Command::Shell("a \"b c\"".into())),
        ("CMD ['a']", Command::Shell("['a']".into())),
        ("CMD [\"a\"] x", Command::Shell("[\"a\"] x".into())),
        ("CMD [\"a\\\"]", Command::Shell("[\"a\\\"]".into())),
        ("CMD []", exec(&[])),
        ("CMD", exec(&[])),
    ] {
        assert_eq!(one(text).unwrap(), Instruction::Cmd(want), "{text}");
    }
    assert!(one("CMD [1]").unwrap_err().contains("comprised of strings only"));
}

#[test]
fn pairs_in_both_forms() {
    let get = |text: &str| match one(text) {
        Ok(Instruction::Env(p) | Instruction::Label(p)) => Ok(p),
        Ok(other) => panic!("{other:?}"),
        Err(e) => Err(e),
    };
    for (text, want, legacy) in [
        ("ENV a=b c=d", vec![("a", "b"), ("c", "d")], false),
        ("ENV a=\"x y\" b='z'", vec![("a", "\"x y\""), ("b", "'z'")], false),
        ("ENV a b c=d", vec![("a", "b c=d")], true),
        ("ENV a=b\\ c", vec![("a", "b\\ c")], false),
        ("ENV a=b=c", vec![("a", "b=c")], false),
        ("LABEL \"com.x\"=y", vec![("\"com.x\"", "y")], false),
        ("ENV a=", vec![("a", "")], false),
    ] {
        let got = get(text).unwrap();
        let pairs: Vec<(&str, &str)> = got.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!((pairs, got.legacy), (want, legacy), "{text}");
    }
    for (text, want) in [
        ("ENV a", "must have two arguments"),
        ("ENV a=b c", "can't find = in 'c'"),
        ("ENV =b", "names can not be blank"),
        ("ENV", "at least one argument"),
    ] {
        assert!(get(text).unwrap_err().contains(want), "{text}");
    }
}

#[test]
fn copies() {
    let get = |text: &str| match one(text).unwrap() {
        Instruction::Copy(c) | Instruction::Add(c) => c,
        other => panic!("{other:?}"),
    };
    let path = |p: &str| CopySource::Path(p.into());
    let copy = get("COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=*.o --exclude=x a b /c/");
    assert_eq!((copy.sources, copy.dest.as_str()), (vec![path("a"), path("b")], "/c/"));
    assert_eq!(
        (copy.from.as_deref(), copy.chown.as_deref(), copy.chmod.as_deref()),
        (Some("b"), Some("1:2"), Some("755"))
    );
    assert!(copy.link && copy.parents);
    assert_eq!(copy.exclude, ["*.o", "x"]);
    assert_eq!(get("COPY [\"a b\", \"/c\"]").sources, [path("a b")]);
    let add = get("ADD --checksum=sha256:x --keep-git-dir=false --unpack https://x/y /z");
    assert_eq!((add.keep_git_dir, add.unpack), (Some(false), Some(true)));
    let doc = get("COPY <<A x <<\"B\" /d/\n1\nA\n2\nB");
    let names: Vec<&str> = doc
        .sources
        .iter()
        .map(|s| match s {
            CopySource::Heredoc(h) => h.name.as_str(),
            CopySource::Path(p) => p.as_str(),
        })
        .collect();
    assert_eq!(names, ["A", "x", "B"]);
}

#[test]
fn runs_and_their_mounts() {
    let Instruction::Run(run) =
        one("RUN --mount='type=cache,target=/x,sharing=locked,\"id=a,b\"' --mount=target=/y,ro --network=none a && b")
            .unwrap()
    else {
        panic!()
    };
    assert_eq!((run.network, run.mounts.len()), (Network::None, 2));
    assert_eq!(run.mounts[0].options[3], ("id".to_string(), Some("a,b".to_string())));
    assert_eq!(run.mounts[1].options[1], ("ro".to_string(), None));
    assert_eq!(run.command, Command::Shell("a && b".into()));
}

#[test]
fn health_checks() {
    let Instruction::Healthcheck(Health::Check { command, times }) =
        one("HEALTHCHECK --interval=5s --timeout=1m --retries=2 --start-period=500ms CMD curl x || exit 1").unwrap()
    else {
        panic!()
    };
    assert_eq!(command, Command::Shell("curl x || exit 1".into()));
    assert_eq!((times.interval, times.timeout, times.retries), (5_000_000_000, 60_000_000_000, 2));
    assert_eq!(one("HEALTHCHECK none").unwrap(), Instruction::Healthcheck(Health::None));
}

#[test]
fn stages_and_globals() {
    let file = parse_text("ARG A=1 B\nFROM --platform=linux/arm64 x AS Build-1\nRUN a\nFROM y\n").unwrap();
    assert_eq!(file.globals.len(), 1);
    assert_eq!(file.stages[0].name.as_deref(), Some("build-1"));
    assert_eq!(file.stages[0].platform.as_deref(), Some("linux/arm64"));
    assert_eq!(file.stages[1].from, "y");
    let triggers = parse_text("FROM a\nONBUILD COPY <<E /x\nhi\nE\n").unwrap();
    let Instruction::Onbuild(text) = &triggers.stages[0].steps[0].what else { panic!() };
    assert_eq!(text, "COPY <<E /x\nhi\nE");
    assert!(matches!(instruction(text).unwrap(), Instruction::Copy(c) if c.sources.len() == 1));
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    for (text, line, want) in [
        ("RUN x\nFROM a", 1, "no build stage"),
        ("", 0, "no stages"),
        ("FROM a\nFORM b", 2, "unknown instruction: FORM (hint: did you mean FROM?)"),
        ("FROM a b", 1, "either one or three arguments"),
        ("FROM a AS 1x", 1, "invalid name for build stage: '1x'"),
        ("FROM", 1, "either one or three"),
        ("FROM a\nCOPY --form=x a b", 2, "unknown flag: --form (hint: did you mean --from?)"),
        ("FROM a\nCOPY --from a b", 2, "missing a value on flag: --from"),
        ("FROM a\nCOPY --link=maybe a b", 2, "expecting boolean value"),
        ("FROM a\nCOPY --chown=1 --chown=2 a b", 2, "duplicate flag"),
        ("FROM a\nCOPY a", 2, "requires at least two arguments"),
        ("FROM a\nCOPY a <<E\nE", 2, "heredoc as a destination"),
        (
            "FROM a\nRUN --mount=type=cache,taget=/x y",
            2,
            "unexpected key 'taget' in --mount 'type=cache,taget=/x' (hint: did you mean target?)",
        ),
        ("FROM a\nRUN --mount=target y", 2, "must be a key=value pair"),
        ("FROM a\nRUN --network=bridge y", 2, "unsupported network mode 'bridge'"),
        ("FROM a\nRUN", 2, "RUN requires"),
        ("FROM a\nRUN --device=x y", 2, "not supported"),
        ("FROM a\n\nSHELL bash", 3, "in JSON form"),
        ("FROM a\nONBUILD ONBUILD RUN x", 2, "chaining ONBUILD"),
        ("FROM a\nONBUILD FROM x", 2, "not allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD CPY x y", 2, "unknown instruction: CPY"),
        ("FROM a\nHEALTHCHECK --interval=1 CMD x", 2, "not a duration"),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD x", 2, "not a number"),
        ("FROM a\nHEALTHCHECK CMD", 2, "missing command"),
        ("FROM a\nHEALTHCHECK NONE x", 2, "takes no arguments"),
        ("FROM a\nHEALTHCHECK RUN x", 2, "unknown type 'RUN'"),
        ("FROM a\nVOLUME [\"\"]", 2, "can not be an empty string"),
        ("FROM a\nUSER", 2, "requires exactly one argument"),
        ("FROM a\nUSER --x y", 2, "unknown flag: --x"),
        ("FROM a\nARG =x", 2, "names can not be blank"),
        ("# check=foo\nFROM a", 1, "check directive"),
        ("FROM a\nRUN <<E\nx", 2, "unterminated heredoc"),
    ] {
        let fault = parse_text(text).unwrap_err();
        assert_eq!(fault.span.start, line, "{text}");
        assert!(fault.error.to_string().contains(want), "{text}: {}", fault.error);
    }
}

proptest! {
    #[test]
    fn never_panics(
        lines in proptest::collection::vec("(FROM|RUN|COPY|ADD|ENV|LABEL|ARG|ONBUILD|HEALTHCHECK|CMD|from|#|x)? ?[a <\\\\\"'=$\\[\\],{}\t-]{0,20}(<<-?E|EOF)?", 0..8),
    ) {
        let _ = parse_text(&lines.join("\n"));
        let _ = parse_text(&format!("FROM a\n{}", lines.join("\r\n")));
    }
}
