//! Runs the commands of the documentation and compares what they print.
//!
//! In a block of the language `console` a line that begins with `$ ` is a
//! command, continued by `\` at the end of a line, and what follows is what it
//! prints. `UPDATE_DOCS=1` writes what the commands print into the documents.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its helpers")]

use std::fs;
use std::path::Path;
use std::process::Command;

use container_security_host::Policy;
use serde_json::Value;

#[test]
fn the_readme_shows_what_its_commands_print() {
    assert!(execute("README.md") > 0);
}

#[test]
fn the_walk_through_the_article_shows_what_its_commands_print() {
    assert!(execute("docs/aks-best-practices.md") > 10);
}

#[test]
fn the_guide_to_migration_shows_what_its_commands_print() {
    assert!(execute("docs/migrating.md") > 2);
}

#[test]
fn the_page_on_the_supply_chain_shows_what_its_commands_print() {
    assert!(execute("docs/supply-chain.md") > 0);
}

#[test]
fn the_page_on_output_shows_what_its_commands_print() {
    assert!(execute("docs/output.md") > 0);
}

#[test]
fn the_settings_in_the_documents_are_valid() {
    let module = fs::read(root().join("policy.wasm"));
    let module = module.unwrap_or_else(|error| panic!("{error}; run: make policy.wasm"));
    let policy = Policy::load(&module).unwrap();
    for document in ["docs/migrating.md", "docs/aks-best-practices.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let blocks = blocks(&text);
        let settings = blocks.iter().filter(|block| block.language == "yaml");
        let mut checked = 0;
        for block in settings {
            let settings: Value = yaml_serde::from_str(block.text).unwrap();
            let verdict = policy.validate_settings(&settings).unwrap();
            assert!(
                verdict.valid,
                "{document}: {}{:?}",
                block.text, verdict.message
            );
            checked += 1;
        }
        assert!(checked > 0, "{document}");
    }
}

#[test]
fn blocks_and_commands_are_found() {
    let text = "a\n```console\n$ b \\\n    c\nd\n\ne\n$ f\n```\n```sh\ng\n```\n";
    let blocks = blocks(text);
    let found: Vec<_> = blocks
        .iter()
        .map(|block| (block.language, block.text))
        .collect();
    assert_eq!(
        found,
        [("console", "$ b \\\n    c\nd\n\ne\n$ f\n"), ("sh", "g\n")]
    );
    let commands: Vec<_> = commands(blocks[0].text)
        .into_iter()
        .map(|command| (command.line, command.prints))
        .collect();
    assert_eq!(
        commands,
        [
            ("b \\\n    c".to_owned(), "d\n\ne\n".to_owned()),
            ("f".to_owned(), String::new())
        ]
    );
}

/// Runs the commands of a document, from the root of the repository; their number.
fn execute(document: &str) -> usize {
    let path = root().join(document);
    let mut text = fs::read_to_string(&path).unwrap();
    let mut executed = 0_usize;
    for block in blocks(&text.clone())
        .iter()
        .filter(|block| block.language == "console")
    {
        let mut printed = String::new();
        for command in commands(block.text) {
            let output = run(&command.line);
            if std::env::var_os("UPDATE_DOCS").is_none() {
                assert_eq!(
                    output, command.prints,
                    "{document}: {} prints something else; UPDATE_DOCS=1 writes it there",
                    command.line
                );
            }
            printed.extend(["$ ", &command.line, "\n", &output]);
            executed = executed.saturating_add(1);
        }
        // A block without prompts is for reading.
        if !printed.is_empty() {
            text = text.replace(block.text, &printed);
        }
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, text).unwrap();
    }
    executed
}

/// What a command prints, standard output before standard error.
fn run(line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_container-security"));
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = program.parent().unwrap().display();
    let output = Command::new("bash")
        .args(["-c", line])
        .current_dir(root())
        .env("PATH", format!("{folder}:{path}"))
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

/// The fenced blocks of a document.
fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = document;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let end = after.find("```").unwrap();
        let (text, after) = after.split_at(end);
        blocks.push(Block { language, text });
        rest = after.strip_prefix("```").unwrap();
    }
    blocks
}

struct Shown {
    line: String,
    prints: String,
}

fn commands(block: &str) -> Vec<Shown> {
    let mut commands = Vec::<Shown>::new();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut command = command.to_owned();
            while command.ends_with('\\') {
                command = format!("{command}\n{}", lines.next().unwrap());
            }
            commands.push(Shown {
                line: command,
                prints: String::new(),
            });
        } else if let Some(command) = commands.last_mut() {
            command.prints.push_str(line);
            command.prints.push('\n');
        }
    }
    commands
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
