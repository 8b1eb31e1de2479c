//! How a command fails: one sentence on standard error, and an exit code that scripts rely on.

use std::{
    fmt::{self, Display},
    path::Path,
};

use crate::control::request::{Failure, FailureKind};

/// What a command, or a part of one, comes to.
pub type Outcome<T = ()> = Result<T, Fault>;

/// Why a command ends before its end.
#[derive(Debug)]
pub enum Fault {
    Failure(Failure),
    /// The arguments contradict each other in a way that only the command can see.
    Usage(String),
    /// Whoever reads the output closed it, as `head` does: enough was said.
    LeftEarly,
}

impl Fault {
    /// Refused or failed, in one sentence.
    pub fn refused(message: impl Display) -> Fault {
        Fault::Failure(Failure::refused(message))
    }

    /// No such thing, in one sentence.
    pub fn not_found(message: impl Display) -> Fault {
        Fault::Failure(Failure::not_found(message))
    }

    /// Wrong arguments, in one sentence.
    pub fn usage(message: impl Display) -> Fault {
        Fault::Usage(message.to_string())
    }

    /// A file that cannot be read or written.
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> Fault {
        Fault::refused(format!("{} cannot be {verb}: {error}", path.display()))
    }

    /// Another answer than the request has.
    pub fn other_answer() -> Fault {
        Fault::refused(
            "the daemon answered something else than was asked, as another version might: restart \
             it",
        )
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Fault::LeftEarly => 0,
            Fault::Usage(_) => 2,
            Fault::Failure(failure) => match failure.kind {
                FailureKind::Refused | FailureKind::Overtaken => 1,
                FailureKind::NotFound => 3,
                FailureKind::Unreachable => 4,
            },
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Failure(failure) => failure.fmt(f),
            Fault::Usage(message) => f.write_str(message),
            Fault::LeftEarly => f.write_str("nobody reads the output any more"),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        Fault::Failure(failure)
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Fault {
        Fault::refused(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_as_promised() {
        let unreachable = Failure { kind: FailureKind::Unreachable, message: "gone".to_owned() };
        let check = |fault: Fault, expect: u8| assert_eq!(fault.code(), expect, "{fault:?}");
        check(Fault::LeftEarly, 0);
        check(Fault::refused("no"), 1);
        check(Fault::usage("what?"), 2);
        check(Fault::not_found("none"), 3);
        check(unreachable.into(), 4);
    }
}
