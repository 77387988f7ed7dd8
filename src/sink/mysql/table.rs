//! A CREATE TABLE taken apart: what a table needs before its rows, and the keys and foreign keys that are faster made after them.

use std::collections::BTreeSet;

use super::lexer::Kind;
use super::lexer::Statement;
use crate::server::mysql::layout::Column;
use crate::server::mysql::sql;

/// A table as it is made before its rows, and what is added behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name, unquoted.
    pub(super) name: String,
    /// Makes it, without what follows.
    pub(super) create: String,
    /// Definitions of keys: `KEY …`.
    pub(super) keys: Vec<String>,
    /// Definitions of foreign keys: `CONSTRAINT … FOREIGN KEY …`.
    pub(super) foreign_keys: Vec<String>,
    /// Columns with a default that takes the next value of a sequence, which it names with its database: name and expression.
    pub(super) sequence_defaults: Vec<(String, String)>,
    /// The column that counts itself.
    pub(super) counter: Option<String>,
    /// Columns of type ENUM.
    pub(super) enumerations: BTreeSet<String>,
    /// Whether old versions of rows are kept.
    versioned: bool,
}

/// One line of the definition of a table.
enum Item {
    Key { unique: bool },
    Foreign,
    Other,
}

impl Table {
    /// Takes apart what SHOW CREATE TABLE printed. None when it is no CREATE TABLE with columns.
    pub(super) fn parse(create: &str) -> Option<Self> {
        let statement = Statement::new(create);
        if !(statement.is(0, "CREATE") && statement.is(1, "TABLE")) {
            return None;
        }
        let name = statement.name(2)?;
        let (open, _, _) = outline(&statement)?;
        let (items, tail) = items(create)?;
        let head = &create[..statement.tokens[open].at.end];
        Some(Self::divide(name, create, head, &items, tail))
    }

    fn divide(name: String, create: &str, head: &str, items: &[&str], tail: &str) -> Self {
        let sequence_defaults = items.iter().filter_map(|item| sequence_default(item)).collect();
        let mut table = Self {
            name,
            create: create.to_owned(),
            keys: Vec::new(),
            foreign_keys: Vec::new(),
            sequence_defaults,
            counter: items.iter().find_map(|item| counter(item)),
            enumerations: items.iter().filter_map(|item| enumeration(item)).collect(),
            versioned: false,
        };
        let options = Statement::new(tail);
        let versioned = |statement: &Statement<'_>| statement.find(0, &["SYSTEM", "VERSIONING"]).is_some();
        table.versioned = versioned(&options) || items.iter().any(|item| versioned(&Statement::new(item)));
        // Tables with versions do not let themselves be altered; other engines make their keys at the end by themselves.
        if table.versioned || !is_innodb(&options) {
            return table;
        }
        let keys_later = counts_in_primary_key(items);
        let primary = items.iter().any(|item| Statement::new(item).is(0, "PRIMARY"));
        let mut kept = Vec::new();
        for item in items {
            match kind(item) {
                Item::Foreign => table.foreign_keys.push((*item).to_owned()),
                // Without a primary key, a unique one decides how the rows lie.
                Item::Key { unique } if keys_later && (primary || !unique) => table.keys.push((*item).to_owned()),
                Item::Key { .. } | Item::Other => kept.push(*item),
            }
        }
        table.create = format!("{head}\n  {}\n{tail}", kept.join(",\n  "));
        table
    }

    /// The statements that add the keys. One for all of them, and one more for each full-text key beyond the first, as the server makes no
    /// two of these at once.
    pub(super) fn add_keys(&self) -> Vec<String> {
        let full_text = |key: &&String| Statement::new(key).is(0, "FULLTEXT");
        let mut first: Vec<&String> = self.keys.iter().filter(|key| !full_text(key)).collect();
        let mut full_texts = self.keys.iter().filter(full_text);
        first.extend(full_texts.next());
        let mut statements = Vec::new();
        if !first.is_empty() {
            statements.push(self.alter(&first));
        }
        statements.extend(full_texts.map(|key| self.alter(&[key])));
        statements
    }

    /// The statement that adds the foreign keys.
    pub(super) fn add_foreign_keys(&self) -> Option<String> {
        let all: Vec<&String> = self.foreign_keys.iter().collect();
        (!all.is_empty()).then(|| self.alter(&all))
    }

    /// What asks for the old versions of rows too, when the dump holds them: it does when it holds the columns of the period.
    pub(super) fn history(&self, dumped: &[Column]) -> &'static str {
        let statement = Statement::new(&self.create);
        let period = statement
            .find(0, &["PERIOD", "FOR", "SYSTEM_TIME"])
            .and_then(|at| statement.name(at + 4));
        let begin = period.unwrap_or_else(|| "row_start".to_owned());
        let held = self.versioned && dumped.iter().any(|column| column.name == begin);
        if held { " FOR SYSTEM_TIME ALL" } else { "" }
    }

    fn alter(&self, definitions: &[&String]) -> String {
        let added: Vec<String> = definitions
            .iter()
            .map(|definition| format!("ADD {definition}"))
            .collect();
        format!("ALTER TABLE {} {}", sql::name(&self.name), added.join(", "))
    }
}

/// The definitions of columns and keys in a CREATE TABLE, and what stands behind them, from the closing parenthesis on.
pub(super) fn items(create: &str) -> Option<(Vec<&str>, &str)> {
    let statement = Statement::new(create);
    let (open, commas, close) = outline(&statement)?;
    let mut borders = vec![open];
    borders.extend(commas);
    borders.push(close);
    let items = borders.windows(2).map(|pair| {
        let (begin, end) = (statement.tokens[pair[0]].at.end, statement.tokens[pair[1]].at.start);
        create[begin..end].trim()
    });
    Some((items.collect(), &create[statement.tokens[close].at.start..]))
}

/// The opening parenthesis, the commas between the definitions, and the closing parenthesis, as numbers of tokens.
fn outline(statement: &Statement<'_>) -> Option<(usize, Vec<usize>, usize)> {
    let (mut depth, mut open, mut commas) = (0_usize, None, Vec::new());
    for number in 3..statement.tokens.len() {
        match statement.text(number) {
            _ if statement.tokens[number].kind != Kind::Sign => {}
            "(" => {
                depth += 1;
                if depth == 1 {
                    open = Some(number);
                }
            }
            ")" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((open?, commas, number));
                }
            }
            "," if depth == 1 => commas.push(number),
            _ => {}
        }
    }
    None
}

fn kind(item: &str) -> Item {
    let item = Statement::new(item);
    if item.is(0, "CONSTRAINT") && item.is(2, "FOREIGN") {
        return Item::Foreign;
    }
    let special = ["UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"]
        .iter()
        .any(|word| item.is(0, word));
    match (
        item.is(0, "KEY") || (special && item.is(1, "KEY")),
        item.is(0, "UNIQUE"),
    ) {
        (true, unique) => Item::Key { unique },
        (false, _) => Item::Other,
    }
}

/// Whether the column that counts itself, if there is one, is the first of the primary key: it must always be the first of some key.
fn counts_in_primary_key(items: &[&str]) -> bool {
    let column = items.iter().find_map(|item| counter(item));
    if column.is_none() {
        return true;
    }
    items.iter().any(|item| {
        let item = Statement::new(item);
        item.is(0, "PRIMARY") && item.is(2, "(") && item.name(3) == column
    })
}

fn is_innodb(options: &Statement<'_>) -> bool {
    let engine = options.find(0, &["ENGINE", "="]);
    engine.is_some_and(|at| options.is(at + 2, "InnoDB"))
}

fn counter(item: &str) -> Option<String> {
    let item = Statement::new(item);
    item.name(0).filter(|_| item.find(1, &["AUTO_INCREMENT"]).is_some())
}

fn enumeration(item: &str) -> Option<String> {
    let item = Statement::new(item);
    item.name(0).filter(|_| item.is(1, "enum"))
}

/// `` `id` int DEFAULT nextval(`db`.`s`) ``: the column and the expression.
fn sequence_default(item: &str) -> Option<(String, String)> {
    let statement = Statement::new(item);
    let column = statement.name(0)?;
    let at = statement.find(1, &["DEFAULT"])? + 1;
    let call = ["nextval", "lastval"].iter().any(|word| statement.is(at, word)) && statement.is(at + 1, "(");
    let end = (call && statement.is(at + 3, ".") && statement.is(at + 5, ")")).then_some(at + 5)?;
    let (first, last) = (&statement.tokens[at].at, &statement.tokens[end].at);
    Some((column, item[first.start..last.end].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Table;

    const ORDERS: &str = "CREATE TABLE `or,ders` (\n  `id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT 'a, (b',\n  \
        `kind` enum('a','b)') NOT NULL DEFAULT 'b)',\n  `v` int GENERATED ALWAYS AS (`id` + 1) STORED,\n  PRIMARY KEY (`id`),\n  \
        UNIQUE KEY `u` (`kind`),\n  KEY `k` (`v`,`kind`),\n  FULLTEXT KEY `f1` (`kind`),\n  FULLTEXT KEY `f2` (`kind`),\n  \
        CONSTRAINT `fk` FOREIGN KEY (`v`) REFERENCES `p` (`id`) ON DELETE CASCADE,\n  \
        CONSTRAINT `c` CHECK (`v` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4\n PARTITION BY HASH (`id`)";

    #[test]
    fn keys_and_foreign_keys_follow_the_rows() {
        let table = Table::parse(ORDERS).expect("a table");
        assert_eq!(table.name, "or,ders");
        assert!(
            !table.create.contains("FOREIGN") && !table.create.contains("`k`"),
            "{}",
            table.create
        );
        assert!(
            table
                .create
                .contains("CHECK (`v` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=5"),
            "{}",
            table.create
        );
        assert_eq!(
            table.add_keys(),
            [
                "ALTER TABLE `or,ders` ADD UNIQUE KEY `u` (`kind`), ADD KEY `k` (`v`,`kind`), ADD FULLTEXT KEY `f1` (`kind`)",
                "ALTER TABLE `or,ders` ADD FULLTEXT KEY `f2` (`kind`)",
            ]
        );
        let foreign = table.add_foreign_keys().expect("one");
        assert!(foreign.ends_with("ADD CONSTRAINT `fk` FOREIGN KEY (`v`) REFERENCES `p` (`id`) ON DELETE CASCADE"));
    }

    #[test]
    fn keys_that_the_rows_need_stay() {
        let counted = "CREATE TABLE `t` (\n `a` int NOT NULL,\n `n` int NOT NULL AUTO_INCREMENT,\n PRIMARY KEY (`a`),\n KEY `n` (`n`)\n) ENGINE=InnoDB";
        assert!(Table::parse(counted).expect("a table").keys.is_empty());
        let unordered = "CREATE TABLE `t` (`a` int, UNIQUE KEY `u` (`a`), KEY `k` (`a`)) ENGINE=InnoDB";
        assert_eq!(Table::parse(unordered).expect("a table").keys, ["KEY `k` (`a`)"]);
        for whole in [
            "CREATE TABLE `t` (`a` int, KEY `k` (`a`)) ENGINE=MyISAM",
            "CREATE TABLE `t` (`a` int, KEY `k` (`a`)) ENGINE=InnoDB WITH SYSTEM VERSIONING",
        ] {
            assert_eq!(Table::parse(whole).expect("a table").create, whole);
        }
        assert_eq!(Table::parse("CREATE VIEW `v` AS SELECT 1"), None);
    }

    #[test]
    fn defaults_from_sequences_are_seen() {
        let create = "CREATE TABLE `t` (`a` int DEFAULT nextval(`d`.`s`), `b` int DEFAULT 1) ENGINE=InnoDB";
        let expected = [("a".to_owned(), "nextval(`d`.`s`)".to_owned())];
        assert_eq!(Table::parse(create).expect("a table").sequence_defaults, expected);
    }
}
