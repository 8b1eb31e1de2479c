//! The node of a data directory. Not built yet: opening one says so.

use std::{path::Path, sync::Arc};

use crate::control::server::Session;

/// A data directory, opened.
pub struct Node;

impl Node {
    /// Opens the node of a data directory.
    ///
    /// # Errors
    /// Always, for now.
    pub fn open(
        _data_dir: &Path,
        _holder: &str,
        _progress: &mut dyn FnMut(&str, u64, u64),
    ) -> anyhow::Result<Arc<Node>> {
        anyhow::bail!("this build cannot open a data directory yet")
    }

    /// A session that carries out requests.
    ///
    /// # Panics
    /// Never: no node exists yet.
    pub fn session(self: &Arc<Node>) -> Box<dyn Session> {
        unreachable!("no node exists yet")
    }
}
