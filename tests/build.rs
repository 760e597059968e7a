//! `coracle build`.

mod common;

use common::TestEnv;

#[test]
fn check_prints_warnings_with_their_place() {
    let env = TestEnv::new();
    env.file("ok/Dockerfile", "FROM scratch\nCMD [\"/x\"]\n");
    let _ = env.sh("build --check ok").success().prints("Check complete, no warnings found.\n");
    env.file("bad/Containerfile", "FROM scratch as base\nENV TOKEN=$NOPE\n");
    let _ = env
        .sh("image build --check bad")
        .code(1)
        .has("Check complete, 3 warnings have been found!")
        .has("WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/")
        .has("Containerfile:1\n--------------------\n   1 | >>> FROM scratch as base\n")
        .has("Usage of undefined variable '$NOPE'");
    let _ = env.sh("buildx build --check -f bad/Containerfile bad").code(1).has("SecretsUsedInArgOrEnv");
    let out = env.run_with_stdin(["builder", "build", "--check", "-"], b"FROM scratch\nRUM x\n");
    let out = out.code(125);
    for part in ["coracle: -:2: unknown instruction: RUM", "did you mean RUN?", "   2 | >>> RUM x"] {
        assert!(out.stderr.contains(part), "{out}");
    }
    let _ =
        env.run_with_stdin(["build", "--check", "--build-arg", "V=1", "-f", "-", "ok"], b"ARG V\nFROM x:$V\n").code(1);
    let _ = env.sh("build --check none").fails(125, &["none"]);
    env.file("ignored/Dockerfile", "FROM scratch\nCOPY secret /\n");
    env.file("ignored/.dockerignore", "secret\n");
    let _ = env.sh("build --check ignored").code(1).has("CopyIgnoredFile");
}
