//! stand-in
#![expect(missing_docs, reason = "stand-in")]
use super::*;
pub enum SecretRule {
    Refuse,
    Redact,
}
pub struct ConfigOptions {
    pub secrets: SecretRule,
}
pub struct ConfigSource(Label);
impl ConfigSource {
    pub fn new(l: Label, _: PathBuf, _: ConfigOptions) -> Self {
        Self(l)
    }
}
impl Source for ConfigSource {
    fn label(&self) -> &Label {
        &self.0
    }
    fn kind(&self) -> &'static str {
        "config"
    }
    fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn collect(&mut self, _: &mut dyn Collector, _: &Cancel) -> Result<Learnt, Error> {
        Ok(Learnt::default())
    }
}
