//! A PostgreSQL database restored from the members of its dump: structure, rows, then indexes and constraints, without psql.
//!
//! Everything lands in a staged database beside the target, which gets the target's name at the end: nobody sees half a database. The order
//! in which members come is that of [`crate::server::postgres::layout`].

mod build;
mod compare;
mod creation;
mod engine;
mod error;
mod filter;
mod fit;
mod link;
mod load;
mod member;
mod objects;
pub mod options;
mod phases;
mod properties;
mod relocate;
mod runner;
mod script;
mod staging;
mod statement;
mod toc;

use std::io;
use std::io::BufRead;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use self::engine::Engine;
use self::error::Error as Inner;
use self::error::outer;
use self::filter::Filter;
use self::link::Door;
use self::link::Link;
use self::link::Links;
use self::load::Loader;
use self::member::Member;
use self::member::below;
use self::objects::Objects;
use self::options::Landing;
use self::options::PostgresSinkOptions;
use self::properties::Own;
use self::relocate::Relocation;
use self::runner::Kept;
use self::runner::Script;
use self::staging::Kind;
use self::staging::Staged;
use self::staging::Target;
use super::Error;
use super::Sink;
use super::danger;
use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;
use crate::server::postgres::Conninfo;
use crate::server::postgres::layout;
use crate::server::postgres::layout::Plan;
use crate::sink::row_check::Compared;

/// Statements that are held until all rows are in; more than that are made in several rounds, each of which is in order by itself.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Bytes of a script that are read at a time.
const SCRIPT_CHUNK_BYTES: usize = 64 << 10;

/// How long a staged database may take to be dropped when a restore fails.
const DROP_TIME: Duration = Duration::from_secs(30);

/// The same when the operator has said stop. The server goes on with what it has begun, and the next restore sweeps what is left.
const DROP_TIME_WHEN_STOPPED: Duration = Duration::from_secs(5);

/// Restores one dump to one database.
pub struct PostgresSink {
    /// How the target is written, without secrets.
    shown: String,
    options: PostgresSinkOptions,
    filter: Filter,
    engine: Engine,
    door: Door,
    target: Arc<Target>,
    staged: Option<Staged>,
    /// The staged database, once the plan is known.
    filling: Option<Filling>,
    plan: Vec<u8>,
    notes: Vec<String>,
    prepared: bool,
}

/// A database that is being filled.
struct Filling {
    links: Links,
    main: Arc<Link>,
    loader: Loader,
    script: Option<(Member, Script)>,
    objects: Option<Objects>,
    post_data: Kept,
    structured: bool,
    own: Own,
}

impl PostgresSink {
    /// Looks at the target and refuses it when it must not be restored to. Nothing is made yet. `shown` is how messages name the target.
    ///
    /// # Errors
    /// `Target` when it is not empty, protected or not permitted; `Database` when the server is not reached.
    pub fn new(shown: &str, conninfo: Conninfo, options: PostgresSinkOptions, cancel: Cancel) -> Result<Self, Error> {
        let shown = shown.to_owned();
        let name = conninfo.database.clone();
        let failed = |error| outer(&shown, error);
        let hosts: Vec<&str> = conninfo
            .endpoints
            .iter()
            .map(|endpoint| endpoint.host.as_str())
            .collect();
        fit::refuse_protected(&hosts, &name, &options.protected).map_err(failed)?;
        let engine = Engine::new(cancel).map_err(failed)?;
        let door = Door::new(conninfo, options.role.clone());
        let look = {
            let (door, options) = (door.clone(), options.clone());
            async move { Target::look(&door, &name, &options).await }
        };
        let mut target = engine.run(look).map_err(failed)?;
        let door = door.narrow(&target.maintenance);
        let mut notes = std::mem::take(&mut target.notes);
        notes.extend(target.loss());
        Ok(Self {
            shown,
            filter: Filter::new(&options),
            options,
            engine,
            door,
            target: Arc::new(target),
            staged: None,
            filling: None,
            plan: Vec::new(),
            notes,
            prepared: false,
        })
    }

    /// Reads the next bytes of a member.
    fn take(&mut self, path: &EntryPath, size: u64, content: &mut dyn BufRead) -> Result<(), Error> {
        let below = below(path);
        let unread = |source| Error::Content {
            path: path.clone(),
            source,
        };
        match Member::of(&below) {
            Member::Rows => {
                let read = self.rows(&below, size, content);
                read.map_err(|error| outer(&self.shown, error))?.map_err(unread)
            }
            Member::Other => io::copy(content, &mut io::sink()).map(drop).map_err(unread),
            member @ (Member::Plan
            | Member::Globals
            | Member::PreData
            | Member::LargeObjects
            | Member::Sequences
            | Member::PostData) => {
                let mut chunk = Vec::new();
                loop {
                    chunk.clear();
                    let read = (&mut *content).take(SCRIPT_CHUNK_BYTES as u64).read_to_end(&mut chunk);
                    if read.map_err(unread)? == 0 {
                        return Ok(());
                    }
                    self.text(member, &chunk).map_err(|error| outer(&self.shown, error))?;
                }
            }
        }
    }

    fn rows(&mut self, stream: &str, size: u64, content: &mut dyn BufRead) -> Result<io::Result<()>, Inner> {
        let (engine, filling) = (&self.engine, self.filling.as_mut());
        let filling = filling
            .filter(|filling| filling.structured)
            .ok_or_else(|| Inner::Dump(format!("{stream} comes before {} is at its end", layout::PRE_DATA)))?;
        filling.loader.part(engine, stream, size, content)
    }

    /// The next bytes of a member that is a text.
    fn text(&mut self, member: Member, bytes: &[u8]) -> Result<(), Inner> {
        if self.is_left_out(member) {
            return Ok(());
        }
        match member {
            Member::Plan if self.plan.len() + bytes.len() > limits::DUMP_PLAN_BYTES_MAX => Err(Inner::Dump(format!(
                "{} is longer than {} bytes",
                layout::PLAN,
                limits::DUMP_PLAN_BYTES_MAX
            ))),
            Member::Plan => {
                self.plan.extend(bytes);
                Ok(())
            }
            Member::PostData => self.keep(bytes),
            Member::LargeObjects => {
                let filling = self.filling.as_mut().ok_or_else(no_plan)?;
                let begin = || Objects::begin(&self.engine, filling.links.clone(), self.filter.clone());
                filling.objects.get_or_insert_with(begin).feed(&self.engine, bytes)
            }
            Member::Globals | Member::PreData | Member::Sequences => {
                let filling = self.filling.as_mut().ok_or_else(no_plan)?;
                let (of, mut script) = filling
                    .script
                    .take()
                    .unwrap_or_else(|| (member, Script::new(member.word())));
                if of != member {
                    return Err(Inner::Dump(format!(
                        "{} begins before the end of {}",
                        member.word(),
                        of.word()
                    )));
                }
                script.feed(bytes)?;
                let pieces = script.ready();
                let running = script.run(pieces, Arc::clone(&filling.main), self.filter.clone());
                filling.script = Some((member, self.engine.run(running)?));
                Ok(())
            }
            Member::Rows | Member::Other => Ok(()),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Inner> {
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        filling.post_data.feed(bytes, &self.filter)?;
        if filling.post_data.bytes() > KEPT_BYTES_MAX {
            self.build(false)?;
        }
        Ok(())
    }

    /// The end of a member.
    fn end(&mut self, path: &EntryPath) -> Result<(), Inner> {
        let member = Member::of(&below(path));
        if self.is_left_out(member) {
            return Ok(());
        }
        match member {
            Member::Plan => self.begin(),
            Member::PostData => {
                let filling = self.filling.as_mut().ok_or_else(no_plan)?;
                filling.post_data.finish(&self.filter)
            }
            Member::LargeObjects => {
                let filling = self.filling.as_mut().ok_or_else(no_plan)?;
                filling.objects.iter_mut().for_each(Objects::end);
                Ok(())
            }
            member @ (Member::Globals | Member::PreData | Member::Sequences) => self.end_script(member),
            Member::Rows | Member::Other => Ok(()),
        }
    }

    fn end_script(&mut self, member: Member) -> Result<(), Inner> {
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        let (_, mut script) = filling
            .script
            .take()
            .unwrap_or_else(|| (member, Script::new(member.word())));
        let pieces = script.last()?;
        let running = script.run(pieces, Arc::clone(&filling.main), self.filter.clone());
        let account = self.engine.run(running)?.into_account();
        account.settle(member.word())?;
        self.notes.extend(account.notes);
        filling.structured |= member == Member::PreData;
        Ok(())
    }

    /// The plan is whole: the staged database is made.
    fn begin(&mut self) -> Result<(), Inner> {
        let mut plan: Plan = serde_json::from_slice(&std::mem::take(&mut self.plan)).map_err(|error| {
            Inner::Dump(format!(
                "{} is not a plan of version {}: {error}",
                layout::PLAN,
                layout::VERSION
            ))
        })?;
        if plan.version != layout::VERSION {
            return Err(Inner::Dump(format!("{} is of version {}", layout::PLAN, plan.version)));
        }
        self.refuse_source(&plan)?;
        // Known before it is made: whatever stops the making, it is dropped.
        let staged = self.target.staged(&self.options)?;
        self.staged = Some(staged.clone());
        {
            let (target, options) = (Arc::clone(&self.target), self.options.clone());
            let (staged, creation) = (staged.clone(), plan.creation.clone());
            self.engine
                .run(async move { target.create(&staged, &creation, &options).await })?;
        }
        self.relocate(&mut plan, &staged)?;
        let own = Own {
            creation: plan.creation.clone(),
            properties: plan.properties.clone(),
        };
        let links = Links::new(self.door.clone(), staged.name.clone(), self.target.version);
        let main = {
            let links = links.clone();
            self.engine.run(async move { links.take().await })?
        };
        let readers = self.engine.readers();
        let loader = Loader::new(&plan, links.clone(), self.options.check, self.options.jobs, readers)?;
        self.filling = Some(Filling {
            links,
            main: Arc::new(main),
            loader,
            script: None,
            objects: None,
            post_data: Kept::new(layout::POST_DATA),
            structured: false,
            own,
        });
        Ok(())
    }

    /// Members that this restore does not run.
    fn is_left_out(&self, member: Member) -> bool {
        let into_schema = matches!(self.options.landing, Landing::Schema(_));
        match member {
            Member::Globals => !self.options.globals,
            Member::LargeObjects | Member::Sequences => into_schema,
            Member::Plan | Member::PreData | Member::Rows | Member::PostData | Member::Other => false,
        }
    }

    /// Where chosen tables go into a schema, the plan speaks of the staged one from here on.
    fn relocate(&mut self, plan: &mut Plan, staged: &Staged) -> Result<(), Inner> {
        let Kind::Schema(schema, _) = &staged.kind else {
            return Ok(());
        };
        if let Some(chosen) = &self.options.selected {
            plan.tables
                .retain(|table| chosen.contains(&(table.schema.clone(), table.name.clone())));
        }
        let mut names: Vec<&String> = plan.tables.iter().map(|table| &table.name).collect();
        names.sort();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            let reason = "choose tables with --only SCHEMA.TABLE, no two of one name";
            return Err(Inner::Dump(reason.to_owned()));
        }
        let tables = plan
            .tables
            .iter()
            .map(|table| (table.schema.clone(), table.name.clone()))
            .collect();
        for table in &mut plan.tables {
            table.schema.clone_from(schema);
        }
        let schema = schema.clone();
        self.filter.relocation = Some(Relocation { tables, schema });
        self.notes.push(
            "foreign keys, triggers, policies, privileges and defaults from sequences are not restored into a schema"
                .to_owned(),
        );
        Ok(())
    }

    /// The source itself is never restored to, not even when it has become empty.
    fn refuse_source(&self, plan: &Plan) -> Result<(), Inner> {
        let (Some(origin), Some(existing)) = (&plan.origin, &self.target.existing) else {
            return Ok(());
        };
        if matches!(self.options.landing, Landing::Schema(_)) {
            // Where rows were lost is where they are needed again, and nothing that is there is touched.
            return Ok(());
        }
        let same = self.target.system.as_ref() == Some(&origin.system) && existing.oid == origin.oid.to_string();
        if same {
            return Err(Inner::Target("it is the source itself".to_owned()));
        }
        Ok(())
    }

    /// Makes what stands after the rows; a last time with `all`.
    fn build(&mut self, all: bool) -> Result<(), Inner> {
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        filling.loader.finish(&self.engine, self.options.selected.is_some())?;
        let groups = filling.post_data.take(all);
        let selected = self.filter.selected;
        let indexes = build::indexes(filling.links.clone(), groups, self.options.jobs, selected);
        let built = self.engine.run(indexes)?;
        filling.loader.compare(&self.engine)?;
        let rest = build::rest(filling.links.clone(), built, selected);
        let account = self.engine.run(rest)?;
        account.settle(layout::POST_DATA)?;
        self.notes.extend(account.notes);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), Inner> {
        self.build(true)?;
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        if let Some(objects) = filling.objects.take() {
            self.notes.extend(objects.finish(&self.engine)?);
        }
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        let schema = self
            .filter
            .relocation
            .as_ref()
            .map(|relocation| relocation.schema.clone());
        if self.options.analyze {
            let account = self
                .engine
                .run(build::analyze(filling.links.clone(), self.options.jobs, schema))?;
            self.notes.extend(account.notes);
        }
        self.prepared = true;
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Inner> {
        let (Some(Filling { links, own, .. }), Some(staged)) = (self.filling.take(), &self.staged) else {
            return Err(no_plan());
        };
        // The database can only be named when nobody is in it.
        links.close();
        let (target, door, staged) = (Arc::clone(&self.target), self.door.clone(), staged.clone());
        let options = self.options.clone();
        let finish = async move { target.finish(&door, &staged, &own, &options).await };
        let refused = self.engine.run(finish)?;
        self.notes.extend(refused);
        self.staged = None;
        Ok(())
    }
}

impl Sink for PostgresSink {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        match &entry.node {
            Node::Directory => Ok(()),
            Node::File { size, .. } => {
                self.take(&entry.path, *size, content)?;
                let rows = Member::of(&below(&entry.path)) == Member::Rows;
                let ended = if rows {
                    self.end_rows(&entry.path, None)
                } else {
                    self.end(&entry.path)
                };
                ended.map_err(|error| outer(&self.shown, error))
            }
            Node::Symlink { .. } | Node::Hardlink { .. } => Err(Error::Refused {
                path: entry.path.clone(),
                reason: "a dump holds no links".to_owned(),
            }),
        }
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        self.take(&part.path, part.size, content)
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        let rows = Member::of(&below(&stream.path)) == Member::Rows;
        let ended = if rows {
            self.end_rows(&stream.path, stream.rows)
        } else {
            self.end(&stream.path)
        };
        ended.map_err(|error| outer(&self.shown, error))
    }

    fn prepare(&mut self) -> Result<(), Error> {
        if self.prepared {
            return Ok(());
        }
        self.complete().map_err(|error| outer(&self.shown, error))
    }

    fn dangers(&self) -> Vec<String> {
        let power = self.target.power.iter();
        power.map(|power| danger(&self.shown, power)).collect()
    }

    fn compared(&self) -> Option<Compared> {
        self.filling.as_ref().and_then(|filling| filling.loader.compared())
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<String>, Error> {
        self.prepare()?;
        self.publish().map_err(|error| outer(&self.shown, error))?;
        let shown = &self.shown;
        Ok(self.notes.iter().map(|note| format!("{shown}: {note}")).collect())
    }
}

impl PostgresSink {
    fn end_rows(&mut self, path: &EntryPath, rows: Option<crate::bundle::entry::Rows>) -> Result<(), Inner> {
        let filling = self.filling.as_mut().ok_or_else(no_plan)?;
        filling.loader.end(&self.engine, &below(path), rows)
    }
}

impl Drop for PostgresSink {
    fn drop(&mut self) {
        drop(self.filling.take());
        if let Some(staged) = self.staged.take() {
            let (target, door) = (Arc::clone(&self.target), self.door.clone());
            let stopped = self.engine.check().is_err();
            let most = if stopped { DROP_TIME_WHEN_STOPPED } else { DROP_TIME };
            // The next restore to this server sweeps what cannot be dropped now.
            let _swept_later = self
                .engine
                .run_regardless(most, async move { target.abandon(&door, &staged).await });
        }
    }
}

fn no_plan() -> Inner {
    Inner::Dump(format!("{} did not come first", layout::PLAN))
}
