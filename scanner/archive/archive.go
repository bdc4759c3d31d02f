// Package archive looks inside archives: it yields the members of a zip, tar, 7z, rar or other
// container one after the other, as streams, without ever trusting a size, a count or a name
// that the archive declares.
//
// # Use
//
// [Detect] tells from the first bytes whether there may be something to find. [Walk] yields the
// members; each is an [io.Reader] that is valid during its turn. What cannot be read is an
// [*Error] with the reason for a skip; the walk goes on behind it where the format allows.
//
//	budget := archive.NewBudget(ctx, archive.Limits{}, size)
//	for m, err := range archive.Walk(r, size, "a.zip", budget) {
//		if err != nil {
//			… // a problem of the archive itself; the loop goes on
//			continue
//		}
//		content, err := io.ReadAll(m) // at most Limits.MemberBytes; err is again an *Error
//		… // examine what was read, also if err is not nil
//	}
//
// An archive inside an archive is walked by the caller, who has its content in hand, with
// budget.Nested(). Nothing is written to disk and no goroutine is started.
//
// # What is a member
//
// One step inward is one member path: "outer.zip!/inner.7z!/a.exe". A compressed tar is taken as
// one archive: the members of a.tar.gz are "a.tar.gz!/dir/file", and the tar between is not an
// object of its own, because it would have to be held whole and shows nothing that its members
// do not. Any other compressed stream has a single member. Executables are looked at for an
// archive that is appended to them, as self-extractors and droppers have it.
//
// # Formats
//
// Zip (and so docx, xlsx, odt, jar, apk), tar, ar and deb, cpio and rpm, gzip, xz, zstd, bzip2,
// lz4, 7z, rar 4 and 5, cab. Zip, cab, cpio, ar and the containers of xz and 7z are read by this
// package itself, because the libraries for them load whole directories into memory, give up at
// the first broken entry or believe declared sizes; the rest rests on well-known libraries,
// whose panics become errors here.
//
// # Names
//
// Member names are the bytes of the archive, however absolute, relative ("../../etc/passwd"),
// repeated or unprintable they are. They are names to report and to match, never to open. Rar
// and 7z store UTF-16 names; they arrive as UTF-8. Gzip's Latin-1 name does too.
package archive

import (
	"io"
	"iter"
)

// Format names a kind of archive.
type Format string

// The formats that [Walk] reads.
const (
	Zip      Format = "zip"
	Tar      Format = "tar"
	Gzip     Format = "gzip"
	XZ       Format = "xz"
	Zstd     Format = "zstd"
	Bzip2    Format = "bzip2"
	LZ4      Format = "lz4"
	SevenZip Format = "7z"
	Rar      Format = "rar"
	Cab      Format = "cab"
	Ar       Format = "ar"
	Cpio     Format = "cpio"
	RPM      Format = "rpm"

	// Executable is a PE file: it may carry an archive behind its last section. Walk yields
	// nothing and no error if it does not.
	Executable Format = "executable"
)

// Walk yields the members of the archive of that size in r, in the order in which they are
// stored. Name is the archive's own file name; it only serves to name the content of compressed
// streams, which often have no name inside.
//
// Each step yields either a member or an error. An error is an [*Error] about the archive as a
// whole or about a part of it that has no member to show; the iteration goes on after it if
// there is more. An r that is no archive at all yields one error with reason Unsupported.
//
// All limits come from budget; when one of those on the whole outer object is used up, the
// last thing that the walk yields says so.
func Walk(r io.ReaderAt, size int64, name string, budget *Budget) iter.Seq2[*Member, error] {
	return func(yield func(*Member, error) bool) {
		w := &walk{src: &source{r: r, size: size}, name: name, budget: budget, yield: yield}
		defer w.close()
		err := budget.enter()
		if err == nil {
			err = w.run()
		}
		if err != nil && !w.stopped {
			w.yield(nil, w.classify(err, ""))
		}
	}
}
