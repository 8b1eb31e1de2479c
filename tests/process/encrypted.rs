//! DoT, DoH and DoQ of a daemon: the certificate that it makes and keeps, the owner's, and who says what
//! a client has to trust.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use djdns::ambient;
use rustix::process::Signal;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::support::daemon::{Daemon, Home, PATIENCE};

fn run(home: &Home, arguments: &[&str]) -> Output {
    let mut command = home.program(Path::new(env!("CARGO_BIN_EXE_djdns")));
    command.args(arguments).arg("--data-dir").arg(home.data_dir()).stderr(Stdio::piped());
    command.output().expect("the program starts")
}

fn shown(home: &Home, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `djdns status` says of the encrypted doors.
fn doors(home: &Home) -> serde_json::Value {
    let status: serde_json::Value =
        serde_json::from_str(&shown(home, &["status", "--json"])).expect("JSON");
    status["encrypted"].clone()
}

fn serve(home: &Home) -> Command {
    let mut command = home.serve();
    let any = "127.0.0.1:0";
    command.args(["--dot", any, "--doh", any, "--doq", any, "--upstream", "192.0.2.1"]);
    command
}

/// Asks by TLS for the address of `localhost.`, trusting this certificate alone.
fn ask(home: &Home, certificate: &Path) -> std::io::Result<Vec<u8>> {
    let address: SocketAddr = doors(home)["dot"][0].as_str().unwrap().parse().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, stream);
    let query =
        [&[0, 27, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9][..], b"localhost", &[0, 0, 1, 0, 1]];
    stream.write_all(&query.concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn answers(home: &Home, certificate: &Path) -> bool {
    let answer = ask(home, certificate);
    answer.is_ok_and(|answer| answer.ends_with(&Ipv4Addr::LOCALHOST.octets()))
}

/// Waits for what should come at once.
fn until(is_so: &dyn Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        ambient::pause(Duration::from_millis(20));
    }
    panic!("it did not come");
}

#[test]
fn a_certificate_is_made_kept_and_told_of() {
    let home = Home::new();
    let daemon = home.start_as(&mut serve(&home));
    let file = home.data_dir().join("dns-cert.pem");
    let said = doors(&home);
    assert_eq!(said["certificate"].as_str(), file.to_str());
    assert!(said["own"] == true && said["pin"].as_str().unwrap().len() == 44, "{said}");
    assert!(said["doh"][0].as_str().unwrap().ends_with("/dns-query"), "{said}");
    let greeting = daemon.said.join("\n");
    let words = format!("clients have to trust {} (pin sha256 ", file.display());
    assert!(greeting.contains("also DoT on 127.0.0.1:"), "{greeting}");
    assert!(greeting.contains("; DoH on https://127.0.0.1:"), "{greeting}");
    assert!(greeting.contains(&words), "{greeting}");
    let told = shown(&home, &["status"]);
    assert!(told.contains("DoQ ") && told.contains("certificate "), "{told}");
    assert!(answers(&home, &file));
    let key = home.data_dir().join("dns-key.pem");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let stats: serde_json::Value =
        serde_json::from_str(&shown(&home, &["stats", "--json"])).expect("JSON");
    assert_eq!(stats["queries"]["transports"]["dot"], 1);
    assert!(shown(&home, &["stats"]).contains("by DoT"));
    let kept = fs::read(&file).unwrap();
    assert_eq!(daemon.terminate().code(), Some(0));
    let _again = home.start_as(&mut serve(&home));
    assert_eq!(fs::read(&file).unwrap(), kept);
    assert_eq!(doors(&home)["pin"], said["pin"]);
    assert!(answers(&home, &file));
}

#[test]
fn the_owners_certificate_is_read_again_on_a_signal_and_a_faulty_one_changes_nothing() {
    let (home, other, third) = (Home::new(), Home::new(), Home::new());
    // Whoever made them, they are certificates and keys.
    for home in [&other, &third] {
        home.start_as(&mut serve(home)).terminate();
    }
    let (certificate, key) = (home.write("cert.pem", ""), home.write("key.pem", ""));
    let take = |from: &Home| {
        fs::copy(from.data_dir().join("dns-cert.pem"), &certificate).unwrap();
        fs::copy(from.data_dir().join("dns-key.pem"), &key).unwrap();
    };
    take(&other);
    let any = "[\"127.0.0.1:0\"]";
    let text = format!("dot = {any}\ntls-cert = \"cert.pem\"\ntls-key = \"key.pem\"\n");
    let config = home.write("djdns.toml", &text);
    let mut command = home.serve();
    command.args(["--upstream", "192.0.2.1", "--config"]).arg(&config);
    let daemon: Daemon = home.start_as(&mut command);
    let first = other.data_dir().join("dns-cert.pem");
    let second = third.data_dir().join("dns-cert.pem");
    assert!(answers(&home, &first) && !answers(&home, &second));
    assert!(!home.data_dir().join("dns-cert.pem").exists());
    assert_eq!(doors(&home)["own"], false);
    fs::write(&certificate, "none").unwrap();
    daemon.signal(Signal::HUP);
    home.errors_until("cert.pem has no certificate in PEM");
    until(&|| shown(&home, &["status"]).contains("the configuration was not read again ("));
    assert!(answers(&home, &first));
    let checked = run(&home, &["config", "check", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(1) && said.contains("no certificate in PEM"), "{said}");
    take(&third);
    daemon.signal(Signal::HUP);
    until(&|| shown(&home, &["logs"]).contains("changed: the certificate"));
    assert!(answers(&home, &second) && !answers(&home, &first));
    assert!(!shown(&home, &["status"]).contains("not read again"));
    shown(&home, &["config", "check", config.to_str().unwrap()]);
    drop(daemon);
    fs::write(&key, "none").unwrap();
    let output = command.stderr(Stdio::piped()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DoT, DoH and DoQ need a certificate"), "{said}");
    assert!(said.contains("key.pem has no private key in PEM"), "{said}");
}

#[test]
fn a_door_that_others_reach_or_have_is_refused_in_words() {
    let home = Home::new();
    let check = |flag: &str, address: &str, expect: &str| {
        let mut command = home.serve();
        command.args([flag, address]).stderr(Stdio::piped());
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expect), "{said}");
    };
    for flag in ["--dot", "--doh", "--doq"] {
        check(flag, "0.0.0.0:0", "can be reached from other machines");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    check("--dot", &taken.1.to_string(), "choose another address or port with --dot");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let twice = [&free.to_string()[..], "--doh", &free.to_string()].map(str::to_owned);
    let mut command = home.serve();
    command.arg("--dot").args(&twice).stderr(Stdio::piped());
    let said = command.output().expect("the program starts").stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains(&format!("{free} (tcp) is named twice")), "{said}");
    check("--dot", "[::ffff:127.0.0.1]:8530", "write 127.0.0.1:8530");
}
