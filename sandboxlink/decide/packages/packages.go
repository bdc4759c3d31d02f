// Package packages knows which files the installed packages of this computer consist of, and what they contained
// when they were delivered: from dpkg's, rpm's and apk's databases, read without running any of these programs.
//
// # What it is worth
//
// A [Claim] says: a package delivered a file of this path with this digest. It is for the caller to hold the digest
// against the content, and to make sure that nobody but the administrator can write the file or put another in its
// place. dpkg has only MD5 digests, apk SHA-1. Finding a second file for a given MD5 digest is still out of
// reach, but making two files that share one is easy: whoever makes a package could deliver one of them and place the
// other later. To place it he must be the administrator, hence the demand on the path; against an attacker who is,
// no database on the same computer helps.
//
// # Cost
//
// dpkg's lists name some 300,000 files on a desktop. The index keeps eight bytes of a keyed hash for each path and
// two for its package; a look-up reads the list of that one package again to be certain. The index is made when it is
// first asked, and again when dpkg's state has changed, at most once a minute: in between, what is new has no
// claims, which only means that it is asked about.
package packages

import (
	"cmp"
	"log/slog"
	"path/filepath"
	"time"
)

// Claim is what one package says of one path.
type Claim struct {
	Manager   string // "dpkg", "rpm" or "apk"
	Package   string
	Algorithm string // "md5", "sha1" or "sha256"
	Sum       []byte
}

// Database answers for one package manager. It is safe for concurrent use.
type Database interface {
	// Claims returns what packages say of an absolute, clean path whose folders are no links. None is no
	// error: the error says that the database is there and cannot be read.
	Claims(path string) ([]Claim, error)
}

// Options say where databases are.
type Options struct {
	// Root is the folder taken for "/"; default is "/".
	Root string
	// Now is the clock; default is time.Now.
	Now func() time.Time
	// Log receives what is wrong with a database; default is to discard it.
	Log *slog.Logger
}

// Limits of databases, which only the administrator can write, and which may be damaged all the same.
const (
	maxList     = 64 << 20    // bytes of one list of files
	maxStatus   = 256 << 20   // bytes of a status file
	maxLine     = 64 << 10    // bytes of one line
	maxPackages = 1<<16 - 1   // of one manager
	maxFiles    = 4 << 20     // of one manager
	pause       = time.Minute // between two readings of a database that changes
)

// Set is all databases of a computer.
type Set []Database

// System returns the databases that this computer has. Nothing is read yet.
func System(o Options) Set {
	o.Root = cmp.Or(o.Root, "/")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var all Set
	all = append(all, newDpkg(o), newRPM(o), newAPK(o))
	return all
}

// Claims returns those of all databases. What one cannot tell does not keep the others from it.
func (s Set) Claims(path string) (claims []Claim, err error) {
	for _, db := range s {
		found, wrong := db.Claims(path)
		claims = append(claims, found...)
		if err == nil {
			err = wrong
		}
	}
	return claims, err
}

// at returns a file below the root.
func (o *Options) at(path string) string { return filepath.Join(o.Root, filepath.FromSlash(path)) }
