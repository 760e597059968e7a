//! The container's environment: `-e`, env files, the image's variables.

use crate::error::{Error, Result};

/// One layer of variables over another: `KEY=value` replaces, `KEY` alone removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    vars: Vec<(String, String)>,
}

impl Env {
    pub fn set(&mut self, key: &str, value: &str) {
        match self.vars.iter_mut().find(|(k, _)| k == key) {
            Some(var) => var.1 = value.to_string(),
            None => self.vars.push((key.to_string(), value.to_string())),
        }
    }
    pub fn set_default(&mut self, key: &str, value: &str) {
        if !self.has(key) {
            self.set(key, value);
        }
    }
    pub fn has(&self, key: &str) -> bool {
        self.vars.iter().any(|(k, _)| k == key)
    }
    pub fn remove(&mut self, key: &str) {
        self.vars.retain(|(k, _)| k != key);
    }
    /// Takes `KEY=value` words; a word without `=` removes the variable when `removes`, else says nothing.
    pub fn apply(&mut self, words: &[String], removes: bool) {
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => self.set(key, value),
                None if removes => self.remove(word),
                None => {}
            }
        }
    }
    /// In order of first setting.
    pub fn into_words(self) -> Vec<String> {
        self.vars.into_iter().map(|(k, v)| format!("{k}={v}")).collect()
    }
}

/// Puts the caller's variables into `-e` words: `KEY` takes the host's value (and stays a bare `KEY` when the host has
/// none), `PREFIX*` takes all that start so.
pub fn expand(words: &[String], host: &dyn Fn() -> Vec<(String, String)>) -> Result<Vec<String>> {
    let mut out = Vec::with_capacity(words.len());
    for word in words {
        match word.split_once('=') {
            Some(("", _)) => return Err(Error::user(format!("read variable '{word}': it has no name"))),
            Some(_) => out.push(word.clone()),
            None if word.is_empty() => return Err(Error::user("read variable '': it has no name")),
            None => match word.strip_suffix('*') {
                Some(prefix) => {
                    let vars = host();
                    out.extend(vars.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(k, v)| format!("{k}={v}")));
                }
                None => match host().into_iter().find(|(k, _)| k == word) {
                    Some((key, value)) => out.push(format!("{key}={value}")),
                    None => out.push(word.clone()),
                },
            },
        }
    }
    Ok(out)
}

/// The words of an env file (docker's rules): one `KEY=value` a line, value taken literally with its quotes and
/// trailing blanks; `#` starts a comment only as the first character that is not blank; `KEY` alone takes the host's.
pub fn parse_file(text: &str, name: &str) -> Result<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut words = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once('=').map_or(line, |(key, _)| key);
        if key.is_empty() {
            return Err(Error::user(format!("read env file {name}, line {}: no variable name on it", index + 1)));
        }
        // A bare name may end in blanks; a name with a value may not.
        let key = if line.contains('=') { key } else { key.trim_end() };
        if key.contains(char::is_whitespace) {
            return Err(Error::user(format!(
                "read env file {name}, line {}: variable '{key}' contains whitespace",
                index + 1
            )));
        }
        words.push(if line.contains('=') { line.to_string() } else { key.to_string() });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn layers_replace_in_place_and_remove() {
        let mut env = Env::default();
        env.apply(&words(&["PATH=/bin", "A=1", "B=2"]), false);
        env.apply(&words(&["A=3", "B", "C="]), true);
        env.set_default("PATH", "/no");
        assert_eq!(env.into_words(), words(&["PATH=/bin", "A=3", "C="]));
    }

    #[test]
    fn host_variables_are_put_in() {
        let host = || vec![("LANG".into(), "C".into()), ("LC_ALL".into(), "x=y".into()), ("LC_TIME".into(), "".into())];
        let got = expand(&words(&["LANG", "NONE", "A=b=c", "LC_*"]), &host).unwrap();
        assert_eq!(got, words(&["LANG=C", "NONE", "A=b=c", "LC_ALL=x=y", "LC_TIME="]));
        assert!(expand(&words(&["=x"]), &host).is_err());
        assert!(expand(&words(&[""]), &host).is_err());
    }

    #[test]
    fn env_files() {
        let text = "\u{feff}A=1\n  # note\n\nB=\"q\" # kept \r\nC\n  D=x y\nE=";
        let got = parse_file(text, "f").unwrap();
        assert_eq!(got, words(&["A=1", "B=\"q\" # kept ", "C", "D=x y", "E="]));
        for bad in ["=x", "A B=1", "export A=1"] {
            assert!(parse_file(bad, "f").is_err(), "{bad}");
        }
        assert!(parse_file("ok=1\nA B=1", "f").unwrap_err().to_string().contains("line 2"));
    }

    proptest! {
        #[test]
        fn a_file_of_plain_lines_reads_back(vars in proptest::collection::vec(("[A-Z_][A-Z0-9_]{0,8}", "[ -~]{0,20}"), 0..8)) {
            let lines: Vec<String> = vars.iter().map(|(k, v)| format!("{k}={v}")).collect();
            prop_assert_eq!(parse_file(&lines.join("\n"), "f").unwrap(), lines);
        }
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = parse_file(&text, "f");
        }
    }
}
