//! `init`: a new store, with keys and settings to begin with.

use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::name::SetName;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::cli::keys::words::NewPassphrase;
use crate::cli::output::visible;
use crate::config::locate;
use crate::config::value::SuiteChoice;
use crate::job::init;
use crate::job::init::Init;
use crate::job::init::Initialized;
use crate::job::init::Placed;
use crate::job::setup;
use crate::keyring::facts;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "A store with new keys; the passphrase of the secret keys is asked for",
        line: "hub-backup init /srv/backup --name hub",
    },
    Example {
        says: "Keys that GnuPG 2.2 and 2.4 can use",
        line: "hub-backup init /srv/backup --suite gnupg --algorithm rsa-4096 --passphrase-file pass.txt",
    },
];

/// Make a store, a root key, a signing key, recipients' keys and a settings file
///
/// DIR gets `hub-backup.toml`, `store/`, `keys/` with the public certificates, `secrets/` with the signing key, and
/// `move-offline/` with the secret keys of the root and of two recipients and the revocations of all keys. Move that
/// folder away from this host: making backups needs only the signing key, which therefore is not locked.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The folder to make; it must be new or empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The name of the first set, also in the user ids of the keys
    #[arg(long, value_name = "NAME", default_value = "hub")]
    pub name: SetName,
    /// Make keys of this algorithm
    #[arg(long, value_name = "ALGORITHM", value_parser = args::algorithm(), default_value = "ecdsa-p384")]
    pub algorithm: String,
    /// Make keys for this suite, and write it into the settings
    #[arg(long, value_name = "SUITE", value_parser = args::key_suite(), default_value = "auto")]
    pub suite: SuiteChoice,
    /// Lock the secret keys that leave this host with the passphrase in FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Leave all secret keys unlocked: whoever reads their files has them
    #[arg(long)]
    pub no_passphrase: bool,
}

/// Runs the command.
///
/// # Errors
/// When the store, its keys or its settings cannot be made.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    init::check(&args.dir, args.suite)?;
    let passphrase = NewPassphrase {
        of: "the passphrase of the keys that leave this host".into(),
        file: args.passphrase_file.as_deref(),
        none: args.no_passphrase,
    };
    let job = Init {
        dir: args.dir.clone(),
        set: args.name.clone(),
        algorithm: words::algorithm(&args.algorithm)?,
        suite: args.suite,
        passphrase: passphrase.get(context)?,
        actor: setup::actor(),
    };
    let made = init::run(&job, context.clock.as_ref())?;
    let report = Report::new(&job, &made);
    context.printer.done("init", &report, |out| report.write(out))?;
    if args.no_passphrase {
        context
            .printer
            .warn("the secret keys are not locked: whoever reads their files has them");
    }
    Ok(())
}

/// What was made.
#[derive(Serialize)]
struct Report {
    dir: PathBuf,
    repository: String,
    set: String,
    keys: Vec<JsonKey>,
    files: Vec<JsonFile>,
    next: Vec<String>,
}

#[derive(Serialize)]
struct JsonKey {
    name: &'static str,
    role: &'static str,
    fingerprint: String,
    algorithm: String,
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
struct JsonFile {
    path: String,
    secret: bool,
    locked: bool,
    leaves_this_host: bool,
    keeper: &'static str,
    if_lost: &'static str,
}

impl From<&Placed> for JsonFile {
    fn from(file: &Placed) -> Self {
        Self {
            path: file.path.clone(),
            secret: file.secret,
            locked: file.locked,
            leaves_this_host: file.leaves,
            keeper: file.keeper,
            if_lost: file.if_lost,
        }
    }
}

impl Report {
    fn new(job: &Init, made: &Initialized) -> Self {
        let keys = made.keys.iter().map(|(part, facts)| JsonKey {
            name: part.stem(),
            role: facts::role_name(facts.role),
            fingerprint: facts.id.clone(),
            algorithm: facts.algorithm.clone(),
            expires: facts.expires,
        });
        Self {
            dir: job.dir.clone(),
            repository: made.repository.clone(),
            set: job.set.to_string(),
            keys: keys.collect(),
            files: made.files.iter().map(JsonFile::from).collect(),
            next: next(&job.dir, &job.set),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "made       {}, store {}", words::path(&self.dir), self.repository)?;
        for key in &self.keys {
            let expires = words::expiry(key.expires);
            writeln!(
                out,
                "key        {:<21} {} {}, {expires}",
                key.name, key.fingerprint, key.algorithm
            )?;
        }
        writeln!(out, "\nstays on this host:")?;
        self.write_files(out, false)?;
        writeln!(out, "\nmust leave this host:")?;
        self.write_files(out, true)?;
        writeln!(out, "\nnext:")?;
        for (number, step) in self.next.iter().enumerate() {
            writeln!(out, "  {}. {}", number + 1, visible(step))?;
        }
        Ok(())
    }
}

impl Report {
    /// Files with one fate stand together, and it is told once.
    fn write_files(&self, out: &mut dyn Write, leaving: bool) -> io::Result<()> {
        let files: Vec<&JsonFile> = self
            .files
            .iter()
            .filter(|file| file.leaves_this_host == leaving)
            .collect();
        for group in files.chunk_by(|one, next| one.fate() == next.fate()) {
            for file in group {
                writeln!(out, "  {}", file.path)?;
            }
            let (kind, keeper, if_lost) = group[0].fate();
            writeln!(out, "      {kind}{keeper}\n      if lost: {if_lost}")?;
        }
        Ok(())
    }
}

impl JsonFile {
    fn fate(&self) -> (&'static str, &'static str, &'static str) {
        let kind = match (self.secret, self.locked) {
            (true, true) => "SECRET, locked: ",
            (true, false) => "SECRET, not locked: ",
            (false, _) => "",
        };
        (kind, self.keeper, self.if_lost)
    }
}

/// What to do now, with the commands.
fn next(dir: &Path, set: &SetName) -> Vec<String> {
    let shell = |path: PathBuf| words::shell(&path);
    let settings = shell(dir.join(locate::FILE_NAME));
    let offline = shell(dir.join(init::MOVE_OFFLINE));
    vec![
        format!("move what is in {offline} to its keepers (its README.txt says who), check the copies, then remove it"),
        format!("name the sources of set {set} in {settings}, then: hub-backup config check --config {settings}"),
        format!("hub-backup backup {set} --config {settings}"),
        format!("hub-backup verify latest --set {set} --config {settings}"),
        format!(
            "hub-backup checkpoint create --config {settings} --out FILE, on a disk that this host cannot change later"
        ),
    ]
}
