//! The table of contents of a dump: the comment that `pg_dump` writes above each entry, and what its type means for a restore.

/// What `pg_dump` says about the statements that follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// `orders orders_pkey`, with line feeds made spaces.
    pub(super) name: String,
    /// `CONSTRAINT`; see [`super::phases`].
    pub(super) kind: String,
    /// The schema; none is written `-`.
    pub(super) schema: Option<String>,
}

impl Header {
    /// Reads the middle line of such a comment: `-- Name: …; Type: …; Schema: …; Owner: …`.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        let rest = line.strip_prefix("-- Name: ")?;
        // A name may hold what looks like the next field; kinds are upper-case words.
        let (at, kind) = rest.match_indices("; Type: ").find_map(|(at, mark)| {
            let (kind, _) = rest[at + mark.len()..].split_once("; Schema: ")?;
            let plain = kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ');
            (plain && !kind.is_empty()).then_some((at, kind))
        })?;
        let tail = &rest[at + "; Type: ".len() + kind.len() + "; Schema: ".len()..];
        let (schema, _) = tail.rsplit_once("; Owner: ")?;
        Some(Self {
            name: rest[..at].to_owned(),
            kind: kind.to_owned(),
            schema: (schema != "-").then(|| schema.to_owned()),
        })
    }
}

/// The statements of one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// What stands above them.
    pub(super) header: Header,
    /// In their order, each with its semicolon.
    pub(super) statements: Vec<String>,
    /// `SET default_tablespace …` as it was when the entry began: entries may run in any session.
    pub(super) tablespace: Option<String>,
}

impl std::fmt::Display for Header {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            _ if self.kind.is_empty() => out.write_str("the beginning of the script"),
            Some(schema) => write!(out, "{} {schema}.{}", self.kind, self.name),
            None => write!(out, "{} {}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(String, String, Option<String>)> {
        Header::parse(line.as_bytes()).map(|header| (header.name, header.kind, header.schema))
    }

    #[test]
    fn headers_are_read() {
        let header = |name: &str, kind: &str, schema: Option<&str>| {
            Some((name.to_owned(), kind.to_owned(), schema.map(str::to_owned)))
        };
        assert_eq!(
            parsed("-- Name: t t_pkey; Type: CONSTRAINT; Schema: shop; Owner: app; Tablespace: fast\n"),
            header("t t_pkey", "CONSTRAINT", Some("shop"))
        );
        assert_eq!(
            parsed("-- Name: a; Type: b; Type: FK CONSTRAINT; Schema: -; Owner: -\n"),
            header("a; Type: b", "FK CONSTRAINT", None)
        );
        assert_eq!(
            parsed("-- Name: f(integer, text); Type: FUNCTION; Schema: public; Owner: postgres\n"),
            header("f(integer, text)", "FUNCTION", Some("public"))
        );
        assert_eq!(parsed("-- PostgreSQL database dump\n"), None);
    }
}
