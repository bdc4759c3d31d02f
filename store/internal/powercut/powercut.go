// Package powercut is a SQLite file system for tests that loses power: it wraps the system's own, lets
// it work as usual, and at a given write leaves the files as a disk may that had the plug pulled.
//
// Whatever was written since a file was last synced is in the cache of a drive, which writes it in any
// order and in sectors. So after the cut a file holds what it held at its last sync, and of the writes
// since then none, all, those up to some point, or any, of each all or some of its sectors. Every call
// after the cut fails, as the computer is off. What SQLite is promised about neighbouring bytes
// ("powersafe overwrite") is kept: sectors that were not written do not change.
//
// It exists on Linux only; the rules of SQLite that it tests are the same everywhere. There is one power
// supply: tests that use it must not run in parallel.
package powercut
