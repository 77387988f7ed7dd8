//! Which statements of a dump are left out at the operator's wish, and which errors of a statement are known to be harmless.

use super::options::PostgresSinkOptions;
use super::relocate::Moved;
use super::relocate::Relocation;
use super::statement::Statement;
use super::toc::Header;

/// What of a dump is wanted.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) owners: bool,
    pub(super) privileges: bool,
    /// Whether only some tables have their rows, so that references may lead nowhere.
    pub(super) selected: bool,
    pub(super) relocation: Option<Relocation>,
}

/// What to do with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Run,
    /// Run it in another form.
    RunInstead(String),
    /// Leave it out: the operator wants that, or the session has it already.
    Skip,
    /// Nothing that a dump holds outside its rows.
    Refuse(&'static str),
}

/// What a failed statement means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing is missing in the restored database.
    Silent,
    /// Something is different, and the operator should know.
    Note(String),
    /// The restore has failed.
    Failure,
}

impl Filter {
    pub(super) fn new(options: &PostgresSinkOptions) -> Self {
        Self {
            owners: options.owners,
            privileges: options.privileges,
            selected: options.selected.is_some(),
            relocation: None,
        }
    }

    pub(super) fn verdict(&self, header: &Header, text: &str) -> Verdict {
        let statement = Statement::new(text);
        if statement.is_copy() {
            return Verdict::Refuse("it copies rows, which stand elsewhere in a bundle");
        }
        if statement.sets() == Some("client_encoding") {
            // Both ends speak UTF-8 in every session.
            let utf8 = text.to_ascii_uppercase().replace('-', "").contains("UTF8");
            return if utf8 {
                Verdict::Skip
            } else {
                Verdict::Refuse("it is not written in UTF-8")
            };
        }
        let owner = !self.owners && statement.gives_owner();
        let kind = header.kind == "ACL" || header.kind == "DEFAULT ACL";
        let privilege = !self.privileges && (kind || statement.gives_privileges());
        match &self.relocation {
            _ if owner || privilege => Verdict::Skip,
            None => Verdict::Run,
            Some(relocation) => match relocation.apply(header, text) {
                Moved::Run(text) => Verdict::RunInstead(text),
                Moved::Skip => Verdict::Skip,
                Moved::Refuse(reason) => Verdict::Refuse(reason),
            },
        }
    }
}

/// Parameters that one version sets at the top of a dump and another does not know.
const VERSION_PARAMETERS: [&str; 6] = [
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "default_table_access_method",
    "row_security",
    "xmloption",
    "default_with_oids",
];

/// What it means that a server refused `text` with `state` and `message`.
pub(super) fn meaning(text: &str, state: &str, message: &str, selected: bool) -> Meaning {
    let statement = Statement::new(text);
    match (state, statement.sets()) {
        // A parameter of a newer server, at its default there.
        ("42704", Some(name)) if VERSION_PARAMETERS.contains(&name) => Meaning::Silent,
        ("22023" | "42704", Some("default_tablespace")) => Meaning::Note(format!(
            "{message}: its tables and indexes are in the default tablespace"
        )),
        ("42P06", _) if statement.creates_schema() == Some("public") => Meaning::Silent,
        ("42501" | "42704", _) if statement.comments_extension() => {
            Meaning::Note(format!("the comment of an extension is not restored: {message}"))
        }
        // Its foreign key was left out.
        ("42704", _) if selected && statement.comments_constraint() => Meaning::Silent,
        ("42710", _) if statement.makes_global() => Meaning::Note(format!("{message}, and stays as it is")),
        ("23503", _) if selected && statement.referenced().is_some() => Meaning::Note(format!(
            "a foreign key is not restored, as the rows that it refers to were not chosen: {message}"
        )),
        _ => Meaning::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_harmless() {
        let silent = [
            ("SET transaction_timeout = 0;", "42704"),
            ("CREATE SCHEMA public;", "42P06"),
        ];
        for (text, state) in silent {
            assert_eq!(meaning(text, state, "words", false), Meaning::Silent, "{text}");
        }
        let failures = [
            ("SET something = 0;", "42704"),
            ("CREATE SCHEMA other;", "42P06"),
            ("CREATE TABLE s.t ();", "42P07"),
            ("SET transaction_timeout = 0;", "42501"),
        ];
        for (text, state) in failures {
            assert_eq!(meaning(text, state, "words", false), Meaning::Failure, "{text}");
        }
        let comment = meaning(
            "COMMENT ON EXTENSION hstore IS 'x';",
            "42501",
            "must be owner of extension hstore",
            false,
        );
        assert!(matches!(comment, Meaning::Note(_)));
    }

    fn filter(owners: bool, privileges: bool) -> Filter {
        Filter {
            owners,
            privileges,
            selected: false,
            relocation: None,
        }
    }

    #[test]
    fn owners_and_privileges_are_left_out_when_not_wanted() {
        let acl = Header {
            kind: "ACL".to_owned(),
            ..Header::default()
        };
        let cases = [
            (Header::default(), "ALTER TABLE s.t OWNER TO app;"),
            (Header::default(), "GRANT SELECT ON TABLE s.t TO app;"),
            (acl, "SET SESSION AUTHORIZATION app;"),
        ];
        for (header, text) in cases {
            let verdict = |owners, privileges| filter(owners, privileges).verdict(&header, text);
            assert_eq!(verdict(true, true), Verdict::Run);
            assert_eq!(verdict(false, false), Verdict::Skip, "{text}");
        }
        let all = filter(true, true);
        let header = Header::default();
        assert!(matches!(
            all.verdict(&header, "COPY s.t FROM stdin;"),
            Verdict::Refuse(_)
        ));
        assert_eq!(all.verdict(&header, "SET client_encoding = 'UTF8';"), Verdict::Skip);
        assert!(matches!(
            all.verdict(&header, "SET client_encoding = 'LATIN1';"),
            Verdict::Refuse(_)
        ));
    }
}
