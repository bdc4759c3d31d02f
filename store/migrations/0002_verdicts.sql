-- Version 2: what sandboxes said of contents. docs/state.md tells what each column means.

CREATE TABLE verdicts (
  sha256   BLOB PRIMARY KEY,
  level    TEXT NOT NULL,    -- clean, suspicious, malicious
  score    INTEGER NOT NULL,
  threats  TEXT NOT NULL,    -- a JSON array
  sandbox  TEXT NOT NULL,
  database TEXT NOT NULL,
  server   TEXT NOT NULL,
  size     INTEGER NOT NULL, -- of the content
  time     INTEGER,          -- when the sandbox judged, by its own clock
  learned  INTEGER NOT NULL  -- when the answer came, by ours
) WITHOUT ROWID;
CREATE INDEX verdicts_level ON verdicts (level, learned);
CREATE INDEX verdicts_server ON verdicts (server);
CREATE INDEX verdicts_learned ON verdicts (learned);

-- The database version that each server named last. Verdicts that it gave under another are deleted.
CREATE TABLE sandboxes (
  server   TEXT PRIMARY KEY,
  database TEXT NOT NULL,
  seen     INTEGER NOT NULL
) WITHOUT ROWID;

-- For people at the sqlite3 shell.
CREATE VIEW v_verdicts AS
SELECT lower(hex(sha256)) AS sha256, level, score, threats, size, server, sandbox, database,
       datetime(time / 1000000000, 'unixepoch') AS judged,
       datetime(learned / 1000000000, 'unixepoch') AS learned
FROM verdicts;
