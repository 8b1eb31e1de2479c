//! The running node. Not built yet: serving says so.

use std::{net::SocketAddr, path::PathBuf};

pub mod node;

/// What `djdns serve` is told.
pub struct ServeOptions {
    pub data_dir: PathBuf,
    /// Addresses to answer DNS on; none: the defaults.
    pub dns: Vec<SocketAddr>,
    pub quiet: bool,
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// Always, for now.
pub fn serve(_options: ServeOptions) -> anyhow::Result<()> {
    anyhow::bail!("this build cannot serve yet")
}
