//! Flags over environment over file over default.

use std::num::NonZero;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use crate::base::limits;
use crate::bundle::name::SetName;
use crate::config::Keys;
use crate::config::Layers;
use crate::config::Policy;
use crate::config::Recipients;
use crate::config::SetSettings;
use crate::config::Settings;
use crate::config::env;
use crate::config::environment::Environment;
use crate::config::error::Error;
use crate::config::error::Problem;
use crate::config::file;
use crate::config::layer::Layer;
use crate::config::layer::PolicyLayer;
use crate::config::layer::RecipientLayer;
use crate::config::layer::SetLayer;
use crate::config::locate;
use crate::config::origin::Setting;
use crate::config::value::SuiteChoice;

/// Settings with everything that was found wrong on the way; wrong values count as not set.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read.
    pub settings: Settings,
    /// What could not.
    pub problems: Vec<Problem>,
}

/// Finds the settings file and puts the layers on top of each other.
///
/// # Errors
/// When the file that should be read cannot be; single wrong values are in [`Loaded::problems`].
pub fn load(config: Option<&Path>, flags: Layer, environment: &Environment) -> Result<Loaded, Error> {
    let found = locate::find(config, environment)?;
    let mut problems = Vec::new();
    let mut layers = Layers {
        flags,
        environment: env::layer(environment, &mut problems),
        file: Layer::default(),
    };
    if let Some(found) = &found {
        layers.file = file::layer(&found.path, &found.text, &mut problems);
    }
    let settings = Settings::of(found.map(|found| found.path), layers);
    Ok(Loaded { settings, problems })
}

/// As [`load`], and any problem is an error.
///
/// # Errors
/// See [`enum@Error`].
pub fn settings(config: Option<&Path>, flags: Layer, environment: &Environment) -> Result<Settings, Error> {
    let loaded = load(config, flags, environment)?;
    if loaded.problems.is_empty() {
        Ok(loaded.settings)
    } else {
        Err(Error::Problems(loaded.problems))
    }
}

fn or_none<T>(setting: Option<Setting<Vec<T>>>) -> Setting<Vec<T>> {
    setting.unwrap_or_else(|| Setting::default_of(Vec::new()))
}

impl Layers {
    /// The first of flags, environment and file that says it.
    fn pick<T: Clone>(&self, of: impl Fn(&Layer) -> &Option<Setting<T>>) -> Option<Setting<T>> {
        [&self.flags, &self.environment, &self.file]
            .into_iter()
            .find_map(|layer| of(layer).clone())
    }

    fn keys(&self) -> Keys {
        Keys {
            roots: or_none(self.pick(|layer| &layer.roots)),
            certificates: or_none(self.pick(|layer| &layer.certificates)),
            signers: or_none(self.pick(|layer| &layer.signers)),
            signer_passphrase: self.pick(|layer| &layer.signer_passphrase),
            identities: or_none(self.pick(|layer| &layer.identities)),
            identity_passphrase: self.pick(|layer| &layer.identity_passphrase),
        }
    }

    fn policy(&self) -> Policy {
        let number = |of: fn(&PolicyLayer) -> &Option<Setting<u32>>, default| {
            self.pick(|layer| of(&layer.policy))
                .unwrap_or_else(|| Setting::default_of(default))
        };
        Policy {
            recipients_min: number(|policy| &policy.recipients_min, 1),
            recipients_required: or_none(self.pick(|layer| &layer.policy.recipients_required)),
            signers_min: number(|policy| &policy.signers_min, 1),
            rsa_bits_min: number(|policy| &policy.rsa_bits_min, limits::RSA_BITS_MIN),
            passphrase_allowed: self
                .pick(|layer| &layer.policy.passphrase_allowed)
                .unwrap_or_else(|| Setting::default_of(true)),
        }
    }

    /// As [`Self::pick`], where what the file says of one set goes before what it says of all.
    fn pick_for<T: Clone>(&self, set: &SetLayer, of: impl Fn(&SetLayer) -> &Option<Setting<T>>) -> Option<Setting<T>> {
        let [flags, environment, file] = [&self.flags, &self.environment, &self.file].map(|layer| &layer.every_set);
        [flags, environment, set, file]
            .into_iter()
            .find_map(|layer| of(layer).clone())
    }

    /// Recipients are taken together from the first place that names a certificate or an age recipient: whoever
    /// replaces them must not leave one behind unseen. A passphrase alone is added to the keys of the file, unless
    /// the command line gives it: what the command line names is all that opens the bundle.
    fn recipients(&self, set: &SetLayer) -> Recipients {
        let [flags, environment, file] =
            [&self.flags, &self.environment, &self.file].map(|layer| &layer.every_set.recipients);
        let in_file = if set.recipients.names_any() {
            &set.recipients
        } else {
            file
        };
        let (keys, passphrase) = if flags.names_any() {
            (flags, flags.passphrase.clone())
        } else if environment.names_keys() {
            (environment, environment.passphrase.clone())
        } else {
            (in_file, environment.passphrase.clone().or(in_file.passphrase.clone()))
        };
        let RecipientLayer { openpgp, age, .. } = keys.clone();
        Recipients {
            openpgp: or_none(openpgp),
            age: or_none(age),
            passphrase,
        }
    }

    fn suite(&self, set: &SetLayer) -> Setting<SuiteChoice> {
        self.pick_for(set, |layer| &layer.suite)
            .unwrap_or_else(|| Setting::default_of(SuiteChoice::Auto))
    }

    fn level(&self, set: &SetLayer) -> Setting<i32> {
        self.pick_for(set, |layer| &layer.level)
            .unwrap_or_else(|| Setting::default_of(limits::LEVEL))
    }
}

impl Settings {
    fn of(file: Option<PathBuf>, layers: Layers) -> Self {
        let no_set = SetLayer::default();
        Self {
            file,
            store: layers.pick(|layer| &layer.store),
            keys: layers.keys(),
            recipients: layers.recipients(&no_set),
            policy: layers.policy(),
            protected: or_none(layers.pick(|layer| &layer.protected)),
            suite: layers.suite(&no_set),
            level: layers.level(&no_set),
            jobs: layers
                .pick(|layer| &layer.jobs)
                .unwrap_or_else(|| Setting::default_of(0)),
            block_bytes: layers
                .pick(|layer| &layer.block_bytes)
                .unwrap_or_else(|| Setting::default_of(limits::BLOCK_BYTES)),
            layers,
        }
    }

    /// The number of worker threads: as set, or one a core.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.jobs.value {
            0 => thread::available_parallelism()
                .map_or(1, NonZero::get)
                .min(limits::JOBS_MAX),
            jobs => jobs,
        }
    }

    /// The names of the sets in the file, sorted.
    #[must_use]
    pub fn set_names(&self) -> Vec<SetName> {
        self.layers.file.sets.keys().cloned().collect()
    }

    /// The set to back up: the one of that name, or the only one. A set that the file does not have needs sources
    /// from the command line.
    ///
    /// # Errors
    /// `WhichSet` when none is named and there is not just one; `NoSources` or `NoSet` when there is nothing to back up.
    pub fn set(&self, name: Option<&SetName>) -> Result<SetSettings, Error> {
        let known = self.set_names();
        let name = match (name, known.as_slice()) {
            (Some(name), _) | (None, [name]) => name.clone(),
            (None, _) => return Err(Error::WhichSet(known)),
        };
        let none = SetLayer::default();
        let layer = self.layers.file.sets.get(&name);
        let set = self.set_of(name.clone(), layer.unwrap_or(&none));
        if set.sources.value.is_empty() {
            let empty = layer.and_then(|layer| layer.sources.as_ref().map(|named| &named.origin));
            let place = empty.or_else(|| layer.and_then(|layer| layer.origin.as_ref()));
            return Err(match place.cloned() {
                Some(origin) => Error::NoSources { name, origin },
                None => Error::NoSet { name, known },
            });
        }
        Ok(set)
    }

    /// Every set of the file.
    #[must_use]
    pub fn sets(&self) -> Vec<SetSettings> {
        let sets = self.layers.file.sets.iter();
        sets.map(|(name, layer)| self.set_of(name.clone(), layer)).collect()
    }

    fn set_of(&self, name: SetName, set: &SetLayer) -> SetSettings {
        let layers = &self.layers;
        let flag = |of: fn(&SetLayer) -> &Option<Setting<bool>>| {
            layers.pick_for(set, of).unwrap_or_else(|| Setting::default_of(false))
        };
        let sources = or_none(layers.pick_for(set, |layer| &layer.sources));
        let in_file = set.sources.as_ref().map_or(&[][..], |named| named.value.as_slice());
        let left_out = in_file.iter().filter(|source| !sources.value.contains(*source));
        SetSettings {
            name,
            left_out: left_out.cloned().collect(),
            sources,
            exclude: or_none(layers.pick_for(set, |layer| &layer.exclude)),
            one_file_system: flag(|layer| &layer.one_file_system),
            allow_changed: flag(|layer| &layer.allow_changed),
            redact_secrets: flag(|layer| &layer.redact_secrets),
            accept_findings: or_none(layers.pick_for(set, |layer| &layer.accept_findings)),
            // What is damaged is found while the older bundles are still there.
            check_sources: layers
                .pick_for(set, |layer| &layer.check_sources)
                .unwrap_or_else(|| Setting::default_of(true)),
            retention_class: layers.pick_for(set, |layer| &layer.retention_class),
            command_env: or_none(layers.pick_for(set, |layer| &layer.command_env)),
            command_timeout: layers.pick_for(set, |layer| &layer.command_timeout),
            allow_empty: flag(|layer| &layer.allow_empty),
            suite: layers.suite(set),
            level: layers.level(set),
            recipients: layers.recipients(set),
        }
    }
}
