-- A small application hub: organizations, users, modules and their versions, installations, workflows, events,
-- API keys, feature flags and full-text documents. Every value is computed, so each run makes the same rows; nobody here
-- exists, and every address is under example.invalid.
--
--     sqlite3 hub.db < testdata/hub/hub.sql

PRAGMA foreign_keys = ON;
PRAGMA application_id = 1213547057;
PRAGMA user_version = 7;

BEGIN;

CREATE TABLE organizations (
  id      INTEGER PRIMARY KEY,
  slug    TEXT NOT NULL UNIQUE,
  name    TEXT NOT NULL,
  plan    TEXT NOT NULL CHECK (plan IN ('free', 'team', 'enterprise')),
  created TEXT NOT NULL
);

CREATE TABLE users (
  id           INTEGER PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  email        TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name         TEXT NOT NULL,
  role         TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  avatar       BLOB,
  last_login   TEXT
);
CREATE INDEX users_by_organization ON users (organization, role);

CREATE TABLE modules (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,
  summary   TEXT NOT NULL,
  publisher INTEGER NOT NULL REFERENCES organizations (id)
);

CREATE TABLE module_versions (
  module   INTEGER NOT NULL REFERENCES modules (id) ON DELETE CASCADE,
  version  TEXT NOT NULL,
  manifest TEXT NOT NULL CHECK (json_valid(manifest)),
  sha256   TEXT NOT NULL CHECK (length(sha256) = 64),
  yanked   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (module, version)
);

CREATE TABLE installations (
  id           INTEGER PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  module       INTEGER NOT NULL,
  version      TEXT NOT NULL,
  settings     TEXT NOT NULL DEFAULT '{}',
  FOREIGN KEY (module, version) REFERENCES module_versions (module, version),
  UNIQUE (organization, module)
);

CREATE TABLE workflows (
  id           INTEGER PRIMARY KEY,
  installation INTEGER NOT NULL REFERENCES installations (id) ON DELETE CASCADE,
  title        TEXT NOT NULL,
  steps        TEXT NOT NULL,
  enabled      INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX workflows_enabled ON workflows (installation) WHERE enabled;

CREATE TABLE events (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow INTEGER REFERENCES workflows (id) ON DELETE SET NULL,
  kind     TEXT NOT NULL,
  happened TEXT NOT NULL,
  payload  BLOB,
  cost     REAL
);
CREATE INDEX events_by_time ON events (happened DESC, kind);

-- The keys themselves are shown once and never stored.
CREATE TABLE api_keys (
  id          INTEGER PRIMARY KEY,
  owner       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  prefix      TEXT NOT NULL UNIQUE,
  hash        TEXT NOT NULL CHECK (length(hash) = 64),
  scopes      TEXT NOT NULL,
  expires     TEXT
);

CREATE TABLE feature_flags (
  name         TEXT NOT NULL,
  organization INTEGER NOT NULL,
  value        ANY,
  PRIMARY KEY (name, organization)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE docs USING fts5 (title, body, tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE tallies (
  organization INTEGER PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
  events       INTEGER NOT NULL DEFAULT 0
);

CREATE TRIGGER organizations_have_a_tally AFTER INSERT ON organizations BEGIN
  INSERT INTO tallies (organization) VALUES (new.id);
END;

CREATE TRIGGER events_are_tallied AFTER INSERT ON events WHEN new.workflow IS NOT NULL BEGIN
  UPDATE tallies SET events = events + 1
   WHERE organization = (SELECT installations.organization
                           FROM workflows JOIN installations ON installations.id = workflows.installation
                          WHERE workflows.id = new.workflow);
END;

CREATE TRIGGER organizations_are_never_renumbered BEFORE UPDATE OF id ON organizations BEGIN
  SELECT RAISE(ABORT, 'the id of an organization is final');
END;

CREATE VIEW installed AS
  SELECT organizations.slug AS organization, modules.name AS module, installations.version
    FROM installations
    JOIN organizations ON organizations.id = installations.organization
    JOIN modules ON modules.id = installations.module;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO organizations
SELECT i, printf('org-%02d', i), printf('Organization %d', i),
       CASE i % 3 WHEN 0 THEN 'enterprise' WHEN 1 THEN 'free' ELSE 'team' END,
       datetime(1700000000 + i * 86400, 'unixepoch')
  FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
INSERT INTO users
SELECT i, 1 + i % 12, printf('user%03d@example.invalid', i), printf('User %d', i),
       CASE WHEN i <= 12 THEN 'owner' WHEN i % 10 = 0 THEN 'admin' ELSE 'member' END,
       CASE WHEN i % 4 = 0 THEN zeroblob(i) END,
       CASE WHEN i % 5 <> 0 THEN datetime(1750000000 + i * 7919, 'unixepoch') END
  FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
INSERT INTO modules
SELECT i, printf('module-%02d', i), printf('Does task %d for the hub.', i), 1 + i * 5 % 12
  FROM n;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
INSERT INTO module_versions
SELECT 1 + i / 3, printf('1.%d.0', i % 3),
       json_object('name', (SELECT name FROM modules WHERE id = 1 + i / 3), 'version', printf('1.%d.0', i % 3),
                   'requires', json_array('hub >= 2.0', printf('runtime >= %d', i % 5))),
       printf('%016x%016x%016x%016x', i * 2654435761 + 1, i * 40503 + 7, (i + 3) * 6364136223846793, i * 1442695040888963 + 9),
       i % 17 = 16
  FROM n;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 71)
INSERT INTO installations
SELECT i + 1, 1 + i / 6, 1 + (i * 3 + i / 6) % 20, printf('1.%d.0', i % 3),
       json_object('region', printf('region-%d', i % 4), 'retries', i % 6, 'quiet', json(CASE i % 2 WHEN 0 THEN 'true' ELSE 'false' END))
  FROM n WHERE true
    ON CONFLICT DO NOTHING;

INSERT INTO workflows
SELECT row_number() OVER (ORDER BY id), id, printf('Workflow %d', id),
       json_array(json_object('run', 'fetch'), json_object('run', 'transform', 'with', id % 9), json_object('run', 'publish')),
       id % 7 <> 0
  FROM installations;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
INSERT INTO events (workflow, kind, happened, payload, cost)
SELECT CASE WHEN i % 11 <> 0 THEN 1 + i * 31 % (SELECT count(*) FROM workflows) END,
       CASE i % 4 WHEN 0 THEN 'started' WHEN 1 THEN 'finished' WHEN 2 THEN 'failed' ELSE 'retried' END,
       datetime(1760000000 + i * 613, 'unixepoch'),
       json_object('attempt', i % 5, 'note', printf('event number %d', i)),
       i * 0.125
  FROM n;

INSERT INTO api_keys
SELECT id, id, printf('hub_%05d', id * 37),
       printf('%016x%016x%016x%016x', id * 6364136223846793, id * 1442695040888963, id * 2654435761, id * 40503),
       CASE id % 3 WHEN 0 THEN 'read write' ELSE 'read' END,
       CASE WHEN id % 6 = 0 THEN datetime(1800000000 + id * 86400, 'unixepoch') END
  FROM users WHERE id % 3 = 0;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
INSERT INTO feature_flags
SELECT printf('flag-%02d', i % 15), 1 + i / 15,
       CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 1 WHEN 2 THEN 0.1 WHEN 3 THEN 'on' ELSE x'00ff00' END
  FROM n;

INSERT INTO docs (title, body)
SELECT name, summary || ' ' || replace(hex(zeroblob(20)), '00', 'Install, configure, run ' || name || '. ')
  FROM modules;

-- Awkward values.
INSERT INTO organizations VALUES
  (100, 'naïve-café', 'Ünïcödé & Söhne "™" 🏢', 'team', '1969-12-31 23:59:59'),
  (101, 'quotes', 'it''s; DROP TABLE users; --', 'free', '2024-02-29 12:00:00'),
  (102, 'right-to-left', 'ארגון ' || char(0x202e) || 'gnah' || char(0x202c) || ' hub', 'enterprise', '9999-12-31 23:59:59');

INSERT INTO users (id, organization, email, name, role, avatar) VALUES
  (9223372036854775807, 100, 'last@example.invalid', '👩‍👩‍👧‍👦 last possible id', 'owner', x'89504e470d0a1a0a000000000049454e44'),
  (-1, 101, 'negative@example.invalid', 'line' || char(10) || 'break' || char(9) || 'tab' || char(13, 10), 'owner', x'00'),
  (0, 102, 'zero@example.invalid', '', 'owner', x'');

INSERT INTO events (workflow, kind, happened, payload, cost) VALUES
  (NULL, 'nul bytes in a blob', '2026-01-31 23:59:59', x'0000deadbeef00fffe00', 0.0),
  (NULL, 'nul in text', '2026-01-31 23:59:59', 'before' || char(0) || 'after', -0.0),
  (NULL, 'long text', '2026-01-31 23:59:59', replace(hex(zeroblob(20000)), '00', 'long text 💾 '), 1e308),
  (NULL, 'large blob', '2026-01-31 23:59:59', zeroblob(100000), 5e-324),
  (NULL, 'not valid UTF-8', '2026-01-31 23:59:59', CAST(x'c328fffe' AS TEXT), 9e999),
  (NULL, 'private use', '2026-01-31 23:59:59', char(0xfffd, 0xe000, 0x10ffff, 0xfeff), -9e999);

INSERT INTO docs (title, body) VALUES
  ('Résumé', 'Diacritics are removed when words are compared: naïve, façade, Ångström.'),
  ('表計算', '日本語の文書 and 中文文件 and emoji 🚀🚀'),
  ('empty', '');

COMMIT;

DELETE FROM events WHERE id % 13 = 0;

-- Pages that were used and are free now, as in every database that has lived.
CREATE TABLE imports AS SELECT id, payload, zeroblob(500) AS padding FROM events;
DROP TABLE imports;

ANALYZE;
