//! The program `hub-backup`.

fn main() {}
