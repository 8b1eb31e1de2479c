//! A disk in memory for tests, which keeps no promise that a real one does not make.
//!
//! It tells synced from unsynced bytes and synced from unsynced names, crashes at the operation
//! (and inside a write, at the byte) it is told, fills up, and after a crash comes back as any
//! of the disks that could be found then ([`Survival`]).

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Access, Disk, DiskFile};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
}

/// One change that was asked of the disk; [`FakeDisk::crash_at`] counts these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Create(PathBuf),
    /// A write of so many bytes.
    Write(usize),
    Truncate,
    Sync,
    CreateDir(PathBuf),
    SyncDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// What is found after a crash of what was never synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    pub bytes: Bytes,
    pub names: Names,
}

/// Unsynced bytes after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// All gone.
    Lost,
    /// All there.
    Kept,
    /// The length is there, the bytes are zeroes (delayed allocation).
    Zeroed,
    /// The second half is there, the first is zeroes (blocks written out of order).
    LateHalf,
    /// The first so many are there.
    Prefix(usize),
}

/// Unsynced names (made, moved, removed) after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Lost,
    Kept,
}

impl Survival {
    /// Every combination, with two short prefixes.
    pub fn all() -> impl Iterator<Item = Survival> {
        use Bytes::{Kept, LateHalf, Lost, Prefix, Zeroed};
        let bytes = [Lost, Kept, Zeroed, LateHalf, Prefix(1), Prefix(30)];
        let names = [Names::Lost, Names::Kept];
        bytes.into_iter().flat_map(move |bytes| names.map(|names| Survival { bytes, names }))
    }
}

impl FakeDisk {
    /// An empty disk.
    pub fn new() -> FakeDisk {
        FakeDisk::default()
    }

    /// Every change asked for so far, the crashed one included.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// Crashes at the `operation`-th change from now (0 = the next). If it is a write, `bytes` of
    /// it still happen. From then on every call fails.
    pub fn crash_at(&self, operation: usize, bytes: usize) {
        let mut state = self.state();
        state.crash = Some((state.operations.len() + operation, bytes));
    }

    /// Whether it has crashed.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Gives the disk this many bytes in all; writes beyond them stop short with "no space".
    pub fn set_space(&self, bytes: Option<usize>) {
        self.state().space = bytes;
    }

    /// Bytes of all files, as they are now.
    pub fn used(&self) -> usize {
        self.state().used(0)
    }

    /// Lets every truncation fail from now on, or work again.
    pub fn fail_truncation(&self, fail: bool) {
        self.state().truncation_fails = fail;
    }

    /// The disk as it is found after the crash, in working order.
    pub fn reboot(&self, survival: Survival) -> FakeDisk {
        let nodes = self.state().nodes.iter().map(|node| node.survive(survival)).collect();
        FakeDisk { state: Arc::new(Mutex::new(State { nodes, ..State::default() })) }
    }

    /// The bytes of a file as a process sees them.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.state().file(path).expect("the test names a file that is there").live.clone()
    }

    /// Puts bytes into a file behind the store's back, synced.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn set_bytes(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.file(path).expect("the test names a file that is there");
        (file.live, file.synced) = (bytes.to_vec(), bytes.to_vec());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding the disk has failed already.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    operations: Vec<Operation>,
    crash: Option<(usize, usize)>,
    crashed: bool,
    space: Option<usize>,
    truncation_fails: bool,
}

#[derive(Clone, Debug)]
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Debug, Default)]
struct FileNode {
    live: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct DirNode {
    live: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
}

impl Default for State {
    fn default() -> State {
        State {
            nodes: vec![Node::Dir(DirNode::default())],
            operations: Vec::new(),
            crash: None,
            crashed: false,
            space: None,
            truncation_fails: false,
        }
    }
}

impl Node {
    fn survive(&self, survival: Survival) -> Node {
        match self {
            Node::File(file) => {
                let found = file.survive(survival.bytes);
                Node::File(FileNode { live: found.clone(), synced: found })
            }
            Node::Dir(dir) => {
                let found = match survival.names {
                    Names::Lost => &dir.synced,
                    Names::Kept => &dir.live,
                };
                Node::Dir(DirNode { live: found.clone(), synced: found.clone() })
            }
        }
    }
}

impl FileNode {
    fn survive(&self, bytes: Bytes) -> Vec<u8> {
        let same = self.live.iter().zip(&self.synced).take_while(|(a, b)| a == b).count();
        let mut found = self.live.clone();
        match bytes {
            Bytes::Lost => found = self.synced.clone(),
            Bytes::Kept => {}
            Bytes::Zeroed => found[same..].fill(0),
            Bytes::LateHalf => {
                let middle = same + (found.len() - same) / 2;
                found[same..middle].fill(0);
            }
            Bytes::Prefix(count) => {
                found.truncate(same + count);
                // What a lost truncation or overwrite left behind shows again.
                found.extend(self.synced.iter().skip(found.len()));
            }
        }
        found
    }
}

impl State {
    /// Counts a change; fails if the crash is here or was before.
    fn change(&mut self, operation: Operation) -> io::Result<()> {
        self.alive()?;
        self.operations.push(operation);
        if self.crash.is_some_and(|(at, _)| self.operations.len() == at + 1) {
            self.crashed = true;
        }
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the fake disk crashed")) } else { Ok(()) }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for part in path.components() {
            if let Component::Normal(name) = part {
                at = *self.dir(at)?.live.get(&*name.to_string_lossy()).ok_or_else(not_found)?;
            }
        }
        Ok(at)
    }

    fn dir(&self, node: usize) -> io::Result<&DirNode> {
        match &self.nodes[node] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory that holds `path`, and the name of `path` in it.
    fn parent(&mut self, path: &Path) -> io::Result<(&mut DirNode, String)> {
        let name = path.file_name().ok_or_else(not_found)?.to_string_lossy().into_owned();
        let parent = self.find(path.parent().ok_or_else(not_found)?)?;
        match &mut self.nodes[parent] {
            Node::Dir(dir) => Ok((dir, name)),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut FileNode> {
        let node = self.find(path)?;
        self.file_node(node)
    }

    fn file_node(&mut self, node: usize) -> io::Result<&mut FileNode> {
        match &mut self.nodes[node] {
            Node::File(file) => Ok(file),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let number = self.nodes.len();
        let (dir, name) = self.parent(path)?;
        dir.live.insert(name, number);
        self.nodes.push(node);
        Ok(number)
    }

    /// Bytes that are left.
    fn free(&self) -> usize {
        self.space.map_or(usize::MAX, |space| space.saturating_sub(self.used(0)))
    }

    /// Bytes of the files that a process can still reach.
    fn used(&self, node: usize) -> usize {
        match &self.nodes[node] {
            Node::File(file) => file.live.len(),
            Node::Dir(dir) => dir.live.values().map(|child| self.used(*child)).sum(),
        }
    }
}

impl Disk for FakeDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let node = match (state.find(path), access) {
            (found, Access::Read | Access::Write) => found?,
            (found, Access::Create) => {
                state.change(Operation::Create(path.to_owned()))?;
                match found {
                    Ok(node) => node,
                    Err(_) => state.add(path, Node::File(FileNode::default()))?,
                }
            }
        };
        let file = state.file_node(node)?;
        if access == Access::Create {
            file.live.clear();
        }
        Ok(Box::new(FakeFile { disk: self.clone(), node }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change(Operation::CreateDir(path.to_owned()))?;
        if state.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.add(path, Node::Dir(DirNode::default())).map(drop)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change(Operation::SyncDir(path.to_owned()))?;
        let node = state.find(path)?;
        match &mut state.nodes[node] {
            Node::Dir(dir) => dir.synced = dir.live.clone(),
            Node::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change(Operation::Rename(from.to_owned(), to.to_owned()))?;
        let node = state.find(from)?;
        let (dir, name) = state.parent(from)?;
        dir.live.remove(&name);
        let (dir, name) = state.parent(to)?;
        dir.live.insert(name, node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change(Operation::Remove(path.to_owned()))?;
        let (dir, name) = state.parent(path)?;
        dir.live.remove(&name).map(drop).ok_or_else(not_found)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        Ok(state.dir(state.find(path)?)?.live.keys().cloned().collect())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(state.free() as u64)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.alive()?;
        Ok(state.find(path).is_ok())
    }

    fn on_host(&self, _: &Path) -> Option<PathBuf> {
        None
    }
}

struct FakeFile {
    disk: FakeDisk,
    node: usize,
}

impl DiskFile for FakeFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.alive()?;
        Ok(state.file_node(self.node)?.live.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.alive()?;
        let live = &state.file_node(self.node)?.live;
        let rest = live.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        // Only the write that crashes is done in part, not one that comes after it.
        state.alive()?;
        let result = state.change(Operation::Write(bytes.len()));
        let done =
            if result.is_ok() { usize::MAX } else { state.crash.map_or(0, |(_, some)| some) };
        let mut count = done.min(bytes.len());
        let free = state.free();
        let live = &mut state.file_node(self.node)?.live;
        let (start, length) = (offset as usize, live.len());
        count = count.min((length + free.min(bytes.len())).saturating_sub(start));
        if live.len() < start + count {
            live.resize(start + count, 0);
        }
        live[start..start + count].copy_from_slice(&bytes[..count]);
        result?;
        if count < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change(Operation::Truncate)?;
        if state.truncation_fails {
            return Err(io::Error::other("the fake disk does not truncate"));
        }
        state.file_node(self.node)?.live.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change(Operation::Sync)?;
        let file = state.file_node(self.node)?;
        file.synced = file.live.clone();
        Ok(())
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}
