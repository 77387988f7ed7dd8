//! Plugins of age: programs that hold a key elsewhere, and may ask a person for something before they use it.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use age::Callbacks;
use age::DecryptError;
use age::EncryptError;
use age::plugin;
use age::plugin::IdentityPluginV1;
use age::plugin::RecipientPluginV1;
use age_core::format::FileKey;
use age_core::format::Stanza;
use age_core::secrecy::SecretString;

use super::error::Error;
use crate::base::secret::SecretText;
use crate::keyring::dialog::Dialog;
use crate::keyring::dialog::Silence;

/// The plugin of a recipient.
pub(crate) fn recipient(recipient: &plugin::Recipient, dialog: &Dialog) -> Result<Box<dyn age::Recipient>, Error> {
    let talk = Talk::new(recipient.plugin(), dialog);
    let inner = RecipientPluginV1::new(recipient.plugin(), std::slice::from_ref(recipient), &[], talk.clone());
    let inner = inner.map_err(|_| missing(recipient.plugin()))?;
    Ok(Box::new(Asking { inner, talk }))
}

/// The plugin of an identity.
pub(crate) fn identity(identity: &plugin::Identity, dialog: &Dialog) -> Result<Box<dyn age::Identity>, Error> {
    let talk = Talk::new(identity.plugin(), dialog);
    let inner = IdentityPluginV1::new(identity.plugin(), std::slice::from_ref(identity), talk.clone());
    let inner = inner.map_err(|_| missing(identity.plugin()))?;
    Ok(Box::new(Asking { inner, talk }))
}

fn missing(name: &str) -> Error {
    Error::PluginMissing { name: name.to_owned() }
}

/// What went wrong with a plugin, from the texts that it gave.
pub(crate) fn failed<E: ToString>(errors: &[E]) -> Error {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    // The crate's texts mark inserted words by invisible characters that direct the writing.
    let reason = lines.join("; ").replace(['\u{2068}', '\u{2069}'], "");
    Error::Plugin { reason }
}

/// A plugin that fails after a question without an answer fails for want of the answer, whatever it says itself.
struct Asking<P> {
    inner: P,
    talk: Talk,
}

impl<P: age::Recipient> age::Recipient for Asking<P> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let result = self.inner.wrap_file_key(file_key);
        match (&result, self.talk.unanswered()) {
            (Err(_), Some(unanswered)) => Err(EncryptError::Io(io::Error::other(unanswered))),
            _ => result,
        }
    }
}

impl<P: age::Identity> age::Identity for Asking<P> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let result = self.inner.unwrap_stanzas(stanzas);
        match (&result, self.talk.unanswered()) {
            (None | Some(Err(_)), Some(unanswered)) => Some(Err(DecryptError::Io(io::Error::other(unanswered)))),
            _ => result,
        }
    }
}

/// The questions of one plugin, on their way to a person.
#[derive(Clone)]
struct Talk {
    name: String,
    dialog: Dialog,
    unanswered: Arc<Mutex<Option<Error>>>,
}

impl Talk {
    fn new(plugin: &str, dialog: &Dialog) -> Self {
        Self {
            name: format!("age-plugin-{plugin}"),
            dialog: dialog.clone(),
            unanswered: Arc::default(),
        }
    }

    /// The answer, or a note that there was none.
    fn answer<T>(&self, question: &str, answer: Result<T, Silence>) -> Option<T> {
        let (name, question) = (self.name.clone(), question.to_owned());
        let silence = match answer {
            Ok(answer) => return Some(answer),
            Err(silence) => silence,
        };
        let mut first = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        let _first = first.get_or_insert(match silence {
            Silence::Nobody => Error::PluginAsksNobody { name, question },
            Silence::NoAnswer => Error::PluginUnanswered { name, question },
            Silence::Interrupted => Error::PluginInterrupted { name, question },
        });
        None
    }

    /// The first question that was not answered since the last call.
    fn unanswered(&self) -> Option<Error> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Callbacks for Talk {
    fn display_message(&self, message: &str) {
        if let Ok(person) = self.dialog.person() {
            person.tell(&self.name, message);
        }
    }

    fn confirm(&self, message: &str, yes_string: &str, no_string: Option<&str>) -> Option<bool> {
        let person = self.dialog.person();
        let answer = person.and_then(|person| person.choose(&self.name, message, yes_string, no_string));
        self.answer(message, answer)
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        let person = self.dialog.person();
        self.answer(
            description,
            person.and_then(|person| person.ask(&self.name, description)),
        )
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let person = self.dialog.person();
        let answer = person.and_then(|person| person.ask_secret(&self.name, description));
        let secret = |text: SecretText| SecretString::from(text.expose().to_owned());
        self.answer(description, answer).map(secret)
    }
}
