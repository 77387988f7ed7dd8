//! Tests of the grammar of sources.

use super::*;

fn source(text: &str) -> SourceUri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    let error = text
        .parse::<SourceUri>()
        .err()
        .unwrap_or_else(|| panic!("{text} is accepted"));
    assert_eq!(error.kind(), Kind::Usage);
    format!(
        "{error}\n{}",
        error.hint().expect("every usage error says how to write it")
    )
}

#[test]
fn every_form_is_read_and_written_back() {
    for text in [
        "sqlite:/var/lib/hub/hub.db",
        "hub=sqlite:/var/lib/hub/hub.db",
        "files:relative/ä %20 b",
        "files:/a=b:c",
        "config:/etc/hub",
        "command:dump=pg_dump --dbname=hub",
        "x=command:dump=FOO",
    ] {
        assert_eq!(source(text).to_string(), text);
    }
}

#[test]
fn parts_land_where_they_belong() {
    let uri = source("hub=command:dump=pg_dump --file=x");
    assert_eq!(uri.label.expect("written").as_str(), "hub");
    let What::Command { name, command } = uri.what else {
        panic!("a command")
    };
    assert_eq!((name.as_str(), command.as_str()), ("dump", "pg_dump --file=x"));
    assert_eq!(source("files:/a%20b").what, What::Files("/a%20b".into()));
}

#[test]
fn wrong_forms_say_how_to_write_them() {
    for text in [
        "",
        "hub.db",
        "/var/lib/hub.db",
        "sqllite:/x",
        "sqlite:",
        "files:\0",
        "command:x",
        "command:x=",
        "command:x= ",
        "command:=y",
        "=sqlite:/x",
        "a b=sqlite:/x",
        "hub=",
        "hub=x",
    ] {
        let shown = refused(text);
        assert!(shown.contains('='), "{text}: {shown}");
    }
}

#[test]
fn unknown_kinds_are_named_and_what_follows_is_not() {
    for scheme in ["Postgres", "MySQL", "oracle"] {
        let shown = refused(&format!("hub={scheme}://user:needle@host/db"));
        assert!(shown.contains("is not a kind") && shown.contains(scheme), "{shown}");
        assert!(!shown.contains("needle"), "{shown}");
    }
    for text in ["mongodb://user:needle@host", "user:needle@host/x=y"] {
        assert!(!refused(text).contains("needle"));
    }
}

#[test]
fn postgresql_is_named_as_libpq_names_it() {
    for (text, shown) in [
        ("postgres://me:needle@host/hub", "postgres://me@host/hub"),
        (
            "x=postgresql:host=h dbname='my db' password=needle",
            "x=postgres://h/my%20db",
        ),
        (
            "postgres://host/hub?schema=a&schema=b",
            "postgres://host/hub?schema=a&schema=b",
        ),
    ] {
        let uri: SourceUri = text.parse().expect(text);
        assert_eq!(uri.to_string(), shown);
        assert!(!format!("{uri:?}").contains("needle"));
    }
    for text in [
        "postgres:host=h password=a needle",
        "postgres://me:nee/dle@h/db",
        "postgres://h/db?passwort=needle",
    ] {
        let shown = refused(text);
        assert!(!shown.contains("needle") && !shown.contains("nee/dle"), "{shown}");
    }
}

#[test]
fn labels_come_from_names() {
    for (text, label) in [
        ("sqlite:/var/lib/hub/hub.db", "hub.db"),
        ("sqlite:/x/my base.v2.sqlite", "my-base.v2.sqlite"),
        ("files:/srv/hub.d/", "hub.d"),
        ("config:/etc/hub/.env", "env"),
        ("config:/etc/hub/app.toml", "app.toml"),
        ("files:/ä-x", "x"),
        ("postgres://me@host/my%20hub?sslmode=require", "my-hub"),
        ("postgres:service=prod", "prod"),
        ("command:dump=x", "dump"),
        ("own=command:dump=x", "own"),
        ("mysql://u@db.example:3306/shop?ssl-mode=REQUIRED", "shop"),
        ("mariadb://u@db.example", "db.example"),
        ("mysql://u@db.example/?databases=a,b", "db.example"),
        ("mysql:socket=/s user=u", "localhost"),
    ] {
        assert_eq!(source(text).default_label().expect("a name").as_str(), label, "{text}");
    }
    let long = source(&format!("files:/{}", "a".repeat(200)));
    assert_eq!(long.default_label().expect("a name").as_str().len(), LABEL_BYTES_MAX);
}

#[test]
fn a_label_stands_for_one_source() {
    let two = [source("sqlite:/a/hub.db"), source("sqlite:/b/hub.db")];
    let error = assign_labels(&two).expect_err("the same label");
    assert_eq!(
        error.to_string(),
        "the label hub.db stands for two sources: sqlite:/a/hub.db and sqlite:/b/hub.db"
    );
    assert_eq!(
        error.hint().expect("a hint"),
        "Give one of them a label of its own, for example hub.db-2=sqlite:/b/hub.db."
    );
    let both = [source("sqlite:/var/lib/hub/hub.db"), source("config:/etc/hub/hub.env")];
    assert!(assign_labels(&both).is_ok(), "names that differ in their ending alone");
    let labels = assign_labels(&[source("a=sqlite:/a/hub.db"), source("sqlite:/b/hub.db")]).expect("two labels");
    assert_eq!(labels.iter().map(Label::as_str).collect::<Vec<_>>(), ["a", "hub.db"]);
    let error = assign_labels(&[source("files:/")]).expect_err("no name");
    assert_eq!(
        error.hint().expect("a hint"),
        "Write LABEL=SOURCE, for example root=files:/."
    );
}
