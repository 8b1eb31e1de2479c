//! What the service manager hears (sd_notify(3)): ready, reloading, stopping, and again and again that
//! DNS is answered.
//!
//! Without a service manager all of this says nothing. How a question is answered is not known here: it
//! is asked as anybody asks it.

use std::{
    env, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time};

use super::passed;
use crate::ambient;

/// DNS is answered; in words, how.
pub fn ready(status: &str) {
    notify(&format!("READY=1\nSTATUS={}", one_line(status)));
}

/// The configuration is being read again; [`ready`] ends that.
pub fn reloading() {
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={}", ambient::monotonic_microseconds()));
}

/// No more is answered.
pub fn stopping() {
    notify("STOPPING=1\nSTATUS=stopping");
}

fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = passed::notify(&path, state.as_bytes()) {
        tracing::warn!(%error, "systemd could not be told how djdns is");
    }
}

/// A status is one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Says that DNS is answered twice as often as the service manager wants to hear it, and only while it
/// is: it is asked, at each of these doors, as others ask it. To be run on the thread that answers: it
/// then says nothing either when that thread hangs.
///
/// A door that is overrun drops questions, so that one is not enough to call it dead.
pub async fn keep_watch(doors: Vec<SocketAddr>) {
    let Some(interval) = passed::watchdog() else { return };
    loop {
        if are_answered(&doors, interval / TRIES).await {
            notify("WATCHDOG=1");
            time::sleep(interval / 2).await;
        } else {
            tracing::warn!("a question of this program's own was not answered");
        }
    }
}

/// Questions in the time in which the service manager wants a word (choice: sixteen of them have to be
/// lost after the last word until it does something).
const TRIES: u32 = 32;

/// A query for the addresses of `localhost.`, which no page and nobody else can take away.
const QUESTION: &[u8] =
    b"dj\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01";

async fn are_answered(doors: &[SocketAddr], patience: Duration) -> bool {
    for door in doors {
        let answered = time::timeout(patience, ask(reachable(*door))).await;
        if !matches!(answered, Ok(Ok(()))) {
            // One that was refused at once is not asked again at once.
            time::sleep(patience).await;
            return false;
        }
    }
    true
}

async fn ask(door: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match door {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(door).await?;
    socket.send(QUESTION).await?;
    socket.recv(&mut [0; 512]).await.map(drop)
}

/// Where a door that stands for all addresses can be asked.
fn reachable(door: SocketAddr) -> SocketAddr {
    let ip = match door.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, door.port())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dns::{Listeners, Service};

    #[tokio::test]
    async fn a_door_is_alive_when_it_answers_and_not_when_it_is_only_open() {
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let answered = listeners.addresses()[0];
        let serving = listeners.serve(&Service::new(Arc::default(), None)).unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let silent_at = silent.local_addr().unwrap();
        let patience = Duration::from_millis(300);
        assert!(are_answered(&[answered], patience).await);
        assert!(!are_answered(&[answered, silent_at], patience).await);
        drop(silent);
        assert!(!are_answered(&[silent_at], patience).await);
        serving.shutdown().await;
        assert!(!are_answered(&[answered], patience).await);
    }

    #[test]
    fn a_door_for_all_addresses_is_asked_on_loopback() {
        let check = |door: &str, expect: &str| {
            assert_eq!(reachable(door.parse().unwrap()), expect.parse().unwrap());
        };
        check("0.0.0.0:53", "127.0.0.1:53");
        check("[::]:53", "[::1]:53");
        check("192.0.2.1:53", "192.0.2.1:53");
    }
}
