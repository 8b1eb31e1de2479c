//! When a node speaks on the broadcast port, and what it makes of what it hears there (D2).
//!
//! Pure: the times are arguments. A node that comes asks, a few times since datagrams get lost; whoever
//! hears one that asks, or one it did not know, speaks soon. After that everybody speaks now and then. So
//! two nodes meet at once, whichever came first.

use std::net::IpAddr;

use super::packet::Packet;
use crate::{
    beacon::Beacon,
    discovery::intake::{Intake, Taken},
    limits::*,
};

/// One node's side of the talk. Times are ticks, in milliseconds.
pub struct Talk {
    beacon: Beacon,
    intake: Intake,
    seed: u64,
    /// How often it will ask still, before it only tells.
    asks_left: usize,
    speaks_at: u64,
    spoke_at: Option<u64>,
}

impl Talk {
    /// A node that comes: it speaks at once.
    pub fn new(beacon: Beacon, seed: u64, ticks: u64) -> Talk {
        let intake = Intake::new(beacon.key());
        let asks_left = LAN_ASKS.len();
        Talk { beacon, intake, seed, asks_left, speaks_at: ticks, spoke_at: None }
    }

    /// When it speaks next.
    pub fn speaks_at(&self) -> u64 {
        self.speaks_at
    }

    /// What it says now, to everybody; `None` if it is not time.
    pub fn speak(&mut self, ticks: u64) -> Option<Vec<u8>> {
        if ticks < self.speaks_at {
            return None;
        }
        let asks = self.asks_left > 0;
        let pause = match self.asks_left.checked_sub(1) {
            Some(left) => LAN_ASKS[LAN_ASKS.len() - 1 - left],
            None => LAN_TELL_INTERVAL,
        };
        self.asks_left = self.asks_left.saturating_sub(1);
        let pause = pause.as_millis() as u64;
        self.speaks_at = ticks + pause - pause / 4 + self.chance(pause / 2);
        self.spoke_at = Some(ticks);
        Some(Packet { asks, beacon: self.beacon.bytes() }.write())
    }

    /// It says something new, or stands in another network: as if it came anew.
    pub fn begin_anew(&mut self, beacon: Option<Beacon>, ticks: u64) {
        self.beacon = beacon.unwrap_or_else(|| self.beacon.clone());
        self.asks_left = LAN_ASKS.len();
        self.speak_soon(0, ticks);
    }

    /// Takes a datagram; `now` is in seconds since 1970. Returns a node to tell of.
    pub fn hear(&mut self, bytes: &[u8], from: IpAddr, now: u64, ticks: u64) -> Option<Beacon> {
        let packet = Packet::read(bytes).ok()?;
        if packet.beacon == self.beacon.bytes() {
            return None;
        }
        match self.intake.take(packet.beacon, Some(from), now, ticks) {
            Taken::New(beacon) => {
                self.answer(ticks);
                Some(beacon)
            }
            Taken::Known(beacon) => {
                if packet.asks {
                    self.answer(ticks);
                }
                beacon
            }
            // It said so before, or another node has its key.
            Taken::Own(beacon) => Some(beacon),
            Taken::Refused => None,
        }
    }

    /// Speaks soon: later where many will, so that they do not all speak at one moment.
    fn answer(&mut self, ticks: u64) {
        let crowd = (self.intake.len() as u64).saturating_mul(LAN_ANSWER_SPREAD.as_millis() as u64);
        let spread = crowd.min(LAN_ANSWER_SPREAD_MAX.as_millis() as u64);
        let later = self.chance(spread);
        self.speak_soon(later, ticks);
    }

    fn speak_soon(&mut self, later: u64, ticks: u64) {
        let gap = LAN_SPEAK_GAP.as_millis() as u64;
        let earliest = self.spoke_at.map_or(0, |spoke| spoke.saturating_add(gap));
        self.speaks_at = self.speaks_at.min(earliest.max(ticks.saturating_add(later)));
    }

    /// A number below `most`, or 0, from the seed (xorshift64*, Vigna 2016).
    fn chance(&mut self, most: u64) -> u64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        self.seed = self.seed.max(1);
        self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d).checked_rem(most).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::SecretKey;

    fn beacon(n: u8) -> Beacon {
        let key = SecretKey::from_seed(&[n; 32]);
        Beacon::sign(&key, &["192.0.2.1:31415".parse().unwrap()], 1000).unwrap()
    }

    fn ip(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    /// Lets both run from the start of the second until they have met, in ms; every datagram for which
    /// `lost` says so is lost.
    fn meet(first_at: u64, second_at: u64, mut lost: impl FnMut() -> bool) -> Option<u64> {
        let mut nodes = [(1, first_at), (2, second_at)]
            .map(|(n, at)| (Talk::new(beacon(n), u64::from(n), at), false));
        for ticks in 0..second_at + 60_000 {
            for at in 0..2 {
                let Some(packet) = nodes[at].0.speak(ticks) else { continue };
                let (other, met) = &mut nodes[1 - at];
                if ticks >= [second_at, first_at][at] && !lost() {
                    *met |= other.hear(&packet, ip(at as u8), 0, ticks).is_some();
                }
            }
            if nodes.iter().all(|(_, met)| *met) {
                return Some(ticks - second_at);
            }
        }
        None
    }

    /// D2 accepts: two nodes that were started at any time, by broadcast alone.
    #[test]
    fn two_nodes_meet_within_two_seconds_whenever_they_come() {
        for (first, second) in [(0, 0), (0, 1), (0, 499), (0, 1600), (0, 20_000), (0, 86_400_000)] {
            let first = first.max(second.min(86_300_000) / 2 * u64::from(second > 1_000_000));
            let met = meet(first, second, || false);
            assert!(met.is_some_and(|ms| ms <= 2000), "{first} {second}: {met:?}");
        }
    }

    #[test]
    fn nodes_meet_where_every_third_datagram_is_lost() {
        for phase in 0..3 {
            let mut count = phase;
            let lost = || {
                count += 1;
                count % 3 == 0
            };
            let met = meet(0, 5000, lost);
            assert!(met.is_some_and(|ms| ms <= 3000), "{phase}: {met:?}");
        }
    }

    #[test]
    fn whoever_asks_without_end_is_answered_once_in_a_while() {
        let mut talk = Talk::new(beacon(1), 1, 0);
        let question = Packet { asks: true, beacon: beacon(2).bytes() }.write();
        let seconds = 600;
        let spoken = (0..seconds * 1000).filter(|ticks| {
            talk.hear(&question, ip(2), 0, *ticks);
            talk.speak(*ticks).is_some()
        });
        let gap = LAN_SPEAK_GAP.as_millis() as u64;
        let most = seconds * 1000 / gap + 1;
        let spoken = spoken.count() as u64;
        assert!(spoken > seconds / 2 && spoken <= most, "{spoken} of at most {most}");
    }

    #[test]
    fn a_quiet_network_is_left_quiet() {
        let mut talk = Talk::new(beacon(1), 1, 0);
        let hour = 3600 * 1000;
        let spoken = (0..hour).filter(|ticks| talk.speak(*ticks).is_some()).count() as u128;
        let usual = u128::from(hour) / LAN_TELL_INTERVAL.as_millis();
        assert!(spoken > usual / 2 && spoken < usual * 2, "{spoken}");
        talk.begin_anew(Some(beacon(3)), hour);
        assert!(Duration::from_millis(talk.speaks_at() - hour) <= LAN_SPEAK_GAP);
        let said = talk.speak(talk.speaks_at()).unwrap();
        let packet = Packet::read(&said).unwrap();
        assert!(packet.asks);
        assert_eq!(packet.beacon, beacon(3).bytes());
    }

    /// D2 refuses: what is no beacon, and this node's own.
    #[test]
    fn garbage_and_its_own_voice_are_not_answered() {
        let mut talk = Talk::new(beacon(1), 1, 0);
        let own = talk.speak(0).unwrap();
        let next = talk.speaks_at();
        let forged = Packet { asks: true, beacon: &[0x94; 200] }.write();
        for bytes in [&own[..], b"", b"djdns/1", &forged] {
            assert_eq!(talk.hear(bytes, ip(2), 0, 1), None);
        }
        assert_eq!(talk.speaks_at(), next);
    }
}
