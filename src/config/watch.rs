//! Notices that files changed and that the machine slept: DHCP, a VPN and a resume all show there.
//!
//! Polls: inotify does not see a directory that is yet to be made, nor the other end of a symbolic
//! link, and a few dozen stat(2) calls every few seconds cost nothing. What the files say is not known here.

#![expect(clippy::disallowed_methods, reason = "floor 4: a thread that wakes up by the real clock")]

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::system_dns;
use crate::ambient;

/// How often files are looked at (choice: a new network is used before a person looks twice).
pub const EVERY: Duration = Duration::from_secs(3);

/// How much further the wall clock may get than the monotonic one, which stands still while the
/// machine sleeps (clock_gettime(2)), before that counts as sleep (choice: no clock drifts so far in
/// one tick; a clock that is set looks like sleep, and costs one reading).
const SLEPT_MIN: Duration = Duration::from_secs(5);

/// What a file looks like from outside: of a directory, its entries as well.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Files that are watched, and how they looked last.
#[derive(Clone, Debug)]
pub struct Watch {
    root: PathBuf,
    paths: Vec<PathBuf>,
    seen: Vec<(PathBuf, Stamp)>,
}

impl Watch {
    /// Watches these paths below `root`, from how they look now on. None of them need exist.
    pub fn new(root: &Path, paths: impl IntoIterator<Item = PathBuf>) -> Watch {
        let mut watch =
            Watch { root: root.to_owned(), paths: paths.into_iter().collect(), seen: Vec::new() };
        watch.seen = watch.look();
        watch
    }

    /// What the settings of this machine come from: [`system_dns`] and the hosts file.
    pub fn of_system(root: &Path) -> Watch {
        let places = system_dns::places().chain(["/etc/hosts"]);
        Watch::new(root, places.map(PathBuf::from))
    }

    /// Whether anything changed since the last call, or since the beginning.
    pub fn changed(&mut self) -> bool {
        let now = self.look();
        let changed = now != self.seen;
        self.seen = now;
        changed
    }

    fn look(&self) -> Vec<(PathBuf, Stamp)> {
        let mut seen = Vec::new();
        for path in &self.paths {
            let Some(at) = system_dns::place(&self.root, path) else { continue };
            let mut entries: Vec<PathBuf> = fs::read_dir(&at)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            entries.sort();
            seen.extend(entries.into_iter().chain([at]).map(|path| {
                let stamp = stamp(&path);
                (path, stamp)
            }));
        }
        seen
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}

/// Notices a sleep between two ticks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    last: Option<(Duration, Duration)>,
}

impl Ticks {
    /// Whether the machine slept since the last tick: `monotonic` since any beginning, `wall` since
    /// 1970.
    pub fn slept(&mut self, monotonic: Duration, wall: Duration) -> bool {
        let last = self.last.replace((monotonic, wall));
        last.is_some_and(|(before_monotonic, before_wall)| {
            let awake = monotonic.saturating_sub(before_monotonic);
            wall.saturating_sub(before_wall) > awake + SLEPT_MIN
        })
    }
}

/// What a watcher has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// A watched file is another one now.
    pub files: bool,
    /// The machine slept: connections are dead and measurements old, whatever the files say.
    pub slept: bool,
}

/// Tells of every change for as long as `told` says true: to be run in a thread of its own.
pub fn run(mut watch: Watch, mut told: impl FnMut(Change) -> bool) {
    let (begin, mut ticks) = (Instant::now(), Ticks::default());
    loop {
        let slept = ticks.slept(begin.elapsed(), Duration::from_millis(ambient::milliseconds()));
        let change = Change { files: watch.changed(), slept };
        if (change.files || change.slept) && !told(change) {
            return;
        }
        ambient::pause(EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::system_dns::tests::machine;

    #[test]
    fn a_file_that_is_written_replaced_made_or_removed_is_a_change() {
        let root = machine(&[("/etc/resolv.conf", "nameserver 192.0.2.1\n")]);
        let mut watch = Watch::of_system(root.path());
        let at = |path: &str| root.path().join(path);
        assert!(!watch.changed());
        fs::write(at("etc/resolv.conf"), "nameserver 192.0.2.11\n").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::write(at("etc/new"), "nameserver 192.0.2.12\n").unwrap();
        assert!(!watch.changed(), "nobody watches that file");
        fs::rename(at("etc/new"), at("etc/resolv.conf")).unwrap();
        assert!(watch.changed());
        fs::create_dir_all(at("run/resolvconf/interface")).unwrap();
        assert!(watch.changed());
        fs::write(at("run/resolvconf/interface/tun0"), "").unwrap();
        assert!(watch.changed());
        fs::remove_file(at("run/resolvconf/interface/tun0")).unwrap();
        assert!(watch.changed());
        fs::write(at("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let root = machine(&[("/run/a", "x"), ("/run/b", "x"), ("/etc/hosts", "")]);
        let link = root.path().join("etc/resolv.conf");
        std::os::unix::fs::symlink("/run/a", &link).unwrap();
        let mut watch = Watch::of_system(root.path());
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/run/b", &link).unwrap();
        assert!(watch.changed());
    }

    #[test]
    fn a_wall_clock_that_ran_ahead_means_sleep() {
        let mut ticks = Ticks::default();
        let mut check = |monotonic: u64, wall: u64, expect: bool| {
            let [monotonic, wall] = [monotonic, wall].map(Duration::from_secs);
            assert_eq!(ticks.slept(monotonic, wall), expect, "{monotonic:?} {wall:?}");
        };
        check(10, 1000, false);
        check(13, 1003, false);
        check(16, 4600, true);
        check(19, 4603, false);
        // Slow, but awake; then a clock that is set back.
        check(300, 4885, false);
        check(303, 100, false);
    }
}
