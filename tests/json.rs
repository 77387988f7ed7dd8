//! The documents of `--json` and `docs/json.md`: every field that real runs print stands in the page, with its type, and every field of
//! the page is printed.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "of the whole program, this asks for objects alone")]
mod cli;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::World;

/// Fields that only a database server gives; `tests/mysql_restore.rs` and `tests/postgres_restore.rs` look at them.
const SERVERS: [&str; 4] = [
    "restore compared[].label",
    "restore compared[].tables",
    "restore compared[].rows",
    "restore compared[].how",
];

/// What the page says of a field.
#[derive(Debug)]
struct Field {
    types: String,
    /// Its own fields are those that are stored, or differ by case.
    opaque: bool,
}

type Fields = BTreeMap<String, Field>;

/// The tables of the page, by their headings: name and type of each field.
fn tables() -> BTreeMap<String, Vec<(String, String)>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut tables = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').expect("a table follows");
        let rows = body.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((name, cells.next()?.to_owned()))
        });
        tables.insert(heading.to_owned(), rows.collect());
    }
    tables
}

/// The fields of a document, with those of the forms that it refers to.
fn expand(tables: &BTreeMap<String, Vec<(String, String)>>, form: &str, prefix: &str, fields: &mut Fields) {
    let rows = tables.get(form).unwrap_or_else(|| panic!("the page has no {form}"));
    for (name, types) in rows {
        let path = format!("{prefix}{name}");
        if let Some((_, rest)) = types.split_once("](#") {
            let form = rest.split(')').next().expect("a form");
            let is_list = types.starts_with("list");
            expand(
                tables,
                form,
                &format!("{path}{}.", if is_list { "[]" } else { "" }),
                fields,
            );
        }
        let opaque = types.contains("as stored") || types == "list of objects" || types == "any";
        let types = types.clone();
        assert!(
            fields.insert(path.clone(), Field { types, opaque }).is_none(),
            "{path} stands twice"
        );
    }
}

fn documented() -> BTreeMap<String, Fields> {
    let tables = tables();
    let shared = [
        "source",
        "expiring",
        "remarks",
        "proof",
        "contents",
        "evidence",
        "entry",
        "revocation",
        "origin",
    ];
    let documents = tables.keys().filter(|name| !shared.contains(&name.as_str()));
    let expanded = documents.map(|name| {
        let mut fields = Fields::new();
        expand(&tables, name, "", &mut fields);
        (name.clone(), fields)
    });
    expanded.collect()
}

fn fits(types: &str, value: &Value) -> bool {
    match value {
        Value::Null => types.ends_with("or null") || types == "any",
        _ if types == "any" => true,
        Value::Bool(_) => types.starts_with("flag"),
        Value::Number(_) => types.starts_with("number"),
        Value::String(_) => types.starts_with("text"),
        Value::Array(items) if types.starts_with("list of texts") => items.iter().all(Value::is_string),
        Value::Array(_) => types.starts_with("list"),
        Value::Object(_) => types.starts_with("object") || types.starts_with('['),
    }
}

/// What was printed, held against the page.
struct Seen {
    world: World,
    documented: BTreeMap<String, Fields>,
    fields: BTreeSet<String>,
}

impl Seen {
    /// Runs it with `--json`, which must end with `code`.
    #[track_caller]
    fn run(&mut self, code: i32, arguments: &[&str]) -> Value {
        let all = [arguments, &["--json"]].concat();
        let printed = self.world.run(&all).expect_code(code, &all.join(" ")).object();
        let schema = printed["schema"].as_str().expect("a schema");
        let name = schema
            .strip_prefix("hub-backup/")
            .and_then(|rest| rest.strip_suffix("/1"));
        let name = name.unwrap_or_else(|| panic!("{schema}")).to_owned();
        assert!(self.documented.contains_key(&name), "the page has no {name}");
        let mut fields = printed.as_object().expect("an object").clone();
        fields.remove("schema");
        self.object(&name, "", &fields);
        printed
    }

    fn object(&mut self, document: &str, prefix: &str, fields: &serde_json::Map<String, Value>) {
        for (name, value) in fields {
            let path = format!("{prefix}{name}");
            let field = self.documented[document].get(&path);
            let field = field.unwrap_or_else(|| panic!("the page does not have {path} of {document}: {value}"));
            assert!(
                fits(&field.types, value),
                "{path} of {document} is no {}: {value}",
                field.types
            );
            let opaque = field.opaque;
            self.fields.insert(format!("{document} {path}"));
            match value {
                _ if opaque => {}
                Value::Object(inner) => self.object(document, &format!("{path}."), inner),
                Value::Array(items) => {
                    for item in items.iter().filter_map(Value::as_object) {
                        self.object(document, &format!("{path}[]."), item);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }

    fn never_seen(&self) -> Vec<String> {
        let all = self
            .documented
            .iter()
            .flat_map(|(document, fields)| fields.keys().map(move |path| format!("{document} {path}")));
        all.filter(|field| !self.fields.contains(field) && !SERVERS.contains(&field.as_str()))
            .collect()
    }
}

const SETS: &str =
    "[sets.hub]\nsources = [\"files:data\", \"sqlite:hub.db\", \"command:said=echo said\"]\nallow_changed = true";

#[test]
#[expect(clippy::too_many_lines, reason = "one command a line")]
fn the_page_has_what_is_printed() {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.script("ln -s one.txt data/link; ln data/one.txt data/hard; sqlite3 hub.db 'CREATE TABLE t(a)'");
    world.write("data/app.env", b"PASSWORD=hunter2hunter2\nNAME=x\n");
    world.settings(SETS);
    let mut seen = Seen {
        world,
        documented: documented(),
        fields: BTreeSet::new(),
    };
    seen.run(0, &["init", "made", "--no-passphrase"]);
    seen.run(0, &["config", "check"]);
    seen.run(0, &["config", "show"]);
    seen.run(2, &["config", "check", "--store", "gone"]);
    seen.run(2, &["config", "check", "--config", "gone.toml"]);
    seen.run(0, &["backup", "hub", "--dry-run"]);
    seen.run(0, &["backup", "hub"]);
    seen.run(
        0,
        &["backup", "hub", "--source", "files:data", "--retention-class", "daily"],
    );
    let soon = [
        "--role",
        "recipient",
        "--name",
        "soon",
        "--expires",
        "9d",
        "--no-passphrase",
    ];
    seen.run(0, &[&["keys", "generate", "--out", "soon"], &soon[..]].concat());
    let more =
        format!("{SETS}\n[sets.hub.recipients]\nopenpgp = [\"keys/operations.asc\", \"soon/recipient-soon.asc\"]");
    seen.world.settings(&more);
    seen.run(0, &["config", "check"]);
    seen.run(0, &["backup", "hub"]);
    seen.run(0, &["backup", "hub", "--dry-run"]);
    seen.world.settings(SETS);
    seen.run(0, &["verify"]);
    seen.run(0, &["verify", "--deep"]);
    seen.run(0, &["verify", "--all", "--deep"]);
    seen.run(0, &["list"]);
    seen.run(0, &["show"]);
    seen.run(0, &["ls", "latest"]);
    seen.run(0, &["restore", "latest", "--to", "out", "--plan"]);
    seen.run(0, &["restore", "latest", "--to", "out"]);
    seen.run(40, &["restore", "latest", "--to", "out"]);
    seen.run(0, &["checkpoint", "create"]);
    seen.run(0, &["checkpoint", "create", "--out", "kept.json"]);
    seen.run(0, &["checkpoint", "check", "kept.json"]);
    seen.run(0, &["audit", "list"]);
    seen.run(0, &["audit", "check"]);
    seen.run(0, &["man", "--out", "man"]);
    seen.run(2, &["completions", "bash"]);
    let generate = ["keys", "generate", "--out", "new", "--no-passphrase", "--role"];
    seen.run(
        0,
        &[
            &generate[..],
            &["signer", "--certify-with", "made/move-offline/root.key"],
        ]
        .concat(),
    );
    seen.run(0, &["keys", "generate", "--role", "recipient", "--age", "--out", "new"]);
    let certify = [
        "keys",
        "certify",
        "new/signer.asc",
        "--with",
        "made/move-offline/root.key",
    ];
    seen.run(0, &[&certify[..], &["--out", "again.asc"]].concat());
    seen.run(
        0,
        &[
            "keys",
            "revoke",
            "new/signer.key",
            "--reason",
            "retired",
            "--out",
            "retired.asc",
        ],
    );
    seen.run(0, &["keys", "list"]);
    seen.run(0, &["keys", "show", "new/signer.key"]);
    seen.run(0, &["keys", "show", "again.asc"]);
    seen.run(0, &["keys", "show", "retired.asc"]);
    seen.run(0, &["keys", "list", "retired.asc", "keys/root.asc"]);
    seen.run(0, &["keys", "show", "keys/age.txt"]);

    // A file that changes under the backup is an exception.
    seen.world.script("head -c 80000000 /dev/zero > data/big");
    let mut writer = seen.world.command("bash");
    let write = "for turn in $(seq 2000); do date >> data/big; sleep 0.01; done";
    let mut writer = writer.args(["-c", write]).spawn().expect("bash is installed");
    let secret = ["--source", "config:data/app.env", "--redact-secrets"];
    let changed = seen.run(0, &[&["backup", "hub", "--source", "files:data"], &secret[..]].concat());
    writer.kill().expect("own child");
    let _killed = writer.wait().expect("own child");
    assert_eq!(changed["exceptions"], 1);
    seen.run(0, &["restore", "latest", "--to", "changed", "--plan"]);
    seen.run(0, &["restore", "latest", "--to", "changed"]);
    seen.run(0, &["ls", "latest"]);
    seen.run(0, &["verify", "--deep"]);
    seen.run(0, &["verify", "--all", "--deep"]);

    // What is wrong with a store.
    seen.world.script(
        "cp store/manifests/hub/*03.json kept; rm store/manifests/hub/*02.json; rm store/manifests/hub/*01.json.asc",
    );
    seen.run(23, &["list"]);
    seen.run(23, &["verify", "--all"]);
    seen.world.script(
        "rm store/audit/*02.json; sed -i s/version/nonsense/ store/audit/*03.json; rm store/manifests/hub/*03*",
    );
    seen.run(23, &["audit", "list"]);
    seen.run(23, &["audit", "check"]);
    seen.run(23, &["checkpoint", "check", "kept.json"]);
    assert_eq!(seen.never_seen(), Vec::<String>::new(), "of the page, never printed");
}
