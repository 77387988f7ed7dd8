//! `list`, `show`, `checkpoint` and `audit` through the program, on a store that is whole and on one that was tampered with.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use program::Place;
use program::stderr;
use program::stdout;
use serde_json::Value;

const SETTINGS: [&str; 2] = ["--config", "made/hub-backup.toml"];

/// A store with two bundles of the set hub.
struct Kept {
    place: Place,
    bundles: Vec<String>,
}

impl Kept {
    fn new() -> Self {
        let place = Place::new();
        place.good(&["init", "made", "--no-passphrase"]);
        place.write("data.txt", b"some data");
        let mut kept = Self {
            place,
            bundles: Vec::new(),
        };
        kept.back_up("hub");
        kept.back_up("hub");
        kept
    }

    fn back_up(&mut self, set: &str) {
        let made = self.json(&[
            "backup",
            set,
            "--source",
            "files:data.txt",
            "--retention-class",
            "daily",
        ]);
        self.bundles.push(made["bundle"].as_str().expect("an id").to_owned());
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.place.json(&[arguments, &SETTINGS[..]].concat())
    }

    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        self.place.fails(code, &[arguments, &SETTINGS[..]].concat())
    }

    /// What it prints with `--json` when it fails with this code.
    fn json_of_failure(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.place.run(&[arguments, &SETTINGS[..], &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
    }

    fn object(&self, number: usize) -> String {
        let id = &self.bundles[number];
        format!("made/store/bundles/hub/{}/{}/{id}.hub.tar", &id[..4], &id[4..6])
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.place.at(name)).expect(name);
    }

    /// Changes a text in an object of the store.
    fn alter(&self, name: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.place.read(name)).expect("UTF-8");
        assert!(text.contains(from), "{name}: {text}");
        fs::set_permissions(self.place.at(name), fs::Permissions::from_mode(0o600)).expect("own file");
        self.place.write(name, text.replace(from, to).as_bytes());
    }
}

fn manifest(number: u32) -> String {
    format!("made/store/manifests/hub/{number:010}.json")
}

fn audit(number: u32) -> String {
    format!("made/store/audit/{number:010}.json")
}

#[test]
fn the_list_is_the_chain_with_the_newest_first() {
    let kept = Kept::new();
    let list = kept.json(&["list"]);
    assert_eq!(
        (&list["schema"], &list["verified"]),
        (&"hub-backup/list/1".into(), &false.into())
    );
    let rows = list["bundles"].as_array().expect("a list");
    let ids: Vec<&str> = rows.iter().map(|row| row["bundle"].as_str().expect("text")).collect();
    assert_eq!(ids, [&kept.bundles[1], &kept.bundles[0]]);
    let row = &rows[1];
    assert_eq!((&row["sequence"], &row["suite"]), (&1.into(), &"rfc9580".into()));
    assert_eq!(
        (&row["content_bytes"], &row["retention_class"]),
        (&9.into(), &"daily".into())
    );
    assert_eq!(row["sources"][0]["kind"], "files");
    let length = fs::metadata(kept.place.at(&kept.object(0))).expect("there").len();
    assert_eq!((&row["present"], &row["stored_bytes"]), (&true.into(), &length.into()));
    assert_eq!(
        row["manifest_sha256"],
        hub_backup::base::digest::Digest::of(&kept.place.read(&manifest(1))).to_string()
    );
    let people = kept.place.good(&[&["list"], &SETTINGS[..]].concat());
    assert!(people.contains("not verified"), "{people}");
}

#[test]
fn a_set_is_listed_alone_and_an_unknown_one_is_not_found() {
    let mut kept = Kept::new();
    kept.back_up("other");
    let only = kept.json(&["list", "--set", "other"]);
    assert_eq!(only["bundles"].as_array().expect("a list").len(), 1);
    assert_eq!(kept.json(&["list"])["bundles"].as_array().expect("a list").len(), 3);
    kept.fails(10, &["list", "--set", "nobody"]);
    let told = kept.fails(2, &["show"]);
    assert!(told.contains("several sets: hub, other"), "{told}");
    assert_eq!(
        kept.json(&["show", "latest", "--set", "other"])["manifest"]["set"],
        "other"
    );
}

#[test]
fn an_empty_store_lists_nothing() {
    let place = Place::new();
    place.good(&["init", "made", "--no-passphrase"]);
    assert_eq!(place.good(&[&["list"], &SETTINGS[..]].concat()), "no bundles\n");
    place.fails(10, &[&["show"], &SETTINGS[..]].concat());
}

#[test]
fn what_is_gone_or_in_no_chain_is_told() {
    let kept = Kept::new();
    kept.remove(&kept.object(0));
    let list = kept.json(&["list"]);
    assert_eq!(
        (&list["bundles"][1]["present"], &list["bundles"][1]["stored_bytes"]),
        (&false.into(), &Value::Null)
    );
    // Its manifest is still there to be shown.
    let shown = kept.json(&["show", &kept.bundles[0]]);
    assert_eq!(
        (&shown["place"], &shown["manifest"]["sequence"]),
        (&"chain".into(), &1.into())
    );

    kept.remove(&manifest(2));
    kept.remove(&format!("{}.asc", manifest(2)));
    let output = kept.place.run(&[&["list"], &SETTINGS[..]].concat());
    let told = stderr(&output);
    assert!(told.contains("warning: ") && told.contains(&kept.bundles[1]), "{told}");
    assert_eq!(kept.json(&["list"])["unlinked"][0]["bundle"], kept.bundles[1]);
}

#[test]
fn a_manifest_that_cannot_be_read_is_an_error_beside_the_others() {
    let kept = Kept::new();
    kept.alter(&manifest(1), "\"version\": 1", "\"version\": 9");
    let list = kept.json_of_failure(1, &["list"]);
    assert_eq!(list["bundles"].as_array().expect("a list").len(), 1);
    assert!(
        list["problems"][0]
            .as_str()
            .expect("text")
            .contains("version 9 is unknown"),
        "{list}"
    );
}

#[test]
fn a_gap_is_graver_than_a_manifest_of_another_version() {
    let mut kept = Kept::new();
    kept.back_up("hub");
    kept.alter(&manifest(1), "\"version\": 1", "\"version\": 9");
    kept.remove(&manifest(2));
    kept.remove(&format!("{}.asc", manifest(2)));
    let list = kept.json_of_failure(23, &["list"]);
    assert_eq!(
        (&list["gaps"][0]["first"], &list["gaps"][0]["last"]),
        (&2.into(), &2.into())
    );
    assert_eq!(list["problems"].as_array().expect("a list").len(), 1);
    let told = kept.fails(23, &["list"]);
    assert!(
        told.contains("error: set hub: number 2 of its chain is missing"),
        "{told}"
    );
}

#[test]
fn a_damaged_bundle_is_named_by_show() {
    let kept = Kept::new();
    let object = kept.object(0);
    let whole = kept.place.read(&object);
    kept.remove(&object);
    kept.place.write(&object, &whole[..whole.len() / 2]);
    let told = kept.fails(24, &["show", &kept.bundles[0]]);
    let named = format!("error: bundle {} of set hub: ", kept.bundles[0]);
    assert!(told.starts_with(&named), "{told}");
    let error = kept.json_of_failure(24, &["show", &kept.bundles[0]]);
    assert_eq!(
        (&error["set"], &error["bundle"]),
        (&"hub".into(), &kept.bundles[0].as_str().into())
    );
    // A file has no other name than the one that was given.
    let told = kept.fails(24, &["show", &object]);
    assert!(!told.contains(" of set "), "{told}");
}

#[test]
fn a_manifest_is_shown_with_its_signatures_judged() {
    let kept = Kept::new();
    let shown = kept.json(&["show"]);
    assert_eq!(
        (&shown["schema"], &shown["signatures"]),
        (&"hub-backup/show/1".into(), &"good".into())
    );
    let stored: Value = serde_json::from_slice(&kept.place.read(&manifest(2))).expect("JSON");
    assert_eq!(shown["manifest"], stored);
    let file = kept.object(1);
    let of_file = kept.json(&["show", &file]);
    assert_eq!((&of_file["place"], &of_file["manifest"]), (&"bundle".into(), &stored));
    assert_eq!(of_file["manifest_sha256"], shown["manifest_sha256"]);
    // Nobody is pinned: nothing is proven, and that is said.
    let bare = kept.place.json(&["show", &file]);
    assert_eq!(
        (&bare["signatures"], &bare["signatures_verified"]),
        (&"not-checked".into(), &false.into())
    );
    assert!(kept.place.good(&["show", &file]).contains("NOT VERIFIED"));
    // A root that did not certify the signer.
    kept.place.good(&["init", "stranger", "--no-passphrase"]);
    let told = kept
        .place
        .fails(22, &["show", &file, "--root", "stranger/keys/root.asc"]);
    assert!(told.contains("the signer is unknown"), "{told}");
    kept.alter(&manifest(2), "\"daily\"", "\"never\"");
    let altered = kept.json_of_failure(21, &["show"]);
    assert_eq!(
        (&altered["signatures"], &altered["signatures_verified"]),
        (&"bad".into(), &false.into())
    );
}

#[test]
fn a_checkpoint_shows_what_the_store_has_lost() {
    let kept = Kept::new();
    let made = kept.json(&["checkpoint", "create", "--out", "cp.json"]);
    assert_eq!((&made["signed"], &made["heads"]), (&true.into(), &1.into()));
    assert_eq!(
        (kept.place.mode("cp.json"), kept.place.mode("cp.json.asc")),
        (0o644, 0o644)
    );
    kept.place.tool("gpg", &["--batch", "--import", "made/keys/signer.asc"]);
    let verified = kept
        .place
        .tool("gpg", &["--batch", "--verify", "cp.json.asc", "cp.json"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
    kept.fails(40, &["checkpoint", "create", "--out", "cp.json"]);

    let good = kept.json(&["checkpoint", "check", "cp.json"]);
    assert_eq!(good["deviations"], Value::Array(Vec::new()));
    assert_eq!(good["signed_by"].as_array().expect("a list").len(), 1);
    kept.place
        .good(&[&["verify", "latest", "--checkpoint", "cp.json"], &SETTINGS[..]].concat());

    kept.remove(&manifest(2));
    kept.remove(&format!("{}.asc", manifest(2)));
    let lost = kept.json_of_failure(23, &["checkpoint", "check", "cp.json"]);
    assert_eq!(lost["deviations"][0]["deviation"], "rolled-back");
}

#[test]
fn verifying_all_compares_the_checkpoint_once() {
    let mut kept = Kept::new();
    kept.back_up("other");
    kept.json(&["checkpoint", "create", "--out", "cp.json"]);
    let all = ["verify", "--all", "--checkpoint", "cp.json"];
    assert_eq!(kept.json(&all)["problems"], Value::Array(Vec::new()));
    kept.remove(&manifest(2));
    kept.remove(&format!("{}.asc", manifest(2)));
    kept.remove(&kept.object(1));
    let cut = kept.json_of_failure(23, &all);
    let problems = cut["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 1, "{cut}");
    let problem = problems[0].as_str().expect("text");
    assert!(
        problem.contains("set hub was rolled back from manifest 2 to 1"),
        "{cut}"
    );
    let rows = cut["bundles"].as_array().expect("a list");
    let verdicts: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["set"], &row["kind"])).collect();
    let (hub, other, ok) = ("hub".into(), "other".into(), "ok".into());
    assert_eq!(verdicts, [(&hub, &ok), (&other, &ok)]);
    // One bundle alone is still refused by a store that was rolled back.
    kept.fails(23, &["verify", "latest", "--set", "other", "--checkpoint", "cp.json"]);
}

#[test]
fn a_checkpoint_without_a_good_signature_is_refused() {
    let kept = Kept::new();
    kept.json(&["checkpoint", "create", "--out", "cp.json"]);
    let text = String::from_utf8(kept.place.read("cp.json")).expect("UTF-8");
    kept.place.write(
        "old.json",
        text.replace("\"sequence\": 2", "\"sequence\": 1").as_bytes(),
    );
    kept.place.write("old.json.asc", &kept.place.read("cp.json.asc"));
    kept.fails(21, &["checkpoint", "check", "old.json"]);
    kept.fails(21, &["checkpoint", "check", "old.json", "--unsigned"]);
    kept.remove("cp.json.asc");
    let told = kept.fails(20, &["checkpoint", "check", "cp.json"]);
    assert!(told.contains("--unsigned"), "{told}");
    let allowed = kept.json(&["checkpoint", "check", "cp.json", "--unsigned"]);
    assert_eq!(allowed["signed_by"], Value::Array(Vec::new()));
    kept.place.write("none.json", b"{}");
    kept.place.write("none.json.asc", b"");
    let told = kept.fails(2, &["checkpoint", "check", "none.json"]);
    assert!(told.contains("none.json is not a checkpoint"), "{told}");
}

#[test]
fn a_checkpoint_on_stdout_is_the_bytes_that_are_signed() {
    let kept = Kept::new();
    let output = kept.place.run(&[&["checkpoint", "create"], &SETTINGS[..]].concat());
    assert!(
        stderr(&output).contains("--out FILE writes both"),
        "{}",
        stderr(&output)
    );
    kept.place.write("cp.json", &output.stdout);
    kept.json(&["checkpoint", "check", "cp.json", "--unsigned"]);
    let both = kept.json(&["checkpoint", "create"]);
    kept.place
        .write("both.json", both["text"].as_str().expect("text").as_bytes());
    kept.place
        .write("both.json.asc", both["signatures"].as_str().expect("text").as_bytes());
    kept.json(&["checkpoint", "check", "both.json"]);
}

#[test]
fn a_locked_signer_signs_with_its_passphrase() {
    let kept = Kept::new();
    let pass = kept.place.passphrase();
    let generate = [
        "keys",
        "generate",
        "--role",
        "signer",
        "--name",
        "second",
        "--out",
        "made/keys",
    ];
    let root = [
        "--certify-with",
        "made/move-offline/root.key",
        "--passphrase-file",
        pass,
    ];
    let made = kept.json(&[&generate[..], &root[..]].concat());
    assert_eq!(
        (&made["locked"], &made["secret"]),
        (&true.into(), &"made/keys/signer-second.key".into())
    );
    let create = [
        "checkpoint",
        "create",
        "--out",
        "cp.json",
        "--signer",
        "made/keys/signer-second.key",
    ];
    let told = kept.fails(2, &create);
    assert!(told.contains("--signer-passphrase-file"), "{told}");
    kept.json(&[&create[..], &["--signer-passphrase-file", pass]].concat());
    let checked = kept.json(&["checkpoint", "check", "cp.json"]);
    assert_eq!(checked["signed_by"][0], made["id"]);
}

#[test]
fn the_audit_log_is_listed_and_checked() {
    let kept = Kept::new();
    assert_eq!(kept.place.names("made/store/audit").len(), 6);
    let list = kept.json(&["audit", "list"]);
    let records = list["records"].as_array().expect("a list");
    let acts: Vec<&str> = records
        .iter()
        .map(|row| row["record"]["act"].as_str().expect("text"))
        .collect();
    assert_eq!(acts, ["init", "backup", "backup"]);
    assert!(records.iter().all(|row| row["signed"] == true), "{list}");
    let good = kept.json(&["audit", "check"]);
    assert_eq!((&good["records"], &good["unsigned"]), (&3.into(), &0.into()));
    kept.place.fails(2, &["audit", "check", "--store", "made/store"]);
    let people = kept.place.good(&[&["audit", "list"], &SETTINGS[..]].concat());
    assert!(
        people.contains("  backup      ok  ") && people.contains(&kept.bundles[1]),
        "{people}"
    );
}

#[test]
fn every_break_of_the_audit_log_has_its_code() {
    let kept = Kept::new();
    kept.remove(&format!("{}.asc", audit(3)));
    assert_eq!(kept.json(&["audit", "check"])["unsigned"], 1);
    // Signatures that do not fit alone are 21; a chain that does not hold is 23, whatever else there is.
    kept.place
        .write("other.asc", &kept.place.read(&format!("{}.asc", audit(1))));
    kept.remove(&format!("{}.asc", audit(2)));
    fs::copy(kept.place.at("other.asc"), kept.place.at(&format!("{}.asc", audit(2)))).expect("a copy");
    let wrong = kept.json_of_failure(21, &["audit", "check"]);
    assert_eq!(wrong["problems"][0]["problem"], "signatures");
    kept.alter(&audit(2), "\"backup\"", "\"verify\"");
    let broken = kept.json_of_failure(23, &["audit", "check"]);
    let problems: Vec<&str> = broken["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| problem["problem"].as_str().expect("text"))
        .collect();
    assert!(
        problems.contains(&"signatures") && problems.contains(&"previous"),
        "{problems:?}"
    );
    kept.alter(&audit(3), "\"version\": 1", "\"version\": 9");
    let list = kept.json_of_failure(23, &["audit", "list"]);
    assert_eq!(list["unreadable"][0]["sequence"], 3);
    assert_eq!(list["records"].as_array().expect("a list").len(), 2);
}

#[test]
fn an_audit_log_by_an_unknown_signer_is_called_so() {
    let kept = Kept::new();
    let check = [
        "audit",
        "check",
        "--store",
        "made/store",
        "--root",
        "made/keys/root.asc",
    ];
    let told = kept.place.fails(22, &check);
    assert!(
        told.contains("the signer is unknown") && told.contains("hint: ") && told.contains("--certificate"),
        "{told}"
    );
    let output = kept.place.run(&[&check[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&report["problems"][0]["problem"], &report["problems"][0]["kind"]),
        (&"signatures".into(), &"signer-untrusted".into())
    );
    kept.place
        .good(&[&check[..], &["--certificate", "made/keys/signer.asc"]].concat());
}

#[test]
fn a_hole_in_the_audit_log_is_told_by_every_backup() {
    let kept = Kept::new();
    let back_up = ["backup", "hub", "--source", "files:data.txt"];
    assert_eq!(kept.json(&back_up)["audit_holes"], Value::Array(Vec::new()));
    kept.remove(&audit(2));
    kept.remove(&audit(4));
    for _ in 0..2 {
        let output = kept.place.run(&[&back_up[..], &SETTINGS].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(
            told.contains("warning: record 2 of the audit log is missing (and 1 more"),
            "{told}"
        );
        let problems = kept.json_of_failure(23, &["audit", "check"]);
        let kinds = problems["problems"].as_array().expect("a list").iter();
        assert_eq!(
            kinds.filter(|problem| problem["problem"] == "missing").count(),
            2,
            "{problems}"
        );
    }
    assert_eq!(
        kept.json(&back_up)["audit_holes"],
        serde_json::json!([
            "record 2 of the audit log is missing",
            "record 4 of the audit log is missing"
        ])
    );
}
