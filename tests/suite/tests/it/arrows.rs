//! Which crate may depend on which, and which module on which: the picture in ARCHITECTURE.md, held by a test.
//! It reads manifests and sources, and needs no servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Modules that depend on each other in a circle, and have to be untangled: a crate and its modules in order. The test
/// fails on a further one, and on an entry that is longer than what is left of it.
const KNOWN_CIRCLES: &[&str] = &["chaos: faults parallel run"];

/// A member of the workspace.
struct Member {
    /// Its folder, from the root of the repository.
    folder: String,
    name: String,
    dependencies: BTreeSet<String>,
    dev_dependencies: BTreeSet<String>,
}

impl Member {
    /// Whether it is a tool or a test, which may depend on anything.
    fn is_outside(&self) -> bool {
        self.folder.starts_with("tools/") || self.folder.starts_with("tests/")
    }

    /// The members that its own code may use.
    fn allowed(&self) -> &'static [&'static str] {
        match self.name.as_str() {
            "event-bus" | "relay-engine" | "shop" => &[],
            "service-kit" => &["event-bus"],
            "outbox-relay" => &["event-bus", "service-kit", "relay-engine"],
            // Every other crate at the root is a service.
            _ => &["event-bus", "service-kit"],
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every crate, one or two folders below the root. The fuzz targets are a workspace of their own.
fn members() -> Vec<Member> {
    let below = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders.map(|entry| format!("{folder}{}", entry.file_name().to_string_lossy())).collect()
    };
    let first = below("").into_iter().filter(|name| !name.starts_with('.') && name != "target");
    let all = first.flat_map(|one| [vec![one.clone()], below(&format!("{one}/"))].concat());
    let is_member = |one: &String| root().join(one).join("Cargo.toml").is_file() && one != "tests/fuzz";
    all.filter(is_member).map(|one| member(&one)).collect()
}

fn member(folder: &str) -> Member {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let mut found = Member {
        folder: folder.to_owned(),
        name: String::new(),
        dependencies: BTreeSet::new(),
        dev_dependencies: BTreeSet::new(),
    };
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        let word = line.split(['.', ' ', '=']).next().unwrap();
        match section {
            _ if line.starts_with('[') => section = line,
            _ if word.is_empty() || word.starts_with('#') => {}
            "[package]" if word == "name" => line.split('"').nth(1).unwrap().clone_into(&mut found.name),
            "[dependencies]" | "[build-dependencies]" => drop(found.dependencies.insert(word.to_owned())),
            "[dev-dependencies]" => drop(found.dev_dependencies.insert(word.to_owned())),
            _ => {}
        }
    }
    found
}

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let members = members();
    let names: BTreeSet<&str> = members.iter().map(|one| one.name.as_str()).collect();
    let outside: BTreeSet<&str> =
        members.iter().filter(|one| one.is_outside()).map(|one| one.name.as_str()).collect();
    let mut wrong = Vec::new();
    for one in members.iter().filter(|one| !one.is_outside() || one.name == "shop") {
        let forbidden =
            |name: &&String| names.contains(name.as_str()) && !one.allowed().contains(&name.as_str());
        for name in one.dependencies.iter().filter(forbidden) {
            wrong.push(format!("{} depends on {name}", one.name));
        }
        for name in one.dev_dependencies.iter().filter(forbidden) {
            // A crate may turn a feature of its own on for its tests.
            if !outside.contains(name.as_str()) && *name != one.name {
                wrong.push(format!("the tests of {} depend on {name}", one.name));
            }
        }
    }
    assert!(wrong.is_empty(), "against the arrows of ARCHITECTURE.md: {wrong:#?}");
}

#[test]
fn rabbitmqs_client_is_named_in_event_bus_alone() {
    let users = members().into_iter().filter(|one| !one.is_outside() && one.dependencies.contains("lapin"));
    let names: Vec<String> = users.map(|one| one.name).collect();
    assert_eq!(names, ["event-bus"]);
}

#[test]
fn sources_name_no_file_of_another_crate() {
    let members = members();
    let mut wrong = Vec::new();
    for one in members.iter().filter(|one| !one.is_outside()) {
        for (file, text) in sources(&root().join(&one.folder).join("src")) {
            let strangers = members.iter().filter(|other| other.name != one.name);
            let named = strangers.filter(|other| text.contains(&format!("../{}/", other.folder)));
            wrong.extend(named.map(|other| format!("{} names {}", file.display(), other.folder)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn modules_of_a_crate_depend_on_each_other_in_one_direction() {
    let mut found = BTreeSet::new();
    for one in members() {
        let graph = Graph::of(&root().join(&one.folder).join("src"));
        found.extend(graph.circles().into_iter().map(|circle| format!("{}: {circle}", one.name)));
    }
    let known: BTreeSet<String> = KNOWN_CIRCLES.iter().map(|&circle| circle.to_owned()).collect();
    let words = |circle: &String| circle.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let is_known = |circle: &&String| known.iter().any(|one| words(circle).is_subset(&words(one)));
    let new: Vec<_> = found.iter().filter(|circle| !is_known(circle)).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(new.is_empty(), "modules that depend on each other: {new:#?}");
    assert!(gone.is_empty(), "shorten KNOWN_CIRCLES to what is left: it has {gone:#?}, the code {found:#?}");
}

#[test]
fn a_circle_between_modules_is_found() {
    let folder = std::env::temp_dir().join(format!("arrows-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(folder.join("b")).unwrap();
    fs::write(folder.join("lib.rs"), "mod a;\nmod b;\nmod c;\npub use c::{Other, Thing};").unwrap();
    fs::write(folder.join("a.rs"), "use crate::{Thing, b::x};\n// crate::c is only named here").unwrap();
    fs::write(folder.join("b/mod.rs"), "mod deep;").unwrap();
    fs::write(folder.join("b/deep.rs"), "use super::super::c;").unwrap();
    fs::write(folder.join("c.rs"), "fn f() { super::a::g() }\n#[cfg(test)]\nmod tests { use crate::b; }")
        .unwrap();
    let circles = Graph::of(&folder).circles();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(circles, ["a b c"]);
}

/// The modules at the top of a crate, and which of them name which.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn of(src: &Path) -> Self {
        let sources = sources(src);
        let module = |file: &Path| {
            let path = file.strip_prefix(src).unwrap().with_extension("");
            let mut parts: Vec<String> =
                path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                parts.pop();
            }
            parts
        };
        let tops: BTreeSet<String> =
            sources.iter().filter_map(|(file, _)| module(file).into_iter().next()).collect();
        // What the crate's root shows under a name of its own stands for the module that it comes from.
        let mut aliases = BTreeMap::new();
        for (_, text) in sources.iter().filter(|(file, _)| module(file).is_empty()) {
            for statement in text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
                let Some((top, names)) = statement.split_once("::") else { continue };
                for name in names.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
                    aliases.insert(name.to_owned(), top.to_owned());
                }
            }
        }
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, text) in &sources {
            let path = module(file);
            let Some(from) = path.first() else { continue };
            for first in paths_from_the_root(text, path.len()) {
                let to = if tops.contains(&first) { Some(&first) } else { aliases.get(&first) };
                if let Some(to) = to.filter(|&to| to != from && tops.contains(to)) {
                    edges.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        Self(edges)
    }

    /// The modules that reach themselves, in groups of those that reach each other.
    fn circles(&self) -> Vec<String> {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            self.0.keys().map(|from| (from, self.reach(from))).collect();
        let together = |from: &String, to: &String| reach[from].contains(to) && reach[to].contains(from);
        let in_circles: Vec<&String> = reach.keys().copied().filter(|one| together(one, one)).collect();
        let groups: BTreeSet<Vec<&str>> = in_circles
            .iter()
            .map(|from| in_circles.iter().filter(|to| together(from, to)).map(|to| to.as_str()).collect())
            .collect();
        groups.into_iter().map(|group| group.join(" ")).collect()
    }

    /// Every module that a module depends on, directly or through others.
    fn reach<'a>(&'a self, from: &'a String) -> BTreeSet<&'a String> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            open.extend(self.0.get(at).into_iter().flatten().filter(|&next| reached.insert(next)));
        }
        reached
    }
}

/// The first names of all paths that begin at the crate's root, in a module that is so deep below it.
fn paths_from_the_root(text: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in text.match_indices(&prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || "_$:".contains(letter)) {
                continue;
            }
            found.extend(first_names(&text[at + prefix.len()..]));
        }
    }
    found
}

/// The name that a path goes on with, or the names where it goes on with a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut item) = (0, Vec::new(), String::new());
    for letter in list.chars() {
        match letter {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
            _ => {}
        }
        if letter != ',' || depth > 0 {
            item.push(letter);
        }
    }
    names.push(name(&item));
    names
}

/// The Rust files below a folder, without comments and without tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_string_lossy();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && name != "tests"
            && !name.ends_with("_tests")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let code = code.join("\n");
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    found
}
