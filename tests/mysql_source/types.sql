SET NAMES utf8mb4;
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00';
CREATE DATABASE types CHARACTER SET latin1;
USE types;
CREATE TABLE numbers(
  id bigint unsigned PRIMARY KEY AUTO_INCREMENT, t tinyint, s smallint unsigned, m mediumint, i int(8) zerofill, b bigint,
  d decimal(65,30), f float, g double, fd float(7,2), dd double(20,3), y year, bits bit(64), bit1 bit(1), bool boolean);
INSERT INTO numbers VALUES
  (0, -128, 65535, -8388608, 42, -9223372036854775808, 12345678901234567890123456789012345.123456789012345678901234567890, 0.1, 0.30000000000000004, 1.25, 99999999999999999.125, 1901, 0xff, 1, true),
  (18446744073709551615, 127, 0, 8388607, 0, 9223372036854775807, -0.000000000000000000000000000001, 3.402823466e38, 1.7976931348623157e308, -0.01, -0.001, 2155, 0xffffffffffffffff, 0, false),
  (2, 0, 0, 0, 0, 0, 0, -0e0, -0e0, 0, 0, 0, 0, 0, 0),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, 1.17549435e-38, 5e-324, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 1, 1, 1, 1, 1, 1.5, 16777217, 123456789012345680000, 12345.67, 0.1, 1970, 1, 1, 1),
  (5, 1, 1, 1, 1, 1, 1.5, 1e-7, 1e22, 1, 1, 1970, 1, 1, 1);
CREATE TABLE texts(
  id int PRIMARY KEY, u varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, l text CHARACTER SET latin1, c char(10) CHARACTER SET utf8mb4,
  j varchar(50) CHARACTER SET sjis, w varchar(50) CHARACTER SET ucs2, r varchar(50) CHARACTER SET cp1251, bi binary(4), vb varbinary(50), bl longblob,
  e enum('a','it''s','é','x,y') CHARACTER SET utf8mb4, e2 enum('','b'), st set('a','b','c'), doc json);
INSERT INTO texts VALUES
  (1, 'it\'s \\ \0 \n \r \Z "', 'é€', 'trail  ', 'ｱ日本', 'ŵ', 'Жук', 0x00ff, 0xC0DE00, 0x00, 'it''s', '', 'a,c', '{"a": [1, 2.5, "é\\n", null]}'),
  (2, '😀👩‍👩‍👧', '', '', '', '', '', '', '', '', 'é', 'b', '', '{}'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'NULL', CONVERT(0x818D8F909DA0FF USING latin1), '),(', '),\n(', ';', '-- ', ')', ');\n', REPEAT(0x0001FEFF27, 300000), 'x,y', 0, 'a,b,c', '"\\u0000\\\\"');
CREATE TABLE times(
  id int PRIMARY KEY, d date, dt datetime(6), ts timestamp(6) NULL, t time(6), z datetime, ts0 timestamp NULL DEFAULT NULL);
INSERT INTO times VALUES
  (1, '0000-00-00', '0000-00-00 00:00:00', '1970-01-01 00:00:01.000001', '-838:59:59.000000', '2024-02-29 23:59:59', '2038-01-19 03:14:07'),
  (2, '9999-12-31', '9999-12-31 23:59:59.999999', '2024-03-31 01:30:00.5', '838:59:59', '1000-01-01', '2024-10-27 01:30:00'),
  (3, '2024-00-00', '2024-01-00 00:00:00.1', NULL, '00:00:00.000001', NULL, NULL);
CREATE TABLE spatial_(id int PRIMARY KEY, g geometry, p point, l linestring);
INSERT INTO spatial_ VALUES (1, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), POINT(1.5,-2), NULL), (2, ST_GeomFromText('POINT(1 2)', 4326), NULL, ST_GeomFromText('LINESTRING(0 0,1 1)'));
CREATE TABLE computed(a int, hidden int INVISIBLE DEFAULT 7, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, st int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a < 100), KEY (v));
INSERT INTO computed(a, hidden) VALUES (1, 2), (3, DEFAULT);
CREATE TABLE parent(id int PRIMARY KEY);
CREATE TABLE achild(id int PRIMARY KEY, up int, CONSTRAINT fk FOREIGN KEY (up) REFERENCES parent(id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO achild VALUES (1, 1), (2, NULL);
CREATE TABLE parts(id int, x varchar(10), KEY(x)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 'a'), (100, 'b');
CREATE TABLE empty_(id int PRIMARY KEY) COMMENT 'it''s; a -- comment';
CREATE VIEW z_base AS SELECT id FROM parent;
CREATE VIEW b_view AS SELECT id FROM z_base;
CREATE VIEW a_view AS SELECT b_view.id, 'é' AS word FROM b_view;
CREATE TABLE log_(id int AUTO_INCREMENT PRIMARY KEY, what varchar(40) CHARACTER SET utf8mb4);
DELIMITER ;;
CREATE FUNCTION twice(a int) RETURNS int DETERMINISTIC RETURN a * 2;;
CREATE PROCEDURE note(w varchar(40) CHARACTER SET utf8mb4) COMMENT 'it''s' BEGIN IF w <> ';' THEN INSERT INTO log_(what) VALUES (CONCAT(w, 'é;')); END IF; END;;
SET sql_mode = 'ANSI_QUOTES';;
CREATE PROCEDURE quoted() BEGIN SELECT "what" FROM "log_"; END;;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';;
CREATE TRIGGER t_second BEFORE INSERT ON log_ FOR EACH ROW SET NEW.what = CONCAT(NEW.what, '2');;
CREATE TRIGGER t_first BEFORE INSERT ON log_ FOR EACH ROW PRECEDES t_second SET NEW.what = CONCAT(NEW.what, '1');;
SET time_zone = '+03:00';;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO BEGIN DELETE FROM log_ WHERE id < 0; END;;
SET time_zone = '+00:00';;
DELIMITER ;
INSERT INTO log_(what) VALUES ('x');
CREATE DATABASE `we``ird näme` CHARACTER SET utf8mb4;
USE `we``ird näme`;
CREATE TABLE `ta/b..le ``\\'` (`c'ol``\\` int PRIMARY KEY, `ü` text);
INSERT INTO `ta/b..le ``\\'` VALUES (1, 'x');
CREATE VIEW across AS SELECT a_view.id FROM types.a_view;
