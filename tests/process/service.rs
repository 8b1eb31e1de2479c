//! What a service manager and a second starter see: the lock, signals, sockets passed in.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    path::Path,
    process::Stdio,
};

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
    assert!(said.contains("djdns serve") && said.contains("--data-dir"), "{said}");
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
    assert!(daemon.said[0].ends_with(&format!("on {address}")), "{:?}", daemon.said);
    assert_eq!(Resolver::new(address).addresses("localhost."), [Ipv4Addr::LOCALHOST]);
}

/// sd_notify(3), and `djdns serve | head -n 1`.
#[test]
fn a_daemon_that_nobody_reads_says_to_the_service_manager_that_it_is_ready() {
    let home = Home::new();
    let (reader, output) = UnixStream::pair().expect("two ends");
    drop(reader);
    let manager = tempfile::tempdir().expect("a directory");
    let notify = manager.path().join("notify");
    let socket = UnixDatagram::bind(&notify).expect("a socket");
    let mut command = home.serve();
    let mut child = command
        .stdout(OwnedFd::from(output))
        .env("NOTIFY_SOCKET", &notify)
        .spawn()
        .expect("the program starts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time");
    let mut said = [0; 64];
    let len = socket.recv(&mut said);
    let running = child.try_wait();
    child.kill().expect("it is not waited for yet");
    child.wait().expect("it has ended");
    assert_eq!(&said[..len.expect("it says something")], b"READY=1");
    assert!(matches!(running, Ok(None)), "{running:?}");
}
