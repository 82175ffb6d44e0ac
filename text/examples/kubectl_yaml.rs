//! `make kubectl-yaml`: compares the YAML reader with kubectl's on inputs that nobody has thought of,
//! those of `tests/kubectl-yaml/table.jsonl`, each changed in a few places.
//!
//! Takes the program of `tests/kubectl-yaml/`, the number of inputs and a number to begin with. What
//! kubectl refuses must be refused, and what is read must be what kubectl reads. What is refused
//! although kubectl reads it is counted by what the error says.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is too big for `cargo test`"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::panic;
use std::process::{Command, Stdio};
use std::thread;

use container_security_test_kit::json;
use container_security_text::document;
use serde::Deserialize;
use serde_json::Value;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().unwrap();
    let mut numbers = arguments.map(|argument| argument.parse::<u64>().unwrap());
    let (count, seed) = (
        numbers.next().unwrap_or(100_000),
        numbers.next().unwrap_or(1),
    );

    let corpus = corpus();
    let mut random = Random(seed);
    let inputs: Vec<_> = (0..count).map(|_| input(&corpus, &mut random)).collect();
    let mut read_alike = 0_u64;
    let mut refusals = BTreeMap::<String, u64>::new();
    for (input, answer) in inputs.iter().zip(answers(&program, &inputs)) {
        match compare(input, &answer) {
            Outcome::ReadAlike => read_alike += 1,
            Outcome::RefusedAlike => {}
            Outcome::Refused(why) => *refusals.entry(why).or_default() += 1,
        }
    }
    for (why, count) in &refusals {
        println!("{count:>8} refused that kubectl reads: {why}");
    }
    println!("{count} inputs, {read_alike} read alike, no difference");
}

/// What kubectl makes of an input.
#[derive(Debug, Deserialize)]
struct Answer {
    documents: Vec<Value>,
    error: Option<String>,
}

enum Outcome {
    ReadAlike,
    RefusedAlike,
    /// By what the error says, without what it quotes.
    Refused(String),
}

fn compare(input: &str, answer: &Answer) -> Outcome {
    let results = panic::catch_unwind(|| document::parse("f", input.as_bytes()))
        .unwrap_or_else(|_| panic!("{input:?} makes the reader panic"));
    let read: Vec<_> = results
        .iter()
        .map_while(|result| result.as_ref().ok())
        .collect();
    let error = results
        .get(read.len())
        .and_then(|result| result.as_ref().err());
    let is_beginning = read.len() <= answer.documents.len()
        && read
            .iter()
            .zip(&answer.documents)
            .all(|(read, recorded)| is_equal(&read.value, recorded));
    let is_same = is_beginning && read.len() == answer.documents.len();
    match (error, &answer.error) {
        (None, None) if is_same => Outcome::ReadAlike,
        (Some(_), Some(_)) if is_beginning => Outcome::RefusedAlike,
        (Some(error), None) if is_beginning => {
            let message = error.message.strip_prefix("line ");
            let message = message.and_then(|message| message.split_once(": "));
            let message = message.map_or(error.message.as_str(), |(_, message)| message);
            let words = message.split([',', ';', '"']).next();
            Outcome::Refused(words.unwrap_or_default().to_owned())
        }
        _ => panic!("{input:?}\nkubectl: {answer:?}\nhere: {results:?}"),
    }
}

/// As in the test of the table; floats may differ in the last digit, which `serde_json` reads
/// imprecisely.
fn is_equal(one: &Value, other: &Value) -> bool {
    json::is_equal(one, other, |one, other| {
        (one - other).abs() <= one.abs() * 1e-15
    })
}

fn answers(program: &str, inputs: &[String]) -> Vec<Answer> {
    let mut process = Command::new(program)
        .arg("-answer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut questions = process.stdin.take().unwrap();
    let answers = BufReader::new(process.stdout.take().unwrap());
    let answers = thread::scope(|scope| {
        scope.spawn(move || {
            for input in inputs {
                let digits = input.bytes().map(|byte| format!("{byte:02x}"));
                writeln!(questions, "{}", digits.collect::<String>()).unwrap();
            }
        });
        let answers = answers
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        answers.collect()
    });
    assert!(process.wait().unwrap().success(), "{program}");
    answers
}

/// The inputs of the table that are short enough for a change to matter.
fn corpus() -> Vec<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/kubectl-yaml/table.jsonl"
    );
    let table = std::fs::read_to_string(path).unwrap();
    let inputs = table.lines().filter_map(|line| {
        let row: Value = serde_json::from_str(line).ok()?;
        Some(row["input"].as_str()?.to_owned())
    });
    inputs.filter(|input| input.len() < 300).collect()
}

fn input(corpus: &[String], random: &mut Random) -> String {
    let mut text: Vec<_> = random.one_of(corpus).chars().collect();
    if random.below(4) == 0 {
        let other: Vec<_> = random.one_of(corpus).chars().collect();
        let (at, from) = (random.below(text.len() + 1), random.below(other.len() + 1));
        text.splice(at..at, other[from..].iter().copied());
    }
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => {
                let end = (at + 1 + random.below(4)).min(text.len());
                text.drain(at..end);
            }
            1 => {
                let end = (at + 1 + random.below(12)).min(text.len());
                let copy = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            _ => {
                text.splice(at..at, random.one_of(PIECES).chars());
            }
        }
    }
    text.into_iter().collect()
}

/// Splitmix64: the same inputs for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let mut state = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0 = state;
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((state ^ (state >> 31)) % limit).unwrap()
    }

    fn one_of<'p, T>(&mut self, pieces: &'p [T]) -> &'p T {
        &pieces[self.below(pieces.len())]
    }
}

/// What means something in YAML.
const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n\n",
    "  ",
    " ",
    "\t",
    ":",
    ": ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "?",
    "? ",
    "- ",
    "-",
    "#",
    " #",
    "&a ",
    "*a",
    "*a ",
    "&b ",
    "*b",
    "!!str ",
    "!!int ",
    "!!binary ",
    "!x ",
    "!a,",
    "!",
    "!<x>",
    "|",
    "|-",
    "|+\n",
    ">",
    "'",
    "\"",
    "\"a\"",
    "'b'",
    "\"a\": ",
    "%",
    "@",
    "`",
    "...",
    "---",
    "\n---\n",
    "\n...\n",
    "<<: *a",
    "<<",
    "a",
    "b: ",
    "y",
    "a?b",
    "a:b",
    ": ,",
    "1",
    "1.5",
    "01",
    "1e3",
    "null",
    "~",
    "\\",
    "\\n",
    "\\/",
    "\\u0041",
    "\\x",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{a0}",
    "é",
    "\r",
    "\r\n",
    "\0",
    "%YAML 1.1\n",
    "%TAG ! x\n",
];
