//! Keys that run out soon: while there is time to make and certify the next ones, backups still work and nothing else says a word.

use crate::base::clock::SECONDS_A_DAY;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;

/// A key that runs out soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// What it is for.
    pub role: Role,
    /// Its fingerprint.
    pub id: String,
    /// When it expires.
    pub expires: Timestamp,
    /// Whole days until then.
    pub days_left: i64,
}

/// Whole days until `expires`; negative afterwards.
#[must_use]
pub fn days_left(expires: Timestamp, now: Timestamp) -> i64 {
    (expires.unix() - now.unix()).div_euclid(SECONDS_A_DAY)
}

/// Those of the keys that run out soon, each once.
#[must_use]
pub fn among<'k>(keys: impl IntoIterator<Item = &'k KeyFacts>, now: Timestamp) -> Vec<Expiring> {
    let mut found: Vec<Expiring> = Vec::new();
    for key in keys {
        let Some(expires) = key.expires else { continue };
        let days_left = days_left(expires, now);
        let is_known = found.iter().any(|known| known.id == key.id && known.role == key.role);
        if days_left < limits::KEY_DAYS_WARNED && !is_known {
            found.push(Expiring {
                role: key.role,
                id: key.id.clone(),
                expires,
                days_left,
            });
        }
    }
    found
}

impl Expiring {
    /// When, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let at = self.expires;
        match self.days_left {
            ..0 => format!("expired at {at}"),
            0 => format!("expires in less than a day, at {at}"),
            1 => format!("expires in 1 day, at {at}"),
            days => format!("expires in {days} days, at {at}"),
        }
    }

    /// What to do in time.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.role {
            Role::Root => {
                "Make the next root with `hub-backup keys generate --role root`, certify the signers with it, and pin it wherever somebody \
                 verifies."
            }
            Role::Signer => {
                "Make the next signing key with `hub-backup keys generate --role signer` and certify it with `hub-backup keys certify`; \
                 without one, no backup can be made then."
            }
            Role::Recipient => {
                "Bring the next certificate of its keeper and name it instead; no backup can be made for an expired one."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::facts;

    fn at(day: i64, more: i64) -> Timestamp {
        Timestamp::from_unix(day * SECONDS_A_DAY + more).expect("a time")
    }

    #[test]
    fn keys_are_told_of_from_sixty_days_before() {
        let key = |id: &str, expires| KeyFacts {
            id: id.to_owned(),
            expires,
            ..facts::age_facts("age1example")
        };
        let keys = [
            key("later", Some(at(60, 0))),
            key("soon", Some(at(60, -1))),
            key("soon", Some(at(60, -1))),
            key("now", Some(at(0, 1))),
            key("over", Some(at(-1, 0))),
            key("never", None),
        ];
        let told: Vec<(String, i64)> = among(&keys, at(0, 0))
            .into_iter()
            .map(|key| (key.id, key.days_left))
            .collect();
        let wanted = [("soon", 59), ("now", 0), ("over", -1)];
        assert_eq!(told, wanted.map(|(id, days)| (id.to_owned(), days)));
    }
}
