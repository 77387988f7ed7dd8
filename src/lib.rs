//! hub-backup: a cryptographic backup archiver.
//!
//! It streams databases, files, settings and the output of programs into one **bundle**: compressed, encrypted, signed, chained
//! to the bundle before it, written once and never changed. There are two roads, and only [`flow`] joins the stages of each:
//!
//! ```text
//! source → pack → compress → encrypt → envelope → seal → store    backup
//! store → verify → decrypt → decompress → unpack → sink           restore
//! ```
//!
//! Read on in this order: [`bundle`] says what a bundle is, [`flow::backup`] and [`flow::restore`] are the roads,
//! [`flow::verify`] makes the only value that can be restored, [`job`] makes a whole piece of work of a road, [`cli`] talks to people.
//!
//! | level | modules | what |
//! |---|---|---|
//! | 6 | [`cli`] | words, flags, colours, exit codes |
//! | 5 | [`job`] | lease, flow, chain and audit: one whole piece of work |
//! | 4 | [`flow`], [`config`] | join the stages; flags over environment over file |
//! | 3 | [`source`], [`pack`], [`compress`], [`encrypt`], [`seal`], [`envelope`], [`store`], [`sink`]; [`policy`]; [`catalog`], [`audit`] | stages, which never import each other; decisions; memory |
//! | 2 | [`bundle`], [`keyring`], [`server`] | nouns; talking to database servers |
//! | 1 | [`base`] | imports nothing of ours |
//!
//! Imports only go down; `tests/layers.rs` fails when one does not. `docs/format.md` is the stored format, octet by octet.
//!
//! # Example
//!
//! What a recipient's key opens, nobody else opens: a container and its key slots.
//!
//! ```
//! use std::io::{Cursor, Read, Write};
//!
//! use hub_backup::base::clock::{Clock, SystemClock};
//! use hub_backup::bundle::outer::Container;
//! use hub_backup::bundle::suite::Suite;
//! use hub_backup::encrypt::{ContentKey, decryptor, encryptor, slots};
//! use hub_backup::keyring::{Identity, Recipient, dialog::Dialog, make::make_age_identity};
//!
//! let (recipient, identity) = make_age_identity();
//! let key = ContentKey::generate(Suite::Age)?;
//! let slots = slots::write_slots(&key, &[Recipient::Age(recipient)], SystemClock.now(), &Dialog::default())?;
//! let mut out = encryptor(&key, Container::Payload, Vec::new())?;
//! out.write_all(b"the only copy")?;
//! let stored = out.finish()?;
//!
//! let key = slots::open_slots(Suite::Age, &slots, &[Identity::age(identity)])?;
//! let length = stored.len() as u64;
//! let mut text = String::new();
//! decryptor(&key, Container::Payload, Cursor::new(stored), length, 0)?.read_to_string(&mut text)?;
//! assert_eq!(text, "the only copy");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod base;
pub mod bundle;
pub mod catalog;
pub mod cli;
pub mod compress;
pub mod config;
pub mod encrypt;
pub mod envelope;
pub mod flow;
pub mod job;
pub mod keyring;
pub mod pack;
pub mod policy;
pub mod seal;
pub mod server;
pub mod sink;
pub mod source;
pub mod store;
