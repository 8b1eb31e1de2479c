//! A daemon whose configuration has mirrors.

use std::{fs, net::UdpSocket, os::unix::fs::PermissionsExt, time::Duration};

use djdns::{
    ambient,
    dns::transfer::{Key, tsig},
    page::name::Name,
};
use rustix::process::Signal;

use super::sealed::{PATIENCE, SECRET, axfr, count, key, messages, signed};
use crate::support::daemon::{Daemon, Home};

/// A daemon that tells this mirror of its pages.
fn start(home: &Home, mirror: &UdpSocket) -> (Daemon, std::path::PathBuf) {
    let secret = home.write("mirror.key", &data_encoding::BASE64.encode(&SECRET));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let mirror = mirror.local_addr().expect("it is bound");
    let config = home.write(
        "djdns.toml",
        &format!(
            "[transfer]\nkey = \"mirror\"\nsecret-file = \"mirror.key\"\nnotify = [\"{mirror}\"]\n"
        ),
    );
    let daemon = home.start_as(home.serve().arg("--config").arg(&config));
    (daemon, config)
}

#[test]
fn a_daemon_tells_its_mirrors_and_gives_them_its_pages() {
    let home = Home::new();
    let mirror = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    mirror.set_read_timeout(Some(PATIENCE)).expect("a time");
    let (daemon, config) = start(&home, &mirror);
    let mut message = [0; 2048];
    let len = mirror.recv(&mut message).expect("it is told");
    let told = tsig::take(&message[..len]).expect("well formed").expect("it is signed");
    assert_eq!(told.check(&key(), &[], ambient::now()), Ok(()));
    assert_eq!(message[2] >> 3, 4, "NOTIFY");
    let page = Name::parse("ff.ct").expect("a name");
    let rcode = |request: Vec<u8>| messages(daemon.dns(), &request, 2)[0][3] & 15;
    let now = ambient::now();
    let found = messages(daemon.dns(), &signed(axfr(&page), key(), now), 2);
    assert!(count(&found) > 10 && found[0][3] & 15 == 0);
    let strange = Key::new(key().name().clone(), key().algorithm(), &[6; 32]).expect("long enough");
    assert_eq!(rcode(axfr(&page)), 5);
    assert_eq!(rcode(signed(axfr(&page), strange, now)), 9);
    assert_eq!(rcode(signed(axfr(&page), key(), now - 1000)), 9);
    let unknown = Name::parse("no.such.page").expect("a name");
    assert_eq!(rcode(signed(axfr(&unknown), key(), now)), 9);
    // Nobody may any more, once the section is gone.
    fs::write(&config, "").expect("it is ours");
    daemon.signal(Signal::HUP);
    let begun = ambient::ticks();
    while rcode(signed(axfr(&page), key(), now)) != 5 {
        assert!(ambient::ticks() - begun < PATIENCE.as_millis() as u64, "it is still given");
        ambient::pause(Duration::from_millis(10));
    }
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let home = Home::new();
    let secret = home.write("mirror.key", &data_encoding::BASE64.encode(&SECRET));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let text = "[transfer]\nkey = \"mirror\"\nsecret-file = \"mirror.key\"\n";
    let config = home.write("djdns.toml", text);
    let mut command = home.program(env!("CARGO_BIN_EXE_djdns").as_ref());
    let output = command.args(["config", "check"]).arg(&config).status().expect("it runs");
    assert_eq!(output.code(), Some(1));
    home.errors_until("chmod 600");
}
