//! hello: says what isolation it sees. It is the only file of coracle's embedded image and the probe of its tests.
//!
//! Standard library only, no unsafe code, no libc calls of its own: everything comes from /proc, /sys and plain files.
//!
//! ```text
//! hello                     human text          hello --json | probe      everything as JSON
//! hello exit N              hello abort          hello sleep SECONDS|forever
//! hello out N | err N       N bytes "0123…\n"    hello lines N [TEXT]
//! hello cat                 stdin to stdout      hello count               bytes read from stdin
//! hello args …              argv as JSON         hello env NAME
//! hello read PATH           hello write PATH TEXT
//! hello tcp-serve PORT [N]  hello udp-serve PORT [N]      answers "peer ADDRESS", then echoes; ends after N clients
//! hello tcp HOST PORT TEXT  hello udp HOST PORT TEXT      sends TEXT, prints the answer
//! hello try                 tries what a container must not do; JSON name → "ok" or errno
//! ```

mod action;
mod human;
mod json;
mod net;
mod probe;
mod status;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    // `run hello exit 3` and `run hello /hello exit 3` mean the same, whatever the image's entry point is.
    if words.first() == Some(&"/hello") {
        words.remove(0);
    }
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("hello: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<u8, String> {
    match words {
        [] => action::print(&human::text()),
        ["--json" | "probe"] => action::print(&(probe::all().to_string() + "\n")),
        ["exit", n] => n.parse().map_err(|_| format!("exit {n}: not a number from 0 to 255")),
        ["abort"] => std::process::abort(),
        ["sleep", time] => action::sleep(time),
        ["out", n] => action::fill(std::io::stdout(), n),
        ["err", n] => action::fill(std::io::stderr(), n),
        ["lines", n] => action::lines(n, "line"),
        ["lines", n, text] => action::lines(n, text),
        ["cat"] => action::cat(),
        ["count"] => action::count(),
        ["args", rest @ ..] => action::print(&(json::Value::strings(rest).to_string() + "\n")),
        ["env", name] => action::env(name),
        ["read", path] => action::read(path),
        ["write", path, text] => action::write(path, text),
        ["tcp-serve", port] => net::tcp_serve(port, "1000000"),
        ["tcp-serve", port, n] => net::tcp_serve(port, n),
        ["udp-serve", port] => net::udp_serve(port, "1000000"),
        ["udp-serve", port, n] => net::udp_serve(port, n),
        ["tcp", host, port, text] => net::tcp(host, port, text),
        ["udp", host, port, text] => net::udp(host, port, text),
        ["try"] => action::print(&(action::forbidden().to_string() + "\n")),
        _ => Err(format!("unknown arguments {words:?}; plain `hello` prints what it sees, `hello --json` as JSON")),
    }
}
