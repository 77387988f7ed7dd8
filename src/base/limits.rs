//! Every bound in one place, with the reason for its number.

use super::clock::SECONDS_A_DAY;

/// Size of a segment of a container, in bytes. One segment is held in memory while its tar header waits
/// for its size, so this is part of the memory bound; a multiple of 512, so that full segments need no padding.
pub const SEGMENT_BYTES: u32 = 4 << 20;

/// Largest segment size that a reader accepts: a segment is held in memory while it is checked.
pub const SEGMENT_BYTES_MAX: u32 = 64 << 20;

/// Payload bytes that one block holds before compression, by default: measured, smaller costs ratio, larger costs memory.
pub const BLOCK_BYTES: u32 = 5 << 19;

/// Least bytes of a longer stream for which a part is begun at the end of a block: less is not worth its header.
pub const PART_BYTES_MIN: usize = 64 << 10;

/// Largest block size that a reader accepts: a block is held in memory in both forms.
pub const BLOCK_BYTES_MAX: u32 = 16 << 20;

/// Smallest block and segment size: a header with its longest path and a little content must fit.
pub const BLOCK_BYTES_MIN: u32 = 64 << 10;

/// Largest `manifest.json`, `header.json`: both are small; 1 MiB holds some thousand sources or recipients.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Largest member of `keyslots/`: some thousand recipients.
pub const SLOT_BYTES_MAX: u64 = 1 << 20;

/// Most members in `keyslots/`: one for each kind of slot, with room.
pub const SLOTS_MAX: usize = 16;

/// Largest `manifest.json.asc`: some dozen signatures, also post-quantum ones.
pub const SIGNATURES_BYTES_MAX: u64 = 256 << 10;

/// Largest `RECOVER.txt`.
pub const RECOVER_BYTES_MAX: u64 = 64 << 10;

/// Most segments in one container: their names have eight digits, and 32 bytes for each 1024 of them are held while a bundle is read
/// (4 MiB segments: 16 TiB and 128 KiB of digests).
pub const SEGMENTS_MAX: u64 = 1 << 22;

/// Largest `SHA256SUMS`: a line of less than 128 bytes for each segment of both containers.
pub const SUMS_BYTES_MAX: u64 = 1 << 30;

/// Largest file: what a file offset in Linux can name. Sums of it with a header and its padding do not overflow.
pub const FILE_BYTES_MAX: u64 = i64::MAX as u64;

/// Longest line of the index: one entry with its longest path, its extents and its extended attributes.
pub const INDEX_LINE_BYTES_MAX: usize = 4 << 20;

/// Longest path of an entry: Linux's `PATH_MAX`.
pub const PATH_BYTES_MAX: usize = 4096;

/// Most extents of a sparse file; a file with more is stored dense.
pub const EXTENTS_MAX: usize = 8192;

/// Most bytes of extended attributes of one entry: Linux allows 64 KiB a value.
pub const XATTR_BYTES_MAX: usize = 256 << 10;

/// How far a bundle may be dated in the future without a word: clocks that follow a time server are less than a second apart, those of
/// virtual machines that woke up some minutes.
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 5 * 60;

/// Fewest characters of a passphrase for something new: what NIST SP 800-63B demands of every password.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

/// Characters from which on a new passphrase is not warned of: what NIST SP 800-63B demands of one that stands alone.
pub const PASSPHRASE_CHARS_GOOD: usize = 15;

/// Longest list in a detail of an audit record: what is longer is cut and counted, so that the act stays on record.
pub const DETAIL_BYTES_MAX: usize = 16 << 10;

/// Largest record of the audit log or of the store.
pub const RECORD_BYTES_MAX: u64 = 1 << 20;

/// How often a record of the audit log looks for a free number. Each failure means that another process wrote one, so this
/// many processes would have to be faster.
pub const AUDIT_ATTEMPTS_MAX: u32 = 100;

/// Largest certificate or key file that is read.
pub const KEY_FILE_BYTES_MAX: u64 = 4 << 20;

/// Largest file with revocation lists: those of large public authorities have some ten megabytes.
pub const REVOCATIONS_BYTES_MAX: u64 = 64 << 20;

/// Largest settings file or secret file that is read.
pub const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// Lowest and highest level of zstd: above 19 its memory grows beyond any other part of the program.
pub const LEVEL_MIN: i32 = 1;

/// See [`LEVEL_MIN`].
pub const LEVEL_MAX: i32 = 19;

/// Level of zstd by default: measured, higher levels cost more time than they save space.
pub const LEVEL: i32 = 3;

/// Most worker threads: each holds blocks in both forms.
pub const JOBS_MAX: usize = 256;

/// Largest passphrase: longer than any that a person or a password store gives.
pub const PASSPHRASE_BYTES_MAX: usize = 64 << 10;

/// How long a command may take to give a passphrase, in seconds: somebody may have to touch a token.
pub const PASSPHRASE_COMMAND_SECONDS_MAX: u64 = 300;
/// Largest file of a config source: its tree takes up to forty times its size in memory while secrets are looked for (measured with TOML).
pub const CONFIG_FILE_BYTES_MAX: u64 = 4 << 20;

/// Deepest nesting of a config file that is read by its structure: what serde allows.
pub const CONFIG_DEPTH_MAX: usize = 128;

/// Longest quoted or indented value that is looked for over several lines: room for the longest key file.
pub const CONFIG_VALUE_BYTES_MAX: usize = 64 << 10;

/// Most places with a secret that are kept for one config file: each is a record in memory, and a file with more is no settings file.
pub const CONFIG_FINDINGS_MAX: usize = 10_000;

/// Most places with a secret that an error names: a screenful.
pub const CONFIG_FINDINGS_SHOWN: usize = 40;

/// Most remarks about what is not in a bundle that are kept to be shown, some hundred bytes each: the rest is counted.
pub const REMARKS_MAX: usize = 1000;

/// Most places with a secret that the index of a bundle names for one source: a fact is one line of the index.
pub const CONFIG_FINDINGS_STORED: usize = 1000;

/// How much of the standard error of a command is kept for the error message: its end, and no more than people read.
pub const COMMAND_STDERR_BYTES: usize = 4 << 10;

/// Most bytes that come out of a pipe after its writer has ended: the largest pipe that Linux gives to a user.
pub const COMMAND_PIPE_BYTES_MAX: u64 = 1 << 20;

/// How long a command may go on after it closed its output, and its output may stay open after it ended, in seconds.
pub const COMMAND_LINGER_SECONDS: u64 = 60;

/// How long a command that is told to end is waited for before it is killed, in milliseconds.
pub const COMMAND_GRACE_MILLIS: u64 = 2000;
/// Most certificates in one key file: the recipients and signers of a large organisation.
pub const CERTIFICATES_MAX: usize = 1024;

/// Longest user id of a key that is made: longer ones break the displays of other tools.
pub const USER_ID_BYTES_MAX: usize = 255;

/// Fewest bits of an RSA key: 128 bits of security (NIST SP 800-57).
pub const RSA_BITS_MIN: u32 = 3072;

/// Most signatures over one manifest: an administrator, an auditor and some hosts, with room.
pub const SIGNATURES_MAX: usize = 16;

/// How far the time in a signature may be from the time of what is signed, in seconds: one day, for clocks that differ and
/// dumps that take long.
pub const SIGNATURE_TIME_SECONDS_MAX: u64 = SECONDS_A_DAY.unsigned_abs();

/// How long a database server may take to let somebody in, in seconds, where the connection says nothing else.
pub const DATABASE_CONNECT_SECONDS: u64 = 30;

/// After how many silent seconds a database server is asked whether it is still there, and how long each further question waits.
pub const DATABASE_KEEPALIVE_SECONDS: u64 = 20;

/// After how many unanswered questions a database server counts as gone.
pub const DATABASE_KEEPALIVES_MAX: u32 = 4;

/// How long a lock on a table is waited for, in seconds: whoever holds it changes the table, and whoever waits for us makes others wait.
pub const DATABASE_LOCK_SECONDS: u64 = 60;

/// Steps of SQLite's machine between two looks whether to stop: half a millisecond of computing, some milliseconds where a check reads pages
/// (measured).
pub const SQLITE_STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// Longest plan of a dump of a database server: some hundred bytes for each table, and what the database has of its own.
pub const DUMP_PLAN_BYTES_MAX: usize = 64 << 20;

/// Most missing grants and the like that an error names: a screenful.
pub const DATABASE_PROBLEMS_SHOWN: usize = 40;

/// How many days before a key expires its users are told: enough to make the next one and have it certified by a root that is offline.
pub const KEY_DAYS_WARNED: i64 = 60;
