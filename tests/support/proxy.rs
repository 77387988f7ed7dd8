//! A TCP proxy that ends every connection after so many octets, or forwards nothing any more: a network that breaks.

use std::io::Read as _;
use std::io::Write as _;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

/// How it breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// Both sides hear that the connection has ended.
    Loudly,
    /// Nobody hears anything any more.
    Silently,
}

/// Octets of all connections together, in both ways, that it lets through.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    left: Arc<AtomicU64>,
}

impl Proxy {
    /// Before the server on this port of the loopback.
    pub(crate) fn before(server: u16, octets: u64, breaks: Breaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let left = Arc::new(AtomicU64::new(octets));
        let shared = Arc::clone(&left);
        // Ends with the process of the test.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("open"), to.try_clone().expect("open"));
                    let left = Arc::clone(&shared);
                    thread::spawn(move || pump(from, to, &left, breaks));
                }
            }
        });
        Self { port, left }
    }

    /// Whether it has broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64, breaks: Breaks) {
    let mut buffer = [0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).unwrap_or_default();
        let take = |left: u64| Some(left.saturating_sub(count as u64));
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        let may = before.unwrap_or_default() > count as u64;
        if !may && breaks == Breaks::Silently {
            // Until the test is over.
            loop {
                thread::park();
            }
        }
        if count == 0 || !may || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
}
