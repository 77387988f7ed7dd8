//! What a new store says to people: its settings file, the note beside the keys that leave, and the list of files.

use crate::bundle::name::SetName;
use crate::config::value::SuiteChoice;

use super::Placed;

/// The settings of a new store. Relative paths begin at the folder of the file.
pub(super) fn settings(set: &SetName, suite: SuiteChoice) -> String {
    // A dot would begin a table within the table.
    let key = if set.as_str().contains('.') {
        format!("\"{set}\"")
    } else {
        set.to_string()
    };
    format!(
        r#"# Settings of hub-backup. Relative paths begin at the folder of this file.
# `hub-backup config check` lists what is wrong, `hub-backup config show` what is in effect.

[store]
path = "store"

[keys]
roots = ["keys/root.asc"]             # trusted because it is named here; nothing else is
certificates = ["keys"]               # certificates of signers: put new and revoked ones there too
signer = "secrets/signer.key"         # signs bundles on this host

[recipients]                          # who can open bundles; their secret keys are not on this host
openpgp = ["keys/recipient-operations.asc", "keys/recipient-escrow.asc"]

[policy]
recipients_min = 2                    # refuse to back up for fewer recipients

[defaults]
suite = "{suite}"                        # auto takes what the recipients can open; or rfc9580, gnupg, age
# level = 3                           # of zstd, 1 to 19
# jobs = 0                            # worker threads; 0 is one a core

[sets.{key}]                            # a series of bundles of the same sources
sources = [
    # "postgres://backup@db.example.org/hub?sslmode=verify-full",
    # "mysql://backup@db.example.org/shop?ssl-mode=VERIFY_IDENTITY",
    # "sqlite:/var/lib/hub/hub.db",
    # "config:/etc/hub/hub.env",
    # "files:/srv/hub/manifests",
    # "command:export=hub-cli export-manifests --output -",
]
# exclude = ["*.tmp"]                 # files to leave out
# redact_secrets = true               # replace secrets in config files instead of refusing them
# retention_class = "daily"           # a word for the retention rules
"#
    )
}

/// The note beside the keys that must leave the host.
pub(super) fn readme(set: &SetName, repository: &str, locked: bool) -> String {
    let lock = if locked {
        "The secret keys (*.key) are locked with the passphrase that was given to `hub-backup init`. Keep the\n\
         passphrase apart from the keys, where their keepers find it: without it, the keys open nothing."
    } else {
        "The secret keys (*.key) are NOT locked: whoever reads these files has the keys."
    };
    format!(
        "Secret keys of the backups of {set} (store {repository})\n\
         \n\
         Move everything in this folder away from the backup host, to the places below, and check that the copies can be\n\
         read. Then remove this folder. Making backups needs none of it: as long as it lies here, whoever breaks into the\n\
         backup host can read every backup, and name new signers.\n\
         \n\
         {lock}\n\
         \n\
         root.key                   Certifies and takes back signers. On an offline medium, in a safe; two copies in two\n\
         \x20                          places. Lost: a new root has to be made, and pinned on every machine that verifies.\n\
         recipient-operations.key   Opens bundles. On the restore host, or in the vault of whoever restores. Lost: the\n\
         \x20                          escrow key still opens every bundle; make a new one and name it in the settings.\n\
         recipient-escrow.key       Opens bundles when the operations key is lost. At another place, with other people.\n\
         \x20                          Lost together with the operations key: NOBODY can open the bundles any more, ever.\n\
         *.rev                      Revocations, made beforehand, with the reason compromised: whoever publishes one makes\n\
         \x20                          all that the key ever signed count for nothing. Each with somebody who reports the loss\n\
         \x20                          of that key, and not beside the key: root.rev does not go where root.key goes.\n\
         \x20                              hub-backup keys revoke signer.asc --revocation signer.rev --out revoked.asc\n\
         \x20                          Lost: the key can still be revoked with its secret part.\n\
         \n\
         The public certificates are in ../keys. root.asc is what every machine that verifies has to pin; compare its\n\
         fingerprint by another way when it is copied: `hub-backup keys show root.asc`.\n"
    )
}

const SETTINGS: &str = "settings; name the sources in it";
const REMAKE: &str = "write it anew; docs/settings.md has every setting";
const BUNDLES: &str = "the store, signed by the root; still empty";
const LOST_STORE: &str = "the bundles are lost: copy the store to another place, too";
const EVERYBODY: &str = "public; on every machine that verifies or restores, pinned with --root";
const SIGNERS: &str = "public; on every machine that verifies or restores, named with --certificate";
const HERE: &str = "public; on every host that makes backups";
const FROM_KEY: &str = "take it from another machine, or out of the secret key";
const NEW_SIGNER: &str = "make a new one, certified by the root; what it signed stays good";
const ROOT: &str = "offline, in a safe, two copies in two places";
const NEW_ROOT: &str = "no signer can be certified: make a new root, pin it everywhere";
const OPERATIONS: &str = "the restore host, or the vault of whoever restores";
const ESCROW_OPENS: &str = "the escrow key still opens every bundle: make a new one";
const ESCROW: &str = "another place, other people than operations";
const NOBODY_OPENS: &str = "with the operations key lost too, nobody opens the bundles, ever";
const REVOKER: &str = "whoever reports the loss of the key; not beside the key";
const BY_KEY: &str = "the key can still be revoked with its secret part";
const NOTE: &str = "goes with the keys";

/// Every file of a new store, and what becomes of it.
pub(super) fn files(locked: bool) -> Vec<Placed> {
    let leaving = |path: &str, keeper, if_lost| Placed {
        secret: true,
        leaves: true,
        ..placed(path, keeper, if_lost)
    };
    let key = |path: &str, keeper, if_lost| Placed {
        locked,
        ..leaving(path, keeper, if_lost)
    };
    vec![
        placed("hub-backup.toml", SETTINGS, REMAKE),
        placed("store/", BUNDLES, LOST_STORE),
        placed("keys/root.asc", EVERYBODY, FROM_KEY),
        placed("keys/signer.asc", SIGNERS, FROM_KEY),
        placed("keys/recipient-operations.asc", HERE, FROM_KEY),
        placed("keys/recipient-escrow.asc", HERE, FROM_KEY),
        Placed {
            secret: true,
            ..placed("secrets/signer.key", "this host alone", NEW_SIGNER)
        },
        key("move-offline/root.key", ROOT, NEW_ROOT),
        key("move-offline/recipient-operations.key", OPERATIONS, ESCROW_OPENS),
        key("move-offline/recipient-escrow.key", ESCROW, NOBODY_OPENS),
        leaving("move-offline/root.rev", REVOKER, BY_KEY),
        leaving("move-offline/signer.rev", REVOKER, BY_KEY),
        leaving("move-offline/recipient-operations.rev", REVOKER, BY_KEY),
        leaving("move-offline/recipient-escrow.rev", REVOKER, BY_KEY),
        Placed {
            leaves: true,
            ..placed("move-offline/README.txt", NOTE, "nothing")
        },
    ]
}

fn placed(path: &str, keeper: &'static str, if_lost: &'static str) -> Placed {
    Placed {
        path: path.to_owned(),
        secret: false,
        locked: false,
        leaves: false,
        keeper,
        if_lost,
    }
}
