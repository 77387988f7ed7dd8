//! A PostgreSQL database as a source: structure by the `pg_dump` that fits the server, rows by COPY on several connections that share one
//! snapshot.
//!
//! One connection, the leader, takes the snapshot, locks the tables against being changed (not against being written) and lends the snapshot to the others and to `pg_dump`.
//! Each worker has a connection, a runtime and a thread of its own; what it reads goes over a bounded channel to the thread of the collector.

mod catalog;
mod copy;
mod format;
mod globals;
mod large_objects;
mod leader;
mod problem;
mod program;
mod properties;
mod ranges;
mod relation;
mod script;
mod selection;
mod sequences;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use self::catalog::Survey;
use self::large_objects::Objects;
use self::leader::Leader;
use self::program::Dump;
use self::program::Program;
use self::program::Section;
use super::Error;
use super::Learnt;
use super::Source;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Parameters;
use crate::server::postgres::Surroundings;
use crate::server::postgres::layout;
use crate::server::postgres::layout::Plan;
use crate::server::postgres::session::version_text;

/// Parameters of a source beside those of its connection: what is dumped, and by which program.
pub const PARAMETERS: [&str; 7] = [
    "schema",
    "exclude_schema",
    "table",
    "exclude_table",
    "exclude_table_data",
    "pg_dump",
    COPY_FORMAT,
];

/// `text` for rows that are text in every table; `auto`, the default, for what fits the types of each.
const COPY_FORMAT: &str = "copy_format";

/// Permission bits of restored members: a dump is for its owner alone.
const MODE: u32 = 0o600;

/// How a database is read.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Connections that read rows, beside the leader's; at least one.
    pub connections: usize,
    /// What a connection depends on beside its description.
    pub surroundings: Surroundings,
    /// `PATH` and `HOME` for `pg_dump`.
    pub environment: Vec<(OsString, OsString)>,
}

/// A database that is backed up.
#[derive(Debug)]
pub struct PostgresSource {
    label: Label,
    parameters: Parameters,
    options: PostgresOptions,
}

impl PostgresSource {
    /// A source that reads the database of `parameters`. Nothing is connected yet.
    #[must_use]
    pub fn new(label: Label, parameters: Parameters, options: PostgresOptions) -> Self {
        Self {
            label,
            parameters,
            options,
        }
    }

    fn path(&self, name: &str) -> EntryPath {
        EntryPath::of_label(&self.label)
            .join(Path::new(name))
            .expect("a plain name")
    }

    fn server(&self, fault: impl Fault + Send + Sync + 'static) -> Error {
        Error::Server {
            label: self.label.clone(),
            fault: Box::new(fault),
        }
    }

    fn collect_error(&self, source: CollectError) -> Error {
        let label = self.label.clone();
        Error::Collect { label, source }
    }

    fn conninfo(&self) -> Result<Conninfo, Error> {
        Conninfo::new(&self.parameters, &self.options.surroundings).map_err(|error| self.server(error))
    }

    fn program(&self, server: u32) -> Result<Program, Error> {
        let named = self.parameters.own("pg_dump").last();
        program::find(named, &self.options.environment, server).map_err(|error| self.server(error))
    }

    fn text(&self, collector: &mut dyn Collector, name: &str, text: &mut dyn Read) -> Result<(), Error> {
        let stored = collector.stream(self.path(name), MODE, text);
        stored.map(drop).map_err(|error| self.collect_error(error))
    }
}

impl Source for PostgresSource {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Postgres
    }

    fn check(&mut self, cancel: &Cancel) -> Result<(), Error> {
        let conninfo = self.conninfo()?;
        let leader = Leader::connect(&conninfo, cancel).map_err(|error| self.server(error))?;
        self.program(leader.version())?;
        let survey = leader.survey(&self.parameters).map_err(|error| self.server(error))?;
        self.refuse(&survey, leader.version())
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        // One snapshot, and locks that keep the tables from being changed or dropped.
        let conninfo = self.conninfo()?;
        let leader = Leader::connect(&conninfo, cancel).map_err(|error| self.server(error))?;
        let moment = leader.snapshot().map_err(|error| self.server(error))?;
        let survey = self.survey(&leader)?;

        // Both halves of the structure: the second waits in its pipe until the rows are through, and keeps its locks.
        let program = self.program(leader.version())?;
        let arguments = selection::arguments(&self.parameters);
        let start = |section| {
            let dump = program.start(
                &conninfo,
                leader.endpoint(),
                section,
                &moment.snapshot,
                &arguments,
                cancel,
            );
            dump.map_err(|error| self.server(error))
        };
        let mut before = start(Section::PreData)?;
        let mut after = start(Section::PostData)?;

        // What is known before the first row.
        let connections = self.options.connections.max(1);
        let jobs = ranges::split(&survey.tables, connections, leader.version());
        let own = leader.properties().map_err(|error| self.server(error))?;
        let plan = leader
            .plan(&survey, &own, &jobs, connections)
            .map_err(|error| self.server(error))?;
        let text = self.plan_text(&plan)?;
        self.text(collector, layout::PLAN, &mut text.as_slice())?;
        let globals = globals::read(&program, &conninfo, leader.endpoint(), cancel);
        let globals = globals.map_err(|error| self.program_failed(error))?;
        self.text(collector, layout::GLOBALS, &mut globals.text.as_slice())?;
        self.program_text(collector, layout::PRE_DATA, &mut before, "")?;

        // Rows, the largest tables first, in ranges where they are large.
        let crew = copy::Crew {
            conninfo: &conninfo,
            leader: &leader,
            snapshot: &moment.snapshot,
            survey: &survey,
            jobs: &jobs,
            connections,
        };
        let rows = copy::copy(&crew, collector, &|name| self.path(name), cancel);
        let rows = rows.map_err(|failure| self.copy_failed(failure))?;

        // What belongs to no table, and what comes after the rows.
        let objects = self.large_objects(collector, &leader, &survey)?;
        let sequences = leader.sequences(&survey).map_err(|error| self.server(error))?;
        self.text(collector, layout::SEQUENCES, &mut sequences.as_bytes())?;
        // pg_dump counts the content of materialized views as data.
        let refresh = script::refresh(&survey.views);
        self.program_text(collector, layout::POST_DATA, &mut after, &refresh)?;
        self.text(collector, layout::RESTORE, &mut script::restore(&plan).as_bytes())?;
        // A leader that was cut off meanwhile would not have noticed: the transaction must still be there.
        leader.finish().map_err(|error| self.server(error))?;

        let mut private = survey.facts(rows, objects);
        private.extend([globals.fact].into_iter().chain(own.left_out));
        private.extend(warnings([&before, &after]));
        Ok(Learnt {
            data_time: Some(moment.time),
            public: public_facts(&leader, moment.lsn, &program),
            private,
        })
    }
}

/// What everybody may read about the server.
fn public_facts(leader: &Leader<'_>, lsn: String, program: &Program) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("server_version".into(), version_text(leader.version())),
        ("lsn".into(), lsn),
        ("standby".into(), leader.is_standby().to_string()),
        ("pg_dump_version".into(), program.version.clone()),
    ])
}

/// What `pg_dump` said although it succeeded.
fn warnings(dumps: [&Dump<'_>; 2]) -> Option<(String, String)> {
    let said: Vec<String> = dumps
        .iter()
        .map(|dump| dump.said())
        .filter(|said| !said.is_empty())
        .collect();
    (!said.is_empty()).then(|| ("pg_dump_warnings".into(), said.join("\n")))
}

impl PostgresSource {
    /// What is there, locked and measured.
    fn survey(&self, leader: &Leader<'_>) -> Result<Survey, Error> {
        let mut survey = leader.survey(&self.parameters).map_err(|error| self.server(error))?;
        self.refuse(&survey, leader.version())?;
        leader.lock(&survey).map_err(|error| self.server(error))?;
        leader.measure(&mut survey).map_err(|error| self.server(error))?;
        Ok(survey)
    }

    /// The text of the plan, if a restore takes it.
    fn plan_text(&self, plan: &Plan) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec_pretty(plan).expect("a plan is plain data");
        if text.len() <= limits::DUMP_PLAN_BYTES_MAX {
            return Ok(text);
        }
        let label = self.label.clone();
        let reason = format!(
            "what the database is and has is {} bytes long, and a restore takes {}",
            text.len(),
            limits::DUMP_PLAN_BYTES_MAX
        );
        let hint = "Look for a long comment or settings of the database (\\l+ and \\drds in psql), or dump fewer tables: table=, schema=.";
        let hint = Some(hint.to_owned());
        Err(Error::Unsupported { label, reason, hint })
    }

    /// Gives the number of large objects.
    fn large_objects(&self, collector: &mut dyn Collector, leader: &Leader<'_>, survey: &Survey) -> Result<u64, Error> {
        let mut objects = Objects::new(leader, survey).map_err(|error| self.server(error))?;
        let stored = collector.stream(self.path(layout::LARGE_OBJECTS), MODE, &mut objects);
        if let Some(failure) = objects.failure.take() {
            return Err(self.server(failure));
        }
        stored.map_err(|error| self.collect_error(error))?;
        Ok(objects.count())
    }

    /// What `pg_dump` writes, and `more` after it.
    fn program_text(
        &self,
        collector: &mut dyn Collector,
        name: &str,
        dump: &mut Dump<'_>,
        more: &str,
    ) -> Result<(), Error> {
        let mut text = dump.by_ref().chain(more.as_bytes());
        let stored = collector.stream(self.path(name), MODE, &mut text);
        if let Some(failure) = dump.failure() {
            return Err(self.program_failed(failure));
        }
        stored.map(drop).map_err(|error| self.collect_error(error))
    }

    fn program_failed(&self, failure: program::Error) -> Error {
        if let program::Error::Interrupted(interrupted) = failure {
            return self.collect_error(interrupted.into());
        }
        self.server(failure)
    }

    fn copy_failed(&self, failure: copy::Failure) -> Error {
        match failure {
            copy::Failure::Server(error) => self.server(error),
            copy::Failure::Collect(error) => self.collect_error(error),
            copy::Failure::System(error) => self.collect_error(CollectError::Content(error)),
        }
    }

    /// Everything that keeps the dump from being whole, named one by one.
    fn refuse(&self, survey: &Survey, version: u32) -> Result<(), Error> {
        let mut problems = survey.problems.clone();
        if problems.is_empty() {
            return Ok(());
        }
        let most = limits::DATABASE_PROBLEMS_SHOWN;
        let more = problems.len().saturating_sub(most);
        problems.truncate(most);
        let mut reasons: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
        let rest = format!("and {more} more");
        if more > 0 {
            reasons.push(&rest);
        }
        let mut remedies: Vec<String> = problems.iter().map(|problem| problem.remedy.clone()).collect();
        remedies.sort();
        remedies.dedup();
        let mut hint = remedies.join(" ");
        if version >= 140_000 && problems.iter().any(|problem| problem.is_grant) {
            hint = format!("{hint} Or all at once: GRANT pg_read_all_data TO {};", survey.role);
        }
        Err(Error::Unsupported {
            label: self.label.clone(),
            reason: reasons.join("; "),
            hint: Some(hint),
        })
    }
}
