//! What `evaluate` has to report of one object.

use std::process::ExitCode;

use container_security_text::AdmissionRequest;
use json_patch::Patch;

use super::judges::Ruling;

/// How a run ends, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Accepted,
    Rejected,
    NotJudged,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Accepted => 0,
            Status::Rejected => 1,
            Status::NotJudged => 2,
        })
    }
}

/// What became of one object, or of a file or document that holds none.
pub(super) struct Outcome {
    /// The file as it was named on the command line.
    pub(super) source: String,
    /// `None` when the file as a whole is at fault.
    pub(super) document: Option<usize>,
    pub(super) item: Option<usize>,
    /// `None` when there is no request to judge.
    pub(super) request: Option<AdmissionRequest>,
    /// The object is of a kind without Pods, and no policy here judges anything else.
    pub(super) has_nothing_to_judge: bool,
    /// The policy of a file of policies.
    pub(super) policy: Option<String>,
    /// The error says in full why there is no verdict.
    pub(super) ruling: Result<Ruling, String>,
    pub(super) suggested_patch: Option<Patch>,
}

impl Outcome {
    /// Why nothing in a file is judged.
    pub(super) fn of_file(path: &str, error: String) -> Self {
        Self {
            source: path.to_owned(),
            document: None,
            item: None,
            request: None,
            has_nothing_to_judge: false,
            policy: None,
            ruling: Err(error),
            suggested_patch: None,
        }
    }

    pub(super) fn is_not_asked(&self) -> bool {
        !self.has_nothing_to_judge
            && matches!(&self.ruling, Ok(ruling) if ruling.judgement.is_none())
    }

    pub(super) fn status(&self) -> Status {
        match &self.ruling {
            Ok(Ruling {
                judgement: Some(judgement),
                ..
            }) if !judgement.verdict.accepted => Status::Rejected,
            // A policy that is not asked stops nothing, and nor does what has no Pods.
            Ok(_) => Status::Accepted,
            Err(_) => Status::NotJudged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_status_is_the_largest() {
        assert!(Status::Accepted < Status::Rejected);
        assert!(Status::Rejected < Status::NotJudged);
    }
}
