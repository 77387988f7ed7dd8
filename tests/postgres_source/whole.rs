//! Whole dumps: every sort of object, the way back with stock psql, one state under writers, standbys.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::cli::World;
use crate::postgres::NEEDLE;
use crate::postgres::PROGRAMS;
use crate::postgres::Server;
use crate::support::collect;
use crate::support::known;
use crate::support::refused;
use crate::support::rows_of;
use crate::support::text;

/// One of every sort.
const SORTS: &str = r#"
    CREATE ROLE app;
    CREATE SCHEMA "S 1";
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE plain(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, b bytea, j jsonb, ts timestamptz DEFAULT now(),
        m money DEFAULT 12.5, f float8, i interval, o mood, a int[]);
    INSERT INTO plain(t, b, j, f, i, o, a) SELECT repeat(md5(n::text), 3), decode(md5(n::text), 'hex'), jsonb_build_object('n', n),
        n / 3.0, n * interval '1 day 1 minute', 'ok', ARRAY[n, NULL] FROM generate_series(1, 20000) n;
    CREATE TABLE gen(a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
    INSERT INTO gen(a, c) VALUES (1, E'tab\there\\ line\n end\r'), (2, NULL), (3, '\.'), (4, '');
    CREATE TABLE part(k int, v text) PARTITION BY RANGE (k);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (k);
    CREATE TABLE part_2a PARTITION OF part_2 DEFAULT;
    INSERT INTO part SELECT n, 'v' || n FROM generate_series(0, 19) n;
    CREATE TABLE parent(a int); CREATE TABLE child(b int) INHERITS (parent);
    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
    CREATE UNLOGGED TABLE unlogged(a int); INSERT INTO unlogged VALUES (5);
    CREATE TABLE "S 1"."we""ird '$x" (" a b" int, "Ü" text); INSERT INTO "S 1"."we""ird '$x" VALUES (1, 'ü');
    CREATE TABLE nocolumns(); INSERT INTO nocolumns DEFAULT VALUES;
    CREATE TABLE large(a text); INSERT INTO large VALUES (repeat('x', 3000000)), ('y');
    ALTER TABLE large ADD COLUMN dropped int; ALTER TABLE large DROP COLUMN dropped;
    CREATE TABLE empty(a int);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM plain;
    CREATE VIEW between AS SELECT count * 2 AS twice FROM counted; CREATE MATERIALIZED VIEW above AS SELECT * FROM between;
    CREATE MATERIALIZED VIEW bare AS SELECT 1 WITH NO DATA;
    CREATE VIEW seen AS SELECT * FROM plain;
    CREATE SEQUENCE used START 5; SELECT nextval('used'); CREATE SEQUENCE fresh START 7;
    CREATE TABLE points(a int REFERENCES plain(id)); INSERT INTO points SELECT id FROM plain LIMIT 10; CREATE INDEX ON points(a);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
    CREATE TRIGGER refuse BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION nothing();
    SELECT lo_create(4242), lo_put(4242, 0, '\x00ff'), lo_from_bytea(4243, decode(repeat('ab', 300000), 'hex')), lo_create(4244);
    COMMENT ON LARGE OBJECT 4242 IS 'it''s \ one'; GRANT SELECT ON LARGE OBJECT 4243 TO app; ALTER LARGE OBJECT 4244 OWNER TO app;
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
    CREATE FOREIGN TABLE far(a int) SERVER elsewhere;
"#;

/// What stock `pg_dump` says about a database, without what differs between two of its runs.
fn dumped(server: &Server, database: &str) -> String {
    let output = std::process::Command::new(format!("{PROGRAMS}/pg_dump"))
        .env_clear()
        .env("PGPASSWORD", NEEDLE)
        .args(["--inserts", "--blobs", "--username=postgres", "--host"])
        .arg(server.socket())
        .arg(format!("--port={}", server.port))
        .arg(database)
        .output()
        .expect("pg_dump");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Shows the first lines that differ, shortened.
#[track_caller]
fn assert_same(one: &str, other: &str, what: &str) {
    let short = |line: &str| line.chars().take(200).collect::<String>();
    for (left, right) in one.lines().zip(other.lines()) {
        assert!(left == right, "{what}: {} / {}", short(left), short(right));
    }
    assert_eq!(one.lines().count(), other.lines().count(), "{what}");
}

#[test]
fn every_sort_comes_back_with_stock_psql() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql("hub", SORTS);
    let world = World::new();
    // The password stands in ~/.pgpass alone, escaped as libpq wants it.
    let escaped = NEEDLE.replace('\\', "\\\\").replace(':', "\\:");
    world.write(
        ".pgpass",
        format!("127.0.0.1:{}:*:postgres:{escaped}\n", server.port).as_bytes(),
    );
    world.settings("[sets.hub]\nsources = []");
    let uri = server.uri("postgres", "hub") + "?sslmode=require";
    let told = world.json(&["backup", "hub", "--source", &uri]);
    assert_eq!(told["sources"][0]["kind"], "postgres", "{told}");
    world.good(&["restore", "latest", "--set", "hub", "--to", "out"]);
    // Once as joined files, once as parts.
    for (database, preparation) in [
        ("joined", "true"),
        (
            "parts",
            "cd out/hub; for f in *.sql data/*; do test $f = restore.sql || mv $f $f.part-00000000; done",
        ),
    ] {
        world.script(preparation);
        server.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
        let output = server.follow_restore_sql(database, &world.path("out/hub"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_same(&dumped(&server, database), &dumped(&server, "hub"), database);
        assert_eq!(
            server.sql(
                database,
                "SELECT nextval('used'), nextval('fresh'), nextval('plain_id_seq')"
            ),
            "6|7|20001"
        );
        assert_eq!(
            server.sql(database, "SELECT count, twice FROM counted, above"),
            "20000|40000"
        );
    }
    let public = world.json(&["show", "latest", "--set", "hub"]).to_string();
    assert!(
        public.contains("server_version") && !public.contains("plain"),
        "{public}"
    );
}

#[test]
fn facts_filters_and_configuration_tables() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql(
        "hub",
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.one(x int); INSERT INTO a.one VALUES (1), (2);
         CREATE TABLE a.two(x serial); INSERT INTO a.two DEFAULT VALUES; CREATE TABLE b.one(x int); CREATE TABLE public.\"One\"(x int);
         CREATE TABLE b.log(x int); INSERT INTO b.log VALUES (9); SELECT lo_create(1);",
    );
    let uri = server.uri("postgres", "hub");
    let tables = |query: &str| {
        let (collected, _) = collect(known(&format!("{uri}?{query}")));
        let names = collected.order.iter().filter_map(|name| name.strip_prefix("hub/data/"));
        let mut names: Vec<String> = names
            .map(|name| name[7..].trim_end_matches(".copy").to_owned())
            .collect();
        names.sort();
        (names.join(" "), collected)
    };
    assert_eq!(tables("").0, "a.one a.two b.log b.one public.One");
    let (names, collected) = tables("schema=a");
    assert_eq!(names, "a.one a.two");
    assert!(text(&collected, "sequences.sql").contains("\"a\".\"two_x_seq\""));
    assert!(!text(&collected, "pre-data.sql").contains("CREATE TABLE b."));
    assert_eq!(
        text(&collected, "large-objects.sql"),
        "",
        "as in pg_dump, they belong to no schema"
    );
    assert_eq!(tables("exclude_schema=a&exclude_table=b.l*").0, "b.one public.One");
    assert_eq!(tables("table=%22One%22&table=a.one").0, "a.one public.One");
    let (names, collected) = tables("exclude_table_data=*.log");
    assert_eq!(names, "a.one a.two b.one public.One");
    assert!(text(&collected, "pre-data.sql").contains("CREATE TABLE b.log"));
    let (_, why) = refused(known(&format!("{uri}?table=nowhere")));
    assert!(why.contains("table=nowhere stands for nothing"), "{why}");

    let (collected, learnt) = collect(known(&uri));
    assert_eq!(learnt.private["rows"], "4");
    assert_eq!(learnt.private["tables"], "5");
    assert_eq!(learnt.private["large_objects"], "1");
    assert!(learnt.private["extensions"].starts_with("plpgsql "));
    assert_eq!(learnt.public["standby"], "false");
    assert!(learnt.public["server_version"].starts_with("15."));
    assert!(learnt.public["lsn"].contains('/') && learnt.data_time.is_some());
    assert!(
        text(&collected, "globals.sql").contains("CREATE ROLE"),
        "from pg_dumpall"
    );
    assert!(
        !text(&collected, "globals.sql").contains("SCRAM-SHA-256"),
        "no password hashes"
    );
}

#[test]
fn one_state_under_writers() {
    let server = Server::start_with(std::path::Path::new(PROGRAMS), &["shared_buffers = '128MB'"]);
    server.sql("postgres", "CREATE DATABASE bank");
    // More than two ranges, and a second table that is moved together with the first.
    server.sql(
        "bank",
        "CREATE TABLE account(id int PRIMARY KEY, balance bigint, filler text) WITH (fillfactor = 90);
         ALTER TABLE account ALTER filler SET STORAGE PLAIN;
         INSERT INTO account SELECT n, 1000, repeat(md5(n::text), 60) FROM generate_series(1, 50000) n;
         CREATE TABLE other(id int PRIMARY KEY, balance bigint); INSERT INTO other VALUES (1, 0);",
    );
    let stop = server.path("stop");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.exists() {
                    server.sql(
                        "bank",
                        "DO $$DECLARE k int; BEGIN FOR n IN 1..200 LOOP k := 1 + (random() * 49999)::int;
                         UPDATE account SET balance = balance - 7 WHERE id = k;
                         IF NOT FOUND THEN RAISE 'lost'; END IF;
                         UPDATE other SET balance = balance + 7; COMMIT; END LOOP; END$$",
                    );
                }
            });
        }
        thread::sleep(Duration::from_millis(300));
        let (collected, _) = collect(known(&server.uri("postgres", "bank")));
        fs::create_dir(&stop).expect("new");
        let balance = |line: &String| {
            line.split('\t')
                .nth(1)
                .expect("a column")
                .parse::<i64>()
                .expect("a number")
        };
        let accounts = rows_of(&collected, "account");
        let other: i64 = rows_of(&collected, "other").iter().map(balance).sum();
        assert_eq!(accounts.len(), 50_000, "no page is left out and none comes twice");
        assert_eq!(accounts.iter().map(balance).sum::<i64>() + other, 50_000_000);
        assert!(other > 0, "the writers wrote");
        let streams = collected.order.iter().filter(|name| name.contains("public.account."));
        assert!(
            streams.count() > 2,
            "the table was read in ranges: {:?}",
            collected.order
        );
    });
}

#[test]
fn a_standby_lends_its_snapshot_too() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql(
        "hub",
        "CREATE TABLE t(a int); INSERT INTO t VALUES (1); CREATE UNLOGGED TABLE u(a int)",
    );
    let standby = server.standby();
    let (kind, why) = refused(known(&standby.uri("postgres", "hub")));
    assert!(why.contains("\"public\".\"u\" is unlogged"), "{kind:?}: {why}");
    let uri = standby.uri("postgres", "hub") + "?exclude_table_data=u&target_session_attrs=standby";
    let (collected, learnt) = collect(known(&uri));
    assert_eq!(rows_of(&collected, "t"), ["1"]);
    assert_eq!(learnt.public["standby"], "true");
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/hub?exclude_table_data=u&target_session_attrs=prefer-standby",
        server.port, standby.port
    );
    assert_eq!(collect(known(&both)).1.public["standby"], "true");
}
