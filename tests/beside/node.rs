//! A real daemon on a machine of a test's own network, and the commands that people type there.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use djdns::ambient;

use crate::support::{
    clock::Clock,
    daemon::{Daemon, Home},
    lan::Machine,
};

/// How long what nodes do by themselves may take (choice: the machine may be busy).
pub const PATIENCE: Duration = Duration::from_secs(30);

const PROGRAM: &str = env!("CARGO_BIN_EXE_djdns");

/// One node: its directory, and the daemon that runs there.
pub struct Node {
    home: Home,
    address: Ipv4Addr,
    /// The clock of its machine, if that is not the right one.
    clock: Option<Clock>,
    pub daemon: Option<Daemon>,
}

impl Node {
    /// Starts a daemon on this machine, with this section `[peers]`.
    pub fn start(machine: &Machine, peers: &str) -> Node {
        let mut node = Node::new(machine, peers);
        node.run(machine);
        node
    }

    /// The same, where the clock of the machine is so many seconds ahead.
    pub fn start_ahead(machine: &Machine, peers: &str, seconds: i64) -> Node {
        let mut node = Node::new(machine, peers);
        let folder = node.home.data_dir();
        node.clock = Some(Clock::new(folder.parent().expect("a home"), seconds));
        node.run(machine);
        node
    }

    fn new(machine: &Machine, peers: &str) -> Node {
        let home = Home::new();
        home.write("djdns.toml", &format!("[peers]\n{peers}\n"));
        Node { home, address: machine.address, clock: None, daemon: None }
    }

    /// A copy of all that it has, with its key: what a person makes of a second machine.
    pub fn copied_to(&self, machine: &Machine) -> Node {
        let mut copy = Node::new(machine, "");
        copy_folder(&self.home.data_dir(), &copy.home.data_dir());
        fs::copy(self.file("djdns.toml"), copy.file("djdns.toml")).expect("it is copied");
        copy.run(machine);
        copy
    }

    /// Sets its clock right.
    pub fn set_clock_right(&self) {
        self.clock.iter().for_each(|clock| clock.set(0));
    }

    /// Starts it again, perhaps on another machine, with what it holds.
    pub fn run(&mut self, machine: &Machine) {
        let config = self.file("djdns.toml");
        let mut command = self.program(&machine.ip_program());
        command.args(machine.inside()).args([PROGRAM, "serve", "--dns", "127.0.0.1:0"]);
        command
            .args(["--http", "off", "--config", &config, "--data-dir"])
            .arg(self.home.data_dir());
        // The commands that are typed here write into another file.
        command.stderr(File::create(self.file("log")).expect("the home is there"));
        self.daemon = Some(self.home.start_as(&mut command));
    }

    /// Whether this is the address of its machine.
    pub fn is_at(&self, address: &str) -> bool {
        self.address.to_string() == address
    }

    /// Kills its daemon.
    pub fn kill(&mut self) {
        self.daemon.take().expect("it runs").kill();
    }

    /// Types a command there; what it printed, or what it said when it failed.
    pub fn try_types(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.program(PROGRAM);
        command.arg("--data-dir").arg(self.home.data_dir()).args(words).stderr(Stdio::piped());
        let output = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn program(&self, program: &str) -> Command {
        let mut command = self.home.program(Path::new(program));
        command.envs(self.clock.iter().flat_map(Clock::environment));
        command
    }

    /// Types a command that must succeed.
    #[track_caller]
    pub fn types(&self, words: &[&str]) -> String {
        self.try_types(words).unwrap_or_else(|said| panic!("djdns {}: {said}", words.join(" ")))
    }

    /// Types a command until it prints these words.
    #[track_caller]
    pub fn types_until(&self, words: &[&str], expect: &str) -> String {
        self.types_until_it(words, expect, |said| said.contains(expect))
    }

    /// Types a command until it prints these words no more.
    #[track_caller]
    pub fn types_until_without(&self, words: &[&str], unwanted: &str) -> String {
        self.types_until_it(words, &format!("not {unwanted}"), |said| !said.contains(unwanted))
    }

    #[track_caller]
    fn types_until_it(&self, words: &[&str], expect: &str, is_it: impl Fn(&str) -> bool) -> String {
        let begun = ambient::ticks();
        loop {
            let said = self.try_types(words);
            if let Ok(said) = said.as_ref().map_err(drop)
                && is_it(said)
            {
                return said.clone();
            }
            let waited = Duration::from_millis(ambient::ticks() - begun);
            assert!(
                waited < PATIENCE,
                "`djdns {}` does not come to say `{expect}`: {said:?}\n{}",
                words.join(" "),
                self.complaints()
            );
            ambient::pause(Duration::from_millis(50));
        }
    }

    /// Changes a byte in the middle of what it has of a page on its disk.
    pub fn spoils(&self, page: &str) {
        let log = self.home.data_dir().join("pages").join(page).join("log");
        let mut bytes = fs::read(&log).expect("the log");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&log, &bytes).expect("it can be damaged");
    }

    /// Founds a page of this name and zone, and trusts it here; its id.
    pub fn founds(&self, name: &str, zone: &str) -> String {
        let file = self.home.write("zone", zone).display().to_string();
        let founded = ["page", "create", name, "--zone", &file, "--participant", "demo:alice"];
        let id = self.types(&[&founded[..], &["--participant", "demo:bob", "-q"]].concat());
        let id = id.trim().to_owned();
        self.types(&["page", "join", name, &id]);
        id
    }

    /// Waits until a name has this address here.
    #[track_caller]
    pub fn resolves(&self, name: &str, address: &str) {
        self.types_until(&["resolve", name, "A"], address);
    }

    /// The root of the state of a page, and its seal: equal on all nodes that are in step.
    pub fn state_of(&self, page: &str) -> String {
        let shown = self.types(&["page", "show", page, "--json"]);
        let part = |name: &str| {
            let (_, rest) = shown.split_once(&format!("\"{name}\":\"")).expect("it is shown");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        [part("seal"), part("state_root")].join(" ")
    }

    fn file(&self, name: &str) -> String {
        let folder = self.home.data_dir();
        folder.parent().expect("a home").join(name).display().to_string()
    }

    /// What its daemon complained of.
    fn complaints(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it is there");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().expect("it is there") {
            kind if kind.is_dir() => copy_folder(&path, &copy),
            kind if kind.is_file() => drop(fs::copy(&path, &copy).expect("it is copied")),
            _ => {}
        }
    }
}
