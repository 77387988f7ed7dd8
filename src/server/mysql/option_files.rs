//! The option files of the stock clients: `my.cnf` with groups, `!include` and `!includedir`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::Error;
use super::parameters::Parameters;
use crate::base::input;
use crate::base::limits;

/// Where the stock clients look, before `~/.my.cnf`.
const FILES: [&str; 2] = ["/etc/my.cnf", "/etc/mysql/my.cnf"];
/// The groups that every client reads.
const GROUPS: [&str; 4] = ["client", "client-server", "client-mariadb", "hub-backup"];
/// How deep files may include each other.
const DEPTH_MAX: u32 = 10;

/// Reads one named file, or else the files where the stock clients look; what comes later holds.
///
/// # Errors
/// When a file cannot be read, is writable by anybody, or holds a password that others may read.
pub fn read(named: Option<&Path>, home: Option<&Path>, groups: &[&str]) -> Result<Parameters, Error> {
    let mut reader = Reader {
        groups,
        found: Parameters::default(),
    };
    if let Some(path) = named {
        reader.file(path, Need::Must, 0)?;
        return Ok(reader.found);
    }
    for path in FILES {
        reader.file(Path::new(path), Need::May, 0)?;
    }
    if let Some(home) = home {
        reader.file(&home.join(".my.cnf"), Need::May, 0)?;
    }
    Ok(reader.found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

struct Reader<'g> {
    groups: &'g [&'g str],
    found: Parameters,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, need: Need, depth: u32) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(unfit(
                path,
                "includes files too deeply",
                "Remove the circle of !include lines.",
            ));
        }
        // An option file that says nothing, also for the stock clients.
        if path == Path::new("/dev/null") {
            return Ok(());
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // What the system has and we may not see is no concern of this account, as for the stock clients.
            Err(error) if need == Need::May && is_out_of_sight(&error) => return Ok(()),
            Err(source) => return Err(unreadable(path, source)),
        };
        if metadata.mode() & 0o002 != 0 && metadata.is_file() {
            return Err(unfit(path, "can be written by anybody", "Run chmod o-w on it."));
        }
        if metadata.len() > limits::SETTINGS_BYTES_MAX {
            return Err(unfit(path, "is too large for an option file", "Name the right file."));
        }
        let text = match input::read(path, limits::SETTINGS_BYTES_MAX) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if need == Need::May && is_out_of_sight(&error) => return Ok(()),
            Err(source) => return Err(unreadable(path, source)),
        };
        let text = std::str::from_utf8(&text).map_err(|_| unfit(path, "is not UTF-8", "Write it in UTF-8."))?;
        self.text(path, text, metadata.mode() & 0o077 != 0, depth)
    }

    fn text(&mut self, path: &Path, text: &str, is_open: bool, depth: u32) -> Result<(), Error> {
        let mut ours = false;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(included) = line.strip_prefix("!includedir") {
                self.folder(Path::new(included.trim()), depth)?;
            } else if let Some(included) = line.strip_prefix("!include") {
                self.file(Path::new(included.trim()), Need::Must, depth + 1)?;
            } else if let Some(group) = line.strip_prefix('[') {
                let group = group.split(']').next().unwrap_or_default().trim();
                ours = GROUPS.contains(&group) || self.groups.contains(&group);
            } else if ours {
                self.option(path, line, is_open)?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: u32) -> Result<(), Error> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_out_of_sight(&error) => return Ok(()),
            Err(source) => return Err(unreadable(folder, source)),
        };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(|source| unreadable(folder, source))?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "cnf"));
        files.sort();
        files.iter().try_for_each(|path| self.file(path, Need::May, depth + 1))
    }

    fn option(&mut self, path: &Path, line: &str, is_open: bool) -> Result<(), Error> {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let name = name.trim();
        let name = name
            .strip_prefix("loose-")
            .or_else(|| name.strip_prefix("loose_"))
            .unwrap_or(name);
        let value = Zeroizing::new(plain(value.trim()));
        if name == "password" && is_open && !value.is_empty() {
            return Err(unfit(
                path,
                "holds a password and can be read by others than its owner",
                "Run chmod 600 on it.",
            ));
        }
        // The clients' other options are none of ours.
        let _known = self.found.set(name, &value);
        Ok(())
    }
}

fn is_out_of_sight(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
    )
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

fn unfit(path: &Path, what: &str, hint: &str) -> Error {
    Error::Options {
        what: format!("the option file {} {what}", path.display()),
        hint: hint.into(),
    }
}

/// A value without its quotes, its escapes undone, and without a comment behind it.
fn plain(value: &str) -> String {
    let quote = value.chars().next().filter(|sign| ['"', '\''].contains(sign));
    let mut out = String::new();
    let mut signs = value.chars().skip(usize::from(quote.is_some()));
    while let Some(sign) = signs.next() {
        match sign {
            _ if Some(sign) == quote => return out,
            '#' if quote.is_none() && (out.is_empty() || out.ends_with(char::is_whitespace)) => break,
            '\\' => match signs.next() {
                Some('b') => out.push('\u{8}'),
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('s') => out.push(' '),
                Some(other @ ('\\' | '"' | '\'')) => out.push(other),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            _ => out.push(sign),
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;
    use super::read;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).expect("room");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
    }

    #[test]
    fn values_lose_quotes_escapes_and_comments() {
        assert_eq!(plain("'a # b' # c"), "a # b");
        assert_eq!(plain("a#b # c"), "a#b");
        assert_eq!(plain("\"a\\sb\\\\\""), "a b\\");
        assert_eq!(plain(""), "");
    }

    #[test]
    fn groups_and_includes_are_read_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let main = folder.path().join("my.cnf");
        let more = folder.path().join("more.d");
        fs::create_dir(&more).expect("new");
        write(
            &more.join("z.cnf"),
            "[hub-backup]\nport=2\n[mysqldump]\nuser=dump\n",
            0o644,
        );
        write(&more.join("a.cnf"), "[hub-backup]\nport=1\n", 0o644);
        write(&more.join("no.txt"), "[client]\nport=9\n", 0o644);
        let text = format!(
            "port=8\n[mysqld]\nport=7\n[client]\nhost = h\nquick\npassword='p w'\n!includedir {}\n",
            more.display()
        );
        write(&main, &text, 0o600);
        let found = read(Some(&main), None, &["mysqldump"]).expect("readable");
        assert_eq!(found.get("host"), Some("h"));
        assert_eq!(found.get("port"), Some("2"));
        assert_eq!(found.get("user"), Some("dump"));
        assert_eq!(found.password().expect("a password").expose(), "p w");
    }

    #[test]
    fn files_that_others_can_read_or_write_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".my.cnf");
        write(&file, "[client]\npassword=needle\n", 0o644);
        let error = read(None, Some(folder.path()), &[]).expect_err("readable by all");
        assert!(
            error.to_string().contains("can be read by others") && !error.to_string().contains("needle"),
            "{error}"
        );
        write(&file, "[client]\nuser=u\n", 0o666);
        let error = read(None, Some(folder.path()), &[]).expect_err("writable by all");
        assert!(error.to_string().contains("can be written by anybody"), "{error}");
    }
}
