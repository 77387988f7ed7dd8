//! Rows of PostgreSQL in both formats of COPY, and names that psql cannot take in one line: everything comes back by the program, by stock
//! psql, and on a newer server.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "support/postgres_cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres_cli;

use std::path::Path;

use crate::cli::World;
use crate::postgres::Server;
use crate::postgres_cli::PROGRAMS_17;
use crate::postgres_cli::backup;
use crate::postgres_cli::run;

/// Every type that may be binary, with its ends, and tables that must be text.
const TABLES: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'o''k'); CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%'); CREATE DOMAIN inner_time AS timestamptz;
    CREATE DOMAIN moment AS inner_time;
    CREATE TABLE every (
      id bigint PRIMARY KEY, raw bytea, f4 real, f8 double precision, ip inet, net cidr, d date, ti time, tz timetz, ts timestamp,
      tstz timestamptz, iv interval, u uuid, b bool, i2 smallint, i4 int, n numeric, n2 numeric(9, 3), t text, v varchar(9), c char(4),
      j json, jb jsonb, m macaddr, bi bit(3), vb varbit, mo mood, ma mail, mt moment,
      raws bytea[], u2 uuid[][], ts2 timestamp[], n3 numeric[], t2 text[], made bigint GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO every VALUES (1, '\x00ff5c0a', 'NaN', '-Infinity', '::1/64', '10.0.0.0/8', '-infinity', '24:00', '23:59:59.999999+15:59',
      'infinity', '4713-01-01 00:00:00+00 BC', '-1 year 2 days -3.000001 seconds', '00000000-0000-0000-0000-000000000000', true, -32768,
      2147483647, 'NaN', 123456.789, E'tab\there\\ \r\n end', 'ümlaut', 'a', '{"a" : 1, "a":2}', '{"b": [1, null, "\u00fc"]}',
      '08:00:2b:01:02:03', B'101', B'', 'o''k', 'a@b', '2020-02-29 23:59:59.5+05:45', ARRAY['\x', NULL, '\xff']::bytea[],
      '{{00000000-0000-0000-0000-000000000001},{00000000-0000-0000-0000-000000000002}}', '{infinity,NULL}', '[2:3]={1.10,NaN}', '{"",NULL,"NULL"}');
    INSERT INTO every (id) SELECT generate_series(2, 500);
    INSERT INTO every (id, f8, n, raw) SELECT i, 1e-300 * i, ('1e-' || i)::numeric + i, sha256(i::text::bytea) FROM generate_series(501, 3000) i;
    CREATE TABLE worded (id int, x xml, raw bytea, cl regclass); INSERT INTO worded VALUES (1, '<a/>', '\x01', 'every');
    CREATE TABLE none_binary (raw bytea); CREATE TABLE numbers (a int, b bigint); INSERT INTO numbers SELECT i, i FROM generate_series(1, 9) i;
    CREATE TABLE parts (k int, at timestamptz) PARTITION BY RANGE (k); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
    INSERT INTO parts SELECT i, '2020-01-01' FROM generate_series(0, 8) i;
    CREATE TABLE wide AS SELECT i AS id, repeat(md5(i::text), 40) AS t, now() AS at FROM generate_series(1, 70000) i;
"#;

/// Names over several lines, and of everything that shells and formats read.
const NAMES: &str = "
    CREATE SCHEMA \"sch\nema\"; CREATE TABLE \"sch\nema\".\"ta\r\nb'%d\\n$x\" (\"co\nl %s ''\" int, raw bytea);
    INSERT INTO \"sch\nema\".\"ta\r\nb'%d\\n$x\" VALUES (1, '\\x0a0d00'), (2, NULL);
    CREATE TABLE \"pla\nin\" (a int, \"b\rc\" text); INSERT INTO \"pla\nin\" VALUES (1, E'x\\ty\\n\\\\.'), (2, '\\.');
";

/// Every row of every table, as the server prints it.
fn rows(server: &Server, database: &str) -> String {
    server.sql(
        database,
        "SELECT n.nspname || '.' || c.relname || E'\\n' || query_to_xml(format('SELECT t::text AS r FROM %s t ORDER BY 1', c.oid::regclass), true, false, '')::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.oid >= 16384 ORDER BY 1",
    )
}

fn formats_of(world: &World) -> Vec<(String, String)> {
    let plan: serde_json::Value = serde_json::from_slice(&world.read("out/db/plan.json")).expect("a plan");
    let tables = plan["tables"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let mut formats: Vec<(String, String)> = tables
        .map(|table| (text(&table["name"]), text(&table["format"])))
        .collect();
    formats.sort();
    formats
}

fn by_psql(world: &World, server: &Server, database: &str) {
    let _ran = run(world, &["restore", "latest", "--set", "pg", "--to", "out"]).expect_code(0, "restore to files");
    server.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
    let output = server.follow_restore_sql(database, &world.path("out/db"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn binary_where_the_types_allow_it_and_text_elsewhere() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql("hub", TABLES);
    let original = rows(&server, "hub");
    let world = World::new();
    backup(&world, &server, "hub", "");
    by_psql(&world, &server, "stock");
    assert_eq!(rows(&server, "stock"), original, "by psql");
    let expected = [
        ("every", "binary"),
        ("none_binary", "binary"),
        ("numbers", "text"),
        ("parts_1", "binary"),
        ("wide", "binary"),
        ("worded", "text"),
    ];
    let expected = expected.map(|(name, format)| (name.to_owned(), format.to_owned()));
    assert_eq!(formats_of(&world), expected);

    // By the program, which reads every row back; here and on a newer server.
    let newer = Server::start_with(Path::new(PROGRAMS_17), &[]);
    for target in [&server, &newer] {
        let to = target.uri("postgres", "again");
        let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &to]).expect_code(0, "restore");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("is a superuser"), "{}", ran.stderr);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(said.contains("next ") && said.contains("vacuumdb"), "{said}");
        assert_eq!(rows(target, "again"), original);
    }
    let to = server.uri("postgres", "planned");
    let ran = run(&world, &["restore", "latest", "--set", "pg", "--analyze", "--to", &to]).expect_code(0, "restore");
    assert!(!String::from_utf8_lossy(&ran.stdout).contains("vacuumdb"));
    let statistics = "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'every'";
    assert_eq!(server.sql("planned", statistics), "t");

    // Text for all, where it is asked for; and no third format.
    backup(&world, &server, "hub", "?copy_format=text");
    world.script("rm -r out");
    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", "out"]).expect_code(0, "restore to files");
    assert!(formats_of(&world).iter().all(|(_, format)| format == "text"));
    let to = server.uri("postgres", "texts");
    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &to]).expect_code(0, "restore");
    assert_eq!(rows(&server, "texts"), original);
    let source = format!("db={}?copy_format=csv", server.uri("postgres", "hub"));
    let ran = run(&world, &["backup", "--set", "pg", "--source", &source]);
    assert!(
        ran.code != Some(0) && ran.stderr.contains("copy_format=csv is no format"),
        "{}",
        ran.stderr
    );
}

#[test]
fn names_over_several_lines() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql("hub", NAMES);
    let original = rows(&server, "hub");
    let world = World::new();
    backup(&world, &server, "hub", "");
    by_psql(&world, &server, "stock");
    assert_eq!(rows(&server, "stock"), original);
    assert!(!world.path("out/db/hub-backup-rows").exists(), "the pipe is gone");

    // Rows that are missing are an error, in either format.
    for name in ["pla", "ta"] {
        world.script(&format!("mkdir -p kept; mv out/db/data/*{name}* kept/"));
        server.sql("postgres", "DROP DATABASE stock; ");
        server.sql("postgres", "CREATE DATABASE stock TEMPLATE template0");
        let output = server.follow_restore_sql("stock", &world.path("out/db"));
        assert!(
            !output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        world.script("mv kept/* out/db/data/");
    }
    let to = server.uri("postgres", "again");
    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &to]).expect_code(0, "restore");
    assert_eq!(rows(&server, "again"), original);
}
