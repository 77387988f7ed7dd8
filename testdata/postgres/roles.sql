-- Roles that the schema of torture.sql names: they belong to the server, not to the database.
CREATE ROLE torture_app;
CREATE ROLE "torture Owner.x";
CREATE ROLE torture_reader;
GRANT torture_app TO torture_reader;
