//! SQLite file names as URIs: the only way to tell SQLite that nobody else uses a file.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The URI under which SQLite opens `absolute` without locks, without a look at `-wal`, and without writing anything beside it.
///
/// Right only for a file that nobody can be writing: SQLite neither locks it nor notices a change. Every byte that means
/// something in a URI is escaped, so `?`, `#` and `%` in a path stay part of the path.
#[must_use]
pub fn immutable(absolute: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in absolute.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a String takes every text");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn nothing_of_a_path_becomes_a_parameter() {
        assert_eq!(
            immutable(Path::new("/a b/?x#%.db")),
            "file:///a%20b/%3Fx%23%25.db?immutable=1"
        );
        let raw = Path::new(OsStr::from_bytes(b"/\xff"));
        assert_eq!(immutable(raw), "file:///%FF?immutable=1");
    }
}
