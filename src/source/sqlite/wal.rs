//! Whether a `-wal` holds the pages that the database file does not reach. SQLite itself reads a missing page as zeros.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes before the first frame.
const HEADER_BYTES: u64 = 32;
/// Bytes before the page of each frame.
const FRAME_HEADER_BYTES: u64 = 24;
/// The page that holds this byte is for locks: SQLite never stores it and gives it as zeros.
const LOCK_BYTE: u64 = 1 << 30;

/// Whether every page from `first` to `last` has a frame of the current generation in the `-wal`.
///
/// SQLite locks the database and its `-shm`, never the `-wal`, so this may open and close it.
pub(super) fn holds(wal: &Path, page_bytes: u32, first: u64, last: u64) -> io::Result<bool> {
    let file = match File::open(wal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let stride = FRAME_HEADER_BYTES + u64::from(page_bytes);
    let frames = file.metadata()?.len().saturating_sub(HEADER_BYTES) / stride;
    let lock_page = LOCK_BYTE / u64::from(page_bytes) + 1;
    let wanted = last + 1 - first;
    // Bounds the list below by the size of the -wal, whatever a damaged header says. One page may be the lock page.
    if wanted > frames + 1 {
        return Ok(false);
    }
    let mut header = [0; 32];
    if frames > 0 {
        file.read_exact_at(&mut header, 0)?;
    }
    let mut seen: Vec<bool> = (first..=last).map(|page| page == lock_page).collect();
    for number in 0..frames {
        let mut frame = [0; 16];
        file.read_exact_at(&mut frame, HEADER_BYTES + number * stride)?;
        let page = u64::from(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]));
        // The two salts tell the frames of this generation from older ones behind them.
        if frame[8..16] == header[16..24] && (first..=last).contains(&page) {
            seen[usize::try_from(page - first).map_err(io::Error::other)?] = true;
        }
    }
    Ok(seen.into_iter().all(|seen| seen))
}
