//! Runs the guests over the requests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::guests::Guest;
use crate::hostile;
use crate::limits;
use crate::requests::{Expected, Request};
use crate::wapc::{Call, Fuel, Runner, now};

/// Everything that was measured.
pub(crate) struct Measurements {
    pub(crate) modules: Vec<Module>,
    pub(crate) rows: Vec<Row>,
    pub(crate) limits: Vec<limits::Row>,
    pub(crate) hostile: Vec<hostile::Row>,
}

/// A guest as it would be published.
pub(crate) struct Module {
    pub(crate) guest: Guest,
    pub(crate) bytes: u64,
}

/// One guest on one request.
pub(crate) struct Row {
    pub(crate) request: &'static str,
    /// The length of the payload, settings included.
    pub(crate) bytes: u64,
    pub(crate) guest: Guest,
    pub(crate) instructions: u64,
    /// Pages of 64 KiB.
    pub(crate) pages: u64,
    /// The median; absent when nothing was timed.
    pub(crate) latency: Option<Duration>,
}

impl Measurements {
    pub(crate) fn row(&self, request: &str, guest: Guest) -> Result<&Row> {
        self.rows
            .iter()
            .find(|row| row.request == request && row.guest == guest)
            .with_context(|| format!("{} was not measured on {request}", guest.name()))
    }

    pub(crate) fn module(&self, guest: Guest) -> Result<&Module> {
        self.modules
            .iter()
            .find(|module| module.guest == guest)
            .with_context(|| format!("{} was not built", guest.name()))
    }

    /// The names of the requests, in order.
    pub(crate) fn requests(&self) -> Vec<&'static str> {
        let mut requests: Vec<_> = self.rows.iter().map(|row| row.request).collect();
        requests.dedup();
        requests
    }
}

/// Whether to take the time, too: it takes a while, and it's another on every machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    On,
    Off,
}

/// Builds the guests and measures each on every request.
pub(crate) fn measure(requests: &[Request], timing: Timing) -> Result<Measurements> {
    let mut modules = Vec::new();
    let mut contestants = Vec::new();
    let mut limits = Vec::new();
    let mut hostile = Vec::new();
    for guest in Guest::ALL {
        let wasm = guest.build()?;
        let timed = match timing {
            Timing::On => Some(Runner::new(&wasm, Fuel::Free)?),
            Timing::Off => None,
        };
        if guest == Guest::Policy {
            limits = limits::measure(&wasm)?;
            hostile = hostile::measure(&wasm)?;
        }
        modules.push(Module {
            guest,
            bytes: u64::try_from(wasm.len())?,
        });
        contestants.push(Contestant {
            guest,
            counted: Runner::new(&wasm, Fuel::Counted)?,
            timed,
        });
    }
    let mut rows = Vec::new();
    for request in requests {
        let payload: Arc<[u8]> = request.payload.as_slice().into();
        let latencies = latencies(&contestants, &payload)?;
        for (contestant, latency) in contestants.iter().zip(latencies) {
            let call = contestant.count(request, &payload)?;
            rows.push(Row {
                request: request.name,
                bytes: u64::try_from(payload.len())?,
                guest: contestant.guest,
                instructions: call.instructions,
                pages: call.pages,
                latency,
            });
        }
    }
    Ok(Measurements {
        modules,
        rows,
        limits,
        hostile,
    })
}

struct Contestant {
    guest: Guest,
    counted: Runner,
    timed: Option<Runner>,
}

impl Contestant {
    /// Counts the instructions, twice, and checks the answer.
    fn count(&self, request: &Request, payload: &Arc<[u8]>) -> Result<Call> {
        let context = || format!("{} on {}", self.guest.name(), request.name);
        let call = self.counted.validate(payload).with_context(context)?;
        let again = self.counted.validate(payload).with_context(context)?;
        ensure!(
            call.instructions == again.instructions,
            "{}: {} instructions, then {}",
            context(),
            call.instructions,
            again.instructions
        );
        check(&call.answer, request.expected(self.guest)).with_context(context)?;
        Ok(call)
    }
}

/// The median latency of each contestant. They take turns, so that a machine that slows down or
/// speeds up does so for all of them.
fn latencies(contestants: &[Contestant], payload: &Arc<[u8]>) -> Result<Vec<Option<Duration>>> {
    let mut samples = vec![Vec::new(); contestants.len()];
    let started = now();
    let mut rounds = 0;
    while rounds < MIN_ROUNDS || started.elapsed() < TIME_PER_REQUEST {
        for (contestant, samples) in contestants.iter().zip(&mut samples) {
            let Some(timed) = &contestant.timed else {
                return Ok(vec![None; contestants.len()]);
            };
            let call = timed.validate(payload)?;
            if rounds >= WARM_UP_ROUNDS {
                samples.push(call.elapsed);
            }
        }
        rounds = rounds.saturating_add(1);
    }
    Ok(samples.into_iter().map(median).collect())
}

fn median(mut samples: Vec<Duration>) -> Option<Duration> {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied()
}

/// An answer that is not what the request asks for is an error path, and not worth measuring.
fn check(answer: &[u8], expected: Expected) -> Result<()> {
    let text = String::from_utf8_lossy(answer);
    let answer: Value = serde_json::from_slice(answer).with_context(|| format!("answer {text}"))?;
    let field = |name| answer.get(name).unwrap_or(&Value::Null);
    let as_expected = match expected {
        Expected::Accepted => field("accepted") == true && field("warnings").is_null(),
        Expected::Rejected { naming } => {
            field("accepted") == false
                && field("code") != INTERNAL_ERROR
                && field("message")
                    .as_str()
                    .is_some_and(|message| message.contains(naming))
        }
    };
    if !as_expected {
        bail!("expected {expected:?}, got {text}");
    }
    Ok(())
}

/// The code of a policy that could not judge.
const INTERNAL_ERROR: u16 = 500;
const MIN_ROUNDS: u32 = 50;
const WARM_UP_ROUNDS: u32 = 10;
const TIME_PER_REQUEST: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepting_answer_is_expected() {
        check(br#"{"accepted":true}"#, Expected::Accepted).unwrap();
    }

    #[test]
    fn a_warning_is_not_expected() {
        let answer = br#"{"accepted":true,"warnings":["unknown kind"]}"#;
        assert!(check(answer, Expected::Accepted).is_err());
    }

    #[test]
    fn settings_that_do_not_parse_are_not_a_rejection() {
        let answer = br#"{"accepted":false,"code":500,"message":"hostNetwork: unknown key"}"#;
        assert!(
            check(
                answer,
                Expected::Rejected {
                    naming: "hostNetwork"
                }
            )
            .is_err()
        );
    }

    #[test]
    fn a_rejection_names_the_field() {
        let answer = br#"{"accepted":false,"message":"spec.hostNetwork must not be true"}"#;
        check(
            answer,
            Expected::Rejected {
                naming: "hostNetwork",
            },
        )
        .unwrap();
    }
}
