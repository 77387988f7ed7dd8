//! The road out: source → pack → compress → encrypt → envelope → seal → store.

use std::io;
use std::io::Write;

use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::parallel;
use crate::base::parallel::Feed;
use crate::base::parallel::Pool;
use crate::base::progress::Progress;
use crate::base::spool;
use crate::bundle::entry::CollectError;
use crate::bundle::header::Header;
use crate::bundle::index::Begin;
use crate::bundle::index::Facts;
use crate::bundle::index::Record;
use crate::bundle::index::SourceRecord;
use crate::bundle::index::Totals;
use crate::bundle::manifest;
use crate::bundle::manifest::ContainerFacts;
use crate::bundle::manifest::Keys;
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::Members;
use crate::bundle::manifest::PolicyFacts;
use crate::bundle::manifest::SourceFacts;
use crate::bundle::outer::Container;
use crate::bundle::recover;
use crate::compress;
use crate::compress::Compressor;
use crate::encrypt;
use crate::encrypt::ContentKey;
use crate::encrypt::slots;
use crate::encrypt::slots::Slot;
use crate::envelope::write::TooManySegments;
use crate::envelope::write::Writer;
use crate::keyring::Recipient;
use crate::keyring::dialog::Dialog;
use crate::keyring::facts;
use crate::pack::write::Block;
use crate::pack::write::Packer;
use crate::seal;
use crate::seal::Signer;
use crate::source;
use crate::source::Source;

use super::index;
use super::index::IndexWriter;
use super::remarks::Remarks;

/// Everything that is decided before the first byte.
pub struct Plan<'a> {
    /// Identity, suite and sizes of the bundle.
    pub header: Header,
    /// Its place in the chain, counted from 1.
    pub sequence: u64,
    /// The digest of the manifest before it.
    pub previous: Option<Digest>,
    /// Who shall be able to open it.
    pub recipients: &'a [Recipient],
    /// Who signs it.
    pub signers: &'a [&'a dyn Signer],
    /// Retention facts.
    pub policy: PolicyFacts,
    /// Compression level, from [`limits::LEVEL_MIN`] to [`limits::LEVEL_MAX`].
    pub level: i32,
    /// Threads that compress.
    pub jobs: usize,
    /// Whom plugins of age can ask.
    pub dialog: Dialog,
}

/// A bundle that was written whole: what the chain keeps of it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The statement.
    pub manifest: Manifest,
    /// Its bytes, as signed.
    pub bytes: Vec<u8>,
    /// The signatures over them.
    pub signatures: Vec<u8>,
    /// What its index says is not in it.
    pub remarks: Remarks,
}

/// Why a bundle could not be written. Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source could not be read whole.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The work was told to stop.
    #[error("interrupted; nothing was published")]
    Interrupted,
    /// The payload could not be packed.
    #[error("cannot pack the payload")]
    Pack(#[source] CollectError),
    /// A block could not be compressed.
    #[error(transparent)]
    Compress(#[from] compress::Error),
    /// The payload could not be encrypted, or a recipient cannot be used.
    #[error(transparent)]
    Encrypt(#[from] encrypt::Error),
    /// The index could not be written.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The manifest could not be signed.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// The store took no more bytes.
    #[error("cannot write the bundle")]
    Write(#[source] io::Error),
    /// The bundle would be larger than a reader takes.
    #[error(transparent)]
    TooLarge(#[from] TooManySegments),
    /// The manifest would be larger than a reader takes.
    #[error(
        "the manifest would have {bytes} bytes, and a reader takes {}: it speaks of {sources} sources and {recipients} recipients",
        limits::MANIFEST_BYTES_MAX
    )]
    ManifestTooLong {
        /// Its length.
        bytes: usize,
        /// How many sources it speaks of.
        sources: usize,
        /// How many recipients it names.
        recipients: usize,
    },
}

impl Error {
    /// Why the bundle took no more bytes.
    fn unwritten(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Write, Self::TooLarge)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Source(error) => error.kind(),
            Self::Interrupted => Kind::Incomplete,
            Self::Pack(_) => Kind::Internal,
            Self::Compress(error) => error.kind(),
            Self::Encrypt(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Write(_) => Kind::StoreUnavailable,
            Self::TooLarge(error) => error.kind(),
            Self::ManifestTooLong { .. } => Kind::Failed,
            Self::Seal(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Encrypt(error) => error.hint(),
            Self::Seal(error) => error.hint(),
            Self::Interrupted => Some("Run the backup again; what was written so far was removed.".into()),
            Self::Index(error) => error.hint(),
            Self::Write(error) => spool::hint(error).or(Some(
                "Make room in the store or repair it, and run the backup again; nothing was published.".into(),
            )),
            Self::TooLarge(error) => error.hint(),
            Self::ManifestTooLong { .. } => {
                Some("Spread the sources over several sets, or name fewer recipients; nothing was published.".into())
            }
            Self::Pack(_) | Self::Compress(_) => None,
        }
    }
}

/// Writes one bundle of all `sources` to `out`, which is not visible to anyone before its owner publishes it.
///
/// # Errors
/// See [`Error`].
pub fn backup<W: Write>(
    plan: &Plan<'_>,
    sources: &mut [Box<dyn Source>],
    out: W,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Sealed, Error> {
    seal::check_count(plan.signers)?;
    // A new key for this bundle alone, wrapped for each recipient. A plugin may ask for something meanwhile, so no bar is shown.
    let key = ContentKey::generate(plan.header.suite)?;
    let slots = slots::write_slots(&key, plan.recipients, plan.header.created, &plan.dialog)?;

    // The end can be foreseen when every source knows its size.
    progress.begin("backing up", sources.iter().map(|source| source.size_hint()).sum());
    let sealed = write(plan, &key, &slots, sources, out, progress, cancel);
    progress.end();
    sealed
}

/// Writes the members of the bundle in their order.
fn write<W: Write>(
    plan: &Plan<'_>,
    key: &ContentKey,
    slots: &[Slot],
    sources: &mut [Box<dyn Source>],
    out: W,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Sealed, Error> {
    let slots: Vec<(&str, &[u8])> = slots
        .iter()
        .map(|slot| (slot.name.as_str(), slot.bytes.as_slice()))
        .collect();
    let names: Vec<&str> = slots.iter().map(|(name, _)| *name).collect();
    let recover = recover::text(&plan.header, &names);
    let mut writer = Writer::begin(out, &plan.header, &recover, &slots).map_err(Error::Write)?;

    // The payload, and beside it the index of what is in it.
    let mut index = IndexWriter::new(key, plan.header.block_bytes, plan.level)?;
    index.add(Record::Begin(Begin {
        version: crate::bundle::index::VERSION,
        bundle: plan.header.bundle.clone(),
    }))?;
    let container = encrypt::encryptor(key, Container::Payload, writer.container(Container::Payload))?;
    let (collected, data) = payload(plan, sources, container, &mut index, progress, cancel)?;

    // The index, stored after the payload.
    let mut container = writer.container(Container::Index);
    index.finish(&mut container)?;
    let index = container.finish().map_err(Error::unwritten)?;

    // The statement about all of it, signed.
    let unsealed = writer.end(data, index).map_err(Error::Write)?;
    let Collected { facts, totals, remarks } = collected;
    let manifest = manifest(plan, facts, totals, unsealed.members.clone(), key);
    let bytes = statement(&manifest)?;
    let signatures = seal::seal(&bytes, plan.signers, plan.header.created)?;
    let _out = unsealed.seal(&bytes, &signatures).map_err(Error::Write)?;
    Ok(Sealed {
        manifest,
        bytes,
        signatures,
        remarks,
    })
}

/// What the sources gave.
struct Collected {
    facts: Vec<SourceFacts>,
    totals: Totals,
    remarks: Remarks,
}

/// A block on its way from a compressing thread to the encrypting one; its bytes before compression have gone back to the packer.
struct Compressed {
    frame: Vec<u8>,
    block: Block,
}

/// Sources on one thread, compression on `jobs` threads, encryption and writing here.
fn payload<W: Write>(
    plan: &Plan<'_>,
    sources: &mut [Box<dyn Source>],
    mut container: encrypt::Encryptor<crate::envelope::write::SegmentWriter<'_, W>>,
    index: &mut IndexWriter,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Collected, ContainerFacts), Error> {
    let (blocks, frames) = (Pool::new(plan.jobs + 2), Pool::new(plan.jobs + 2));
    let mut offset = 0;
    let mut remarks = Remarks::default();
    let (facts, totals) = parallel::ordered(
        plan.jobs,
        |feed| collect(plan, sources, &feed, blocks.clone(), progress, cancel),
        || {
            let (blocks, frames) = (blocks.clone(), frames.clone());
            let mut compressor = Compressor::new(plan.level);
            move |mut block: Block| {
                let mut frame = frames.take();
                compress_block(&mut compressor, &block.bytes, &mut frame)?;
                blocks.give(std::mem::take(&mut block.bytes));
                Ok(Compressed { frame, block })
            }
        },
        |compressed| {
            let Compressed { frame, block } = compressed?;
            index.block(block.number, offset);
            offset += compress::write_frame(&frame, &mut container).map_err(Error::unwritten)?;
            for record in block.records {
                remarks.see(&record);
                index.add(record)?;
            }
            index.forget_before(block.oldest);
            frames.give(frame);
            Ok::<(), Error>(())
        },
    )??;
    let data = container
        .finish()
        .and_then(crate::envelope::write::SegmentWriter::finish)
        .map_err(Error::unwritten)?;
    let collected = Collected { facts, totals, remarks };
    Ok((collected, data))
}

fn compress_block(
    compressor: &mut Result<Compressor, compress::Error>,
    block: &[u8],
    frame: &mut Vec<u8>,
) -> Result<(), Error> {
    match compressor {
        Ok(compressor) => Ok(compressor.compress(block, frame)?),
        Err(error) => Err(error.again().into()),
    }
}

/// Reads every source in turn into blocks.
fn collect(
    plan: &Plan<'_>,
    sources: &mut [Box<dyn Source>],
    feed: &Feed<Block, Result<Compressed, Error>>,
    pool: Pool,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Vec<SourceFacts>, Totals), Error> {
    let mut hand_out = |block| feed.send(block);
    let seconds = plan.header.created.unix();
    let mut packer = Packer::new(plan.header.block_bytes, seconds, pool, cancel, progress, &mut hand_out);
    let mut facts = Vec::new();
    for source in sources {
        facts.push(collect_source(source.as_mut(), &mut packer, cancel)?);
    }
    let totals = packer.finish().map_err(pack_error)?;
    Ok((facts, totals))
}

fn collect_source(source: &mut dyn Source, packer: &mut Packer<'_>, cancel: &Cancel) -> Result<SourceFacts, Error> {
    let (label, kind) = (source.label().clone(), source.kind());
    packer.note(Record::Source(SourceRecord {
        label: label.clone(),
        kind: kind.clone(),
    }));
    let exceptions_before = packer.exceptions();
    let learnt = source.collect(packer, cancel);
    if cancel.is_set() {
        return Err(Error::Interrupted);
    }
    let learnt = learnt?;
    packer.note(Record::Facts(Facts {
        label: label.clone(),
        facts: learnt.private,
    }));
    let exceptions = packer.exceptions() - exceptions_before;
    Ok(SourceFacts {
        label,
        kind,
        data_time: learnt.data_time,
        facts: learnt.public,
        exceptions,
    })
}

fn pack_error(error: CollectError) -> Error {
    match error {
        CollectError::Interrupted(_) => Error::Interrupted,
        other @ (CollectError::Content(_) | CollectError::Short { .. } | CollectError::Stopped) => Error::Pack(other),
    }
}

/// The bytes of the manifest. The head of a chain that a reader refuses would stop every backup after it.
fn statement(manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let bytes = manifest.to_bytes();
    if bytes.len() as u64 > limits::MANIFEST_BYTES_MAX {
        return Err(Error::ManifestTooLong {
            bytes: bytes.len(),
            sources: manifest.sources.len(),
            recipients: manifest.keys.recipients.len(),
        });
    }
    Ok(bytes)
}

/// The statement about a bundle whose members are written.
fn manifest(
    plan: &Plan<'_>,
    sources: Vec<SourceFacts>,
    totals: Totals,
    members: Members,
    key: &ContentKey,
) -> Manifest {
    let header = &plan.header;
    let at: Timestamp = header.created;
    Manifest {
        format: manifest::MAGIC.to_owned(),
        version: header.version,
        bundle: header.bundle.clone(),
        set: header.set.clone(),
        sequence: plan.sequence,
        previous: plan.previous,
        created: header.created,
        tool: header.tool.clone(),
        suite: header.suite,
        sources,
        members,
        totals,
        key_commitment: key.commitment(&header.bundle),
        keys: Keys {
            signers: plan.signers.iter().map(|signer| signer.facts()).collect(),
            recipients: plan
                .recipients
                .iter()
                .map(|recipient| facts::recipient_facts(recipient, at))
                .collect(),
        },
        policy: plan.policy.clone(),
    }
}

#[cfg(test)]
mod tests;
