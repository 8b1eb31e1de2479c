//! Stories of upstreams that ask djdns itself, at once or by way of others: they are named, and not
//! asked any more.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use djdns::dns::{Upstreams, View, forward::Rules};
use tokio::{net::UdpSocket, time::sleep};

use super::{
    forward::{Resolver, address, found, nothing, question, resolver_by},
    support::{name, page_id, with_page},
};

/// What was asked, as questions.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A forwarder as dnsmasq is one: what it is asked goes on to `target`, once that is known, and the
/// answer comes back; else it answers 192.0.2.1 itself.
async fn stub(target: Arc<Mutex<Option<SocketAddr>>>) -> (SocketAddr, Heard) {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let own = socket.local_addr().unwrap();
    let heard = Heard::default();
    let hears = heard.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let (socket, query) = (socket.clone(), buffer[..len].to_vec());
            hears.lock().unwrap().push(question(&query).to_ascii_lowercase());
            let target = *target.lock().unwrap();
            tokio::spawn(async move {
                let response = match target {
                    None => address(&query, 1, 60, |_| {}),
                    Some(target) => {
                        let onward = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                        onward.send_to(&query, target).await.unwrap();
                        let mut buffer = [0; 2048];
                        let len = onward.recv(&mut buffer).await.unwrap();
                        buffer[..len].to_vec()
                    }
                };
                socket.send_to(&response, from).await.unwrap();
            });
        }
    });
    (own, heard)
}

fn rules(upstreams: &[SocketAddr]) -> Rules {
    let upstreams = upstreams.iter().map(|address| address.to_string().parse().unwrap());
    Rules { upstreams: Upstreams::new(upstreams.collect(), Vec::new()), ..Rules::default() }
}

fn looped(resolver: &Resolver) -> Vec<bool> {
    resolver.forward.upstreams().iter().map(|server| server.looped).collect()
}

/// A page that is called as the zone of the probes: it has no say about them.
fn view() -> View {
    let view = with_page(&View::new(), "example.", "www 300 A 192.0.2.9\n");
    view.with_anchor(&name("example."), page_id("example."))
}

#[tokio::test]
async fn an_upstream_that_asks_back_is_named_and_not_asked_any_more() {
    let back = Arc::new(Mutex::new(None));
    let (looping, heard) = stub(back.clone()).await;
    let (good, good_heard) = stub(Arc::default()).await;
    let resolver = resolver_by(rules(&[looping, good]), view());
    *back.lock().unwrap() = Some(resolver.address);
    resolver.forward.find_loops().await;
    assert_eq!(looped(&resolver), [true, false]);
    let first = &resolver.forward.upstreams()[0];
    assert_eq!(first.trouble(), Some("it asks djdns itself"));
    assert_eq!(first.upstream.to_string(), looping.to_string());
    assert_eq!(resolver.ask("www.example.org").await, found(&["60 192.0.2.1"]));
    // One probe each, and another one for each.
    assert_eq!((heard.lock().unwrap().len(), good_heard.lock().unwrap().len()), (1, 2));
    let probes = [&heard, &good_heard].map(|heard| heard.lock().unwrap()[0].clone());
    assert_ne!(probes[0], probes[1]);
    for probe in probes {
        assert_eq!(&probe[33..], b"\x0adjdns-loop\x07example\0\0\x01\0\x01");
    }
    // With nobody else there is no answer; when the upstreams are read again it is tried again.
    resolver.forward.set_rules(rules(&[looping]));
    assert_eq!(looped(&resolver), [false]);
    resolver.forward.find_loops().await;
    assert_eq!(looped(&resolver), [true]);
    assert_eq!(resolver.ask("www.example.net").await, nothing());
    assert_eq!(heard.lock().unwrap().len(), 2);
    // It asks somebody else now.
    *back.lock().unwrap() = Some(good);
    resolver.forward.set_rules(rules(&[looping]));
    resolver.forward.find_loops().await;
    assert_eq!(looped(&resolver), [false]);
    assert_eq!(resolver.ask("www.example.net").await, found(&["60 192.0.2.1"]));
}

#[tokio::test]
async fn two_that_ask_each_other_both_see_it_also_with_a_stub_between() {
    let back = Arc::new(Mutex::new(None));
    let (between, _) = stub(back.clone()).await;
    let one = resolver_by(rules(&[between]), view());
    let other = resolver_by(rules(&[one.address]), view());
    *back.lock().unwrap() = Some(other.address);
    one.forward.find_loops().await;
    // The other one answers its own question only when that came back to it.
    assert_eq!(looped(&one), [true]);
    other.forward.find_loops().await;
    assert_eq!(looped(&other), [false], "the loop is cut, and it is no loop any more");
    let again = resolver_by(rules(&[one.address]), view());
    one.forward.set_rules(rules(&[again.address]));
    tokio::join!(one.forward.find_loops(), again.forward.find_loops());
    sleep(Duration::from_millis(20)).await;
    assert!(looped(&one)[0] || looped(&again)[0], "one of them at least");
    assert_eq!(one.ask("www.example.org").await, nothing());
}
