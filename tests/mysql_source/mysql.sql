USE types;
CREATE TABLE own(id int PRIMARY KEY, v vector(3), n json DEFAULT (JSON_OBJECT('a', 1)), KEY ((CAST(n->>'$.a' AS UNSIGNED))));
INSERT INTO own(id, v) VALUES (1, STRING_TO_VECTOR('[1,2.5,-3]')), (2, NULL);
