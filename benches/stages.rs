//! What each stage costs on one thread, as throughput and as a share of compression at the default level.
//!
//! `cargo bench --bench stages`. The data is rows of SQL text made from a fixed seed; figures are medians of five runs.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Cursor;
use std::io::Read;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::digest::Digest;
use hub_backup::base::limits;
use hub_backup::bundle::outer::Container;
use hub_backup::bundle::suite::Suite;
use hub_backup::compress::Compressor;
use hub_backup::compress::Decompressor;
use hub_backup::encrypt;
use hub_backup::encrypt::ContentKey;

const BYTES: usize = 64 << 20;

/// Rows such as a dump has: numbers, words, hexadecimal digits.
fn rows() -> Vec<u8> {
    let words = [
        "order", "invoice", "customer", "shipped", "refund", "module", "install", "error", "retry", "account",
    ];
    let mut state: u64 = 20_260_101;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = String::with_capacity(BYTES + 256);
    let mut id = 0;
    while text.len() < BYTES {
        id += 1;
        let (a, b) = (next(), next());
        let (first, second) = (words[(a % 10) as usize], words[(b % 10) as usize]);
        writeln!(
            text,
            "{id}\t{first}.{second}@example.invalid\t{a:016x}\t{}.{:02}\t{second} {first}",
            b % 5000,
            a % 100
        )
        .expect("a String takes every text");
    }
    text.truncate(BYTES);
    text.into_bytes()
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn compress_all(level: i32, data: &[u8]) -> Vec<Vec<u8>> {
    let mut compressor = Compressor::new(level).expect("a level");
    let blocks = data.chunks(limits::BLOCK_BYTES as usize);
    blocks
        .map(|block| {
            let mut frame = Vec::new();
            compressor.compress(block, &mut frame).expect("memory");
            frame
        })
        .collect()
}

fn encrypt_all(key: &ContentKey, data: &[u8]) -> Vec<u8> {
    let mut out = encrypt::encryptor(key, Container::Payload, Vec::with_capacity(data.len() + 65536)).expect("a key");
    out.write_all(data).expect("a Vec");
    out.finish().expect("a Vec")
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures"
)]
fn main() {
    let data = rows();
    let reference = median(|| drop(black_box(compress_all(limits::LEVEL, &data)))).as_secs_f64();
    let show = |name: &str, time: Duration| {
        let seconds = time.as_secs_f64();
        println!(
            "{name:<28} {:>8.0} MB/s {:>7.3} of compression",
            BYTES as f64 / 1e6 / seconds,
            seconds / reference
        );
    };
    for level in [1, 3, 6] {
        let ratio = BYTES as f64 / compress_all(level, &data).iter().map(Vec::len).sum::<usize>() as f64;
        show(
            &format!("compress, level {level} ({ratio:.2})"),
            median(|| drop(black_box(compress_all(level, &data)))),
        );
    }
    let frames = compress_all(limits::LEVEL, &data);
    let mut decompressor = Decompressor::new().expect("memory");
    let mut block = Vec::new();
    show(
        "decompress",
        median(|| {
            for frame in &frames {
                decompressor
                    .decompress(frame, limits::BLOCK_BYTES, &mut block)
                    .expect("whole");
            }
        }),
    );
    show("SHA-256", median(|| drop(black_box(Digest::of(&data).to_string()))));
    for suite in Suite::ALL {
        let key = ContentKey::generate(suite).expect("random");
        let cipher = encrypt_all(&key, &data);
        show(
            &format!("encrypt, {suite}"),
            median(|| drop(black_box(encrypt_all(&key, &data)))),
        );
        let mut plain = Vec::with_capacity(BYTES);
        show(
            &format!("decrypt, {suite}"),
            median(|| {
                plain.clear();
                let input = Cursor::new(cipher.as_slice());
                let mut reader =
                    encrypt::decryptor(&key, Container::Payload, input, cipher.len() as u64, 0).expect("the same key");
                let _count = reader.read_to_end(&mut plain).expect("whole");
            }),
        );
    }
}
