//! Small files that people name: keys, settings, passphrases, checkpoints. They are opened without waiting for somebody who may never come.
//!
//! A FIFO has to be one that somebody writes to: what a shell makes for `<(command)`, a pipe at `/dev/stdin`, or a named one whose
//! writer opens it soon, and may take its time to write. Devices and folders are refused, for what they give is no file: `/dev/zero` never ends.

use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::IsTerminal as _;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::fs::FsWord;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use rustix::pipe::tee;

/// How long a named FIFO may be without a writer: one that was started beside us opens it at once.
const WRITER_WAIT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// What opening a socket gives (`ENXIO`). One is at `/dev/stdin` where `ssh` started the program.
const SOCKET: i32 = Errno::NXIO.raw_os_error();

/// The file system of pipes without a name (`linux/magic.h`).
const PIPEFS_MAGIC: FsWord = 0x5049_5045;

/// Opens a file to be read from its beginning to its end.
///
/// # Errors
/// `IsADirectory`, or `InvalidInput` for a device and for a FIFO that nobody writes to; otherwise what the file system reports.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    let options = options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).or_else(|error| match error.raw_os_error() {
        Some(SOCKET) if path == Path::new("/dev/stdin") => Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
        Some(SOCKET) => Err(io::Error::new(ErrorKind::InvalidInput, "it is a socket, and no file")),
        _ => Err(error),
    })?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder, and no file"));
    }
    if kind.is_block_device() || (kind.is_char_device() && !file.is_terminal()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is a device, and no file"));
    }
    if kind.is_fifo() && !has_writer(&file)? {
        let reason = "it is a FIFO that nobody writes to";
        return Err(io::Error::new(ErrorKind::InvalidInput, reason));
    }
    // What is on its way is waited for.
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// All of a file that is not longer than `bytes_max`.
///
/// # Errors
/// As [`open`], and `FileTooLarge`.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    // Room for all of it at once: growing leaves copies behind, and it may be a secret. Only a regular file says how much it holds.
    let metadata = file.metadata()?;
    let length = if metadata.is_file() {
        metadata.len().min(bytes_max)
    } else {
        bytes_max
    };
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    let count = file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if count as u64 > bytes_max {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Whether somebody writes, or has written, to a FIFO. One without a name was made together with its writer.
fn has_writer(fifo: &File) -> io::Result<bool> {
    if rustix::fs::fstatfs(fifo)?.f_type == PIPEFS_MAGIC {
        return Ok(true);
    }
    // The end of what a writer wrote counts; that nobody ever came does not.
    let mut ready = [PollFd::new(fifo, PollFlags::IN)];
    Ok(poll(&mut ready, Some(&WRITER_WAIT))? > 0 || is_open_for_writing(fifo)?)
}

/// Whether somebody has a FIFO open for writing, or has left something in it. Takes nothing out of it.
fn is_open_for_writing(fifo: &File) -> io::Result<bool> {
    let (_reader, copy) = io::pipe()?;
    match tee(fifo, &copy, 1, SpliceFlags::NONBLOCK) {
        Err(Errno::AGAIN) => Ok(true),
        copied => Ok(copied? > 0),
    }
}

/// What to do about an error of [`open`], or of reading more than a file of this kind holds.
#[must_use]
pub fn hint(error: &io::Error) -> Option<&'static str> {
    let kind = error.kind();
    if kind == ErrorKind::IsADirectory {
        Some("Name a file in it.")
    } else if kind == ErrorKind::InvalidInput {
        Some("Name a regular file, or what a command writes: `<(command)` in bash, or /dev/stdin behind a pipe.")
    } else if kind == ErrorKind::FileTooLarge {
        Some("Name the right file: this one is larger than any of its kind.")
    } else {
        None
    }
}

/// What to do about a file that is not there; none for other errors.
#[must_use]
pub fn missing_hint(error: &io::Error) -> Option<&'static str> {
    (error.kind() == ErrorKind::NotFound).then_some(
        "Correct the name. A relative one begins in the folder where this runs, in the settings in the folder of their file.",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::io::Write as _;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::CWD;
    use rustix::fs::Mode;

    use super::*;

    fn refused(path: &Path) -> (ErrorKind, String) {
        let error = open(path).expect_err("no file");
        assert!(hint(&error).is_some(), "{error}");
        (error.kind(), error.to_string())
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (kind, message) = refused(Path::new("/"));
        assert_eq!((kind, message.contains("folder")), (ErrorKind::IsADirectory, true));
        for device in ["/dev/zero", "/dev/null", "/dev/full"] {
            let (kind, message) = refused(Path::new(device));
            assert_eq!((kind, message.contains("device")), (ErrorKind::InvalidInput, true));
        }
    }

    #[test]
    fn a_socket_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("new");
        let (kind, message) = refused(&path);
        assert_eq!((kind, message.contains("socket")), (ErrorKind::InvalidInput, true));
    }

    #[test]
    fn a_fifo_is_read_when_somebody_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("new");
        let (kind, message) = refused(&path);
        assert_eq!(
            (kind, message.contains("nobody writes")),
            (ErrorKind::InvalidInput, true)
        );

        let to = path.clone();
        let writer = thread::spawn(move || {
            let mut end = File::options().write(true).open(to).expect("a reader comes");
            for part in [b"one ", b"two "] {
                end.write_all(part).expect("somebody reads");
                thread::sleep(Duration::from_millis(100));
            }
        });
        let mut text = String::new();
        let read = open(&path).expect("somebody writes").read_to_string(&mut text);
        assert_eq!((read.expect("text"), text.as_str()), (8, "one two "));
        writer.join().expect("no panic");
    }

    #[test]
    fn a_writer_may_take_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("new");
        let to = path.clone();
        let writer = thread::spawn(move || {
            let mut end = File::options().write(true).open(to).expect("a reader comes");
            thread::sleep(Duration::from_secs(3));
            end.write_all(b"late").expect("somebody reads");
        });
        let bytes = read(&path, 1000).expect("somebody has it open");
        assert_eq!(bytes, b"late");
        assert_eq!(bytes.capacity(), 1001, "nothing was copied");
        writer.join().expect("no panic");
    }
}
