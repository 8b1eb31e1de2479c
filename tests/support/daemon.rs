//! A real daemon in a directory of its own: started, spoken to, killed.
//!
//! What is said to it and what it should answer is the business of the tests.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use djdns::{
    ambient,
    control::{
        client::Client,
        request::{Answer, Failure, Request},
    },
};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RData, RecordType},
};
use rustix::process::{Pid, Signal, kill_process};

/// How long a test waits for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for a daemon, gone with the test.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a directory"))
    }

    pub fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// `djdns serve` on a free port of loopback, with nothing of this user's environment, and no other
    /// nodes.
    pub fn serve(&self) -> Command {
        let mut command = self.serve_with_peers();
        command.args(["--listen", "off"]);
        command
    }

    /// The same, where other nodes may reach it.
    pub fn serve_with_peers(&self) -> Command {
        let mut command = self.program(Path::new(env!("CARGO_BIN_EXE_djdns")));
        command
            .args(["serve", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"])
            .arg(self.data_dir());
        command
    }

    /// Any program, with nothing of this user's environment.
    pub fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.0.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.errors());
        command
    }

    /// Starts a daemon and waits until it says that it answers.
    pub fn start(&self) -> Daemon {
        self.start_as(&mut self.serve())
    }

    /// [`Home::start`], called in another way.
    pub fn start_as(&self, command: &mut Command) -> Daemon {
        let mut child = command.spawn().expect("the program starts");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut daemon = Daemon { child, data_dir: self.data_dir(), dns: None, said: Vec::new() };
        for line in said.lines() {
            let line = line.expect("text");
            let is_last = line.starts_with("try: ");
            daemon.said.push(line);
            if is_last {
                let first = daemon.said[0].split(" answers DNS on ").nth(1);
                daemon.dns = first.and_then(|address| address.parse().ok());
                return daemon;
            }
        }
        // Where the stories send standard error.
        let read = |name| std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default();
        let errors = ["stderr", "log"].map(read).concat();
        let ended = daemon.child.wait().expect("it is a child");
        panic!("the daemon ended before it answered ({ended}): {:?} {errors}", daemon.said);
    }

    /// A file beside the data.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).expect("the directory is there");
        file
    }

    /// What the program said on standard error, once it says this.
    pub fn errors_until(&self, words: &str) -> String {
        let begun = ambient::ticks();
        loop {
            let said = std::fs::read_to_string(self.0.path().join("stderr")).unwrap_or_default();
            if said.contains(words) {
                return said;
            }
            let waited = Duration::from_millis(ambient::ticks() - begun);
            assert!(waited < PATIENCE, "no word of `{words}`: {said}");
            ambient::pause(Duration::from_millis(5));
        }
    }

    fn errors(&self) -> File {
        File::create(self.0.path().join("stderr")).expect("the directory is there")
    }
}

/// A running daemon; killed when it is dropped.
pub struct Daemon {
    child: Child,
    data_dir: PathBuf,
    dns: Option<SocketAddr>,
    /// What it said on standard output until it was ready.
    pub said: Vec<String>,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Where it answers DNS.
    pub fn dns(&self) -> SocketAddr {
        self.dns.expect("it said where it answers")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Processor time that it used, in ticks of 10 ms (proc_pid_stat(5)).
    pub fn processor_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let (_, after) = stat.rsplit_once(')').expect("a name in parentheses");
        let fields: Vec<&str> = after.split_whitespace().collect();
        let number = |at: usize| fields[at].parse::<u64>().expect("a number");
        number(11) + number(12)
    }

    /// SIGTERM; how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
        self.child.wait().expect("it has ended")
    }

    /// A connection to its control socket.
    pub fn client(&self) -> Client {
        let client = Client::connect(&self.data_dir).expect("the socket is there");
        client.expect("the daemon listens")
    }

    pub fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        ask(&mut self.client(), request)
    }

    /// The addresses of a name, asked for over TCP, sorted.
    pub fn addresses_over_tcp(&self, name: Name) -> Vec<Ipv4Addr> {
        let mut stream = TcpStream::connect(self.dns()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let query = question(name);
        let framed = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
        stream.write_all(&framed).expect("loopback");
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("an answer");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut answer).expect("all of it");
        addresses_in(&answer)
    }

    /// A connection to its DNS.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(self.dns())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn ask(client: &mut Client, request: &Request) -> Result<Answer, Failure> {
    client.ask(request, &mut |_, _, _| {})
}

/// Asks DNS questions over UDP.
pub struct Resolver(UdpSocket);

impl Resolver {
    pub fn new(address: SocketAddr) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.connect(address).expect("loopback");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Resolver(socket)
    }

    /// The addresses of a name, sorted.
    pub fn addresses(&self, name: &str) -> Vec<Ipv4Addr> {
        let name = Name::from_ascii(name).expect("a name");
        self.0.send(&question(name)).expect("loopback");
        let mut answer = [0; 1500];
        let len = self.0.recv(&mut answer).expect("an answer");
        addresses_in(&answer[..len])
    }
}

/// A question for the addresses of a name, as a stub resolver asks it.
fn question(name: Name) -> Vec<u8> {
    let mut query = Message::new(1, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, RecordType::A));
    query.to_vec().expect("it fits")
}

fn addresses_in(answer: &[u8]) -> Vec<Ipv4Addr> {
    let answer = Message::from_vec(answer).expect("a message");
    let address = |data: &RData| match data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    let mut found: Vec<_> =
        answer.answers.iter().filter_map(|record| address(&record.data)).collect();
    found.sort();
    found
}
