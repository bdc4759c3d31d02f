-- Version 1. docs/state.md tells what each table and column means.
-- Times are nanoseconds since 1970 in UTC; NULL is "not known".

CREATE TABLE dirs (
  id   INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE -- byte for byte, with the separator at its end
);

CREATE TABLE profiles (
  id     INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE
);

CREATE TABLE files (
  id         INTEGER PRIMARY KEY,
  dir        INTEGER NOT NULL REFERENCES dirs (id),
  name       BLOB NOT NULL,
  inode      INTEGER NOT NULL,
  size       INTEGER NOT NULL,
  mtime      INTEGER,
  ctime      INTEGER,
  usn        INTEGER NOT NULL,
  md5        BLOB,
  sha1       BLOB,
  sha256     BLOB,
  type       TEXT NOT NULL,
  profile    INTEGER NOT NULL REFERENCES profiles (id),
  run        INTEGER NOT NULL,
  examined   INTEGER NOT NULL,
  gone       INTEGER,
  members    INTEGER NOT NULL,
  below      INTEGER NOT NULL,
  trusted    INTEGER NOT NULL,
  lines      INTEGER NOT NULL, -- how many rows of outcomes it has
  undecided  TEXT,             -- a JSON array
  device     INTEGER NOT NULL,
  mode       INTEGER NOT NULL,
  owner      TEXT NOT NULL,
  "group"    TEXT NOT NULL,
  links      INTEGER NOT NULL,
  atime      INTEGER,
  btime      INTEGER,
  attributes TEXT NOT NULL,
  original   BLOB,
  indexed    INTEGER NOT NULL, -- whether table hashes knows it
  UNIQUE (dir, name)
);
CREATE INDEX files_gone ON files (gone) WHERE gone IS NOT NULL;

-- The index of all hashes, by their first eight bytes. Each file has three entries at random places, so
-- that to make them file by file would write three pages for each. They are made in their own order
-- instead, for many files at once; files_new has those that are still to come.
CREATE TABLE hashes (
  key  BLOB NOT NULL,
  file INTEGER NOT NULL,
  PRIMARY KEY (key, file)
) WITHOUT ROWID;
CREATE INDEX files_new ON files (indexed) WHERE indexed = 0;
CREATE TRIGGER files_forgotten AFTER DELETE ON files WHEN OLD.indexed BEGIN
  DELETE FROM hashes WHERE file = OLD.id AND key IN (substr(OLD.md5, 1, 8), substr(OLD.sha1, 1, 8), substr(OLD.sha256, 1, 8));
END;
CREATE TRIGGER files_changed AFTER UPDATE OF indexed ON files WHEN OLD.indexed AND NOT NEW.indexed BEGIN
  DELETE FROM hashes WHERE file = OLD.id AND key IN (substr(OLD.md5, 1, 8), substr(OLD.sha1, 1, 8), substr(OLD.sha256, 1, 8));
END;

-- What the latest examination of a file found: lines of the JSON Lines report.
CREATE TABLE outcomes (
  file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  n    INTEGER NOT NULL,
  kind TEXT NOT NULL, -- finding, skip
  line TEXT NOT NULL,
  PRIMARY KEY (file, n)
) WITHOUT ROWID;

CREATE TABLE tasks (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  origin  TEXT NOT NULL,
  spec    TEXT NOT NULL, -- JSON
  enabled INTEGER NOT NULL,
  created INTEGER,
  updated INTEGER,
  expires INTEGER
);

CREATE TABLE runs (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  task     TEXT NOT NULL,
  state    TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  queued   INTEGER,
  started  INTEGER,
  finished INTEGER,
  active   INTEGER NOT NULL, -- nanoseconds
  reason   TEXT NOT NULL,
  profile  TEXT NOT NULL,
  progress TEXT, -- JSON
  summary  TEXT, -- the report's summary line
  detail   TEXT  -- JSON of the scheduler's own
);
CREATE INDEX runs_task ON runs (task);
CREATE INDEX runs_state ON runs (state);

-- The report of each run, line by line.
CREATE TABLE records (
  id   INTEGER PRIMARY KEY,
  run  INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  file INTEGER REFERENCES files (id) ON DELETE SET NULL,
  kind TEXT NOT NULL, -- start, finding, skip, summary
  line TEXT NOT NULL
);
CREATE INDEX records_run ON records (run);
CREATE INDEX records_file ON records (file) WHERE file IS NOT NULL;

CREATE TABLE events (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  time    INTEGER NOT NULL,
  event   TEXT NOT NULL,
  level   TEXT NOT NULL,
  message TEXT NOT NULL,
  data    TEXT -- JSON
);
CREATE INDEX events_time ON events (time);

CREATE TABLE state (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

-- For people at the sqlite3 shell.

CREATE VIEW v_files AS
SELECT f.id,
       CAST(d.path || f.name AS TEXT) AS path,
       f.size,
       datetime(f.mtime / 1000000000, 'unixepoch') AS modified,
       datetime(f.ctime / 1000000000, 'unixepoch') AS changed,
       datetime(f.btime / 1000000000, 'unixepoch') AS created,
       f.type,
       lower(hex(f.md5)) AS md5,
       lower(hex(f.sha1)) AS sha1,
       lower(hex(f.sha256)) AS sha256,
       f.owner,
       f."group",
       printf('%o', f.mode & 511) AS mode,
       datetime(f.examined / 1000000000, 'unixepoch') AS examined,
       datetime(f.gone / 1000000000, 'unixepoch') AS gone,
       (SELECT count(*) FROM outcomes o WHERE o.file = f.id AND o.kind = 'finding') AS findings
FROM files f JOIN dirs d ON d.id = f.dir;

CREATE VIEW v_findings AS
SELECT json_extract(o.line, '$.file.path') AS path,
       json_extract(o.line, '$.tyto.level') AS level,
       json_extract(o.line, '$.tyto.score') AS score,
       json_extract(o.line, '$.tyto.matches[0].name') AS match,
       json_extract(o.line, '$.file.hash.sha256') AS sha256,
       datetime(f.examined / 1000000000, 'unixepoch') AS examined,
       datetime(f.gone / 1000000000, 'unixepoch') AS gone,
       f.id AS file,
       o.line
FROM outcomes o JOIN files f ON f.id = o.file
WHERE o.kind = 'finding';

CREATE VIEW v_runs AS
SELECT r.id, r.task, t.name, r.state, r."trigger",
       datetime(r.queued / 1000000000, 'unixepoch') AS queued,
       datetime(r.started / 1000000000, 'unixepoch') AS started,
       datetime(r.finished / 1000000000, 'unixepoch') AS finished,
       r.active / 1000000000.0 AS active_seconds,
       r.reason,
       (SELECT count(*) FROM records x WHERE x.run = r.id AND x.kind = 'finding') AS findings
FROM runs r LEFT JOIN tasks t ON t.id = r.task;
