//! Behaviour documented for Go's text/template, fmt and Docker's functions.

use super::Template;
use serde_json::{Value, json};

fn data() -> Value {
    json!({
        "ID": "0123456789abcdef", "Names": "web", "Empty": "", "Nil": null, "True": true, "False": false,
        "Int": 42, "Neg": -7, "Zero": 0, "Float": 1.5, "Big": 1e21, "Small": 0.00001, "Wide": 18446744073709551615u64,
        "List": ["a", "b", "c"], "Nums": [3, 4], "None": [], "Html": "<a href=\"x\">&'",
        "Labels": {"b": "2", "a": "1", "com.example.my-key": "v"},
        "State": {"Status": "running", "Pid": 7, "Health": null},
        "Ports": {"80/tcp": [{"HostPort": "8080"}], "443/tcp": null},
        "host": {"ociRuntime": {"name": "crun"}}, "_Label": {"hidden": "yes"}
    })
}

fn render(text: &str) -> Result<String, String> {
    let data = data();
    Template::parse(text).and_then(|t| t.render(&data)).map_err(|e| e.to_string())
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        assert_eq!(render(text).as_deref(), Ok(*want), "{text}");
    }
}

#[track_caller]
fn fails(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        match render(text) {
            Ok(out) => panic!("{text:.60} gave {out:?}, wanted an error with {want:?}"),
            Err(e) => assert!(e.contains(want), "{text:.60}: {e} lacks {want:?}"),
        }
    }
}

#[test]
fn text_fields_and_escapes() {
    check(&[
        ("", ""),
        ("plain", "plain"),
        ("{{.ID}}", "0123456789abcdef"),
        ("{{.State.Status}}:{{ .State.Pid }}", "running:7"),
        (r"{{.ID}}\t{{.Names}}\n", "0123456789abcdef\tweb\n"),
        (r#"{{"a\tb"}}"#, "a\tb"),
        ("{{`raw\\t`}}", "raw\\t"),
        (r#"{{"\u00e9\x41\101"}}"#, "éAA"),
        ("{{.Nil}}", "<no value>"),
        ("{{.State.Nothing}}", "<no value>"),
        ("{{.State.Nothing.At.All}}", "<no value>"),
        ("{{.Labels.nope}}", "<no value>"),
        ("{{.List}} {{.Labels}}", "[a b c] map[a:1 b:2 com.example.my-key:v]"),
        ("{{.Ports}}", "map[443/tcp:<nil> 80/tcp:[map[HostPort:8080]]]"),
        ("{{.Int}} {{.Neg}} {{.Float}} {{.Big}} {{.Small}} {{.Wide}}", "42 -7 1.5 1e+21 1e-05 18446744073709551615"),
        ("{{.True}}{{false}}", "truefalse"),
        ("{{$.ID}}", "0123456789abcdef"),
        ("{{.Host.OCIRuntime.Name}} {{.Host.Nope}}", "crun <no value>"),
        ("a }} b", "a }} b"),
        ("{{/* comment */}}x{{- /* c */ -}} y", "xy"),
        ("{{\n.ID\n}}", "0123456789abcdef"),
    ]);
}

#[test]
fn trim_markers() {
    check(&[
        ("a  {{- .Names -}}  b", "awebb"),
        ("a \n\t {{- 3}}", "a3"),
        ("{{3 -}} < {{- 45}}", "3<45"),
        ("{{-3}}", "-3"),
    ]);
}

#[test]
fn numbers_and_characters() {
    check(&[
        ("{{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{'a'}} {{'\\n'}}", "31 5 15 15 1000 97 10"),
        ("{{1.5e3}} {{.5}} {{+3}}", "1500 0.5 3"),
    ]);
    fails(&[("{{1z}}", "bad number syntax"), ("{{'ab'}}", "malformed character"), ("{{\"a}}", "unterminated quoted")]);
}

#[test]
fn conditions() {
    check(&[
        ("{{if .True}}y{{else}}n{{end}}", "y"),
        ("{{if .Empty}}y{{else}}n{{end}}", "n"),
        ("{{if .Zero}}y{{end}}{{if .None}}y{{end}}{{if .Nil}}y{{end}}", ""),
        ("{{if .False}}1{{else if .Int}}2{{else}}3{{end}}", "2"),
        ("{{if .False}}1{{else if .Zero}}2{{else}}3{{end}}", "3"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        ("{{with .State}}{{.Status}} {{$.ID}}{{end}}", "running 0123456789abcdef"),
        ("{{with .Nil}}x{{else}}none{{end}}", "none"),
        ("{{with .Nil}}x{{else with .Names}}{{.}}{{end}}", "web"),
        ("{{with $x := .Names}}{{$x}}{{end}}", "web"),
        ("{{if and .True .Int}}a{{end}}{{if or .False .Names}}b{{end}}{{if not .Empty}}c{{end}}", "abc"),
        ("{{and .Zero .Nope.Never}}", "0"),
        ("{{or .Int .Nope.Never}}", "42"),
        ("{{or \"\" \"x\"}}", "x"),
    ]);
}

#[test]
fn loops_and_variables() {
    check(&[
        ("{{range .List}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $x := .List}}{{$i}}={{$x}} {{end}}", "0=a 1=b 2=c "),
        ("{{range $x := .List}}{{$x}}{{end}}", "abc"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}},{{end}}", "a=1,b=2,com.example.my-key=v,"),
        ("{{range .None}}x{{else}}empty{{end}}{{range .Nil}}x{{else}}nil{{end}}", "emptynil"),
        ("{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("{{$x := .State}}{{$x.Pid}}", "7"),
        ("{{range $p, $c := .Ports}}{{if $c}}{{$p}}->{{(index $c 0).HostPort}}{{end}}{{end}}", "80/tcp->8080"),
    ]);
    fails(&[
        ("{{$y}}", "undefined variable"),
        ("{{if true}}{{$z := 1}}{{end}}{{$z}}", "undefined variable"),
        ("{{$q = 1}}", "undefined variable"),
        ("{{range .Names}}{{end}}", "range can't iterate over web"),
        ("{{break}}", "outside {{range}}"),
        ("{{range 100000000}}x{{end}}", "has no end"),
    ]);
}

#[test]
fn named_templates() {
    check(&[
        ("{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .Names}}{{template \"t\"}}", "[web][<no value>]"),
        ("{{block \"b\" .Int}}{{.}}!{{end}}", "42!"),
    ]);
    fails(&[
        ("{{template \"x\"}}", "template \"x\" not defined"),
        ("{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}", "too deeply"),
        ("{{define \"t\"}}{{$x}}{{end}}", "undefined variable"),
    ]);
}

#[test]
fn comparisons() {
    check(&[
        ("{{eq .Int 42}} {{eq .Names \"x\" \"web\"}} {{ne .Int 1}}", "true true true"),
        ("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1 2}}", "true true true false"),
        ("{{eq .Float 1.5}} {{eq .Nil nil}} {{eq true true}}", "true true true"),
        ("{{if eq .State.Status \"running\"}}up{{end}}", "up"),
    ]);
    fails(&[
        ("{{eq .Int \"42\"}}", "incompatible types"),
        ("{{eq .List .List}}", "incompatible types"),
        ("{{lt true false}}", "incompatible types"),
        ("{{eq 1}}", "wrong number of args for eq: want at least 2 got 1"),
    ]);
}

#[test]
fn indexing() {
    check(&[
        ("{{index .List 1}} {{index .Labels \"a\"}} {{index .Labels \"com.example.my-key\"}}", "b 1 v"),
        ("[{{index .Labels \"nope\"}}]", "[]"),
        ("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080"),
        ("{{index .Ports \"80/tcp\" 0}}", "map[HostPort:8080]"),
        ("{{len .List}} {{len .Names}} {{len .Labels}}", "3 3 3"),
        ("{{slice .ID 0 4}} {{slice .ID 14}} {{slice .List 1 2}}", "0123 ef [b]"),
        ("{{index .Names 0}}", "119"),
    ]);
    fails(&[
        ("{{index .List 9}}", "index out of range: 9"),
        ("{{index .Nil 0}}", "untyped nil"),
        ("{{index .Int 0}}", "can't index"),
        ("{{slice .ID 9 2}}", "invalid slice index"),
        ("{{index .List \"a\"}}", "can't index"),
    ]);
}

#[test]
fn docker_functions() {
    check(&[
        ("{{json .Labels}}", r#"{"a":"1","b":"2","com.example.my-key":"v"}"#),
        ("{{json .Html}}", r#""<a href=\"x\">&'""#),
        ("{{json .Nil}}{{json .List}}", "null[\"a\",\"b\",\"c\"]"),
        ("{{join .List \", \"}} {{join .Nums \"-\"}}", "a, b, c 3-4"),
        ("{{split \"a/b/c\" \"/\"}} {{index (split .ID \"4\") 0}}", "[a b c] 0123"),
        ("{{upper .Names}} {{lower \"ABC\"}} {{title \"hello big world\"}}", "WEB abc Hello Big World"),
        ("[{{pad .Names 1 2}}] [{{pad \"\" 3 3}}]", "[ web  ] []"),
        ("{{truncate .ID 4}} {{truncate .Names 10}}", "0123 web"),
        ("{{.Names | upper | printf \"%s!\"}}", "WEB!"),
        ("{{.Label \"hidden\"}}|{{.Label \"nope\"}}", "yes|"),
        ("{{println .Names 1}}", "web 1\n"),
        ("{{(split .Names \"e\") | len}}", "2"),
    ]);
    fails(&[
        ("{{upper .Int}}", "expected string"),
        ("{{nofunc 1}}", "function \"nofunc\" not defined"),
        ("{{.Names \"x\"}}", "Names is not a method"),
        ("{{join .List}}", "wrong number of args for join: want 2 got 1"),
        ("{{.ID | 3}}", "non executable command"),
    ]);
}

#[test]
fn go_print_functions() {
    check(&[
        ("{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3"),
        ("{{html .Html}}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;"),
        ("{{js \"a'b<\"}}", r"a\'b\u003C"),
        ("{{urlquery \"a b/ü\"}}", "a+b%2F%C3%BC"),
        (
            "{{printf \"%d %5d|%-5d|%05d %+d %x %X %#x %o %b %c %U\" 1 2 3 4 5 255 255 255 8 5 65 65}}",
            "1     2|3    |00004 +5 ff FF 0xff 10 101 A U+0041",
        ),
        (
            "{{printf \"%s|%5s|%-5s|%.2s|%q|%v|%x\" .Names .Names .Names .Names .Names .List \"hi\"}}",
            "web|  web|web  |we|\"web\"|[a b c]|6869",
        ),
        (
            "{{printf \"%f %.2f %e %g %8.3f %t %%\" 1.5 1.005 1500.0 1.5 3.14159 true}}",
            "1.500000 1.00 1.500000e+03 1.5    3.142 true %",
        ),
        ("{{printf \"%d %s\" \"x\" 3}}", "%!d(string=x) %!s(int=3)"),
        ("{{printf \"%s\"}} {{printf \"a\" 1}}", "%!s(MISSING) a%!(EXTRA int=1)"),
        ("{{printf \"%*d|%T|%q\" 5 42 .Int .List}}", "   42|int|[\"a\" \"b\" \"c\"]"),
        ("{{printf \"%.3g %.3g\" 1234567.0 0.5}}", "1.23e+06 0.5"),
    ]);
}

#[test]
fn wrong_templates() {
    fails(&[
        ("{{.ID", "unclosed action"),
        ("{{", "unclosed action"),
        ("{{}}", "missing value for command"),
        ("{{if .ID}}x", "unclosed {{if}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if}}x{{end}}", "missing value for if"),
        ("{{.ID | }}", "missing value"),
        ("{{(.ID}}", "unclosed left paren"),
        ("{{nil}}", "nil is not a command"),
        ("{{3 4}}", "non-function"),
        ("{{.ID.Foo}}", "can't evaluate field Foo in type string"),
        ("{{.Nosuch}}", "there is no field 'Nosuch' (hint: the fields are Big,"),
        ("{{/* x", "unclosed comment"),
        ("{{.ID ~}}", "unexpected '~'"),
        ("{{call .ID}}", "no function"),
        ("{{define \"x\"}}", "unclosed {{define}}"),
    ]);
    fails(&[(format!("{{{{{}}}}}", "(".repeat(20_000)).as_str(), "nested too deeply")]);
    fails(&[("{{if 1}}".repeat(20_000).as_str(), "nested too deeply")]);
}

#[test]
fn headers() {
    let titles = json!({"ID": "CONTAINER ID", "Names": "NAMES", "Mounts": "MOUNTS", "_Label": {}});
    let header = |text: &str| Template::parse(text).unwrap().header(&titles).unwrap();
    assert_eq!(header(r"{{.ID}}\t{{upper .Names}}\t{{truncate .ID 3}}"), "CONTAINER ID\tNAMES\tCONTAINER ID");
    assert_eq!(header("{{.Label \"com.example.my-key\"}}"), "MY KEY");
    assert_eq!(header("{{.ImageID}} {{json .Names}}"), "IMAGE ID NAMES");
    assert_eq!(header("{{range .Mounts}}{{.}}{{end}}"), "MOUNTS");
}

proptest::proptest! {
    /// Whatever is typed gives text or an error, never a panic.
    #[test]
    fn never_panics(text in r#"(\{\{-? ?|-? ?\}\}|\.[A-Z][a-z]{0,4}|\$x?|:=|[|(),="'.`\\%]|range|if|end|else|with|index|slice|printf|json|[0-9xe+-]{1,4}| |é){0,24}"#) {
        let _ = render(&text);
    }
}
