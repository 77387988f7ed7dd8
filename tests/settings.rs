//! Settings: which place goes first, what is refused, what is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::name::SetName;
use hub_backup::config::Settings;
use hub_backup::config::check;
use hub_backup::config::environment::Environment;
use hub_backup::config::error::Error;
use hub_backup::config::error::Problem;
use hub_backup::config::layer::Layer;
use hub_backup::config::origin::Origin;
use hub_backup::config::origin::Setting;
use hub_backup::config::resolve;
use hub_backup::config::secret::SecretSource;
use hub_backup::config::show;
use hub_backup::config::show::Shown;
use hub_backup::config::value::SuiteChoice;
use hub_backup::job::setup;
use tempfile::TempDir;

/// Every setting that there is, as the page about settings shows it.
const PAGE: &str = include_str!("../docs/settings.md");

fn whole() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").expect("the page shows a file");
    rest.split_once("```").expect("the file ends").0
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new(text: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        place.file("hub-backup.toml", text, 0o600);
        place
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("own file");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, flags: Layer, environment: &Environment) -> Result<Settings, Error> {
        resolve::settings(Some(&self.path("hub-backup.toml")), flags, environment)
    }

    fn settings(&self) -> Settings {
        self.load(Layer::default(), &Environment::default())
            .expect("right settings")
    }

    fn problems(&self) -> Vec<Problem> {
        match self.load(Layer::default(), &Environment::default()) {
            Err(Error::Problems(problems)) => problems,
            other => panic!("problems expected: {other:?}"),
        }
    }
}

fn set(name: &str) -> SetName {
    name.parse().expect("a name")
}

fn texts(problems: &[Problem], place: &Place) -> Vec<String> {
    let file = format!("{}:", place.path("hub-backup.toml").display());
    problems
        .iter()
        .map(|problem| problem.to_string().replace(&file, ""))
        .collect()
}

#[test]
fn the_whole_file_is_read() {
    let place = Place::new(whole());
    let settings = place.settings();
    assert_eq!(settings.store.as_ref().expect("set").value, place.path("store"));
    assert_eq!(
        settings.keys.signers.value,
        [place.path("secrets/a.key"), place.path("secrets/b.key")]
    );
    assert_eq!(
        settings.recipients.openpgp.value,
        [place.path("keys/operations.asc"), "/keys/escrow.asc".into()]
    );
    assert_eq!(settings.recipients.count(), 4);
    assert_eq!((settings.block_bytes.value, settings.threads()), (2 << 20, 2));
    let Some(SecretSource::Command(words)) = settings.keys.identity_passphrase.map(|source| source.value) else {
        panic!("a command");
    };
    assert_eq!(words, [place.path("./get pass").display().to_string(), "hub".into()]);
    let Some(SecretSource::Command(words)) = settings.recipients.passphrase.map(|source| source.value) else {
        panic!("a command");
    };
    assert_eq!(words, ["pass", "show", "hub backup"]);
}

#[test]
fn a_set_goes_before_the_defaults() {
    let place = Place::new(whole());
    let settings = place.settings();
    let hub = settings.set(Some(&set("hub"))).expect("there");
    assert_eq!((hub.level.value, hub.suite.value.to_string()), (7, "gnupg".into()));
    assert_eq!(hub.recipients.count(), 2, "recipients of a set replace the others");
    assert!(hub.allow_changed.value && hub.redact_secrets.value && !hub.check_sources.value);
    let small = settings.set(Some(&set("small"))).expect("there");
    assert_eq!((small.level.value, small.suite.value.to_string()), (5, "age".into()));
    assert_eq!(small.recipients.openpgp.value, [place.path("small.asc")]);
    assert_eq!(small.recipients.count(), 1, "recipients of a set replace the others");
    assert!(
        small.check_sources.value,
        "what is damaged is refused unless somebody says otherwise"
    );
}

#[test]
fn flags_go_before_environment_before_file_before_default() {
    let place = Place::new("[defaults]\nlevel = 5\n[sets.a]\nsources = [\"files:/a\"]\nlevel = 6\n");
    let environment = Environment::from([("HUB_BACKUP_LEVEL", "8")]);
    let mut flags = Layer::default();
    flags.every_set.level = Some(Setting::of_flag("--level", 9));
    let level = |settings: &Settings| {
        let level = settings.set(None).expect("the only set").level;
        (level.value, level.origin.kind())
    };

    let none = Place::new("")
        .load(Layer::default(), &Environment::default())
        .expect("right");
    assert_eq!((none.level.value, none.level.origin), (3, Origin::Default));
    let file = place.settings();
    assert_eq!((file.level.value, file.level.origin.kind()), (5, "file"));
    assert_eq!(level(&file), (6, "file"));
    assert_eq!(
        level(&place.load(Layer::default(), &environment).expect("right")),
        (8, "environment")
    );
    assert_eq!(level(&place.load(flags, &environment).expect("right")), (9, "flag"));
}

#[test]
fn recipients_of_the_command_line_are_all_recipients() {
    let place = Place::new(whole());
    let environment = Environment::from([("HUB_BACKUP_PASSPHRASE", "needle")]);
    let mut flags = Layer::default();
    let word = vec!["a.asc".parse().expect("a path")];
    flags.every_set.recipients.add(word, &Origin::Flag("--recipient"));
    let settings = place.load(flags, &environment).expect("right");
    for recipients in [
        &settings.recipients,
        &settings.set(Some(&set("hub"))).expect("there").recipients,
    ] {
        assert_eq!(recipients.openpgp.value, [Path::new("a.asc")]);
        assert_eq!(recipients.count(), 1);
    }
    let keys_in_file = place.load(Layer::default(), &environment).expect("right");
    let passphrase = keys_in_file.recipients.passphrase.as_ref().expect("one");
    assert_eq!(passphrase.origin, Origin::Environment("HUB_BACKUP_PASSPHRASE"));
    assert_eq!(
        keys_in_file.recipients.openpgp.value.len(),
        2,
        "a passphrase alone takes no key away"
    );
}

#[test]
fn recipients_in_the_environment_are_sorted_by_kind() {
    let environment = Environment::from([("HUB_BACKUP_RECIPIENT", "a.asc:age1abc:/b/c.asc")]);
    let settings = Place::new(whole()).load(Layer::default(), &environment).expect("right");
    assert_eq!(
        settings.recipients.openpgp.value,
        [Path::new("a.asc"), Path::new("/b/c.asc")]
    );
    assert_eq!(settings.recipients.age.value, ["age1abc"]);
    assert!(settings.recipients.passphrase.is_none());
}

#[test]
fn every_problem_is_listed_with_its_place_and_the_next_step() {
    let place = Place::new(
        "[stroe]\npath = 1\n[defaults]\nlevel = 20\nsuite = \"pgp\"\njobs = \"two\"\n\
         [sets.\"../x\"]\nsources = [\"files:/a\"]\n[sets.hub]\nsource = []\nexclude = [\"a[\", 3]\n",
    );
    let problems = place.problems();
    let texts = texts(&problems, &place);
    for wanted in [
        "1:2: stroe: is not a setting",
        "4:9: defaults.level: 20 is not between 1 and 19",
        "5:9: defaults.suite: \"pgp\" is not one of auto, rfc9580, gnupg, age",
        "6:8: defaults.jobs: is a string, and must be a whole number",
        "10:1: sets.hub.source: is not a setting",
        "11:18: sets.hub.exclude: is an integer, and must be a text in quotes",
    ] {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} is not in {texts:#?}");
    }
    assert!(
        texts.iter().any(|text| text.contains("\"a[\" is not a pattern")),
        "{texts:#?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("\"../x\" is not a set name")),
        "{texts:#?}"
    );
    let hints: Vec<&str> = problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
    assert!(
        hints.contains(&"Is store meant?") && hints.contains(&"Is sources meant?"),
        "{hints:?}"
    );
    let error = Error::Problems(problems);
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint().expect("a hint").contains("config check"));
}

#[test]
fn secrets_in_the_file_are_refused_and_not_repeated() {
    for (text, place_of) in [
        (
            "[recipients]\npassphrase = \"needle\"\n",
            "2:1: recipients.passphrase: a secret does not belong",
        ),
        (
            "[keys]\nsigner_passphrase = \"needle\"\n",
            "2:1: keys.signer_passphrase: a secret does not belong",
        ),
        (
            "[keys]\nidentity_passphrase = \"needle\"\n",
            "2:1: keys.identity_passphrase: a secret does not belong",
        ),
        (
            "[keys]\nidentities = [\"AGE-SECRET-KEY-1needle\"]\n",
            "2:15: keys.identities: a secret key does not belong",
        ),
        (
            "[recipients]\nage = [\"AGE-SECRET-KEY-1needle\"]\n",
            "2:8: recipients.age: a secret key does not belong",
        ),
        ("[recipients]\npassphrase = \"needle\n", "syntax"),
        (
            "[recipients]\npassphrase_command = \"say 'needle\"\n",
            "2:22: recipients.passphrase_command: the command has a",
        ),
    ] {
        let place = Place::new(text);
        let problems = place.problems();
        let texts = texts(&problems, &place);
        assert!(
            texts.iter().any(|text| text.contains(place_of)),
            "{place_of} is not in {texts:#?}"
        );
        assert!(!format!("{problems:?}").contains("needle"), "{problems:?}");
    }
}

#[test]
fn two_ways_of_saying_one_thing_are_refused() {
    for text in [
        "[keys]\nsigner = \"a\"\nsigners = [\"b\"]\n",
        "[keys]\nsigner_passphrase_file = \"a\"\nsigner_passphrase_command = \"b\"\n",
    ] {
        let place = Place::new(text);
        assert!(texts(&place.problems(), &place)[0].contains("say the same thing"));
    }
}

#[test]
fn paths_of_the_shell_are_refused() {
    let place = Place::new("[store]\npath = \"~/store\"\n");
    assert!(texts(&place.problems(), &place)[0].starts_with("2:8: store.path"));
}

#[test]
fn nothing_shown_is_a_secret() {
    let place = Place::new(whole());
    let environment = Environment::from([
        ("HUB_BACKUP_PASSPHRASE", "needle"),
        ("HUB_BACKUP_IDENTITY_PASSPHRASE_COMMAND", "print needle"),
    ]);
    let mut flags = Layer::default();
    let uris = vec!["postgres://hub:needle@db/hub".to_owned()];
    flags.every_set.sources = Some(Setting::of_flag("--source", uris));
    let settings = place.load(flags, &environment).expect("right");
    let rows = show::rows(&settings);
    let shown = format!("{rows:?}");
    assert!(!shown.contains("needle"), "{shown}");
    let passphrase = rows
        .iter()
        .find(|row| row.key == "recipients.passphrase")
        .expect("a row");
    assert_eq!(passphrase.value, Shown::Text("[redacted]".into()));
    assert!(
        !format!("{settings:?}").contains("Given(SecretText"),
        "secrets have a Debug of their own"
    );
}

#[test]
fn the_page_sets_everything_and_everything_set_is_shown() {
    let settings = Place::new(whole()).settings();
    let rows = show::rows(&settings);
    let set = |prefix: &str| {
        let rows = rows.iter().filter(move |row| row.key.starts_with(prefix));
        rows.map(|row| (row.key.as_str(), row.origin.kind()))
            .collect::<Vec<_>>()
    };
    for prefix in ["store.", "keys.", "recipients.", "policy.", "defaults.", "sets.hub."] {
        let rows = set(prefix);
        assert!(
            !rows.is_empty() && rows.iter().all(|(_, origin)| *origin == "file"),
            "{rows:?}"
        );
    }
    assert_eq!(set("sets.small.suite"), [("sets.small.suite", "file")]);
}

#[test]
fn checking_looks_at_the_files_that_are_named() {
    let place = Place::new(
        "[store]\npath = \"store\"\n[keys]\nroots = [\"root.asc\"]\nsigner = \"signer.key\"\n\
         signer_passphrase_file = \"pass\"\n[policy]\nrecipients_min = 2\n\
         [recipients]\nopenpgp = [\"there.asc\"]\n[sets.hub]\nsources = [\"files:/a\"]\n",
    );
    let signer = place.file("signer.key", "", 0o640);
    drop(place.file("pass", "a\n", 0o600));
    drop(place.file("there.asc", "", 0o644));
    let problems = check::problems(&place.settings());
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["store.path", "keys.roots", "keys.signers", "sets.hub.recipients"],
        "{problems:#?}"
    );
    let hint = problems[2].hint.as_deref().expect("a hint");
    assert!(hint.contains(&format!("chmod 600 {}", signer.display())), "{hint}");
}

#[test]
fn a_passphrase_that_the_policy_forbids_is_a_problem() {
    let place = Place::new(
        "[store]\npath = \".\"\n[recipients]\npassphrase_file = \"pass\"\n[policy]\npassphrase_allowed = false\n\
         [sets.hub]\nsources = [\"files:/a\"]\n",
    );
    drop(place.file("pass", "a\n", 0o600));
    let problems = check::problems(&place.settings());
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["sets.hub.recipients"], "{problems:#?}");
    assert!(problems[0].message.contains("passphrase_allowed"), "{problems:#?}");
}

#[test]
fn the_policy_of_the_command_line_goes_before_that_of_the_environment_and_the_file() {
    let (in_file, in_environment) = ("AA".repeat(20), "bb".repeat(20));
    let place = Place::new(&format!(
        "[policy]\nrecipients_required = [\"{in_file}\"]\nsigners_min = 2\n"
    ));
    let required = |flags: Layer, environment: &Environment| {
        let policy = place.load(flags, environment).expect("right").policy;
        assert_eq!(policy.signers_min.value, 2);
        policy.recipients_required.value
    };
    assert_eq!(required(Layer::default(), &Environment::default()), [in_file.as_str()]);
    let several = format!("{in_environment}:passphrase");
    let environment = Environment::from([("HUB_BACKUP_RECIPIENTS_REQUIRED", several.as_str())]);
    assert_eq!(
        required(Layer::default(), &environment),
        [in_environment.to_uppercase().as_str(), "passphrase"]
    );
    let mut flags = Layer::default();
    let id = vec!["age1abc".to_owned()];
    flags.policy.recipients_required = Some(Setting::of_flag("--require-recipient", id));
    assert_eq!(required(flags, &environment), ["age1abc"]);
    let wrong = Place::new("[policy]\nrecipients_required = [\"0123456789ABCDEF\"]\nrsa_bits_min = 2048\n");
    let texts = texts(&wrong.problems(), &wrong);
    assert!(
        texts[0].contains("2:24: policy.recipients_required: \"0123456789ABCDEF\" is neither"),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("policy.rsa_bits_min: 2048 is not between 3072"),
        "{texts:?}"
    );
}

#[test]
fn which_set_is_asked_rather_than_guessed() {
    let place = Place::new(whole());
    let error = place.settings().set(None).expect_err("three sets");
    assert!(matches!(&error, Error::WhichSet(known) if known.len() == 3), "{error}");
    let error = place.settings().set(Some(&set("hbu"))).expect_err("not there");
    assert!(error.hint().expect("a hint").contains("hub, shop, small"), "{error}");
    let mut flags = Layer::default();
    flags.every_set.sources = Some(Setting::of_flag("--source", vec!["files:/a".to_owned()]));
    flags.every_set.suite = Some(Setting::of_flag("--suite", SuiteChoice::Auto));
    let once = Place::new("").load(flags, &Environment::default()).expect("right");
    assert_eq!(once.set(Some(&set("once"))).expect("named").sources.value, ["files:/a"]);
}

#[test]
fn a_command_without_a_store_says_how_to_name_one() {
    let error = setup::store(&Place::new("").settings()).expect_err("none");
    let hint = error.hint().expect("a hint");
    for way in ["--store", "[store]"] {
        assert!(hint.contains(way), "{hint}");
    }
}
