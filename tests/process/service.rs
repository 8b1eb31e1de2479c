//! What a service manager and a second starter see: the lock, signals, sockets passed in.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use djdns::{
    ambient,
    store::{Store, disk::RealDisk},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::daemon::{Home, PATIENCE, Resolver};

#[test]
fn a_second_daemon_is_told_who_holds_the_directory() {
    let home = Home::new();
    let first = home.start();
    let second = home.serve().stderr(Stdio::piped()).output().expect("it starts");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let pid = first.pid().to_string();
    assert!(matches!(lines[..], [line] if line.contains(&pid)), "{pid} in {said}");
    assert!(said.contains("runs already") && said.contains("--data-dir"), "{said}");
    assert_eq!(first.resolver().addresses("localhost."), [Ipv4Addr::LOCALHOST]);
}

#[test]
fn a_daemon_that_is_asked_to_stop_removes_its_socket_and_ends_well() {
    let home = Home::new();
    let socket = home.data_dir().join("control.sock");
    let daemon = home.start();
    assert!(socket.exists());
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(!socket.exists());
    let daemon = home.start();
    assert!(!daemon.said.iter().any(|line| line.starts_with("note:")), "{:?}", daemon.said);
}

#[test]
fn a_socket_left_by_a_killed_daemon_is_replaced() {
    let home = Home::new();
    home.start().kill();
    assert!(home.data_dir().join("control.sock").exists());
    home.start().client();
}

/// sd_listen_fds(3): descriptors from 3 on, and who they are for. A shell can do that: it keeps
/// its process id when it becomes the program.
#[test]
fn sockets_passed_by_a_service_manager_are_answered_on() {
    let home = Home::new();
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = udp.local_addr().expect("it is bound");
    let script = "exec 3<&0 4>&2 </dev/null 2>/dev/null; export LISTEN_FDS=2 LISTEN_PID=$$; \
                  exec \"$0\" \"$@\"";
    let serve = home.serve();
    let mut command = home.program(Path::new("/bin/sh"));
    command.args(["-c", script]).arg(serve.get_program()).args(serve.get_args());
    command.stdin(OwnedFd::from(udp)).stderr(OwnedFd::from(tcp));
    let daemon = home.start_as(&mut command);
    // And where the command says, too.
    let said = daemon.said[0].rsplit_once(" on ").expect("where it answers").1;
    let (first, second) = said.split_once(" and ").expect("two addresses");
    assert_eq!(first, address.to_string());
    for address in [first, second] {
        let resolver = Resolver::new(address.parse().expect("an address"));
        assert_eq!(resolver.addresses("localhost."), [Ipv4Addr::LOCALHOST]);
    }
}

/// What is passed besides that, and what is of no use.
#[test]
fn sockets_that_nobody_can_ask_at_are_refused_in_words() {
    let home = Home::new();
    let check = |socket: OwnedFd, expect: &str| {
        let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
        let serve = home.serve();
        let mut command = home.program(Path::new("/bin/sh"));
        command.args(["-c", script]).arg(serve.get_program()).args(serve.get_args());
        let output = command.stdin(socket).stderr(Stdio::piped()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expect), "{said}");
    };
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let stream = std::net::TcpStream::connect(tcp.local_addr().expect("it is bound"));
    check(stream.expect("it listens").into(), "descriptor 3 is neither a UDP socket");
    check(UnixDatagram::unbound().expect("a socket").into(), "descriptor 3 is neither");
    check(tcp.into(), "none of them is of UDP");
}

/// A page of a million names takes seconds to be read, and who renews a certificate then means no harm.
#[test]
fn a_hangup_before_the_pages_are_read_is_taken_up_when_they_are() {
    let home = Home::new();
    home.start().terminate();
    let holding = Store::open(Arc::new(RealDisk), &home.data_dir(), "a test", &mut |_| {});
    let holding = holding.expect("nobody has it");
    let manager = Manager::new();
    let mut command = home.serve();
    let mut child = command.env("NOTIFY_SOCKET", &manager.path).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let catches_hangup = || {
        let status = fs::read_to_string(&status).expect("it runs");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        u64::from_str_radix(mask.trim(), 16).expect("a number") & 1 == 1
    };
    while !catches_hangup() {
        ambient::pause(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it runs");
    drop(holding);
    assert!(manager.news().starts_with("READY=1\nSTATUS=answering DNS"));
    assert!(manager.news().starts_with("RELOADING=1"));
    child.kill().expect("it is not waited for yet");
    child.wait().expect("it has ended");
}

/// sd_notify(3), and `djdns serve | head -n 1`.
#[test]
fn a_daemon_that_nobody_reads_says_to_the_service_manager_that_it_is_ready() {
    let home = Home::new();
    let (reader, output) = UnixStream::pair().expect("two ends");
    drop(reader);
    let manager = Manager::new();
    let mut command = home.serve();
    let mut child = command
        .stdout(OwnedFd::from(output))
        .env("NOTIFY_SOCKET", &manager.path)
        .spawn()
        .expect("the program starts");
    let said = manager.hear();
    let running = child.try_wait();
    child.kill().expect("it is not waited for yet");
    child.wait().expect("it has ended");
    assert!(said.starts_with("READY=1\nSTATUS=answering DNS on 127.0.0.1:"), "{said}");
    assert!(matches!(running, Ok(None)), "{running:?}");
}

/// A service manager: what is said to it.
struct Manager {
    _dir: tempfile::TempDir,
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Manager { _dir: dir, path, socket }
    }

    fn hear(&self) -> String {
        let mut said = [0; 1024];
        let len = self.socket.recv(&mut said).expect("it says something");
        String::from_utf8_lossy(&said[..len]).into_owned()
    }

    /// What it says next, but that it lives.
    fn news(&self) -> String {
        loop {
            let said = self.hear();
            if said != "WATCHDOG=1" {
                return said;
            }
        }
    }
}

/// sd_notify(3): that it answers, that it reloads, with what came of it, and that it stops.
#[test]
fn the_service_manager_hears_that_the_daemon_lives_reloads_and_stops() {
    let home = Home::new();
    let manager = Manager::new();
    let config = home.write("djdns.toml", "hosts = true\n");
    let mut command = home.serve();
    command.arg("--config").arg(&config);
    command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "2000000");
    let daemon = home.start_as(&mut command);
    assert!(manager.hear().starts_with("READY=1\n"));
    assert_eq!([manager.hear(), manager.hear()], ["WATCHDOG=1", "WATCHDOG=1"]);
    let reload = |text: &str| {
        home.write("djdns.toml", text);
        daemon.signal(Signal::HUP);
        let begun = manager.news();
        let since: Option<u64> =
            begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|text| text.parse().ok());
        assert!(since.is_some_and(|time| time > 0), "{begun}");
        manager.news()
    };
    let said = reload("hosts = false\n");
    assert!(said.starts_with("READY=1\nSTATUS=") && said.contains("changed: hosts"), "{said}");
    let said = reload("host = true\n");
    let is_told = said.contains("nothing was changed") && said.contains("line 1");
    assert!(said.starts_with("READY=1\n") && is_told, "{said}");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert!(manager.news().starts_with("STOPPING=1\n"));
}

/// A reload puts new values in place of old ones; whoever asks meanwhile notices nothing.
#[test]
fn no_question_is_lost_while_the_configuration_is_read_again() {
    let home = Home::new();
    let text = |n: u8| {
        format!(
            "hosts = false\nallow-tld = [\"dev\"]\n[overrides]\n\"printer.lan\" = [\"192.0.2.{n}\"]\n"
        )
    };
    let config = home.write("djdns.toml", &text(0));
    let mut command = home.serve();
    command.arg("--config").arg(&config).args(["--upstream", "127.0.0.1:9"]);
    let daemon = home.start_as(&mut command);
    let resolver = daemon.resolver();
    let mut asked = 0;
    for n in 1..=20 {
        home.write("djdns.toml", &text(n));
        daemon.signal(Signal::HUP);
        // Each of these panics if it has no answer.
        while resolver.addresses("printer.lan.") != [Ipv4Addr::new(192, 0, 2, n)] {
            assert_eq!(resolver.addresses("localhost."), [Ipv4Addr::LOCALHOST]);
            asked += 1;
            assert!(asked < 100_000, "the new value never came");
        }
    }
    // A fault changes nothing, and the daemon goes on.
    home.write("djdns.toml", "[overrides]\n\"printer.lan\" = [\"x\"]\n");
    daemon.signal(Signal::HUP);
    let told = |words: &str| home.errors_until(words);
    let said = told("nothing was changed");
    assert!(said.contains("line 2") && said.contains("is no IP address"), "{said}");
    // What was bound stays so.
    home.write("djdns.toml", "dns = [\"127.0.0.1:5353\"]\n");
    daemon.signal(Signal::HUP);
    told("only a restart changes: dns");
    assert!(resolver.addresses("printer.lan.").is_empty());
}

/// It would be waited for without end, and so would everything that waits for the reload.
#[test]
fn a_configuration_that_became_a_pipe_is_refused_and_holds_up_nothing() {
    let home = Home::new();
    let config = home.write("djdns.toml", "hosts = false\n");
    let mut command = home.serve();
    command.arg("--config").arg(&config).args(["--upstream", "127.0.0.1:9"]);
    let daemon = home.start_as(&mut command);
    fs::remove_file(&config).expect("it is there");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &config, kind, 0o600.into(), 0).expect("a pipe");
    daemon.signal(Signal::HUP);
    home.errors_until("it is no regular file");
    assert_eq!(daemon.resolver().addresses("localhost."), [Ipv4Addr::LOCALHOST]);
    assert_eq!(daemon.terminate().code(), Some(0));
}

/// capabilities(7): no thread of a daemon that answers can do more than its user.
#[test]
fn a_daemon_that_answers_has_given_up_its_rights() {
    let home = Home::new();
    let daemon = home.start();
    let root = rustix::process::geteuid().is_root();
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("it runs");
    let mut seen = 0;
    for thread in threads {
        let status = thread.expect("a thread").path().join("status");
        let status = fs::read_to_string(status).expect("it lives");
        for line in status.lines() {
            match line.split_once(":\t") {
                Some(("NoNewPrivs", value)) => assert_eq!(value, "1"),
                // Only root could narrow what it could have at most, which with no_new_privs is nothing.
                Some(("CapBnd", _)) if !root => {}
                Some((name, mask)) if name.starts_with("Cap") => {
                    assert!(mask.bytes().all(|digit| digit == b'0'), "{line}");
                    seen += 1;
                }
                _ => {}
            }
        }
    }
    assert!(seen >= 8, "two threads at least");
    if root {
        let said = home.errors_until("need not be root");
        assert!(said.contains("djdns.service"), "{said}");
    }
}
