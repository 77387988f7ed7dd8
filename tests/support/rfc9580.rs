//! The programs for RFC 9580 that tests use beside those of the system, as `tests/install.sh` installs them.

use std::path::Path;
use std::path::PathBuf;

/// The folder with the command `sq`, version 1.3 or later.
pub(crate) fn sq() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder");
    installed(target.join("sq/bin"), "sq")
}

/// The folder with the command `openpgp-js`, which has nothing in common with the library of hub-backup and of sq.
pub(crate) fn openpgp_js() -> PathBuf {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let _library = installed(interop.join("node_modules"), "openpgp");
    installed(interop.join("bin"), "openpgp-js")
}

fn installed(folder: PathBuf, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: sh tests/install.sh test", path.display());
    folder
}
