//! Trees of files from a source to a sink and back: what is kept, what is refused, what is said.
#![expect(
    clippy::disallowed_methods,
    reason = "the trees under test are made with the plain calls of the standard library"
)]

mod changes;
mod children;
mod hostile;
mod roundtrip;
mod selection;
mod support;
mod target;
