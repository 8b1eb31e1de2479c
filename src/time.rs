//! Times as people write and read them: UTC, days and spans. What time it is now is told.

/// A time in UTC, as RFC 3339 writes it, without the seconds' fraction.
pub fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Since when something is so, for people: `19:27 UTC, 3 minutes ago`, with the day where that was long
/// ago.
pub fn since(seconds: u64, now: u64) -> String {
    let ago = now.saturating_sub(seconds);
    let date = date(seconds);
    let (day, time) = (&date[..10], &date[11..16]);
    let day = if ago < DAY { String::new() } else { format!("{day} ") };
    format!("{day}{time} UTC, {} ago", lasted(ago))
}

/// How long something lasted, in its largest unit.
pub fn lasted(seconds: u64) -> String {
    let units = [(DAY, "day"), (3600, "hour"), (60, "minute")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "second"));
    let count = seconds / unit.0;
    format!("{count} {}{}", unit.1, if count == 1 { "" } else { "s" })
}

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Reads a time in UTC: `2027-01-15`, which is its first second, `2027-01-15T08:30:00Z`, or a span
/// from `now` on: `14d`, `36h`, `90m`.
///
/// # Errors
/// A sentence.
pub fn when(text: &str, now: u64) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{text}` is no time: expected 2027-01-15, 2027-01-15T08:30:00Z, or a span as 14d, 36h \
             or 90m"
        )
    };
    let read = span(text).map(|span| now.saturating_add(span));
    read.or_else(|| point(text)).ok_or_else(wrong)
}

/// As [`when`], of what has been: a span is so long ago.
///
/// # Errors
/// A sentence.
pub fn past(text: &str, now: u64) -> Result<u64, String> {
    span(text).map_or_else(|| when(text, now), |span| Ok(now.saturating_sub(span)))
}

/// Seconds of a span as `14d`, `36h`, `90m` or `5s`.
pub fn span(text: &str) -> Option<u64> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    whole(&text[..unit_at])?.checked_mul(seconds)
}

fn point(text: &str) -> Option<u64> {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = fields(day, '-')?;
    let [hour, minute, second] = fields(time.strip_suffix('Z')?, ':')?;
    let days = days(year as i64, month as i64, day as i64);
    let is_day = civil(days) == (year as i64, month as i64, day as i64);
    let is_time = hour < 24 && minute < 60 && second < 60;
    let seconds = hour * 3600 + minute * 60 + second;
    (is_day && is_time && days >= 0).then(|| days as u64 * 86_400 + seconds)
}

/// Three whole numbers.
fn fields(text: &str, between: char) -> Option<[u64; 3]> {
    let fields: Vec<u64> = text.split(between).map(whole).collect::<Option<_>>()?;
    fields.try_into().ok()
}

fn whole(text: &str) -> Option<u64> {
    let is_short = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok()).flatten()
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant, "chrono-compatible low-level
/// date algorithms", civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_month)
}

/// Days since 1970 of a date (the same source, days_from_civil). Of what is no date: of another.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are those of `date -u -d @…`.
    const TIMES: [(u64, &str); 5] = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ];

    #[test]
    fn times_are_dates_in_utc_and_are_read_back() {
        for (seconds, text) in TIMES {
            assert_eq!(date(seconds), text);
            assert_eq!(when(text, 7), Ok(seconds));
        }
    }

    #[test]
    fn people_read_how_long_ago_it_was() {
        let check = |ago: u64, expect: &str| {
            assert_eq!(since(1_700_000_000, 1_700_000_000 + ago), expect);
        };
        check(0, "22:13 UTC, 0 seconds ago");
        check(60, "22:13 UTC, 1 minute ago");
        check(DAY - 1, "22:13 UTC, 23 hours ago");
        check(DAY, "2023-11-14 22:13 UTC, 1 day ago");
        assert_eq!(since(5, 4), "00:00 UTC, 0 seconds ago");
    }

    #[test]
    fn a_time_is_a_day_or_a_span_and_nothing_else() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(when(text, 1000).ok(), expect, "{text}");
        };
        check("2027-01-15", Some(1_799_971_200));
        check("2d", Some(1000 + 172_800));
        check("36h", Some(1000 + 129_600));
        check("90m", Some(6400));
        assert_eq!(past("90m", 10_000), Ok(4600));
        assert_eq!(past("5d", 1000), Ok(0));
        assert_eq!(past("2027-01-15", 1000), when("2027-01-15", 1000));
        assert!(past("5x", 1000).is_err());
        for wrong in ["", "d", "2", "-1d", "2027-02-30", "2027-13-01", "2027-1", "15.1.2027"] {
            check(wrong, None);
        }
        check("2027-01-15T24:00:00Z", None);
        check("1969-12-31", None);
    }
}
