# expect: 3 key-name -
# expect: 4 key-name -
CREATE USER hub WITH PASSWORD 'fakesql1';
CREATE USER 'hub'@'%' IDENTIFIED BY 'fakesql2';
ALTER TABLE users ADD COLUMN password text NOT NULL DEFAULT '';
