-- Everything that a restore of MariaDB 10.11 must give back, with values that are easy to get wrong. Read by the stock client.
SET NAMES utf8mb4;
SET time_zone = '+00:00';
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';
CREATE USER IF NOT EXISTS app@'10.%' IDENTIFIED BY 'needle-7c41-mysql';
CREATE DATABASE `torture` CHARACTER SET latin1 COLLATE latin1_german1_ci COMMENT 'it''s a `test`';
USE `torture`;

CREATE TABLE numbers (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED,
  z INT(6) UNSIGNED ZEROFILL, de DECIMAL(65,30), d0 DECIMAL(5,0), fl FLOAT, fd FLOAT(7,3), db DOUBLE, dd DOUBLE(20,5),
  b1 BIT(1), b9 BIT(9), b64 BIT(64), yr YEAR, bo BOOLEAN
) ENGINE=InnoDB AUTO_INCREMENT=4711;
INSERT INTO numbers VALUES
  (0, -128, 255, -32768, 16777215, -9223372036854775808, 18446744073709551615, 42, -12345678901234567890123456789012345.123456789012345678901234567890,
   -99999, 3.40282e38, 1234.567, 1.7976931348623157e308, -0.00001, b'1', b'101010101', b'1111111111111111111111111111111111111111111111111111111111111111', 1901, TRUE),
  (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.1, -0e0, 0, b'0', 0, 0, 0, FALSE),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (-5, 1, 1, 1, 1, 1, 1, 1, 0.1, 1, 16777217, 0.3333333, 5e-324, 0.1, 1, 1, 1, 2155, 2);

CREATE TABLE strings (
  c CHAR(20), v VARCHAR(100), t TEXT, l LONGTEXT CHARACTER SET utf8mb4, u3 VARCHAR(50) CHARACTER SET utf8mb3,
  l1 VARCHAR(50) CHARACTER SET latin1, sj VARCHAR(50) CHARACTER SET sjis, gb VARCHAR(50) CHARACTER SET gbk, uc VARCHAR(50) CHARACTER SET ucs2,
  u32 VARCHAR(50) CHARACTER SET utf32, bin BINARY(6), vb VARBINARY(300), bl BLOB, lb LONGBLOB,
  e ENUM('a','b,c','it''s','') CHARACTER SET utf8mb4, e2 ENUM('0','1','2'), s SET('x','y','z w'), j JSON,
  tt TINYTEXT, mb MEDIUMBLOB
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO strings (c, v, t, l, u3, l1, sj, gb, uc, u32, bin, vb, bl, lb, e, e2, s, j) VALUES
  ('trailing  ', ' lead', 'a\nb\r\nc\td\0e\Z\\\'"`;(),), NULL', '😀 é € 漢', 'ünï€', 'äöü€', _utf8mb4'表ソ能', _utf8mb4'汉\\', _utf8mb4'aé漢', _utf8mb4'😀',
   x'000102', x'00FF0A0D1A5C27222C28290D0A', x'', REPEAT(x'00ff27', 1000), 'it''s', '1', 'x,z w', '{"a": "\\"q\\" \\n é", "b": [1, null]}'),
  ('', '', '', '', '', '', '', '', '', '', '', '', '', '', '', 2, '', '{}'),
  ('NULL', '\\N', 'NULL', '),\n(', '''', '"', '\\', '0x41', '--', '/*', 'NULL', 'NULL', 'NULL', '0x41', 'b,c', '0', 'y', 'null'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- The error value of an enumeration is not its empty member.
INSERT IGNORE INTO strings (v, e) VALUES ('error value', 'no member');

CREATE TABLE times (
  d DATE, t TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL DEFAULT NULL, ts0 TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  d0 DATETIME DEFAULT '0000-00-00 00:00:00'
);
INSERT INTO times VALUES
  ('0000-00-00', '-838:59:59.999999', '0000-00-00 00:00:00', '1970-01-01 00:00:01', '2038-01-19 03:14:07', '0000-00-00'),
  ('2024-02-31', '838:59:59', '9999-12-31 23:59:59.999999', '2024-10-27 00:30:00.000001', '2024-03-31 01:30:00', '2020-00-00'),
  ('2020-00-10', '00:00:00', '1000-01-01', NULL, '0000-00-00', NULL),
  (NULL, NULL, NULL, NULL, '2024-10-27 01:30:00', NULL);

CREATE TABLE spatial_things (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY, SPATIAL KEY sp (p)) ENGINE=InnoDB;
INSERT INTO spatial_things VALUES (1, ST_GeomFromText('POINT(1 -2.5)'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(0 0),LINESTRING(0 0,1 1))', 4326)),
  (2, ST_GeomFromText('POINT(1e100 0)'), NULL);

CREATE TABLE modern (u UUID, i INET6, i4 INET4, PRIMARY KEY (u));
INSERT INTO modern VALUES ('123e4567-e89b-12d3-a456-426655440000', '::ffff:1.2.3.4', '255.255.255.255');

CREATE TABLE generated_columns (
  a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL, c VARCHAR(40) GENERATED ALWAYS AS (CONCAT('x,', a, ')')) STORED,
  hidden INT INVISIBLE DEFAULT 7, d INT DEFAULT (1 + 2), UNIQUE KEY u (c), KEY kb (b)
) ENGINE=InnoDB;
INSERT INTO generated_columns (a, hidden) VALUES (1, 9), (2, NULL), (NULL, 3);
CREATE TABLE only_generated (g INT GENERATED ALWAYS AS (42) VIRTUAL);
INSERT INTO only_generated VALUES (), ();

CREATE TABLE parts (id INT NOT NULL, at DATE NOT NULL, note VARCHAR(20), KEY (note), PRIMARY KEY (id, at)) ENGINE=InnoDB
  PARTITION BY RANGE (YEAR(at)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
  (PARTITION p0 VALUES LESS THAN (2020) COMMENT = 'old, (all)', PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, '2019-12-31', 'a'), (2, '2020-01-01', 'b'), (3, '2030-01-01', NULL);

CREATE TABLE checked (a INT CHECK (a > 0), b VARCHAR(20) DEFAULT 'x''y', CONSTRAINT `b, or (not)` CHECK (b <> 'a,b)')) COMMENT = 'a ''table'', with\na comment';
INSERT INTO checked VALUES (1, 'ok');
SET check_constraint_checks = 0; INSERT INTO checked VALUES (-1, 'broken on purpose'); SET check_constraint_checks = 1;

CREATE TABLE tree (id INT NOT NULL PRIMARY KEY, parent INT, KEY p (parent), CONSTRAINT up FOREIGN KEY (parent) REFERENCES tree (id) ON DELETE CASCADE ON UPDATE RESTRICT);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
CREATE TABLE hen (id INT PRIMARY KEY, egg INT, KEY (egg));
CREATE TABLE egg (id INT PRIMARY KEY, hen INT, KEY (hen), CONSTRAINT FOREIGN KEY (hen) REFERENCES hen (id));
ALTER TABLE hen ADD CONSTRAINT first FOREIGN KEY (egg) REFERENCES egg (id);
SET foreign_key_checks = 0;
INSERT INTO hen VALUES (1, 1), (2, NULL); INSERT INTO egg VALUES (1, 1);
SET foreign_key_checks = 1;

CREATE TABLE many_keys (
  id INT NOT NULL AUTO_INCREMENT, a VARCHAR(200), b VARCHAR(200), c INT, t TEXT,
  PRIMARY KEY (c, id), UNIQUE KEY u (id, a(10)), KEY k1 (a(20), b DESC), KEY `k,2` (b) USING BTREE COMMENT 'key, (two)', FULLTEXT KEY f1 (a), FULLTEXT KEY f2 (t), FULLTEXT KEY f3 (a, t),
  KEY ign (c) IGNORED
) ENGINE=InnoDB AUTO_INCREMENT=1000 DEFAULT CHARSET=utf8mb4 ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
INSERT INTO many_keys (a, b, c, t) SELECT CONCAT('wort ', seq), REPEAT('é', seq % 50), seq % 7, CONCAT('lorem ', seq) FROM seq_1_to_500;
CREATE TABLE no_key (a INT, b VARCHAR(10), UNIQUE KEY maybe (a), KEY (b));
INSERT INTO no_key VALUES (1, 'x'), (NULL, 'y'), (NULL, 'y');
CREATE TABLE empty_table (id INT PRIMARY KEY, x VARCHAR(10), KEY (x));
CREATE TABLE isam (id INT NOT NULL AUTO_INCREMENT, g INT NOT NULL, t TEXT, PRIMARY KEY (g, id), FULLTEXT KEY (t)) ENGINE=MyISAM;
INSERT INTO isam (g, t) VALUES (1, 'one'), (1, 'two'), (2, 'three');
CREATE TABLE aria (a INT, KEY (a)) ENGINE=Aria TRANSACTIONAL=1;
INSERT INTO aria VALUES (1);
CREATE TABLE big (id BIGINT NOT NULL PRIMARY KEY, filler VARCHAR(500), KEY (filler(50)));
INSERT INTO big SELECT seq, CONCAT(seq, REPEAT(' filling,', seq % 40)) FROM seq_1_to_30000;

CREATE SEQUENCE counter START WITH 100 MINVALUE 5 MAXVALUE 1000 INCREMENT BY 5 CACHE 10 CYCLE;
SELECT NEXTVAL(counter), NEXTVAL(counter), NEXTVAL(counter);
CREATE TABLE counted (id INT NOT NULL DEFAULT NEXTVAL(counter), note VARCHAR(10));
INSERT INTO counted (note) VALUES ('a'), ('b');

SET @@session.timestamp = 1700000000;
CREATE TABLE versioned (id INT PRIMARY KEY, v VARCHAR(10), KEY (v)) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1, 'old'), (2, 'stays');
SET @@session.timestamp = 1700000100;
UPDATE versioned SET v = 'new' WHERE id = 1;
SET @@session.timestamp = DEFAULT;

CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT) DEFAULT CHARSET=utf8mb4;
DELIMITER //
CREATE DEFINER=root@localhost TRIGGER first_trigger BEFORE INSERT ON tree FOR EACH ROW BEGIN INSERT INTO log (what) VALUES (CONCAT('first; ', NEW.id)); END//
CREATE DEFINER=app@'10.%' TRIGGER second_trigger BEFORE INSERT ON tree FOR EACH ROW FOLLOWS first_trigger INSERT INTO log (what) VALUES ('second ''$hub$')//
CREATE TRIGGER torture.`odd ``name` AFTER UPDATE ON torture.tree FOR EACH ROW SET @x = 1//
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'//
CREATE FUNCTION odd_mode(p VARCHAR(20)) RETURNS VARCHAR(50) CHARSET utf8mb4 DETERMINISTIC RETURN "p" || 'a\' || 'é'//
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'//
CREATE DEFINER=nobody@nowhere PROCEDURE speak(IN a INT, OUT b INT) COMMENT 'it''s; a // comment' MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  DECLARE i INT DEFAULT 0;
  -- a comment with an 'unbalanced quote
  WHILE i < a DO INSERT INTO log (what) VALUES ('$hub$
DELIMITER ;
'); SET i = i + 1; END WHILE; SET b = i;
END//
CREATE AGGREGATE FUNCTION total(x INT) RETURNS INT DETERMINISTIC BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END//
SET sql_mode = 'ORACLE'//
CREATE PACKAGE pack AS FUNCTION one RETURN INT DETERMINISTIC; END//
CREATE PACKAGE BODY pack AS FUNCTION one RETURN INT DETERMINISTIC AS BEGIN RETURN 1; END; END//
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 03:00:00' ON COMPLETION PRESERVE COMMENT 'at night' DO DELETE FROM log WHERE id < 0//
CREATE EVENT off ON SCHEDULE AT '2035-06-01 00:00:00' DISABLE DO BEGIN SET @y = 1; SET @z = ';'; END//
DELIMITER ;

CREATE VIEW z_view AS SELECT id, CONCAT(note, ' ', odd_mode('x')) AS note FROM counted;
CREATE ALGORITHM=MERGE DEFINER=app@'10.%' SQL SECURITY INVOKER VIEW a_view AS SELECT z.id, z.note FROM z_view z WITH LOCAL CHECK OPTION;
CREATE VIEW `view ``of`` "all"` AS SELECT 'ünï' COLLATE utf8mb4_bin AS `ü,"`, t.id AS `torture` FROM tree t JOIN (SELECT 1 AS torture) AS torture;

CREATE DATABASE `odd ``name, "with" é.dots` CHARACTER SET utf8mb4;
USE `odd ``name, "with" é.dots`;
CREATE TABLE `ta``ble ü.x, (y)` (`co``l "1"` INT, `sel ect` VARCHAR(20) DEFAULT 'ü', `é` INT, PRIMARY KEY (`co``l "1"`), KEY `k``ey` (`sel ect`),
  CONSTRAINT `f``k` FOREIGN KEY (`é`) REFERENCES `torture`.`tree` (`id`));
INSERT INTO `ta``ble ü.x, (y)` VALUES (1, 'x', 1), (2, NULL, NULL);
CREATE TABLE `torture` (`torture` INT);
INSERT INTO `torture` VALUES (1);
CREATE VIEW `across` AS SELECT `torture`.`torture` AS own, o.id FROM `torture` JOIN `torture`.`tree` o;
CREATE TABLE `CON` (a INT);
CREATE TABLE `a/b` (a INT);
INSERT INTO `a/b` VALUES (1);
