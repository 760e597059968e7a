//! BuildKit's named checks: what they are called, which are switched off, what they found.

use super::source::{Fault, Source, Span};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

macro_rules! rules {
    ($($name:ident $page:literal),+ $(,)?) => {
        /// A check, by the name that `# check=skip=` knows it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Rule { $($name),+ }

        impl Rule {
            pub const ALL: &[Rule] = &[$(Rule::$name),+];
            pub fn name(self) -> &'static str {
                match self { $(Rule::$name => stringify!($name)),+ }
            }
            /// The page about it.
            pub fn url(self) -> String {
                let page = match self { $(Rule::$name => $page),+ };
                format!("https://docs.docker.com/go/dockerfile/rule/{page}/")
            }
        }
    };
}

rules! {
    StageNameCasing "stage-name-casing",
    FromAsCasing "from-as-casing",
    NoEmptyContinuation "no-empty-continuation",
    ConsistentInstructionCasing "consistent-instruction-casing",
    DuplicateStageName "duplicate-stage-name",
    ReservedStageName "reserved-stage-name",
    JSONArgsRecommended "json-args-recommended",
    MaintainerDeprecated "maintainer-deprecated",
    UndefinedArgInFrom "undefined-arg-in-from",
    UndefinedVar "undefined-var",
    MultipleInstructionsDisallowed "multiple-instructions-disallowed",
    WorkdirRelativePath "workdir-relative-path",
    InvalidDefaultArgInFrom "invalid-default-arg-in-from",
    FromPlatformFlagConstDisallowed "from-platform-flag-const-disallowed",
    RedundantTargetPlatform "redundant-target-platform",
    LegacyKeyValueFormat "legacy-key-value-format",
    SecretsUsedInArgOrEnv "secrets-used-in-arg-or-env",
    CopyIgnoredFile "copy-ignored-file",
    InvalidDefinitionDescription "invalid-definition-description",
    ExposeProtoCasing "expose-proto-casing",
    ExposeInvalidFormat "expose-invalid-format",
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub rule: Rule,
    pub span: Span,
    pub message: String,
}

impl Warning {
    /// The finding as `docker build --check` prints it.
    pub fn display(&self, source: &Source) -> String {
        let Warning { rule, span, message } = self;
        format!("WARNING: {} - {}\n{message}\n{}", rule.name(), rule.url(), source.excerpt(*span))
    }
}

/// Collects findings and knows which are wanted.
#[derive(Clone, Debug, Default)]
pub struct Lint {
    skip: BTreeSet<Rule>,
    /// Also those that are off unless asked for.
    experimental: bool,
    /// `error=true`: a finding fails the build.
    pub fatal: bool,
    pub warnings: Vec<Warning>,
}

impl Lint {
    /// Takes a `# check=skip=A,B;error=true` directive, or BUILDKIT_DOCKERFILE_CHECK.
    pub fn configure(&mut self, text: &str) -> Result<()> {
        let bad = |part: &str| {
            Error::user(format!("read check directive '{part}'")).hint("skip=RULE,...;error=true;experimental=all")
        };
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| bad(part))?;
            let rules = || value.split(',').map(str::trim);
            match key.trim() {
                "error" => self.fatal = value.trim().parse().map_err(|_| bad(part))?,
                "experimental" => self.experimental = true,
                // Names of later versions may be in there: they can't be found either.
                "skip" => {
                    self.skip.extend(Rule::ALL.iter().filter(|r| rules().any(|name| name == "all" || name == r.name())))
                }
                _ => return Err(bad(part)),
            }
        }
        Ok(())
    }

    pub fn warn(&mut self, rule: Rule, span: Span, message: impl Into<String>) {
        let off = rule == Rule::InvalidDefinitionDescription && !self.experimental;
        if !off && !self.skip.contains(&rule) {
            self.warnings.push(Warning { rule, span, message: message.into() });
        }
    }

    /// The findings in the order of the file.
    pub fn sort(&mut self) {
        self.warnings.sort_by_key(|w| (w.span.start, w.rule.name()));
        self.warnings.dedup();
    }

    /// The failure that `error=true` makes of findings.
    pub fn failure(&self) -> Option<Fault> {
        let first = self.warnings.first().filter(|_| self.fatal)?;
        Some(Fault::new(first.span, format!("lint violation found for rules: {}", self.names())))
    }

    fn names(&self) -> String {
        let names: BTreeSet<&str> = self.warnings.iter().map(|w| w.rule.name()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// The word of `known` that `word` is a slip of.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let reach = if word.len() < 4 { 1 } else { 2 };
    let ranked = known.map(|k| (distance(&word, &k.to_ascii_lowercase()), k));
    ranked.filter(|(d, _)| (1..=reach).contains(d)).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let change = usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_can_be_switched_off() {
        let span = Span { start: 1, end: 1 };
        let mut lint = Lint::default();
        lint.configure("skip=StageNameCasing, NoSuchRule;error=true").unwrap();
        lint.warn(Rule::StageNameCasing, span, "x");
        assert!(lint.failure().is_none());
        lint.warn(Rule::UndefinedVar, span, "x");
        assert!(lint.failure().unwrap().error.to_string().contains("rules: UndefinedVar"));
        let mut all = Lint::default();
        all.configure("skip=all").unwrap();
        all.warn(Rule::UndefinedVar, span, "x");
        assert!(all.warnings.is_empty());
        assert!(Lint::default().configure("sk=x").is_err());
        assert!(Lint::default().configure("error=maybe").is_err());
    }

    #[test]
    fn slips_are_recognised() {
        let words = ["FROM", "COPY", "ENTRYPOINT"];
        for (word, want) in
            [("FORM", Some("FROM")), ("COPPY", Some("COPY")), ("ENTYPOINT", Some("ENTRYPOINT")), ("X", None)]
        {
            assert_eq!(nearest(word, words.into_iter()), want, "{word}");
        }
    }
}
