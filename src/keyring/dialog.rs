//! Whom a plugin of age can ask while it works: for a PIN, for a touch, for a choice.
//!
//! What a plugin says is its own text: whoever shows it makes sure that it cannot steer a terminal.

use std::fmt;
use std::sync::Arc;

use crate::base::secret::SecretText;

/// Somebody who can be asked.
pub trait Person: Send + Sync {
    /// Shows a message of the plugin. It may go unseen.
    fn tell(&self, plugin: &str, message: &str);

    /// Asks for a text that may be seen while it is typed.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, plugin: &str, question: &str) -> Result<String, Silence>;

    /// Asks for a text that nobody may see.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask_secret(&self, plugin: &str, question: &str) -> Result<SecretText, Silence>;

    /// Asks which of two: whether it is `yes`. A plugin that offers no word for `no` leaves it to who asks.
    ///
    /// # Errors
    /// When there is no answer.
    fn choose(&self, plugin: &str, question: &str, yes: &str, no: Option<&str>) -> Result<bool, Silence>;
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is nobody to ask.
    Nobody,
    /// Somebody was asked and did not answer.
    NoAnswer,
    /// The work was told to stop meanwhile.
    Interrupted,
}

/// The person there is, if there is one. The default is nobody.
#[derive(Clone, Default)]
pub struct Dialog(Option<Arc<dyn Person>>);

impl Dialog {
    /// A dialog with this person.
    #[must_use]
    pub fn with(person: impl Person + 'static) -> Self {
        Self(Some(Arc::new(person)))
    }

    /// The person to ask.
    ///
    /// # Errors
    /// When there is nobody.
    pub fn person(&self) -> Result<&dyn Person, Silence> {
        self.0.as_deref().ok_or(Silence::Nobody)
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() {
            "Dialog(a person)"
        } else {
            "Dialog(nobody)"
        })
    }
}
