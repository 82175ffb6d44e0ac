//! Who may use whom: a file uses what stands before it in the plan of its folder, and nothing behind it,
//! so there is no circle. Paths are resolved as Rust resolves them: `crate::`, `$crate::`, `super::` and
//! `self::`, in `use` and inline; what only tests use is left out.

#![expect(
    clippy::unwrap_used,
    reason = "a folder that cannot be read must fail, and say where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The policy, from the lowest floor up. Files on one line do not know each other.
const POLICY: &[&[&str]] = &[
    // 1: what would be the same in another policy.
    &["text"],
    &["json/reader"],
    &["json"],
    &["object", "schema"],
    &["decode"],
    &["time", "image/reference"],
    &["image/pattern", "host_calls"],
    &["image"],
    // 2: what a control is handed, and what it hands back.
    &["pod/place", "pod/profile"],
    &["pod/security_context", "pod/volume"],
    &["pod/container"],
    &["pod/spec"],
    &["pod/image", "pod/kind", "pod/completion"],
    &["pod/template"],
    &["pod"],
    &["finding"],
    &["finding/profile", "lookups"],
    // 3: the controls.
    &["controls/vulnerabilities/cvss"],
    &["controls/vulnerabilities/report"],
    &["controls/*"],
    &["controls"],
    // 4: what knows all of them.
    &[
        "violation",
        "settings/exemption",
        "settings/legacy",
        "settings/custom_workload",
    ],
    &["settings"],
    &["review/guards"],
    &["review/mend", "review/update", "review/owner"],
    &["review/legacy"],
    &["review"],
    // 5: the request and the answer.
    &["admission/request"],
    &["admission/response"],
    &["admission/custom"],
    &["admission"],
    &["guest"],
    &["lib"],
];

#[test]
fn the_policy_has_five_floors() {
    let uses = uses(&root().join("src"));
    let place = |file: &str| {
        let pattern = match file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/*"),
            None => String::new(),
        };
        let of = |name: &str| POLICY.iter().position(|line| line.contains(&name));
        of(file).or_else(|| of(&pattern))
    };
    let mut wrong = BTreeSet::new();
    for (file, used) in &uses {
        let Some(own) = place(file) else {
            panic!("{file}.rs has no place in the plan");
        };
        for other in used.iter().filter(|other| *other != file) {
            // A file that declares a folder hands on what is in it.
            if place(other).unwrap() >= own {
                wrong.insert(format!("{file}.rs uses {other}.rs"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_member_of_the_workspace_has_a_circle() {
    for folder in ["src", "text/src", "host/src", "cli/src", "benches/src"] {
        let mut uses = uses(&root().join(folder));
        // What uses nothing that is left is in no circle, and is taken out.
        loop {
            let names: BTreeSet<String> = uses.keys().cloned().collect();
            let before = uses.len();
            uses.retain(|file, used| {
                used.iter()
                    .any(|other| other != file && names.contains(other))
            });
            if uses.len() == before {
                break;
            }
        }
        assert!(uses.is_empty(), "a circle in {folder}: {uses:#?}");
    }
}

#[test]
fn who_judges_does_not_publish() {
    let uses = uses(&root().join("cli/src"));
    let are_in =
        |file: &str, folder: &str| file == folder || file.starts_with(&format!("{folder}/"));
    for (folder, other) in [("judge", "publish"), ("publish", "judge")] {
        let files = uses.iter().filter(|(file, _)| are_in(file, folder));
        let files: Vec<_> = files.collect();
        assert!(files.len() > 1, "cli/src/{folder} is empty");
        for (file, used) in files {
            let wrong: Vec<_> = used.iter().filter(|used| are_in(used, other)).collect();
            assert!(wrong.is_empty(), "cli/src/{file}.rs uses {wrong:?}");
        }
    }
}

/// The modules that each file below `src` uses, by their paths without `.rs`.
fn uses(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<String, String> = rust_files(src)
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(src).unwrap().with_extension("");
            (name.to_str().unwrap().to_owned(), text)
        })
        .collect();
    let comment = Regex::new(r"(?m)//.*$").unwrap();
    let group = Regex::new(r"((?:\w+::)+)\{([^{}]*)\}").unwrap();
    let path = Regex::new(r"\b(crate|super|self)((?:::\w+)+)").unwrap();
    let used_by = |name: &String, text: &String| {
        let text = text.split("#[cfg(test)]").next().unwrap();
        let mut text = comment.replace_all(text, "").into_owned();
        // `a::{b, c::d}` is `a::b, a::c::d`, from the inside out.
        while group.is_match(&text) {
            text = group
                .replace_all(&text, |found: &regex::Captures<'_>| {
                    let parts = found[2]
                        .split(',')
                        .map(str::trim)
                        .filter(|part| !part.is_empty());
                    let paths: Vec<String> =
                        parts.map(|part| format!("{}{part}", &found[1])).collect();
                    paths.join(" ")
                })
                .into_owned();
        }
        let of_file: Vec<&str> = match name.as_str() {
            "lib" | "main" => Vec::new(),
            name => name.split('/').collect(),
        };
        let mut used = BTreeSet::new();
        for found in path.captures_iter(&text) {
            let mut module: Vec<&str> = match &found[1] {
                "crate" => Vec::new(),
                "super" => of_file
                    .split_last()
                    .map_or(&[][..], |(_, above)| above)
                    .to_vec(),
                _ => of_file.clone(),
            };
            for step in found[2].split("::").filter(|step| !step.is_empty()) {
                match step {
                    "super" => drop(module.pop()),
                    step => module.push(step),
                }
            }
            // The longest beginning that is a file: what follows is an item in it.
            while !module.is_empty() && !files.contains_key(&module.join("/")) {
                module.pop();
            }
            if !module.is_empty() {
                used.insert(module.join("/"));
            }
        }
        used
    };
    files
        .iter()
        .map(|(name, text)| (name.clone(), used_by(name, text)))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
