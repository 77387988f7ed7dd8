//! stand-in
#![expect(missing_docs, reason = "stand-in")]
use super::*;
use std::path::PathBuf;
pub struct FilesSink;
#[derive(Default)]
pub struct FilesSinkOptions {
    pub strip_label: bool,
    pub same_owner: bool,
    pub jobs: usize,
}
impl FilesSink {
    pub fn new(_: PathBuf, _: FilesSinkOptions) -> Result<Self, Error> {
        Ok(Self)
    }
    pub fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }
    pub fn staged(&self, _: &EntryPath) -> PathBuf {
        PathBuf::new()
    }
}
impl Sink for FilesSink {
    fn entry(&mut self, _: &Entry, _: &mut dyn Read) -> Result<(), Error> {
        Ok(())
    }
    fn part(&mut self, _: &Part, _: &mut dyn Read) -> Result<(), Error> {
        Ok(())
    }
    fn stream(&mut self, _: &Stream) -> Result<(), Error> {
        Ok(())
    }
    fn commit(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
