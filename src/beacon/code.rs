//! The codes of beacons: what people read out, print, scan and type (D1).

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, DecodeKind, HEXLOWER_PERMISSIVE};

use super::{Beacon, BeaconRefusal};
use crate::{
    id::Id,
    key::PublicKey,
    limits::{BEACON_PHASES, PRESENCE_BEACON_BYTES_MAX},
};

/// The short form: `DMCT:0.5428:31415:a3f2c8b9`. It finds a node, and authenticates nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Short {
    /// Ten-thousandths.
    phase: u16,
    port: u16,
    id: [u8; 4],
}

/// A beacon as people hand it on, in either form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    Short(Short),
    /// Connects by itself.
    Long(Beacon),
}

/// Why a text is no beacon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    #[error("this is no beacon: one begins with `{HEAD}`, as in DMCT:0.5428:31415:a3f2c8b9")]
    Foreign,
    #[error("{0} letters are more than the {PRESENCE_BEACON_BYTES_MAX} that a beacon has")]
    TooLong(usize),
    #[error(
        "the beacon is cut off or damaged: expected DMCT:<phase>:<port>:<id> and perhaps `/` with what is signed"
    )]
    Parts,
    #[error("`{0}` is no phase: expected `0.` and four digits")]
    Phase(String),
    #[error("`{0}` is no port: expected a number from 1 to 65535")]
    Port(String),
    #[error("`{0}` is no id of a node: expected eight digits 0-9 a-f")]
    Node(String),
    #[error("letter {0} after the `/` is none of A to Z and 2 to 7")]
    Letter(usize),
    #[error("the part after the `/` is cut off or damaged: its {0} letters are not all of it")]
    Length(usize),
    #[error(transparent)]
    Beacon(#[from] BeaconRefusal),
    #[error("the parts before and after the `/` are of different nodes or ports: one was changed")]
    Apart,
    #[error("this is a long beacon, and a short one is expected: leave out what follows the `/`")]
    NotShort,
}

/// What every code begins with.
const HEAD: &str = "DMCT:";

impl Short {
    /// That of a node at a UDP port: the id is the first four octets of SHA-256 over its key, the
    /// phase the next two as a part of 65536, cut to four decimals.
    pub fn of(key: &PublicKey, port: u16) -> Short {
        let hash = Id::hash(&[key.as_bytes()]);
        let [a, b, c, d, high, low, ..] = *hash.as_bytes();
        let phase = (u32::from(u16::from_be_bytes([high, low])) * BEACON_PHASES) >> 16;
        Short { phase: phase as u16, port, id: [a, b, c, d] }
    }

    /// Whether this key can be meant. Other keys can be made that match as well.
    pub fn matches(&self, key: &PublicKey) -> bool {
        *self == Short::of(key, self.port)
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The phase, in ten-thousandths of a slot (D4).
    pub fn phase(&self) -> u16 {
        self.phase
    }

    /// The four octets that name the node.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Short { phase, port, id } = self;
        write!(f, "{HEAD}0.{phase:04}:{port}:{:08x}", u32::from_be_bytes(*id))
    }
}

impl fmt::Display for Beacon {
    /// The long code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.short(), BASE32_NOPAD.encode(self.bytes()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Short(short) => short.fmt(f),
            Code::Long(beacon) => beacon.fmt(f),
        }
    }
}

impl FromStr for Short {
    type Err = CodeRefusal;

    /// Reads a short code, in capitals or not.
    fn from_str(text: &str) -> Result<Short, CodeRefusal> {
        match parts(text)? {
            (short, None) => Ok(short),
            (_, Some(_)) => Err(CodeRefusal::NotShort),
        }
    }
}

impl FromStr for Code {
    type Err = CodeRefusal;

    /// Reads a code of either form, in capitals or not.
    fn from_str(text: &str) -> Result<Code, CodeRefusal> {
        let (short, signed) = parts(text)?;
        let Some(signed) = signed else { return Ok(Code::Short(short)) };
        let beacon = Beacon::admit(&bytes(signed)?)?;
        if beacon.short() == short { Ok(Code::Long(beacon)) } else { Err(CodeRefusal::Apart) }
    }
}

/// The short form, and what follows the `/`.
fn parts(text: &str) -> Result<(Short, Option<&str>), CodeRefusal> {
    let text = text.trim();
    let head = text.get(..HEAD.len()).filter(|head| head.eq_ignore_ascii_case(HEAD));
    head.ok_or(CodeRefusal::Foreign)?;
    if text.len() > PRESENCE_BEACON_BYTES_MAX {
        return Err(CodeRefusal::TooLong(text.len()));
    }
    let (short, signed) = match text[HEAD.len()..].split_once('/') {
        Some((short, signed)) => (short, Some(signed)),
        None => (&text[HEAD.len()..], None),
    };
    let fields: Vec<&str> = short.split(':').collect();
    let [phase, port, id] = fields[..] else { return Err(CodeRefusal::Parts) };
    let phase = read_phase(phase).ok_or_else(|| CodeRefusal::Phase(phase.to_owned()))?;
    let port = read_port(port).ok_or_else(|| CodeRefusal::Port(port.to_owned()))?;
    let id = read_id(id).ok_or_else(|| CodeRefusal::Node(id.to_owned()))?;
    Ok((Short { phase, port, id }, signed))
}

fn read_phase(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0.").filter(|digits| digits.len() == 4)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn read_port(text: &str) -> Option<u16> {
    // One spelling each: no sign, no zero in front, and no port 0.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    is_plain.then(|| text.parse().ok())?
}

fn read_id(text: &str) -> Option<[u8; 4]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn bytes(text: &str) -> Result<Vec<u8>, CodeRefusal> {
    let upper = text.to_ascii_uppercase();
    BASE32_NOPAD.decode(upper.as_bytes()).map_err(|error| match error.kind {
        DecodeKind::Symbol => CodeRefusal::Letter(error.position + 1),
        // Bits are left over, or too few.
        _ => CodeRefusal::Length(text.len()),
    })
}
