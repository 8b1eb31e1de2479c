//! Locations (LOC, RFC 1876).

use super::{
    Fault,
    parse::Words,
    write::{self, number},
};

/// Latitude and longitude of the equator and the prime meridian on the wire.
const MIDDLE: i64 = 1 << 31;
/// Thousandths of an arc second in a degree.
const DEGREE: i64 = 3_600_000;
/// Centimetres that the wire's altitude is above what it means (RFC 1876 section 2).
const ALTITUDE_BASE_CM: i64 = 10_000_000;
/// Size, horizontal and vertical precision when left out: 1 m, 10 km, 10 m (RFC 1876 section 3).
const SIZES_CM: [i64; 3] = [100, 1_000_000, 1000];

/// Checks sixteen octets: version, size, two precisions, latitude, longitude, altitude.
pub(super) fn check(octets: &[u8]) -> Result<&[u8], Fault> {
    if octets[0] != 0 {
        return Err(Fault::LocationVersion(octets[0]));
    }
    let is_size = |size: &u8| *size == 0 || (1..=9).contains(&(size >> 4)) && size & 0xf <= 9;
    if !octets[1..4].iter().all(is_size) {
        return Err(Fault::LocationSize);
    }
    let angle = |at: usize| (i64::from(number(&octets[at..at + 4])) - MIDDLE).abs();
    if angle(4) > 90 * DEGREE || angle(8) > 180 * DEGREE {
        return Err(Fault::LocationRange);
    }
    Ok(octets)
}

pub(super) fn parse(words: &mut Words<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let latitude = angle(words, 90, ["N", "S"])?;
    let longitude = angle(words, 180, ["E", "W"])?;
    let altitude = centimetres(words.plain()?)? + ALTITUDE_BASE_CM;
    let altitude = u32::try_from(altitude).map_err(|_| Fault::Location)?;
    let mut sizes = SIZES_CM;
    for size in &mut sizes {
        if words.peek().is_some() {
            *size = centimetres(words.plain()?)?;
        }
    }
    out.push(0);
    for size in sizes {
        out.push(size_octet(size)?);
    }
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(altitude.to_be_bytes());
    Ok(())
}

/// `degrees [minutes [seconds[.thousandths]]] N|S`.
fn angle(words: &mut Words<'_>, degrees_max: i64, [plus, minus]: [&str; 2]) -> Result<u32, Fault> {
    let mut total = decimal(words.plain()?, 0)? * DEGREE;
    for unit in [60_000, 1] {
        let text = words.plain()?;
        if text.eq_ignore_ascii_case(plus) || text.eq_ignore_ascii_case(minus) {
            return signed(total, text.eq_ignore_ascii_case(minus), degrees_max);
        }
        let value = if unit == 1 { decimal(text, 3)? } else { decimal(text, 0)? * unit };
        if value >= 60 * if unit == 1 { 1000 } else { unit } {
            return Err(Fault::LocationRange);
        }
        total += value;
    }
    match words.plain()? {
        text if text.eq_ignore_ascii_case(plus) => signed(total, false, degrees_max),
        text if text.eq_ignore_ascii_case(minus) => signed(total, true, degrees_max),
        _ => Err(Fault::Location),
    }
}

fn signed(total: i64, negative: bool, degrees_max: i64) -> Result<u32, Fault> {
    if total > degrees_max * DEGREE {
        return Err(Fault::LocationRange);
    }
    let wire = MIDDLE + if negative { -total } else { total };
    u32::try_from(wire).map_err(|_| Fault::LocationRange)
}

/// Metres with up to two decimals and an optional `m`, in centimetres.
fn centimetres(text: &str) -> Result<i64, Fault> {
    let text = text.strip_suffix(['m', 'M']).unwrap_or(text);
    match text.strip_prefix('-') {
        Some(text) => decimal(text, 2).map(|value| -value),
        None => decimal(text, 2),
    }
}

/// An unsigned decimal with at most `places` decimals, times ten to the `places`.
fn decimal(text: &str, places: usize) -> Result<i64, Fault> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 10
        || part.len() > places
        || !digits(whole)
        || !digits(part)
    {
        return Err(Fault::Location);
    }
    format!("{whole}{part:0<places$}").parse().map_err(|_| Fault::Location)
}

/// A digit in the high half times ten to the power in the low half; more digits are cut off, as
/// the sample code of RFC 1876 does.
fn size_octet(mut centimetres: i64) -> Result<u8, Fault> {
    if centimetres < 0 {
        return Err(Fault::LocationSize);
    }
    let mut exponent = 0;
    while centimetres >= 10 {
        centimetres /= 10;
        exponent += 1;
    }
    if exponent > 9 { Err(Fault::LocationSize) } else { Ok((centimetres as u8) << 4 | exponent) }
}

/// Appends all fields, the optional ones too.
pub(super) fn write(octets: &[u8], out: &mut String) -> Option<()> {
    write_angle(number(octets.get(4..8)?), ["N", "S"], out);
    write_angle(number(octets.get(8..12)?), ["E", "W"], out);
    write_metres(i64::from(number(octets.get(12..16)?)) - ALTITUDE_BASE_CM, out);
    for size in octets.get(1..4)? {
        write_metres(i64::from(size >> 4) * 10i64.pow(u32::from(size & 0xf)), out);
    }
    Some(())
}

fn write_angle(wire: u32, [plus, minus]: [&str; 2], out: &mut String) {
    let angle = i64::from(wire) - MIDDLE;
    let (total, side) = (angle.abs(), if angle < 0 { minus } else { plus });
    let (degrees, minutes) = (total / DEGREE, total / 60_000 % 60);
    let (seconds, thousandths) = (total / 1000 % 60, total % 1000);
    write::word(out, format_args!("{degrees} {minutes} {seconds}.{thousandths:03} {side}"));
}

fn write_metres(centimetres: i64, out: &mut String) {
    let sign = if centimetres < 0 { "-" } else { "" };
    let size = centimetres.abs();
    write::word(out, format_args!("{sign}{}.{:02}m", size / 100, size % 100));
}
