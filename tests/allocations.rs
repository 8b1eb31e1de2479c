//! What is answered on the short way allocates nothing: counted in the whole process, from the socket to
//! the socket.

#![expect(unsafe_code, reason = "an allocator that counts is one")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use djdns::dns::{Cookies, Listeners, Service, View, Witness};

#[path = "dns/support.rs"]
mod support;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations so many answers to this question take, the first few not counted.
fn allocations(client: &UdpSocket, query: &[u8], count: usize) -> u64 {
    let mut answer = [0; 1500];
    let mut ask = |count| {
        for _ in 0..count {
            client.send(query).unwrap();
            let len = client.recv(&mut answer).unwrap();
            assert_eq!(answer[..2], query[..2], "{len} octets");
        }
    };
    ask(10);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    ask(count);
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

#[test]
fn usual_answers_allocate_nothing() {
    let page = "a 60 A 192.0.2.1\n*.w 60 TXT t\nmail 60 MX 10 a.ct.";
    let view = support::with_page(&View::new(), "ct.", page)
        .with_anchor(&support::name("ct."), support::page_id("ct."));
    let service = Service::new(Arc::new(ArcSwap::from_pointee(view)), None)
        .with_cookies(Cookies::new([1; 16], || 1_700_000_000))
        .with_witness(Witness::new(|| 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(listeners.addresses()[0]).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _serving = listeners.serve(&service).unwrap();
    // Other threads begin meanwhile, and have what they need once.
    allocations(&client, &support::query("a.ct.", 1, None), 5000);
    for name in ["a.ct.", "A.cT.", "x.w.ct.", "absent.ct.", "localhost."] {
        for edns in [None, Some(1232)] {
            let query = support::query(name, 1, edns);
            assert_eq!(allocations(&client, &query, 1000), 0, "{name}");
        }
    }
    // As `dig` asks: at first with its own part of a cookie, then with what it was given.
    let mut query = support::query("a.ct.", 1, Some(1232));
    let options = query.len() - 2;
    query.splice(options.., [&[0, 12, 0, 10, 0, 8][..], &[1; 8]].concat());
    assert_eq!(allocations(&client, &query, 1000), 0, "a new cookie");
    client.send(&query).unwrap();
    let mut answer = [0; 1500];
    let len = client.recv(&mut answer).unwrap();
    query.splice(options.., [&[0, 28, 0, 10, 0, 24][..], &answer[len - 24..len]].concat());
    assert_eq!(allocations(&client, &query, 1000), 0, "a cookie that is known");
    // What is unusual does, so that this counts anything.
    let query = support::query("mail.ct.", 15, None);
    assert!(allocations(&client, &query, 10) >= 10);
}
