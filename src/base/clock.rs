//! Time as a value: UTC seconds, written as RFC 3339 with a `Z`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// Seconds of a day; leap seconds are not counted.
pub const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// A moment in UTC, to the second. In text: `2026-01-31T23:59:59Z`, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// The text is not a UTC time to the second.
#[derive(Debug, thiserror::Error)]
#[error("a time is written as 2026-01-31T23:59:59Z, in UTC, between the years 0 and 9999")]
pub struct NotATimestamp;

impl Timestamp {
    /// From seconds since 1970, between the years 0 and 9999.
    ///
    /// # Errors
    /// [`NotATimestamp`] outside those years.
    pub fn from_unix(seconds: i64) -> Result<Self, NotATimestamp> {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| NotATimestamp)?;
        if (0..=9999).contains(&moment.year()) {
            Ok(Self(seconds))
        } else {
            Err(NotATimestamp)
        }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0
    }

    /// The same moment for the standard library; moments before 1970 are 1970.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(self.0).unwrap_or(0))
    }

    /// The moment as `20260131T235959Z`, for names.
    #[must_use]
    pub fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp(self.0).expect("checked by from_unix");
        let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        out.write_str(&moment.format(&layout).expect("every part of the layout exists"))
    }
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let moment = time::PrimitiveDateTime::parse(text, &layout).map_err(|_| NotATimestamp)?;
        let stamp = Self::from_unix(moment.assume_utc().unix_timestamp())?;
        if stamp.to_string() == text {
            Ok(stamp)
        } else {
            Err(NotATimestamp)
        }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = NotATimestamp;

    fn try_from(text: String) -> Result<Self, NotATimestamp> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(stamp: Timestamp) -> Self {
        stamp.to_string()
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become 1970, times after 9999 the last second of 9999.
    fn from(moment: SystemTime) -> Self {
        const LAST: i64 = 253_402_300_799;
        let seconds = moment
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |past| past.as_secs());
        Self(i64::try_from(seconds).unwrap_or(LAST).min(LAST))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the system's clock")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// A clock that stands still, for tests.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let stamp: Timestamp = "2024-02-29T23:59:59Z".parse().expect("a leap day");
        assert_eq!(stamp.to_string(), "2024-02-29T23:59:59Z");
        assert_eq!(stamp.compact(), "20240229T235959Z");
        for wrong in [
            "2023-02-29T00:00:00Z",
            "2024-02-29 23:59:59Z",
            "2024-02-29T23:59:59+00:00",
            "2024-02-29T23:59:60Z",
            "",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }
}
