//! Values of parameters that are one of a few words, and what is said of a wrong one.

use super::error::Error;
use super::parameters::Parameters;

pub(super) fn value(name: &'static str, what: &str) -> Error {
    let what = what.to_owned();
    Error::Value { name, what }
}

/// Which of `words` the parameter is; the first when it is not given.
pub(super) fn choice(all: &Parameters, name: &'static str, words: &[&str]) -> Result<usize, Error> {
    let Some(text) = all.get(name) else { return Ok(0) };
    let place = words.iter().position(|word| *word == text);
    place.ok_or_else(|| value(name, &format!("must be one of {}", words.join(", "))))
}
