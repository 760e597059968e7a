//! `WWW-Authenticate` (RFC 9110 §11.6.1) and the bearer scheme of the distribution project's token specification.

use std::collections::BTreeMap;

/// One scheme that the server accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Lower case: `bearer`, `basic`.
    pub scheme: String,
    /// Keys in lower case.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// All challenges of one header value. What can't be understood ends the list.
    pub fn parse(header: &str) -> Vec<Challenge> {
        let mut challenges: Vec<Challenge> = Vec::new();
        let mut rest = header.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let (word, after) = token(rest);
            if word.is_empty() {
                break;
            }
            let value = after.trim_start().strip_prefix('=');
            match (value, challenges.last_mut()) {
                // `key=value` belongs to the scheme before it.
                (Some(value), Some(challenge)) => {
                    let Some((value, after)) = parameter(value.trim_start()) else { break };
                    challenge.parameters.insert(word.to_ascii_lowercase(), value);
                    rest = after;
                }
                (Some(_), None) => break,
                (None, _) => {
                    challenges.push(Challenge { scheme: word.to_ascii_lowercase(), ..Challenge::default() });
                    rest = after;
                }
            }
            rest = rest.trim_start_matches([' ', '\t', ',']);
        }
        challenges
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A quoted string or a bare word, and what follows.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_string(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_commas_and_several_schemes() {
        let header = r#"Bearer realm="https://auth/t",service="r \"x\"", scope="repository:a:pull,push" , Basic realm=x, Negotiate"#;
        let found = Challenge::parse(header);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].get("scope"), Some("repository:a:pull,push"));
        assert_eq!(found[0].get("service"), Some("r \"x\""));
        assert_eq!((found[1].scheme.as_str(), found[1].get("realm")), ("basic", Some("x")));
        assert!(found[2].parameters.is_empty());
        assert!(Challenge::parse("Bearer realm=\"unclosed")[0].parameters.is_empty());
        assert!(Challenge::parse("=x").is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(header in ".{0,200}") {
            Challenge::parse(&header);
        }
    }
}
