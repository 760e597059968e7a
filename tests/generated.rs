//! Man pages and completions are those of the present definitions.
//!
//! `CORACLE_UPDATE_GENERATED=1 cargo test --test generated` (or `coracle generate-docs .`) brings them up to date.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn man_pages_and_completions_are_current() {
    // contrib/test runs the tests elsewhere than they were built.
    let source = std::env::var("CORACLE_TEST_SOURCE").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let top = Path::new(&source);
    let update = std::env::var_os("CORACLE_UPDATE_GENERATED").is_some();
    let wanted = coracle::cli::docs::files();
    let mut stale = Vec::new();
    for (name, text) in &wanted {
        let path = top.join(name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != *text {
            stale.push(name.clone());
        }
    }
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    for dir in ["man", "completions"] {
        for entry in std::fs::read_dir(top.join(dir)).into_iter().flatten() {
            let name = format!("{dir}/{}", entry.unwrap().file_name().to_string_lossy());
            if !names.contains(name.as_str()) {
                match update {
                    true => std::fs::remove_file(top.join(&name)).unwrap(),
                    false => stale.push(name),
                }
            }
        }
    }
    assert!(stale.is_empty(), "not current (run 'coracle generate-docs .'): {}", stale.join(" "));
}
