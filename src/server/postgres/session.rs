//! The settings of a session in which rows are read or written: with them the text of a row is the same everywhere.

/// What the text of a value depends on, beside the value itself. `money` is the reason for `lc_monetary`.
pub const ROW_TEXT: [(&str, &str); 7] = [
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("xmlbinary", "base64"),
    ("lc_monetary", "C"),
];

/// The first server version (`server_version_num`) that is read and written.
pub const VERSION_MIN: u32 = 130_000;

/// The first server version that is not known yet.
pub const VERSION_END: u32 = 190_000;

/// SQL that makes the text of rows the same everywhere, and lets nothing but the server's end interrupt long work.
#[must_use]
pub fn settings(version: u32) -> String {
    let mut lines: Vec<String> = ROW_TEXT
        .iter()
        .map(|(name, value)| format!("SET {name} = '{value}';"))
        .collect();
    let timeouts = [
        ("statement_timeout", 0),
        ("idle_in_transaction_session_timeout", 0),
        ("idle_session_timeout", 140_000),
        ("transaction_timeout", 170_000),
    ];
    let known = timeouts.iter().filter(|(_, since)| version >= *since);
    lines.extend(known.map(|(name, _)| format!("SET {name} = 0;")));
    lines.push("SET search_path = '';".to_owned());
    lines.join("\n")
}

/// `15.4` of `150004`.
#[must_use]
pub fn version_text(version: u32) -> String {
    format!("{}.{}", version / 10_000, version % 10_000)
}
