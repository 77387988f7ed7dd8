//! Random octets from the operating system, by way of ring.

use ring::rand::SecureRandom as _;
use ring::rand::SystemRandom;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandom;

/// `N` random octets.
///
/// # Errors
/// [`NoRandom`] when the operating system gives none.
pub fn octets<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| NoRandom)?;
    Ok(octets)
}
