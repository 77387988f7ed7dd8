-- A database with one of everything that pg_dump knows by kind, under awkward names and with awkward values.
-- Run in an empty database by a superuser, after roles.sql.
SET client_min_messages = warning;
SET default_toast_compression = 'pglz';

-- Schemas, extensions
CREATE SCHEMA shop AUTHORIZATION torture_app;
CREATE SCHEMA "Sch""e ma.$";
CREATE SCHEMA "ünï";
COMMENT ON SCHEMA shop IS 'line one
-- Name: fake; Type: TABLE; Schema: shop; Owner: nobody
line; ''three''';
CREATE EXTENSION hstore SCHEMA shop;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gist;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;

-- Types
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'it''s "fine"', 'ünï');
CREATE TYPE shop.pair AS (a integer, b text, c numeric(10,2));
CREATE TYPE shop.floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN shop.email AS text CONSTRAINT has_at CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN shop.positive AS integer DEFAULT 1 NOT NULL CHECK (VALUE > 0);
COMMENT ON TYPE shop.mood IS 'a mood';
CREATE TYPE shop.int42;
CREATE FUNCTION shop.int42_in(cstring) RETURNS shop.int42 LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION shop.int42_out(shop.int42) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE shop.int42 (INPUT = shop.int42_in, OUTPUT = shop.int42_out, INTERNALLENGTH = 4, PASSEDBYVALUE, ALIGNMENT = int4, DEFAULT = '42');

-- Collations, conversions, text search
CREATE COLLATION shop.numeric_order (provider = icu, locale = 'en-u-kn-true');
CREATE COLLATION shop.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DEFAULT CONVERSION shop.my_conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY shop.my_dict (TEMPLATE = simple, stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION shop.my_search (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION shop.my_search ALTER MAPPING FOR asciiword WITH shop.my_dict, english_stem;

-- Functions of every kind
CREATE FUNCTION shop.add(integer, integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 + $2';
CREATE FUNCTION shop.atomic(a integer) RETURNS text LANGUAGE sql
BEGIN ATOMIC
  SELECT CASE WHEN a > 0 THEN 'plus; END' ELSE 'minus' END;
  SELECT CASE a WHEN 1 THEN 'one' ELSE 'other' END;
END;
CREATE FUNCTION shop."trigger f"() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with a semicolon, $$ and 'quotes'
  NEW.note := coalesce(NEW.note, '') || $x$;$x$;
  RETURN NEW;
END;
$body$;
CREATE FUNCTION shop.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$;
CREATE PROCEDURE shop.do_it(INOUT a integer, b text DEFAULT 'x''y\z') LANGUAGE plpgsql SECURITY DEFINER SET search_path = shop, pg_temp AS
$$ BEGIN a := a + length(b); END $$;
CREATE FUNCTION shop.table_of(n integer) RETURNS TABLE(a integer, b text) LANGUAGE sql ROWS 10 COST 5 AS
$$ SELECT i, i::text FROM generate_series(1, n) i; $$;
CREATE AGGREGATE shop.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = int4pl);
CREATE FUNCTION shop.near(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) <= 1';
CREATE OPERATOR shop.<~> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = shop.near, COMMUTATOR = OPERATOR(shop.<~>));
CREATE OPERATOR FAMILY shop.my_family USING btree;
CREATE OPERATOR CLASS shop.my_ops FOR TYPE integer USING btree FAMILY shop.my_family AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
CREATE FUNCTION shop.text_of(shop.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT length($1::text)';
CREATE CAST (shop.mood AS integer) WITH FUNCTION shop.text_of(shop.mood) AS ASSIGNMENT;
CREATE ACCESS METHOD shop_heap TYPE TABLE HANDLER heap_tableam_handler;

-- Sequences in odd states
CREATE SEQUENCE shop.never_used START 7 INCREMENT -3 MINVALUE -100 MAXVALUE 7 CYCLE;
CREATE SEQUENCE shop.small_used AS smallint START 5;
SELECT nextval('shop.small_used'), nextval('shop.small_used');
CREATE SEQUENCE shop.set_uncalled; SELECT setval('shop.set_uncalled', 99, false);
CREATE SEQUENCE shop."at $end" MAXVALUE 3; SELECT setval('shop."at $end"', 3, true);
CREATE UNLOGGED SEQUENCE shop.unlogged_seq;

-- Tables: every type
CREATE TABLE shop.every_type (
  id integer GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5) PRIMARY KEY,
  b boolean, i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(30,10), m money,
  c char(5), v varchar(20), t text COLLATE "C", bt bytea, d date, ti time, tz timetz, ts timestamp(3), tstz timestamptz, iv interval,
  u uuid, ip inet, ci cidr, mac macaddr, mac8 macaddr8, bi bit(5), vb bit varying(8), x xml, j json, jb jsonb, jp jsonpath,
  p point, l line, ls lseg, bx box, pa path, pl polygon, cr circle, tsv tsvector, tsq tsquery,
  r int4range, mr int4multirange, fr shop.floatrange, mo shop.mood, pr shop.pair, em shop.email, po shop.positive, i42 shop.int42,
  h shop.hstore, ia integer[], ta text[][], ma shop.mood[], pra shop.pair[], o oid, rc regclass, nm name, ch "char", lsn pg_lsn, tid tid,
  full_name text GENERATED ALWAYS AS (upper(v::text) || '!') STORED
);
INSERT INTO shop.every_type (b, i2, i8, f4, f8, n, n2, m, c, v, t, bt, d, ti, tz, ts, tstz, iv, u, ip, ci, mac, mac8, bi, vb, x, j, jb, jp, p, l, ls, bx,
  pa, pl, cr, tsv, tsq, r, mr, fr, mo, pr, em, po, i42, h, ia, ta, ma, pra, o, rc, nm, ch, lsn, tid) VALUES
 (true, -32768, 9223372036854775807, 1e-37, 1.7976931348623157e308, 'NaN', 12345678901234567890.0123456789, 12.34, 'ab', E'tab\tnl\n', E'\\N', '\x00ff5c',
  '4714-11-24 BC', '24:00', '12:34:56.789+15:59', '294276-12-31 23:59:59.999', '2024-03-31 01:59:59.999999+00', '-178000000 years 1 mon -1 day 00:00:00.000001',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'10101', B'', '<a>ü</a>',
  '{"a" : 1,  "a":2}', '{"b": [null, 1.50, "\u20ac"]}', '$.a[*] ? (@ > 1)', '(1,2)', '{1,-1,0}', '((0,0),(1,1))', '((1,1),(0,0))', '[(0,0),(1,1)]',
  '((0,0),(1,1),(1,0))', '<(0,0),1>', '''a b'':1A,2B c', 'a & !b <-> c', '[1,5)', '{[1,3),[7,9)}', '[1.5,2.5]', 'it''s "fine"', '(1,"x,""y""",2.50)', 'a@b', 5, '7',
  '"a b"=>"c\"d", x=>NULL', '{1,NULL,3}', '{{a,"b,c"},{"NULL",NULL}}', '{sad,"it''s \"fine\""}', '{"(1,a,1.00)","(,\"b c\",)"}', 1, 'pg_class', 'näme', 'c', '16/B374D848', '(42,7)'),
 (false, 0, -9223372036854775808, '-Infinity', 'NaN', '-Infinity', -0.0000000001, -1, '', '', '\.', '', 'infinity', '00:00', '00:00:00-15:59', '-infinity', 'infinity', '0',
  NULL, '0.0.0.0', '::/0', NULL, NULL, NULL, B'1', '', 'null', 'null', '$', '(NaN,Infinity)', NULL, NULL, NULL, '((0,0))', NULL, '<(1,1),0>', '', '', 'empty', '{}', 'empty',
  'sad', '(,,)', 'ü@ü', 1, DEFAULT, '', '{}', '{}', '{}', '{}', 4294967295, 0, '', '', '0/0', '(0,1)');
INSERT INTO shop.every_type (po) VALUES (1);
ALTER TABLE shop.every_type OWNER TO "torture Owner.x";
COMMENT ON COLUMN shop.every_type.b IS 'a column; with ''a'' comment';

-- Awkward names and values
CREATE TABLE "Sch""e ma.$"."T.a""b$le
x" ("Col ""1"".$" integer DEFAULT 1, "select" text, "ü" text, "line
break" text, CONSTRAINT "Key; ""x""" PRIMARY KEY ("Col ""1"".$"));
INSERT INTO "Sch""e ma.$"."T.a""b$le
x" SELECT i, E'back\\slash\ttab\r\n\b\f\v' || chr(i + 31), repeat('ü', i % 300), NULL FROM generate_series(1, 2000) i;
CREATE TABLE "ünï"."Größe" ("naïve" text PRIMARY KEY);
INSERT INTO "ünï"."Größe" VALUES (''), (E'\\.'), (E'\\N'), (E'\n'), ('💾'), (E'\\\\'), ('\x41');
CREATE TABLE shop.no_columns ();
INSERT INTO shop.no_columns DEFAULT VALUES; INSERT INTO shop.no_columns DEFAULT VALUES;
CREATE TABLE shop.empty_table (a integer);
CREATE UNLOGGED TABLE shop.unlogged (a integer); INSERT INTO shop.unlogged VALUES (1);
CREATE TABLE shop.dropped_column (a integer, gone text, b text); ALTER TABLE shop.dropped_column DROP COLUMN gone; INSERT INTO shop.dropped_column VALUES (1, 'b');
CREATE TABLE shop.with_options (a text COMPRESSION pglz, b text) WITH (fillfactor = 70, autovacuum_enabled = false);
ALTER TABLE shop.with_options ALTER COLUMN b SET STORAGE EXTERNAL, ALTER COLUMN a SET STATISTICS 500, ALTER COLUMN a SET (n_distinct = 5);
INSERT INTO shop.with_options SELECT repeat(md5(i::text), 500), repeat(md5(i::text), 500) FROM generate_series(1, 300) i;
CREATE TABLE shop.other_am (a integer) USING shop_heap; INSERT INTO shop.other_am VALUES (1);
CREATE TABLE shop.typed OF shop.pair (PRIMARY KEY (a)); INSERT INTO shop.typed VALUES (1, 'x', 1.5);

-- Inheritance and partitions
CREATE TABLE shop.parent (id integer, note text); INSERT INTO shop.parent VALUES (1, 'parent');
CREATE TABLE shop.child (extra integer DEFAULT 3) INHERITS (shop.parent); INSERT INTO shop.child VALUES (2, 'child', 4);
CREATE TABLE shop.events (at timestamptz NOT NULL, id bigint NOT NULL, kind text, note text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
CREATE TABLE shop.events_2 PARTITION OF shop.events FOR VALUES FROM ('2024-02-01 00:00+00') TO ('2024-03-01 00:00+00') PARTITION BY LIST (kind);
CREATE TABLE shop.events_2_a PARTITION OF shop.events_2 FOR VALUES IN ('a', NULL);
CREATE TABLE shop.events_2_x PARTITION OF shop.events_2 DEFAULT;
CREATE TABLE shop.events_rest PARTITION OF shop.events DEFAULT;
CREATE TABLE shop.hashed (a integer) PARTITION BY HASH (a);
CREATE TABLE shop.hashed_0 PARTITION OF shop.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.hashed_1 PARTITION OF shop.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO shop.events SELECT '2024-01-15 00:00+00'::timestamptz + i * interval '1 hour', i, chr(97 + i % 3), NULL FROM generate_series(1, 2000) i;
INSERT INTO shop.hashed SELECT generate_series(1, 100);
ALTER TABLE shop.events ADD CONSTRAINT events_pkey PRIMARY KEY (at, id, kind) DEFERRABLE;
CREATE INDEX events_note ON shop.events (note);
CREATE INDEX events_only ON ONLY shop.events (id);
COMMENT ON INDEX shop.events_note IS 'an index of all partitions';

-- Constraints
CREATE TABLE shop.a (id integer PRIMARY KEY, b_id integer, code text UNIQUE NULLS NOT DISTINCT, during tstzrange, room integer,
  CONSTRAINT checked CHECK (code <> 'x;y') NO INHERIT, CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE shop.b (id integer PRIMARY KEY, a_id integer REFERENCES shop.a ON DELETE SET NULL (a_id) ON UPDATE CASCADE, self integer REFERENCES shop.b);
ALTER TABLE shop.a ADD CONSTRAINT a_b FOREIGN KEY (b_id) REFERENCES shop.b DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO shop.a SELECT i, i, 'code ' || i, tstzrange(to_timestamp(i * 100), to_timestamp(i * 100 + 50)), i % 5 FROM generate_series(1, 500) i;
INSERT INTO shop.b SELECT i, i, NULLIF(i - 1, 0) FROM generate_series(1, 500) i;
COMMIT;
ALTER TABLE shop.a ADD CONSTRAINT later CHECK (id < 100) NOT VALID;
ALTER TABLE shop.b ADD CONSTRAINT dangling FOREIGN KEY (self) REFERENCES shop.every_type (id) NOT VALID;
COMMENT ON CONSTRAINT a_b ON shop.a IS 'a circle';
CREATE TABLE shop.refers (at timestamptz, id bigint, kind text, FOREIGN KEY (id) REFERENCES shop.a (id));
CREATE TABLE shop.refers_parts (x integer REFERENCES shop.typed) PARTITION BY LIST (x);
CREATE TABLE shop.refers_parts_1 PARTITION OF shop.refers_parts FOR VALUES IN (1); INSERT INTO shop.refers_parts VALUES (1);
ALTER TABLE shop.a REPLICA IDENTITY USING INDEX a_pkey;
ALTER TABLE shop.b CLUSTER ON b_pkey;
ALTER TABLE shop.parent REPLICA IDENTITY FULL;

-- Indexes of every kind
CREATE INDEX i_hash ON shop.b USING hash (a_id);
CREATE INDEX i_gin ON shop.every_type USING gin (jb jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX i_trgm ON "ünï"."Größe" USING gin ("naïve" gin_trgm_ops);
CREATE INDEX i_gist ON shop.every_type USING gist (r);
CREATE INDEX i_spgist ON shop.every_type USING spgist (p);
CREATE INDEX i_brin ON shop.events_rest USING brin (at) WITH (pages_per_range = 4);
CREATE UNIQUE INDEX i_partial ON shop.b (a_id) INCLUDE (self) WHERE self IS NOT NULL;
CREATE INDEX "i; expr ""x""" ON shop.a ((lower(code) || 'y;z') COLLATE shop.numeric_order DESC NULLS LAST, shop.add(id));
ALTER INDEX shop."i; expr ""x""" ALTER COLUMN 1 SET STATISTICS 200;
CREATE INDEX i_ops ON shop.a (id shop.my_ops);
CREATE STATISTICS shop.stats (ndistinct, dependencies, mcv) ON id, b_id FROM shop.a;
CREATE STATISTICS shop.stats_expr ON (lower(code)) FROM shop.a; ALTER STATISTICS shop.stats_expr SET STATISTICS 50;

-- Views
CREATE VIEW shop.v1 AS SELECT id, code FROM shop.a WHERE code <> ';';
CREATE VIEW shop.v2 WITH (security_barrier) AS SELECT v1.*, b.self FROM shop.v1 JOIN shop.b USING (id);
CREATE VIEW shop.checked_view AS SELECT id, code FROM shop.a WHERE id > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW shop.grouped AS SELECT a.id, a.code, count(*) AS n FROM shop.a LEFT JOIN shop.b ON b.a_id = a.id GROUP BY a.id;
CREATE VIEW shop.circle_1 AS SELECT 1 AS x;
CREATE VIEW shop.circle_2 AS SELECT x FROM shop.circle_1;
CREATE OR REPLACE VIEW shop.circle_1 AS SELECT 1 AS x WHERE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'no');
CREATE VIEW shop.numbers AS WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT n FROM r;
CREATE MATERIALIZED VIEW shop.m1 AS SELECT kind, count(*) AS n FROM shop.events GROUP BY kind;
CREATE UNIQUE INDEX m1_kind ON shop.m1 (kind);
CREATE MATERIALIZED VIEW shop.a_m2 AS SELECT sum(n) AS total FROM shop.m1;
CREATE MATERIALIZED VIEW shop.m_grouped AS SELECT a.id, a.code, count(*) AS n FROM shop.a GROUP BY a.id;
CREATE INDEX m_grouped_n ON shop.m_grouped (n);
CREATE MATERIALIZED VIEW shop.m_unfilled AS SELECT 1 AS one WITH NO DATA;

-- Rules, triggers, policies, event triggers
CREATE RULE log_it AS ON UPDATE TO shop.empty_table DO ALSO (INSERT INTO shop.unlogged VALUES (NEW.a); DELETE FROM shop.no_columns);
CREATE RULE nothing AS ON DELETE TO shop.v1 DO INSTEAD NOTHING;
CREATE TRIGGER "before; row" BEFORE INSERT OR UPDATE OF note ON shop.parent FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION shop."trigger f"('a''rg');
CREATE TRIGGER of_all BEFORE INSERT ON shop.events FOR EACH ROW EXECUTE FUNCTION shop."trigger f"();
CREATE CONSTRAINT TRIGGER at_end AFTER INSERT ON shop.b DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop."trigger f"();
ALTER TABLE shop.parent DISABLE TRIGGER "before; row";
ALTER TABLE shop.events_rest ENABLE ALWAYS TRIGGER of_all;
ALTER TABLE shop.a ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.a FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.a AS RESTRICTIVE FOR SELECT TO torture_reader USING (code <> 'secret;') ;
CREATE POLICY all_rows ON shop.a USING (true) WITH CHECK (id > 0);
CREATE EVENT TRIGGER shop_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION shop.on_ddl();
ALTER EVENT TRIGGER shop_ddl DISABLE;

-- Publications, subscriptions
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION "some; tables" FOR TABLE shop.a (id, code) WHERE (id > 5) WITH (publish = 'insert');
CREATE PUBLICATION a_schema FOR TABLES IN SCHEMA "ünï" WITH (publish = 'insert, update');
CREATE SUBSCRIPTION "no where" CONNECTION 'dbname=nowhere password=needle-sub' PUBLICATION x WITH (connect = false, slot_name = NONE);

-- Foreign data
CREATE FOREIGN DATA WRAPPER dummy;
CREATE SERVER "far away" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.example', dbname 'x');
CREATE USER MAPPING FOR torture_app SERVER "far away" OPTIONS (user 'u', password 'needle-mapping');
CREATE FOREIGN TABLE shop.far (id integer OPTIONS (column_name 'the id') NOT NULL, b text) SERVER "far away" OPTIONS (table_name 'x');

-- Large objects
SELECT lo_from_bytea(424242, decode(repeat('00ff5c27', 2000), 'hex'));
SELECT lo_from_bytea(424243, '');
SELECT lo_from_bytea(424244, 'it''s \\ text'::bytea);
ALTER LARGE OBJECT 424242 OWNER TO torture_app;
GRANT SELECT ON LARGE OBJECT 424242 TO torture_reader;
COMMENT ON LARGE OBJECT 424242 IS 'a large; object';

-- Privileges
ALTER DEFAULT PRIVILEGES FOR ROLE torture_app IN SCHEMA shop GRANT SELECT ON TABLES TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA shop TO torture_reader WITH GRANT OPTION;
GRANT SELECT (id, code), UPDATE (code) ON shop.a TO torture_reader;
GRANT ALL ON shop.b TO torture_app WITH GRANT OPTION;
SET SESSION AUTHORIZATION torture_app; GRANT SELECT ON shop.b TO torture_reader; RESET SESSION AUTHORIZATION;
REVOKE ALL ON FUNCTION shop.add(integer, integer) FROM PUBLIC;
GRANT USAGE ON SEQUENCE shop.small_used TO torture_reader;
GRANT USAGE ON TYPE shop.mood TO torture_reader;
GRANT USAGE ON FOREIGN SERVER "far away" TO torture_app;
GRANT EXECUTE ON PROCEDURE shop.do_it(integer, text) TO torture_reader;
ALTER FUNCTION shop.add(integer, integer) OWNER TO "torture Owner.x";
REFRESH MATERIALIZED VIEW shop.m1; REFRESH MATERIALIZED VIEW shop.a_m2;

-- A table large enough to be loaded frozen, and to show a cut
CREATE TABLE shop.large (id bigint PRIMARY KEY, body text, half integer);
INSERT INTO shop.large SELECT i, md5(i::text) || E'\t\\' || i, i / 2 FROM generate_series(1, 60000) i;
CREATE INDEX large_half ON shop.large (half);
