//! How many files the process may open at a time (getrlimit(2)): each question that waits for an upstream
//! has a socket, and each TCP connection.
//!
//! The usual soft limit of 1024 is for programs that use select(2), which this one does not. What the
//! files are for is not known here.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::OPEN_FILES_MAX;

/// Lets the process open as many files as the hard limit allows, up to [`OPEN_FILES_MAX`]. A system that
/// refuses leaves it as it was.
pub fn allow_enough() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = maximum.unwrap_or(OPEN_FILES_MAX).min(OPEN_FILES_MAX);
    if current.is_none_or(|files| files >= enough) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(enough), maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}
