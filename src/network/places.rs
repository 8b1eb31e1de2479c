//! Who may come in (N6): how many connections there may be, in all and with one address, and how
//! many handshakes others may begin.
//!
//! Knows addresses and numbers, and neither connections nor keys. The time is handed in.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

use super::{
    allowance::{Allowance, Rate},
    bounds::Bounds,
};
use crate::limits::{
    NETWORK_ADDRESS_HANDSHAKE_BURST, NETWORK_ADDRESS_HANDSHAKE_RATE, NETWORK_ADDRESSES_COUNTED_MAX,
    NETWORK_HANDSHAKE_BURST, NETWORK_HANDSHAKE_RATE,
};

/// Who counts as one: an address, of IPv6 a /64. None: this machine itself.
pub(super) type Neighbourhood = Option<IpAddr>;

pub(super) fn neighbourhood(address: IpAddr) -> Neighbourhood {
    match address.to_canonical() {
        ip if ip.is_loopback() => None,
        // On a link everybody is below one /64.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(ip.into()),
        IpAddr::V6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
        ip => Some(ip),
    }
}

/// What becomes of somebody who knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The handshake may begin.
    Welcome,
    /// First it must show that it has the address it sends from.
    ShowAddress,
    /// There is no room; it is told so.
    Full,
    /// It comes too often, or too much is under way: not a word.
    Ignore,
}

/// All places. Cloning one costs nothing.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    taken: Mutex<Taken>,
}

struct Taken {
    inbound: usize,
    outbound: usize,
    half_open: usize,
    by_neighbourhood: HashMap<IpAddr, usize>,
    handshakes: Allowance,
    handshakes_of: LruCache<IpAddr, Allowance>,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    places: Places,
    outbound: bool,
    neighbourhood: Neighbourhood,
}

/// A handshake under way, until it is dropped.
pub(super) struct HalfOpen(Places);

const HANDSHAKES: Rate =
    Rate { burst: NETWORK_HANDSHAKE_BURST, per_second: NETWORK_HANDSHAKE_RATE };
const HANDSHAKES_OF_ONE: Rate =
    Rate { burst: NETWORK_ADDRESS_HANDSHAKE_BURST, per_second: NETWORK_ADDRESS_HANDSHAKE_RATE };

impl Places {
    pub(super) fn new(bounds: &Bounds, ticks: u64) -> Places {
        let counted = NonZeroUsize::new(NETWORK_ADDRESSES_COUNTED_MAX).unwrap_or(NonZeroUsize::MIN);
        let taken = Taken {
            inbound: 0,
            outbound: 0,
            half_open: 0,
            by_neighbourhood: HashMap::new(),
            handshakes: Allowance::new(HANDSHAKES, ticks),
            handshakes_of: LruCache::new(counted),
        };
        Places(Arc::new(Inner { bounds: bounds.clone(), taken: Mutex::new(taken) }))
    }

    /// Judges a first packet from this address. `shown`: its sender surely has the address.
    pub(super) fn judge(&self, from: IpAddr, shown: bool, ticks: u64) -> Verdict {
        let bounds = &self.0.bounds;
        let mut taken = self.taken();
        let from = neighbourhood(from);
        // What can be lied about is not held against anybody.
        if !shown {
            let easy = taken.half_open < bounds.half_open_easy && taken.handshakes.is_easy(ticks);
            if !easy {
                return Verdict::ShowAddress;
            }
        }
        if taken.half_open >= bounds.half_open {
            return Verdict::Ignore;
        }
        if shown && let Some(from) = from {
            let fresh = || Allowance::new(HANDSHAKES_OF_ONE, ticks);
            if !taken.handshakes_of.get_or_insert_mut(from, fresh).take(ticks) {
                return Verdict::Ignore;
            }
        }
        if !taken.handshakes.take(ticks) {
            return Verdict::Ignore;
        }
        let room = taken.inbound < bounds.inbound && taken.room_for(from, bounds.per_address);
        if room { Verdict::Welcome } else { Verdict::Full }
    }

    /// A place for a connection, and none where there is no room.
    pub(super) fn enter(&self, with: IpAddr, outbound: bool) -> Option<Place> {
        let bounds = &self.0.bounds;
        let neighbourhood = neighbourhood(with);
        let mut taken = self.taken();
        let (count, most) = if outbound {
            (taken.outbound, bounds.outbound)
        } else {
            (taken.inbound, bounds.inbound)
        };
        if count >= most || !taken.room_for(neighbourhood, bounds.per_address) {
            return None;
        }
        *taken.count(outbound) += 1;
        if let Some(ip) = neighbourhood {
            *taken.by_neighbourhood.entry(ip).or_default() += 1;
        }
        drop(taken);
        Some(Place { places: self.clone(), outbound, neighbourhood })
    }

    pub(super) fn begin_handshake(&self) -> HalfOpen {
        self.taken().half_open += 1;
        HalfOpen(self.clone())
    }

    /// Connections and handshakes there are.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        let taken = self.taken();
        taken.inbound + taken.outbound + taken.half_open
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn room_for(&self, neighbourhood: Neighbourhood, most: usize) -> bool {
        neighbourhood.is_none_or(|ip| self.by_neighbourhood.get(&ip).is_none_or(|n| *n < most))
    }

    fn count(&mut self, outbound: bool) -> &mut usize {
        if outbound { &mut self.outbound } else { &mut self.inbound }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        *taken.count(self.outbound) -= 1;
        let Some(ip) = self.neighbourhood else { return };
        if let Some(count) = taken.by_neighbourhood.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                taken.by_neighbourhood.remove(&ip);
            }
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.taken().half_open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn places(inbound: usize, per_address: usize) -> Places {
        Places::new(&Bounds { inbound, per_address, ..Bounds::default() }, 0)
    }

    #[test]
    fn a_customers_addresses_count_as_one_and_this_machines_as_none() {
        let check = |address: &str, expect: Option<&str>| {
            assert_eq!(neighbourhood(ip(address)), expect.map(ip), "{address}");
        };
        check("192.0.2.1", Some("192.0.2.1"));
        check("::ffff:192.0.2.1", Some("192.0.2.1"));
        check("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::"));
        check("fe80::1:2", Some("fe80::1:2"));
        check("127.0.0.2", None);
        check("::1", None);
        check("::ffff:127.0.0.1", None);
    }

    /// N6 accepts: as many connections as there may be, in all and with one address.
    /// N6 refuses: one more, until one has gone.
    #[test]
    fn places_are_counted_in_all_and_by_address() {
        let places = places(3, 2);
        let enter = |address: &str| places.enter(ip(address), false);
        let here = [enter("192.0.2.1"), enter("192.0.2.1")];
        assert!(here.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none(), "a third of one address");
        assert_eq!(places.judge(ip("192.0.2.1"), true, 0), Verdict::Full);
        let third = enter("192.0.2.2");
        assert!(third.is_some());
        assert!(enter("192.0.2.3").is_none(), "a fourth in all");
        assert!(
            places.enter(ip("192.0.2.3"), true).is_some(),
            "what this node opens is another share"
        );
        drop(here);
        assert!(enter("192.0.2.1").is_some());
        drop(third);
        assert_eq!(places.in_use(), 0);
        assert!(places.taken().by_neighbourhood.is_empty());
    }

    #[test]
    fn who_knocks_under_load_must_show_its_address_first() {
        let places = places(100, 100);
        assert_eq!(places.judge(ip("192.0.2.1"), false, 0), Verdict::Welcome);
        let easy = Bounds::default().half_open_easy;
        let busy: Vec<HalfOpen> = (0..easy).map(|_| places.begin_handshake()).collect();
        assert_eq!(places.judge(ip("192.0.2.1"), false, 0), Verdict::ShowAddress);
        assert_eq!(places.judge(ip("192.0.2.1"), true, 0), Verdict::Welcome);
        let most = Bounds::default().half_open;
        let more: Vec<HalfOpen> = (easy..most).map(|_| places.begin_handshake()).collect();
        assert_eq!(places.judge(ip("192.0.2.1"), true, 0), Verdict::Ignore);
        drop((busy, more));
        assert_eq!(places.judge(ip("192.0.2.1"), false, 0), Verdict::Welcome);
    }

    #[test]
    fn one_address_that_knocks_without_end_does_not_keep_others_out() {
        let places = places(100, 100);
        let knocks = (0..1000).map(|_| places.judge(ip("192.0.2.1"), true, 0));
        let welcome = knocks.filter(|verdict| *verdict == Verdict::Welcome).count();
        assert_eq!(welcome, NETWORK_ADDRESS_HANDSHAKE_BURST as usize);
        assert_eq!(places.judge(ip("192.0.2.2"), true, 0), Verdict::Welcome);
        assert_eq!(places.judge(ip("192.0.2.1"), true, 1000), Verdict::Welcome);
    }

    #[test]
    fn addresses_that_knock_are_counted_within_bounds() {
        let places = places(100, 100);
        for n in 0..10_000u32 {
            places.judge(std::net::Ipv4Addr::from_bits(n + 0x0a00_0000).into(), true, u64::from(n));
        }
        assert_eq!(places.taken().handshakes_of.len(), NETWORK_ADDRESSES_COUNTED_MAX);
    }
}
