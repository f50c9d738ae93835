//! What documents name exists: paths, and tests.

use std::{collections::BTreeSet, fs, path::Path};

/// Documents at the root of the repository that lead readers to files and tests.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text between single backticks, on one line.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.lines().flat_map(|line| line.split('`').skip(1).step_by(2))).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let ends = [".rs", ".md", ".toml", ".sql", ".json", "/"];
        let is_path = |name: &&str| {
            let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "./_-".contains(letter));
            let first = name.split('/').next().unwrap();
            plain
                && !name.contains("NAME")
                && first != "target"
                && name.contains('/')
                && ends.iter().any(|end| name.ends_with(end))
                && root().join(first).is_dir()
        };
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
        let named = quoted(&text).into_iter().filter(is_path).chain(links);
        missing.extend(
            named.filter(|path| !root().join(path).exists()).map(|path| format!("{document}: {path}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut existing = BTreeSet::new();
    functions(&root(), &mut existing);
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let is_test = |name: &&str| {
            name.matches('_').count() >= 4 && name.chars().all(|one| one.is_ascii_lowercase() || one == '_')
        };
        let named = quoted(&text).into_iter().filter(is_test);
        missing
            .extend(named.filter(|name| !existing.contains(*name)).map(|name| format!("{document}: {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The names of all functions in Rust files below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            functions(&path, names);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(found.map(str::to_owned));
        }
    }
}
