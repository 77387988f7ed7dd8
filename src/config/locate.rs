//! Which settings file is read: the one that is named, or the first that is there.

use std::io;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::base::input;
use crate::base::limits;
use crate::config::environment::Environment;
use crate::config::error::Error;

/// The name of the file.
pub const FILE_NAME: &str = "hub-backup.toml";

/// Named in the place of a settings file, it says that none is wanted, not even one that lies at a usual place.
const NO_SETTINGS: &str = "/dev/null";

/// A settings file as it was read.
#[derive(Debug)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads the settings file: `named` by `--config`, or by `HUB_BACKUP_CONFIG`, or the first of [`places`] that is there.
///
/// # Errors
/// `NoFile` when the named one is not there; `Read` when one is there and cannot be read or must not be trusted.
pub fn find(named: Option<&Path>, environment: &Environment) -> Result<Option<Found>, Error> {
    let by_environment = environment.get("HUB_BACKUP_CONFIG").map(Path::new);
    let named = named
        .map(|path| (path, "--config"))
        .or(by_environment.map(|path| (path, "HUB_BACKUP_CONFIG")));
    if let Some((path, chosen_by)) = named {
        let found = open(path, true)?;
        let missing = || Error::NoFile {
            path: path.to_owned(),
            chosen_by,
        };
        return found.ok_or_else(missing).map(Some);
    }
    for path in places(environment) {
        if let Some(found) = open(&path, false)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where a settings file is looked for when none is named.
#[must_use]
pub fn places(environment: &Environment) -> Vec<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    // The XDG base directory specification: a relative path there counts as none.
    let user = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(absolute);
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let mut places = vec![PathBuf::from(FILE_NAME)];
    places.extend(
        user.or_else(home)
            .map(|folder| folder.join("hub-backup").join(FILE_NAME)),
    );
    places.push(Path::new("/etc/hub-backup").join(FILE_NAME));
    places
}

/// Reads a settings file, if it is there. It names the trusted roots and commands to run, so it must be its reader's own.
fn open(path: &Path, named: bool) -> Result<Option<Found>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    if path == Path::new(NO_SETTINGS) {
        let (path, text) = (path.to_owned(), String::new());
        return Ok(Some(Found { path, text }));
    }
    let file = match input::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    let own = [rustix::process::geteuid().as_raw(), 0].contains(&metadata.uid());
    if metadata.is_file() && metadata.mode() & 0o002 != 0 {
        return Err(failed(io::Error::other(
            "everybody can write it, so anybody could name the trusted keys",
        )));
    }
    if !named && !own {
        return Err(failed(io::Error::other(
            "it belongs to another user, and no --config names it",
        )));
    }
    let mut text = String::new();
    let _ = file
        .take(limits::SETTINGS_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > limits::SETTINGS_BYTES_MAX {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it is too large for settings");
        return Err(failed(error));
    }
    let path = path.to_owned();
    Ok(Some(Found { path, text }))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_users_folder_comes_before_the_machines() {
        let environment = Environment::from([("HOME", "/home/a"), ("XDG_CONFIG_HOME", "relative")]);
        let places: Vec<String> = places(&environment)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            places,
            [
                "hub-backup.toml",
                "/home/a/.config/hub-backup/hub-backup.toml",
                "/etc/hub-backup/hub-backup.toml"
            ]
        );
    }

    #[test]
    fn a_named_file_must_be_there() {
        let error = find(Some(Path::new("/nonexistent/a.toml")), &Environment::default()).expect_err("named");
        assert!(error.to_string().contains("--config"), "{error}");
        let environment = Environment::from([("HUB_BACKUP_CONFIG", "/nonexistent/b.toml")]);
        let error = find(None, &environment).expect_err("named");
        assert!(error.to_string().contains("HUB_BACKUP_CONFIG"), "{error}");
    }

    #[test]
    fn a_file_that_everybody_writes_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        crate::base::durable::write_new(&path, b"", 0o600).expect("a new file");
        assert!(find(Some(&path), &Environment::default()).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).expect("own file");
        let error = find(Some(&path), &Environment::default())
            .map(drop)
            .expect_err("anybody writes it");
        assert!(
            matches!(&error, Error::Read { source, .. } if source.to_string().contains("everybody can write it")),
            "{error}"
        );
    }
}
