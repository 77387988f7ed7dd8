//! What a server of the other product would not understand, or take in another sense: found in the scripts of a dump before anything
//! is made, all of it at once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::after::Act;
use super::after::act;
use super::error::Error;
use super::error::doing;
use super::lexer::Kind;
use super::lexer::Statement;
use super::table;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout::Product;
use crate::server::mysql::sql;

/// Obstacles that an error names; the others are counted.
const NAMED_MOST: usize = 50;

/// Types of columns that only MariaDB has.
const TYPES_OF_MARIADB: [&str; 4] = ["uuid", "inet6", "inet4", "xmltype"];
/// Functions that may stand behind DEFAULT without parentheses in MySQL too.
const MOMENTS: [&str; 3] = ["current_timestamp", "now", "localtimestamp"];
/// The last version of MySQL whose comments MariaDB reads: `/*!50699 … */`.
const COMMENT_READ_LAST: u32 = 50_699;
/// The error for an unknown character set, and for an unknown collation.
const UNKNOWN: [u16; 2] = [1115, 1273];

/// What the scripts of a dump ask of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Demands {
    /// What the other product has in no form.
    obstacles: Vec<String>,
    /// Collations, with the first place that names each.
    collations: BTreeMap<String, String>,
    /// Character sets, likewise.
    charsets: BTreeMap<String, String>,
    /// Engines, likewise.
    engines: BTreeMap<String, String>,
}

impl Demands {
    /// Adds what a statement of `database` asks of a server that is not of the product `from`.
    pub(super) fn add(&mut self, from: Product, database: &str, sql: &str) {
        let statement = Statement::new(sql);
        let (act, at) = act(&statement);
        let name = (at..statement.tokens.len()).find_map(|number| statement.name(number));
        let name = name.unwrap_or_default();
        match act {
            Act::Database => self.add_words(&statement, &format!("database {name}")),
            Act::Table => self.add_table(from, &format!("{database}.{name}"), sql, &statement),
            Act::Other if statement.find(0, &["CREATE", "SEQUENCE"]).is_some() => {
                self.obstacles.push(format!("sequence {database}.{name}"));
            }
            // What a view, trigger, event or routine was made under stands before it.
            Act::Other => {
                if let Some(at) = statement.find(0, &["COLLATION_CONNECTION", "="]) {
                    let collation = statement.text(at + 2).to_ascii_lowercase();
                    let place = format!("a view, trigger, event or routine of {database}");
                    let _first = self.collations.entry(collation).or_insert(place);
                }
            }
            Act::Use | Act::View | Act::Trigger | Act::Event | Act::Routine => {}
        }
    }

    /// Whether only chosen tables are restored and this is not one of them is for the caller to know.
    fn add_table(&mut self, from: Product, place: &str, sql: &str, statement: &Statement<'_>) {
        self.add_words(statement, place);
        let Some((items, tail)) = table::items(sql) else {
            return;
        };
        let tail = Statement::new(tail);
        if let Some(at) = tail.find(0, &["ENGINE", "="]) {
            let engine = tail.text(at + 2).to_owned();
            let _first = self.engines.entry(engine).or_insert_with(|| place.to_owned());
        }
        let mut found: BTreeSet<String> = BTreeSet::new();
        for item in items {
            let item = Statement::new(item);
            let what = item
                .name(0)
                .or_else(|| item.name(1))
                .or_else(|| item.name(2))
                .unwrap_or_default();
            let words = match from {
                Product::Mariadb => of_mariadb(&item),
                Product::Mysql => of_mysql(&item),
            };
            found.extend(words.into_iter().map(|word| match what.as_str() {
                "" => format!("{place}: {word}"),
                what => format!("{place}.{what}: {word}"),
            }));
        }
        if from == Product::Mariadb && tail.find(0, &["SYSTEM", "VERSIONING"]).is_some() {
            let _new = found.insert(format!("{place}: system versioning"));
        }
        self.obstacles.extend(found);
    }

    /// Character sets and collations.
    fn add_words(&mut self, statement: &Statement<'_>, place: &str) {
        for number in 0..statement.tokens.len() {
            if statement.tokens[number].kind == Kind::Comment {
                if let Some(inner) = read_comment(statement.text(number)) {
                    self.add_words(&Statement::new(inner), place);
                }
                continue;
            }
            let behind = |words: usize| {
                let at = number + words;
                let at = if statement.is(at, "=") { at + 1 } else { at };
                let is_word = statement.tokens.get(at).is_some_and(|token| token.kind == Kind::Word);
                is_word.then(|| statement.text(at).to_ascii_lowercase())
            };
            if let Some(name) = behind(1).filter(|_| statement.is(number, "COLLATE")) {
                let _first = self.collations.entry(name).or_insert_with(|| place.to_owned());
            } else if let Some(name) = behind(1).filter(|_| statement.is(number, "CHARSET")) {
                let _first = self.charsets.entry(name).or_insert_with(|| place.to_owned());
            } else if let Some(name) =
                behind(2).filter(|_| statement.is(number, "CHARACTER") && statement.is(number + 1, "SET"))
            {
                let _first = self.charsets.entry(name).or_insert_with(|| place.to_owned());
            }
        }
    }

    /// Asks the server, and refuses when anything is in the way. `from` is the server of the dump, as its plan names it.
    ///
    /// # Errors
    /// `Dialect` with all obstacles; what the server reports.
    pub(super) fn check(mut self, control: &mut Connection, from: &str) -> Result<(), Error> {
        for (charset, place) in std::mem::take(&mut self.charsets) {
            if !takes(control, &format!("SELECT CONVERT('' USING {charset})"))? {
                self.obstacles.push(format!("{place}: character set {charset}"));
            }
        }
        for (collation, place) in std::mem::take(&mut self.collations) {
            if !has_collation(control, &collation)? {
                self.obstacles.push(format!("{place}: collation {collation}"));
            }
        }
        let engines = column(
            control,
            "SELECT LOWER(ENGINE) FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')",
        )?;
        for (engine, place) in std::mem::take(&mut self.engines) {
            if !engines.contains(&engine.to_ascii_lowercase()) {
                self.obstacles.push(format!("{place}: storage engine {engine}"));
            }
        }
        if self.obstacles.is_empty() {
            return Ok(());
        }
        let more = self.obstacles.len().saturating_sub(NAMED_MOST);
        self.obstacles.truncate(NAMED_MOST);
        if more > 0 {
            self.obstacles.push(format!("and {more} more"));
        }
        Err(Error::Dialect {
            target: name(control.version().product).to_owned() + " " + &control.version().text,
            from: from.to_owned(),
            obstacles: self.obstacles,
        })
    }
}

/// The name of a product, for messages.
pub(super) fn name(product: Product) -> &'static str {
    match product {
        Product::Mysql => "MySQL",
        Product::Mariadb => "MariaDB",
    }
}

/// What MariaDB prints of a column or key, and MySQL does not understand.
fn of_mariadb(item: &Statement<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let has = |words: &[&str]| item.find(0, words).is_some();
    if item.name(0).is_some() {
        if let Some(kind) = TYPES_OF_MARIADB.iter().find(|kind| item.is(1, kind)) {
            found.push(format!("type {kind}"));
        }
        if let Some(at) = item.find(2, &["DEFAULT"]) {
            let calls = item.tokens.get(at + 1).is_some_and(|token| token.kind == Kind::Word) && item.is(at + 2, "(");
            if calls && !MOMENTS.iter().any(|word| item.is(at + 1, word)) {
                found.push(format!("default {}()", item.text(at + 1)));
            }
        }
    }
    for (words, what) in [
        (&["WITHOUT", "SYSTEM", "VERSIONING"][..], "system versioning"),
        (&["AS", "ROW", "START"], "system versioning"),
        (&["AS", "ROW", "END"], "system versioning"),
        (&["WITHOUT", "OVERLAPS"], "a key WITHOUT OVERLAPS"),
        (&["IGNORED"], "an ignored key"),
    ] {
        if has(words) {
            found.push(what.to_owned());
        }
    }
    if item.is(0, "PERIOD") {
        found.push("a period".to_owned());
    }
    found
}

/// What MySQL prints of a column or key, and MariaDB does not understand, or passes over as a comment.
fn of_mysql(item: &Statement<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let is_column = item.name(0).is_some();
    let key = (0..3).find(|at| item.is(*at, "KEY"));
    if let Some(open) = key.and_then(|at| item.find(at, &["("])).filter(|_| !is_column) {
        let functional =
            (open + 1..item.tokens.len()).any(|at| item.is(at, "(") && (item.is(at - 1, "(") || item.is(at - 1, ",")));
        if functional {
            found.push("a key of an expression".to_owned());
        }
    }
    for number in 0..item.tokens.len() {
        let text = item.text(number);
        if item.tokens[number].kind != Kind::Comment || !text.starts_with("/*!") {
            continue;
        }
        let inner = Statement::new(
            text.trim_start_matches("/*!")
                .trim_start_matches(|sign: char| sign.is_ascii_digit()),
        );
        for (words, what) in [
            (
                &["INVISIBLE"][..],
                if is_column {
                    "an invisible column"
                } else {
                    "an invisible key"
                },
            ),
            (&["NOT", "ENFORCED"], "a constraint that is not enforced"),
            (&["SRID"], "a column with an SRID"),
        ] {
            if inner.find(0, words).is_some() {
                found.push(what.to_owned());
            }
        }
    }
    found
}

/// What stands in a comment that both products read.
fn read_comment(comment: &str) -> Option<&str> {
    let inner = comment.strip_prefix("/*!")?.strip_suffix("*/")?;
    let digits = inner.len() - inner.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
    let version: u32 = inner[..digits].parse().unwrap_or(0);
    (version <= COMMENT_READ_LAST).then_some(&inner[digits..])
}

/// Whether the server knows a collation: by its list, or under another name for one that it has.
fn has_collation(control: &mut Connection, collation: &str) -> Result<bool, Error> {
    let listed = format!(
        "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME = {}",
        sql::quoted(collation)
    );
    if !column(control, &listed)?.is_empty() {
        return Ok(true);
    }
    let charset = collation.split('_').next().unwrap_or_default();
    takes(
        control,
        &format!("SELECT CONVERT('' USING {charset}) COLLATE {collation}"),
    )
}

/// Whether a statement ends without the server saying that it knows no such name.
fn takes(control: &mut Connection, statement: &str) -> Result<bool, Error> {
    match control.run(statement) {
        Ok(_) => Ok(true),
        Err(error) if error.code().is_some_and(|code| UNKNOWN.contains(&code)) => Ok(false),
        Err(error) => Err(doing(statement)(error)),
    }
}

fn column(control: &mut Connection, statement: &str) -> Result<Vec<String>, Error> {
    let rows = control.table(statement).map_err(doing(statement))?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::Demands;
    use crate::server::mysql::layout::Product;

    fn demands(from: Product, statements: &[&str]) -> Demands {
        let mut demands = Demands::default();
        for sql in statements {
            demands.add(from, "d", sql);
        }
        demands
    }

    #[test]
    fn what_only_mariadb_understands_is_found() {
        let found = demands(
            Product::Mariadb,
            &[
                "CREATE DATABASE `d` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci */",
                "CREATE SEQUENCE `s` start with 1",
                "CREATE TABLE `t` (\n `a` inet6 DEFAULT NULL,\n `b` uuid NOT NULL DEFAULT uuid(),\n \
                 `c` timestamp NOT NULL DEFAULT current_timestamp(),\n `j` longtext COLLATE utf8mb4_bin CHECK (json_valid(`j`)),\n \
                 `x` int COMMENT 'type uuid IGNORED' INVISIBLE,\n KEY `k` (`a`) IGNORED,\n PERIOD FOR `p` (`f`, `u`)\n) \
                 ENGINE=Aria DEFAULT CHARSET=latin1 WITH SYSTEM VERSIONING",
            ],
        );
        let expected = [
            "sequence d.s",
            "d.t.a: type inet6",
            "d.t.b: default uuid()",
            "d.t.b: type uuid",
            "d.t.k: an ignored key",
            "d.t.p: a period",
            "d.t: system versioning",
        ];
        let mut obstacles = found.obstacles.clone();
        obstacles.sort();
        let mut sorted = expected.map(str::to_owned).to_vec();
        sorted.sort();
        assert_eq!(obstacles, sorted);
        assert_eq!(found.engines["Aria"], "d.t");
        assert_eq!(found.charsets["latin1"], "d.t");
        assert_eq!(found.collations["utf8mb4_uca1400_ai_ci"], "database d");
        assert_eq!(found.collations["utf8mb4_bin"], "d.t");
    }

    #[test]
    fn what_only_mysql_understands_is_found() {
        let found = demands(
            Product::Mysql,
            &[
                "CREATE TABLE `t` (\n `a` int DEFAULT NULL /*!80023 INVISIBLE */,\n `g` geometry /*!80003 SRID 4326 */,\n \
                 `j` json DEFAULT (json_array()),\n KEY `f` ((lower(`a`))),\n KEY `p` (`a`,(`a` + 1)),\n KEY `l` (`a`(3),`g`(4)),\n \
                 KEY `i` (`a`) /*!80000 INVISIBLE */,\n CONSTRAINT `c` CHECK ((`a` > 0)) /*!80016 NOT ENFORCED */\n) \
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci",
                "SET SESSION sql_mode = '', collation_connection = utf8mb4_0900_as_cs",
            ],
        );
        assert_eq!(
            found.obstacles,
            [
                "d.t.a: an invisible column",
                "d.t.c: a constraint that is not enforced",
                "d.t.f: a key of an expression",
                "d.t.g: a column with an SRID",
                "d.t.i: an invisible key",
                "d.t.p: a key of an expression",
            ]
        );
        assert_eq!(
            found.collations["utf8mb4_0900_as_cs"],
            "a view, trigger, event or routine of d"
        );
        assert!(found.collations.contains_key("utf8mb4_0900_ai_ci") && found.engines.contains_key("InnoDB"));
    }

    #[test]
    fn a_plain_table_asks_for_nothing() {
        let plain = "CREATE TABLE `t` (\n `a` int NOT NULL AUTO_INCREMENT,\n `b` varchar(9) DEFAULT 'uuid()',\n PRIMARY KEY (`a`)\n) ENGINE=InnoDB";
        for from in [Product::Mysql, Product::Mariadb] {
            assert_eq!(demands(from, &[plain]).obstacles, Vec::<String>::new());
        }
    }
}
