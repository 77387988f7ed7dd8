//! `RECOVER.txt`: how a person opens the bundle with stock tools, years from now, without this program.
//!
//! Every command stands alone on a line that begins with four spaces, and every other line does not: a test takes them out and
//! runs them. Variables are set on lines of their own, for the reader to change.

use super::header::Header;
use super::outer::file_name;
use super::outer::slot;
use super::suite::Suite;

/// The text for this bundle: a function of its header and of the names of its key slots alone.
#[must_use]
pub fn text(header: &Header, slots: &[&str]) -> String {
    let mut text = begin(header);
    text.push_str(CHECK);
    text.push_str(DECRYPT);
    let roads = roads(header.suite, slots);
    for (letter, road) in ('a'..).zip(roads) {
        text.push_str(&format_road(letter, &road));
    }
    text.push_str(AFTER);
    text
}

fn begin(header: &Header) -> String {
    let suite = match header.suite {
        Suite::Rfc9580 => "OpenPGP (RFC 9580, SEIPDv2, AES-256-OCB)",
        Suite::Gnupg => "OpenPGP as GnuPG reads it (SEIPDv1, AES-256-CFB with MDC)",
        Suite::Age => "age, version 1 (c2sp.org/age)",
    };
    format!(
        "\
How to open this bundle without the program that made it
========================================================

Bundle      {}
Set         {}
Begun       {}
Made by     {}
Format      hub-backup bundle, version {}
Encryption  {suite}

This file lies in a folder that was unpacked from the bundle with
\"tar -xf {}\". Open bash in this folder. Lines that begin
with four spaces are commands; give them one after another. Each must end
without an error. Change the lines that set a variable, NAME=value, to suit you.

    set -o pipefail

The files that these commands make are for you alone:

    umask 077

What is here:

  header.json        what you read above
  keyslots/          the key of the data, locked for each kind of recipient
  data/              the data: one encrypted file, cut into pieces
  index/             the list of what is in it, encrypted in the same way
  SHA256SUMS         the digests of all these
  manifest.json      what was signed: it holds the digest of SHA256SUMS
  manifest.json.asc  the signature


",
        header.bundle,
        header.set,
        header.created,
        header.tool,
        header.version,
        file_name(&header.bundle),
    )
}

const CHECK: &str = "\
1. Check that the bundle is whole and genuine
---------------------------------------------

Do this first: what was not checked must not be decrypted.

Every file must be OK:

    sha256sum -c SHA256SUMS

The digest of SHA256SUMS must be in the manifest. This prints the line of it, or
nothing when it is not there:

    grep \"$(sha256sum < SHA256SUMS | cut -d ' ' -f 1)\" manifest.json

The manifest must be signed by a key that you trust. Take the certificate of the
signer from a place that you trust, never from the bundle or from beside it:

    SIGNER=signer.asc

With GnuPG, which must say \"Good signature\" and name the fingerprint that you expect:

    gpg --import \"$SIGNER\"
    gpg --verify manifest.json.asc manifest.json

Or with sqv, which prints the fingerprint:

    sqv --keyring \"$SIGNER\" manifest.json.asc manifest.json

Or with sq 1.3 or later (sequoia-pgp.org), which must say \"Authenticated signature made by\"
and the fingerprint; it also reads the newer keys, of version 6, that GnuPG does not know:

    sq verify --signer-file \"$SIGNER\" --signature-file manifest.json.asc manifest.json


";

const DECRYPT: &str = "\
2. Decrypt and unpack
---------------------

The data goes into a new folder, and the list of it into the file index.jsonl:

    OUT=restored
    mkdir \"$OUT\"

";

/// One way to open the bundle, with the key of one slot.
struct Road {
    title: &'static str,
    words: &'static str,
    /// Commands that come before.
    before: Vec<&'static str>,
    /// What stands before each container: slots of the payload and of the index.
    heads: [Option<&'static str>; 2],
    /// What decrypts.
    decrypt: &'static str,
    after: Vec<&'static str>,
}

fn roads(suite: Suite, slots: &[&str]) -> Vec<Road> {
    let road = |name: &&str| match suite {
        Suite::Rfc9580 | Suite::Gnupg => openpgp_road(suite, name),
        Suite::Age => age_road(name),
    };
    slots.iter().filter_map(road).collect()
}

const OPENPGP_HEADS: [Option<&str>; 2] = [Some(slot::OPENPGP); 2];
const AGE_HEADS: [Option<&str>; 2] = [Some(slot::AGE), Some(slot::AGE_INDEX)];
const AGE_KEY: &str = "KEY=identity.txt";
const OPENPGP_KEY: &str = "KEY=secret-key.asc";

fn openpgp_road(suite: Suite, name: &str) -> Option<Road> {
    let is_gnupg = suite == Suite::Gnupg;
    let (decrypt, words) = if is_gnupg {
        (
            "gpg --override-session-key-fd 3 --decrypt 3< session-key.txt",
            SESSION_KEY_GPG,
        )
    } else {
        (
            "sq decrypt --quiet --session-key \"$(cat session-key.txt)\"",
            SESSION_KEY_SQ,
        )
    };
    let with_session_key = |title, open: Vec<&'static str>| Road {
        title,
        words,
        before: open,
        heads: [None; 2],
        decrypt,
        after: vec!["rm session-key.txt"],
    };
    Some(match name {
        slot::OPENPGP if is_gnupg => Road {
            title: "With an OpenPGP secret key",
            words: GNUPG,
            before: vec![OPENPGP_KEY, "gpg --pinentry-mode loopback --import \"$KEY\""],
            heads: OPENPGP_HEADS,
            decrypt: "gpg --pinentry-mode loopback --decrypt",
            after: vec![],
        },
        slot::OPENPGP => Road {
            title: "With an OpenPGP secret key",
            words: RFC9580,
            before: vec![OPENPGP_KEY],
            heads: OPENPGP_HEADS,
            decrypt: "sq decrypt --recipient-file \"$KEY\"",
            after: vec![],
        },
        slot::SESSION_KEY => with_session_key(
            "With an age identity",
            vec![
                AGE_KEY,
                "(umask 077; age --decrypt -i \"$KEY\" keyslots/session-key.age > session-key.txt)",
            ],
        ),
        slot::PASSPHRASE => with_session_key(
            "With the passphrase of the bundle",
            vec!["(umask 077; age --decrypt keyslots/passphrase.age > session-key.txt)"],
        ),
        _ => return None,
    })
}

fn age_road(name: &str) -> Option<Road> {
    Some(match name {
        slot::AGE => Road {
            title: "With an age identity",
            words: "With age 1.0 or later (age-encryption.org):",
            before: vec![AGE_KEY],
            heads: AGE_HEADS,
            decrypt: "age --decrypt -i \"$KEY\"",
            after: vec![],
        },
        slot::PASSPHRASE => Road {
            title: "With the passphrase of the bundle",
            words: "With age 1.0 or later (age-encryption.org). The passphrase opens an identity that was made\n\
                    for this bundle; it is removed at the end:",
            before: vec!["(umask 077; age --decrypt keyslots/passphrase.age > bundle-identity.txt)"],
            heads: AGE_HEADS,
            decrypt: "age --decrypt -i bundle-identity.txt",
            after: vec!["rm bundle-identity.txt"],
        },
        _ => return None,
    })
}

const GNUPG: &str = "\
With GnuPG 2.2 or later. It asks for the passphrase of a locked key here in the terminal;
without --pinentry-mode loopback it would ask in a dialog, which servers do not have:";

const RFC9580: &str = "\
With sq 1.3 or later (sequoia-pgp.org). It asks for the passphrase of a locked key each time,
and speaks of 0 signatures: the one that counts was checked in section 1. Every other program
for RFC 9580 decrypts too; those of the Stateless OpenPGP Interface, such as rsop, as:
rsop decrypt \"$KEY\"";

const SESSION_KEY_GPG: &str = "\
With age 1.0 or later (age-encryption.org) and GnuPG 2.2 or later. The file session-key.txt
opens this bundle to whoever has it; it is removed at the end:";

const SESSION_KEY_SQ: &str = "\
With age 1.0 or later (age-encryption.org) and sq 1.3 or later (sequoia-pgp.org). The file
session-key.txt opens this bundle to whoever has it; it is removed at the end. While sq
runs, the list of processes shows the key: use a computer that nobody else uses. Without
--quiet, sq shows it on the screen too:";

fn format_road(letter: char, road: &Road) -> String {
    let title = format!("2{letter}. {}", road.title);
    let line = "-".repeat(title.len());
    let join = |head: Option<&str>, folder: &str| match head {
        Some(head) => format!("(cat keyslots/{head}; find {folder} -type f | sort | xargs cat)"),
        None => format!("find {folder} -type f | sort | xargs cat"),
    };
    let decrypt = road.decrypt;
    let containers = [
        format!("{} | {decrypt} | zstd -dc > index.jsonl", join(road.heads[1], "index")),
        format!(
            "{} | {decrypt} | zstd -dc | tar -xp -C \"$OUT\"",
            join(road.heads[0], "data")
        ),
    ];
    let before = road.before.iter().map(ToString::to_string);
    let after = road.after.iter().map(ToString::to_string);
    let commands: Vec<String> = before
        .chain(containers)
        .chain(after)
        .map(|command| format!("    {command}\n"))
        .collect();
    format!("{title}\n{line}\n\n{}\n\n{}\n", road.words, commands.concat())
}

const AFTER: &str = "
3. Join what was stored in parts
--------------------------------

What was backed up as a stream of unknown length, such as the output of a command, lies in
parts: NAME.part-00000000, NAME.part-00000001 and so on. This joins them:

    find \"$OUT\" -name '*.part-00000000' -exec sh -c 'printf \"%s\\0\" \"${1%00000000}\"[0-9]* | xargs -0 cat > \"${1%.part-00000000}\"' join {} \\;

The parts stay until you remove them.


4. Compare with the list
------------------------

index.jsonl has one record on each line. Records of the kind \"entry\" describe files, folders
and links with their size and SHA-256, \"stream\" what section 3 has joined, \"exception\" what
could not be backed up. This takes the digests out of it and compares every file. Each line
must end with OK; names with quotes, backslashes or bytes that are no UTF-8 are left out:

    sed -n -e 's/^{\"entry\":{\"path\":\"\\([^\"\\]*\\)\",\"node\":{\"file\":{.*\"sha256\":\"\\([0-9a-f]*\\)\".*/\\2  \\1/p' -e 's/^{\"stream\":{\"path\":\"\\([^\"\\]*\\)\",.*\"sha256\":\"\\([0-9a-f]*\\)\".*/\\2  \\1/p' index.jsonl | (cd \"$OUT\" && sha256sum -c)

Data of a folder was unpacked with its permissions; as root, add --xattrs --numeric-owner to tar
for owners and extended attributes. Where the data has a restore.sql or a database file, it
is for the program that it came from.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn header(suite: Suite) -> Header {
        Header {
            format: super::super::header::MAGIC.to_owned(),
            version: 1,
            bundle: "20260131T235959Z-0123456789abcdef".parse().expect("an id"),
            set: "accounts".parse().expect("a name"),
            created: "2026-01-31T23:59:59Z".parse().expect("a time"),
            suite,
            segment_bytes: 4 << 20,
            block_bytes: 1 << 20,
            tool: "hub-backup 0.1.0".to_owned(),
        }
    }

    #[test]
    fn every_slot_has_its_commands() {
        for suite in [Suite::Rfc9580, Suite::Gnupg] {
            let text = text(&header(suite), &[slot::OPENPGP, slot::SESSION_KEY, slot::PASSPHRASE]);
            for title in [
                "\n2a. With an OpenPGP",
                "\n2b. With an age",
                "\n2c. With the passphrase",
            ] {
                assert!(text.contains(title), "{title}");
            }
        }
        let text = text(&header(Suite::Age), &[slot::AGE, slot::AGE_INDEX, slot::PASSPHRASE]);
        assert!(text.contains("\n2a. With an age") && text.contains("\n2b. With the passphrase"));
        assert!(!text.contains("\n2c"), "the header of the index is no slot of its own");
    }

    #[test]
    fn slots_that_are_not_there_are_not_spoken_of() {
        let text = text(&header(Suite::Gnupg), &[slot::OPENPGP]);
        assert!(!text.contains("session-key") && !text.contains("\n2b"));
    }

    #[test]
    fn lines_fit_a_screen_or_are_commands() {
        for suite in Suite::ALL {
            let all = [
                slot::OPENPGP,
                slot::SESSION_KEY,
                slot::AGE,
                slot::AGE_INDEX,
                slot::PASSPHRASE,
            ];
            let text = text(&header(suite), &all);
            assert!(text.is_ascii() && text.ends_with('\n') && !text.contains('\t'));
            assert!((text.len() as u64) < crate::base::limits::RECOVER_BYTES_MAX);
            for line in text.lines() {
                assert!(line.starts_with("    ") || line.len() <= 100, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }
}
