//! Settings to values: keys read, sources made.
