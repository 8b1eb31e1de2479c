//! Other people's programs: where they are, and servers among them, each on a free port of loopback
//! with its configuration in a directory of its own, ended with the test.
//!
//! What a server is told is the business of the tests.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]
#![expect(clippy::disallowed_methods, reason = "no other program tells us when it is ready")]

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// Finds a program where Debian puts it, also when `sbin` is not in the path of a normal user.
pub fn tool(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/bin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: install the package {package}"))
}

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it is waited between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Ports that are tried: somebody else may take one between our finding it and the server's.
const PORTS: usize = 5;

impl Server {
    /// Starts a program of a package with these arguments and the configuration that `config` makes
    /// of a directory and a port, and waits until it answers for `zone`.
    pub fn start(
        [program, package]: [&str; 2],
        arguments: &[&str],
        zone: &[u8],
        config: impl Fn(&Path, u16) -> String,
    ) -> Server {
        let program = tool(program, package);
        for _ in 0..PORTS {
            let folder = tempfile::tempdir().expect("a directory");
            let address = free_address();
            let conf = folder.path().join("conf");
            fs::write(&conf, config(folder.path(), address.port())).expect("it is written");
            let log = File::create(folder.path().join("stderr")).expect("a file");
            // A group of its own: some of them start children, which must not outlive the test.
            let child = Command::new(&program)
                .args(arguments)
                .arg(&conf)
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a descriptor"))
                .stderr(log)
                .spawn()
                .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
            let mut server = Server { child, address, folder };
            if server.answers(zone) {
                return server;
            }
            println!("{} on {address}: {}", program.display(), server.said());
        }
        panic!("{} does not start; what it said is above", program.display());
    }

    /// Whether it answers, at last. Not when it ended.
    fn answers(&mut self, zone: &[u8]) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.connect(self.address).expect("loopback");
        socket.set_read_timeout(Some(PAUSE)).expect("a time");
        let query = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], zone, &[0, 6, 0, 1]].concat();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let mut answer = [0; 512];
            let _ = socket.send(&query);
            match socket.recv(&mut answer) {
                Ok(len) if len > 12 && answer[3] & 15 == 0 => return true,
                _ => thread::sleep(PAUSE),
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
        }
        false
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said, in its log and on standard error.
    pub fn said(&self) -> String {
        let files = ["stderr", "log"].map(|file| self.folder.path().join(file));
        files.map(|file| fs::read_to_string(file).unwrap_or_default()).concat()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A port of loopback that nobody has, for UDP and TCP.
fn free_address() -> SocketAddr {
    let free = || {
        let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = tcp.local_addr().ok()?;
        UdpSocket::bind(address).ok().map(|_| address)
    };
    std::iter::repeat_with(free).take(PORTS).flatten().next().expect("a port is free")
}
