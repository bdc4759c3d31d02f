package finding

// Skip is an object that was not, or not fully, examined. Skips are data, never silence: each is
// counted by reason, and those that matter make a scan incomplete.
type Skip struct {
	Path   string // as in [Object]
	Reason Reason
	Detail string // the cause in words: an error's text, a limit and its value
}

// Reason says why an object was not fully examined.
type Reason string

// The reasons. Each has a line in docs/skips.md.
const (
	Unreadable   Reason = "unreadable"    // opening or reading failed
	Vanished     Reason = "vanished"      // it was gone when its turn came
	Changed      Reason = "changed"       // it changed while it was read
	TooLarge     Reason = "too-large"     // larger than --max-size: content not examined, name and metadata were
	Timeout      Reason = "timeout"       // took longer than --max-seconds
	Crashed      Reason = "crashed"       // the worker died of it, twice
	OutOfMemory  Reason = "out-of-memory" // it needed more memory than a worker may use
	Encrypted    Reason = "encrypted"     // an archive member behind a password
	Damaged      Reason = "damaged"       // an archive that cannot be unpacked to its end
	Unsupported  Reason = "unsupported"   // a format or method that is not read
	ArchiveLimit Reason = "archive-limit" // depth, entries, expansion ratio or bytes of an archive
	MatchLimit   Reason = "match-limit"   // a rule's string matched too often for libyara to go on counting
	ScanError    Reason = "scan-error"    // libyara failed on the content
	TooDeep      Reason = "too-deep"      // a directory below more others than a walk descends into
	Stopped      Reason = "stopped"       // the scan was cancelled or ran out of time before it
	NotBuilt     Reason = "not-built"     // an area that was asked for and that this version cannot examine yet
	Lost         Reason = "lost"          // a line of a report that could not be read again, whatever it told

	Excluded    Reason = "excluded"     // named by --exclude
	PseudoFS    Reason = "pseudo-fs"    // a file system without files of its own: proc, sysfs, …
	NetworkFS   Reason = "network-fs"   // a network file system, without --network
	Symlink     Reason = "symlink"      // never followed; what it points to is scanned where it is
	SpecialFile Reason = "special"      // a device, pipe or socket
	HardLink    Reason = "hard-link"    // another name of a file that was examined
	Duplicate   Reason = "duplicate"    // a directory that was walked by another path: a bind mount, overlapping paths
	OwnFile     Reason = "own-file"     // Tyto itself, or the rules, indicators and reports of this very scan
	Reparse     Reason = "reparse"      // a Windows reparse point: junction, mount point, cloud placeholder
	OtherVolume Reason = "other-volume" // another file system, under --one-file-system
)

// expected holds the reasons that follow from what the user asked for, or lose nothing.
var expected = map[Reason]bool{
	Excluded: true, PseudoFS: true, NetworkFS: true, Symlink: true, SpecialFile: true,
	HardLink: true, Duplicate: true, OwnFile: true, Reparse: true, OtherVolume: true,
}

// Matters reports whether a skip for this reason leaves a gap that the user did not ask for, so
// that the scan is incomplete (exit codes 3 and 4).
func (r Reason) Matters() bool { return !expected[r] }
