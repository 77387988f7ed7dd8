//! The terminal itself, whatever stdin is: lines that people type, seen or unseen, unless a signal comes first. The libraries for this go on
//! waiting for the end of the line when a signal came.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::io::Write as _;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::SpecialCodeIndex;
use rustix::termios::Termios;
use rustix::termios::tcgetattr;
use rustix::termios::tcsetattr;
use zeroize::Zeroizing;

use crate::base::cancel::Cancel;
use crate::base::secret::SecretText;

/// How long a wait for a line is deaf to a signal.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Longest line that is taken: Linux gives 4095 octets and the line feed, and throws away what was typed beyond.
const LINE_BYTES_MAX: usize = 4094;

/// No key for a special character.
const NONE: u8 = 0;

/// The terminal, to speak and to listen to; none where there is none.
pub(crate) fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

/// What is typed unseen, after `prompt`.
///
/// # Errors
/// As [`line()`]; and `UnexpectedEof` when nothing is typed.
pub(crate) fn hidden(prompt: &str, cancel: &Cancel) -> io::Result<SecretText> {
    let terminal = open().ok_or(io::ErrorKind::NotFound)?;
    let silent = Silent::begin(&terminal)?;
    (&terminal).write_all(format!("{prompt}: ").as_bytes())?;
    let typed = line(&terminal, cancel);
    if typed.is_err() {
        // What is said next begins a line; it is said whether or not this succeeds.
        drop((&terminal).write_all(b"\n"));
    }
    drop(silent);
    let typed = typed?;
    if typed.expose().is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(typed)
}

/// The next line, without its end; an empty one also when the terminal was closed.
///
/// # Errors
/// `Interrupted` when `cancel` is set meanwhile, `FileTooLarge` for a line that may have been cut, `InvalidData` for one that is no text;
/// otherwise what the terminal reports.
pub(crate) fn line(mut terminal: &File, cancel: &Cancel) -> io::Result<SecretText> {
    // Growing would leave unwiped copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut octet = [0];
    loop {
        let mut ready = [PollFd::new(terminal, PollFlags::IN)];
        // A signal may end the wait early; the flag says whether it counts.
        let count = poll(&mut ready, Some(&TICK)).unwrap_or(0);
        if cancel.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if count == 0 {
            continue;
        }
        if terminal.read(&mut octet)? == 0 || octet == *b"\n" {
            break;
        }
        if typed.len() == LINE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        typed.extend(octet);
    }
    let text = std::str::from_utf8(&typed).map_err(|_| io::ErrorKind::InvalidData)?;
    // A key for a special character that does nothing here, as Ctrl-Z, would be seen by nobody.
    if text.contains(char::is_control) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(SecretText::new(text.to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silent<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Silent<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown, and a line can be corrected before it.
        modes.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        // Nobody is to find the terminal silent because this program was put aside, or ended without a word.
        modes.special_codes[SpecialCodeIndex::VSUSP] = NONE;
        modes.special_codes[SpecialCodeIndex::VQUIT] = NONE;
        tcsetattr(terminal, OptionalActions::Now, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // There is nothing else to try.
        let _restored = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
