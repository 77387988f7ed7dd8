//! Sources of these tests.

use std::ffi::OsString;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::server::postgres::Parameters;
use hub_backup::server::postgres::Surroundings;
use hub_backup::source::Error;
use hub_backup::source::Learnt;
use hub_backup::source::Source as _;
use hub_backup::source::postgres::PARAMETERS;
use hub_backup::source::postgres::PostgresOptions;
use hub_backup::source::postgres::PostgresSource;

use crate::collected::Collected;
use crate::postgres::NEEDLE;

/// A source of this URI in an environment that holds nothing but these variables.
pub(crate) fn source(uri: &str, variables: &[(&str, &str)]) -> PostgresSource {
    let text = uri.strip_prefix("postgres:").expect("a URI of PostgreSQL");
    let parameters = Parameters::parse(text, &PARAMETERS).expect(uri);
    let variables: Vec<(OsString, OsString)> = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let options = PostgresOptions {
        connections: 2,
        surroundings: Surroundings::new(variables.iter().map(|(name, value)| (name, value)), "nobody"),
        environment: Vec::new(),
    };
    PostgresSource::new("hub".parse().expect("a label"), parameters, options)
}

/// As [`source`], with the superuser's password.
pub(crate) fn known(uri: &str) -> PostgresSource {
    source(uri, &[("PGPASSWORD", NEEDLE)])
}

/// Collects the whole source.
pub(crate) fn collect(mut source: PostgresSource) -> (Collected, Learnt) {
    let mut collected = Collected::default();
    source
        .check(&Cancel::new())
        .unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()));
    let learnt = source.collect(&mut collected, &Cancel::new());
    let learnt = learnt.unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()));
    (collected, learnt)
}

/// The error of a check: kind, message and hint. None of them holds a password.
#[track_caller]
pub(crate) fn refused(mut source: PostgresSource) -> (Kind, String) {
    let error = source.check(&Cancel::new()).expect_err("refused");
    told(&error)
}

/// What an error tells.
#[track_caller]
pub(crate) fn told(error: &Error) -> (Kind, String) {
    let text = format!("{error} / {}", error.hint().unwrap_or_default());
    assert!(
        !text.contains("needle") && !format!("{error:?}").contains("needle"),
        "{text}"
    );
    (error.kind(), text)
}

/// The content of a stream, as text.
pub(crate) fn text(collected: &Collected, name: &str) -> String {
    let path = format!("hub/{name}");
    let (_, bytes) = collected.streams.get(&path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(bytes.clone()).expect("text")
}

/// The rows of a table, joined over its streams.
pub(crate) fn rows_of(collected: &Collected, table: &str) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_str(&text(collected, "plan.json")).expect("JSON");
    let tables = plan["tables"].as_array().expect("a list");
    let table = tables
        .iter()
        .find(|found| found["name"] == table)
        .unwrap_or_else(|| panic!("no {table}"));
    let streams = table["streams"].as_array().expect("a list");
    let lines = streams.iter().flat_map(|stream| {
        let text = text(collected, stream.as_str().expect("text"));
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines.collect()
}
