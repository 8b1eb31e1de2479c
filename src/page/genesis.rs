//! The genesis: a page's first, immutable statement, and its constitution (P6, G1, G2).
//!
//! It is unsigned: its id is the page id, and that is its proof. What the page contains is known
//! here only as a state root.

use serde::{Deserialize, Serialize};

use super::{
    codec::{self, CodecRefusal},
    name::Name,
    rdata,
};
use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, PublicKey, RawKey},
    limits::*,
};

/// The format that this version of djdns founds and reads.
const FORMAT: u8 = 1;

/// Why bytes are no genesis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisRefusal {
    #[error("the genesis' encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("the genesis has format {0}; this version reads format {FORMAT}")]
    Format(u8),
    #[error("the page's roster: {0}")]
    Roster(#[from] RosterRefusal),
    #[error("the page's parameters: {0}")]
    Parameters(#[from] ParameterRefusal),
}

/// Why keys and powers are no roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterRefusal {
    #[error("there is no participant with any power")]
    Empty,
    #[error("{0} participants are more than {PARTICIPANTS_MAX}")]
    TooMany(usize),
    #[error("the participants are not sorted by key, or one appears twice")]
    NotSorted,
    #[error("a participant without power")]
    NoPower,
    #[error("the total power {0} is more than {TOTAL_POWER_MAX}")]
    TooMuchPower(u64),
    #[error("{0}")]
    Key(#[from] KeyRefusal),
}

/// Why parameters contradict G1 or a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterRefusal {
    #[error(
        "track1_bp {0} is above track2_bp {1}: domain changes cannot need more than roster changes"
    )]
    Track1AboveTrack2(u16, u16),
    #[error("track2_bp {0} is below {TRACK2_BP_MIN}, two thirds")]
    Track2TooLow(u16),
    #[error("{0} basis points are more than 10000, all of the power")]
    TooManyBasisPoints(u16),
    #[error(
        "track1_bp {0} + track2_bp {1} is not above 10000: a seal could then overwrite a ratified \
         change with nobody in both quorums"
    )]
    QuorumsDoNotMeet(u16, u16),
    #[error("min_voters is 0")]
    NoVoters,
    #[error("min_voters {0} is more than the {PARTICIPANTS_MAX} participants that a page may have")]
    TooManyVoters(u32),
    #[error("seal_interval is 0 s")]
    NoInterval,
    #[error(
        "seal_interval of {0} s is longer than {max} s, a day: nothing would be final before that, \
         not even a shorter interval",
        max = SEAL_INTERVAL_MAX.as_secs()
    )]
    IntervalTooLong(u32),
    #[error("soft_ttl_max of {0} s is longer than {TTL_SECONDS_MAX} s")]
    SoftTtlTooLong(u32),
    #[error("open_operations_max {0} is not between 1 and {OPEN_OPERATIONS_MAX}")]
    OpenOperations(u32),
    #[error("`{0}` is no parameter: there are {1}")]
    Unknown(String, String),
    #[error("`{1}` is no value for {0}: expected {expected}", expected = expected(.0))]
    NoValue(String, String),
}

/// What a page may decide about its own rules (G1, P5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Approving power for a domain change, basis points.
    pub track1_bp: u16,
    /// Approving power for a roster change and for a seal, basis points.
    pub track2_bp: u16,
    /// Distinct keys that must approve by their own ballot (in effect never more than there are).
    pub min_voters: u32,
    /// Seconds between two seals.
    pub seal_interval: u32,
    /// Seconds that an answer may be cached while it is soft.
    pub soft_ttl_max: u32,
    /// Slots of one author.
    pub open_operations_max: u32,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            track1_bp: TRACK1_BP_DEFAULT,
            track2_bp: TRACK2_BP_DEFAULT,
            min_voters: MIN_VOTERS_DEFAULT,
            seal_interval: SEAL_INTERVAL_DEFAULT.as_secs() as u32,
            soft_ttl_max: SOFT_TTL_MAX_DEFAULT.as_secs() as u32,
            open_operations_max: OPEN_OPERATIONS_DEFAULT,
        }
    }
}

impl Parameters {
    /// Checks G1 and the limits.
    ///
    /// # Errors
    /// The first [`ParameterRefusal`] found.
    pub fn check(&self) -> Result<(), ParameterRefusal> {
        use ParameterRefusal::*;
        let (one, two) = (self.track1_bp, self.track2_bp);
        if two > 10_000 {
            return Err(TooManyBasisPoints(two));
        }
        if one > two {
            return Err(Track1AboveTrack2(one, two));
        }
        if two < TRACK2_BP_MIN {
            return Err(Track2TooLow(two));
        }
        if u32::from(one) + u32::from(two) <= 10_000 {
            return Err(QuorumsDoNotMeet(one, two));
        }
        if self.min_voters == 0 {
            return Err(NoVoters);
        }
        if self.min_voters as usize > PARTICIPANTS_MAX {
            return Err(TooManyVoters(self.min_voters));
        }
        if self.seal_interval == 0 {
            return Err(NoInterval);
        }
        if u64::from(self.seal_interval) > SEAL_INTERVAL_MAX.as_secs() {
            return Err(IntervalTooLong(self.seal_interval));
        }
        if self.soft_ttl_max > TTL_SECONDS_MAX {
            return Err(SoftTtlTooLong(self.soft_ttl_max));
        }
        if !(1..=OPEN_OPERATIONS_MAX).contains(&self.open_operations_max) {
            return Err(OpenOperations(self.open_operations_max));
        }
        Ok(())
    }

    /// Sets one parameter by its name, as people type it: `track1_bp=4000`, `soft_ttl_max=1h`.
    ///
    /// # Errors
    /// [`ParameterRefusal::Unknown`] or [`ParameterRefusal::NoValue`]; relations between
    /// parameters are [`Parameters::check`]'s.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParameterRefusal> {
        let no_value = || ParameterRefusal::NoValue(name.to_owned(), value.to_owned());
        let number: Option<u32> = match name {
            "seal_interval" | "soft_ttl_max" => rdata::seconds(value.as_bytes()),
            _ => value.parse().ok(),
        };
        let number = number.ok_or_else(no_value)?;
        let small = || u16::try_from(number).map_err(|_| no_value());
        match name {
            "track1_bp" => self.track1_bp = small()?,
            "track2_bp" => self.track2_bp = small()?,
            "min_voters" => self.min_voters = number,
            "seal_interval" => self.seal_interval = number,
            "soft_ttl_max" => self.soft_ttl_max = number,
            "open_operations_max" => self.open_operations_max = number,
            _ => {
                let names = self.rows().map(|(name, _)| name).join(", ");
                return Err(ParameterRefusal::Unknown(name.to_owned(), names));
            }
        }
        Ok(())
    }

    /// The parameters with their names, in the order of the encoding.
    pub fn rows(&self) -> [(&'static str, u32); 6] {
        [
            ("track1_bp", self.track1_bp.into()),
            ("track2_bp", self.track2_bp.into()),
            ("min_voters", self.min_voters),
            ("seal_interval", self.seal_interval),
            ("soft_ttl_max", self.soft_ttl_max),
            ("open_operations_max", self.open_operations_max),
        ]
    }
}

/// What may be typed for a parameter.
fn expected(name: &str) -> String {
    match name {
        "track1_bp" | "track2_bp" => "basis points, 1 to 10000 (100 are 1 %)".to_owned(),
        "seal_interval" | "soft_ttl_max" => "seconds, or units as in 1h30m".to_owned(),
        "open_operations_max" => format!("a whole number from 1 to {OPEN_OPERATIONS_MAX}"),
        _ => "a whole number above 0".to_owned(),
    }
}

/// Whether `power` reaches `bp` basis points of `total` (G2).
pub fn reaches(power: u128, bp: u16, total: u128) -> bool {
    power * 10_000 >= u128::from(bp) * total
}

/// The participants of a page and their power. Each has a position, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    rows: Vec<(PublicKey, u32)>,
    total: u64,
}

impl Roster {
    /// Admits participants that are sorted by key.
    ///
    /// # Errors
    /// The first [`RosterRefusal`] found.
    pub fn admit(rows: &[(RawKey, u32)]) -> Result<Roster, RosterRefusal> {
        if rows.len() > PARTICIPANTS_MAX {
            return Err(RosterRefusal::TooMany(rows.len()));
        }
        if !rows.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(RosterRefusal::NotSorted);
        }
        if rows.iter().any(|(_, power)| *power == 0) {
            return Err(RosterRefusal::NoPower);
        }
        let admit = |(key, power): &(RawKey, u32)| Ok((PublicKey::admit(*key)?, *power));
        let rows = rows.iter().map(admit).collect::<Result<Vec<_>, KeyRefusal>>()?;
        let total = rows.iter().map(|(_, power)| u64::from(*power)).sum();
        match total {
            0 => Err(RosterRefusal::Empty),
            total if total > TOTAL_POWER_MAX => Err(RosterRefusal::TooMuchPower(total)),
            total => Ok(Roster { rows, total }),
        }
    }

    /// The power of `key`; `None` when it is no participant.
    pub fn power(&self, key: &PublicKey) -> Option<u32> {
        Some(self.rows[self.position(key)?].1)
    }

    /// Where `key` stands in the order of all keys; `None` when it is no participant.
    pub fn position(&self, key: &PublicKey) -> Option<usize> {
        self.rows.binary_search_by_key(key, |(key, _)| *key).ok()
    }

    /// T, the sum of all powers.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many participants there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never true: an empty roster is not admitted.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Participants with their power, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, u32)> {
        self.rows.iter().map(|(key, power)| (key, *power))
    }

    /// The rows as they are encoded.
    pub fn rows(&self) -> Vec<(RawKey, u32)> {
        self.iter().map(|(key, power)| (key.raw(), power)).collect()
    }
}

/// A page's genesis, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    id: Id,
    raw: RawGenesis,
    roster: Roster,
}

/// The genesis as it is encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawGenesis {
    pub format: u8,
    /// The page's keys are public: it is never announced, synced or accepted from peers (P6).
    pub demonstration: bool,
    pub name: Name,
    pub roster: Vec<(RawKey, u32)>,
    pub parameters: Parameters,
    /// Seconds since 1970 (UTC).
    pub created: u64,
    /// 32 random bytes, so that two foundings of the same name never share an id.
    pub salt: Id,
    /// The root of the initial state (P9).
    pub state_root: Id,
}

impl RawGenesis {
    /// A genesis of the current format, its state root still to be filled in.
    pub fn new(
        name: Name,
        roster: Vec<(RawKey, u32)>,
        parameters: Parameters,
        created: u64,
        salt: Id,
    ) -> RawGenesis {
        let (demonstration, state_root) = (false, Id::ZERO);
        RawGenesis {
            format: FORMAT,
            demonstration,
            name,
            roster,
            parameters,
            created,
            salt,
            state_root,
        }
    }
}

impl Genesis {
    /// Admits a genesis; whether the state root is that of its contents is [`super::Page`]'s.
    ///
    /// # Errors
    /// Any [`GenesisRefusal`].
    pub fn admit(raw: RawGenesis) -> Result<Genesis, GenesisRefusal> {
        if raw.format != FORMAT {
            return Err(GenesisRefusal::Format(raw.format));
        }
        raw.parameters.check()?;
        let roster = Roster::admit(&raw.roster)?;
        let id = Id::of(Kind::Genesis, &codec::encode(&raw));
        Ok(Genesis { id, raw, roster })
    }

    /// Reads a genesis from its bytes.
    ///
    /// # Errors
    /// Any [`GenesisRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Genesis, GenesisRefusal> {
        Genesis::admit(codec::decode(bytes, GENESIS_BYTES_MAX)?)
    }

    /// The bytes whose id is the page id.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.raw)
    }

    /// The page id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The participants at height 0.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The encoded fields.
    pub fn raw(&self) -> &RawGenesis {
        &self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn roster(powers: &[u32]) -> Vec<(RawKey, u32)> {
        let key = |n: usize| SecretKey::from_seed(&[n as u8 + 1; 32]).public().raw();
        let mut rows: Vec<_> = powers.iter().enumerate().map(|(n, p)| (key(n), *p)).collect();
        rows.sort_unstable();
        rows
    }

    fn raw() -> RawGenesis {
        RawGenesis::new(
            Name::parse("ff.ct").unwrap(),
            roster(&[1, 1]),
            Parameters::default(),
            1,
            Id::ZERO,
        )
    }

    /// P6 accepts: a genesis is read back from its bytes with the same id.
    #[test]
    fn a_genesis_is_read_back_with_its_id() {
        let genesis = Genesis::admit(raw()).unwrap();
        assert_eq!(Genesis::decode(&genesis.encode()), Ok(genesis.clone()));
        let other = RawGenesis { salt: Id::hash(&[b"other"]), ..raw() };
        assert_ne!(Genesis::admit(other).unwrap().id(), genesis.id());
    }

    /// P6 refuses: another format, a broken roster, broken parameters.
    #[test]
    fn a_broken_genesis_is_refused_by_the_name_of_its_fault() {
        let check = |change: &dyn Fn(&mut RawGenesis), expect: GenesisRefusal| {
            let mut raw = raw();
            change(&mut raw);
            assert_eq!(Genesis::admit(raw), Err(expect));
        };
        check(&|g| g.format = 2, GenesisRefusal::Format(2));
        check(&|g| g.roster.clear(), RosterRefusal::Empty.into());
        check(&|g| g.roster.reverse(), RosterRefusal::NotSorted.into());
        check(&|g| g.roster = vec![g.roster[0]; 2], RosterRefusal::NotSorted.into());
        check(&|g| g.roster[0].1 = 0, RosterRefusal::NoPower.into());
        check(&|g| g.roster[0].0 = RawKey([0; 32]), RosterRefusal::Key(KeyRefusal::Weak).into());
        check(
            &|g| g.parameters.track1_bp = 3000,
            ParameterRefusal::QuorumsDoNotMeet(3000, 7000).into(),
        );
    }

    #[test]
    fn the_total_power_is_limited() {
        let admit = |a, b| Roster::admit(&roster(&[a, b])).map(|roster| roster.total());
        let most = TOTAL_POWER_MAX as u32;
        assert_eq!(admit(most - 2, 1), Ok(u64::from(most) - 1));
        assert_eq!(admit(most - 1, 1), Ok(u64::from(most)));
        assert_eq!(admit(most, 1), Err(RosterRefusal::TooMuchPower(u64::from(most) + 1)));
    }

    /// G1 accepts: the defaults, and thresholds that meet by one basis point.
    /// G1 refuses: every relation that does not hold.
    #[test]
    fn parameters_that_break_g1_are_refused() {
        use ParameterRefusal::*;
        let check = |one, two, expect| {
            let parameters = Parameters { track1_bp: one, track2_bp: two, ..Parameters::default() };
            assert_eq!(parameters.check(), expect, "{one} {two}");
        };
        check(3001, 7000, Ok(()));
        check(3335, 6666, Ok(()));
        check(3334, 6666, Err(QuorumsDoNotMeet(3334, 6666)));
        check(3336, 6665, Err(Track2TooLow(6665)));
        check(7001, 7000, Err(Track1AboveTrack2(7001, 7000)));
        check(3001, 10_001, Err(TooManyBasisPoints(10_001)));
        let interval =
            |seal_interval| Parameters { seal_interval, ..Parameters::default() }.check();
        let day = SEAL_INTERVAL_MAX.as_secs() as u32;
        assert_eq!(interval(0), Err(NoInterval));
        assert_eq!([interval(day - 1), interval(day)], [Ok(()), Ok(())]);
        assert_eq!(interval(day + 1), Err(IntervalTooLong(day + 1)));
        let voters = |min_voters| Parameters { min_voters, ..Parameters::default() }.check();
        let most = PARTICIPANTS_MAX as u32;
        assert_eq!(voters(0), Err(NoVoters));
        assert_eq!([voters(most - 1), voters(most)], [Ok(()), Ok(())]);
        assert_eq!(voters(most + 1), Err(TooManyVoters(most + 1)));
        let limits =
            |open| Parameters { open_operations_max: open, ..Parameters::default() }.check();
        assert_eq!(limits(0), Err(OpenOperations(0)));
        assert_eq!(limits(OPEN_OPERATIONS_MAX - 1), Ok(()));
        assert_eq!(limits(OPEN_OPERATIONS_MAX), Ok(()));
        assert_eq!(limits(OPEN_OPERATIONS_MAX + 1), Err(OpenOperations(OPEN_OPERATIONS_MAX + 1)));
    }

    /// G2 accepts: exactly the threshold.
    /// G2 refuses: one less.
    #[test]
    fn a_threshold_is_reached_exactly() {
        assert!(reaches(3001, 3001, 10_000));
        assert!(!reaches(3000, 3001, 10_000));
        // 30.01 % of five is 1.5005: two of five reach it, one does not.
        assert!(reaches(2, 3001, 5));
        assert!(!reaches(1, 3001, 5));
        assert!(reaches(7, 7000, 10));
        assert!(!reaches(u128::from(u64::MAX), 10_000, u128::from(u64::MAX) + 1));
    }

    #[test]
    fn each_parameter_is_set_by_its_name_and_judged_by_itself() {
        let mut parameters = Parameters::default();
        for (n, (name, _)) in (1u32..).zip(Parameters::default().rows()) {
            parameters.set(name, &n.to_string()).unwrap();
            assert!(parameters.rows().contains(&(name, n)), "{name}");
        }
        assert_eq!(parameters.rows().map(|(_, value)| value), [1, 2, 3, 4, 5, 6]);
        let no_value = |name: &str, value: &str| {
            Err(ParameterRefusal::NoValue(name.to_owned(), value.to_owned()))
        };
        assert_eq!(parameters.set("track1_bp", "65536"), no_value("track1_bp", "65536"));
        assert_eq!(parameters.set("min_voters", "-1"), no_value("min_voters", "-1"));
        let unknown = parameters.set("quorum", "1");
        assert!(matches!(unknown, Err(ParameterRefusal::Unknown(name, _)) if name == "quorum"));
    }

    #[test]
    fn parameters_may_be_as_large_as_their_limits() {
        use ParameterRefusal::*;
        let check = |change: &dyn Fn(&mut Parameters), expect| {
            let mut parameters = Parameters::default();
            change(&mut parameters);
            assert_eq!(parameters.check(), expect);
        };
        check(&|p| p.track2_bp = 10_000, Ok(()));
        check(&|p| (p.track1_bp, p.track2_bp) = (7000, 7000), Ok(()));
        check(&|p| p.min_voters = 1, Ok(()));
        check(&|p| p.min_voters = 0, Err(NoVoters));
        check(&|p| p.seal_interval = 1, Ok(()));
        check(&|p| p.seal_interval = 0, Err(NoInterval));
        check(&|p| p.soft_ttl_max = TTL_SECONDS_MAX, Ok(()));
        let long = TTL_SECONDS_MAX + 1;
        check(&|p| p.soft_ttl_max = long, Err(SoftTtlTooLong(long)));
    }

    #[test]
    fn a_participant_has_a_position_in_the_order_of_the_keys() {
        let roster = Roster::admit(&roster(&[1, 2, 3])).unwrap();
        let keys: Vec<_> = roster.iter().map(|(key, _)| *key).collect();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(roster.position(key), Some(at));
        }
        assert!(keys.is_sorted() && !roster.is_empty());
    }
}
