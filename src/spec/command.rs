//! ENTRYPOINT and CMD against `--entrypoint` and the words after the image.

use super::request::{ImageInfo, RunRequest};
use crate::error::{Error, Result};

/// The parts of the command and the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
}

impl Command {
    pub fn args(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).cloned().collect()
    }
}

/// Docker's table: `--entrypoint` replaces ENTRYPOINT and drops the image's CMD; words after the image replace CMD.
pub fn command(request: &RunRequest, image: &ImageInfo) -> Result<Command> {
    let (entrypoint, cmd) = match request.entrypoint.as_deref() {
        None => (image.entrypoint.clone(), &image.cmd),
        Some("") => (Vec::new(), &Vec::new()),
        // Podman takes a JSON array of words too.
        Some(text) if text.starts_with('[') => match serde_json::from_str::<Vec<String>>(text) {
            Ok(words) => (words, &Vec::new()),
            Err(_) => (vec![text.to_string()], &Vec::new()),
        },
        Some(text) => (vec![text.to_string()], &Vec::new()),
    };
    let cmd = if request.command.is_empty() { cmd.clone() } else { request.command.clone() };
    let command = Command { entrypoint, cmd };
    match command.args().first().map(String::as_str) {
        None => Err(Error::user("run a container without a command: the image has neither ENTRYPOINT nor CMD")
            .hint("write the command after the image")),
        Some("") => Err(Error::new(crate::error::Kind::CommandNotFound, "run the command '': its name is empty")),
        Some(_) => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
        // image ENTRYPOINT, image CMD, --entrypoint, words → argv
        let cases: &[(&str, &str, Option<&str>, &str, Option<&str>)] = &[
            ("", "sh", None, "", Some("sh")),
            ("", "sh", None, "ls -l", Some("ls -l")),
            ("ep", "a b", None, "", Some("ep a b")),
            ("ep", "a b", None, "c", Some("ep c")),
            ("ep", "a b", Some("x"), "", Some("x")),
            ("ep", "a b", Some("x"), "c", Some("x c")),
            ("ep", "a b", Some(""), "c d", Some("c d")),
            ("ep", "a b", Some(""), "", None),
            ("ep", "a", Some("[\"x\",\"y\"]"), "z", Some("x y z")),
            ("ep", "a", Some("[odd"), "z", Some("[odd z")),
            ("", "", None, "", None),
        ];
        for (entrypoint, cmd, flag, rest, want) in cases {
            let image = ImageInfo { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageInfo::default() };
            let request =
                RunRequest { entrypoint: flag.map(str::to_string), command: words(rest), ..RunRequest::default() };
            let got = command(&request, &image).ok().map(|c| c.args().join(" "));
            assert_eq!(got.as_deref(), *want, "{entrypoint} {cmd} {flag:?} {rest}");
        }
        let empty = RunRequest { command: vec![String::new()], ..RunRequest::default() };
        assert_eq!(command(&empty, &ImageInfo::default()).unwrap_err().exit_code(), 127);
    }
}
