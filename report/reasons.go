package report

import (
	"cmp"
	"slices"

	"tyto/finding"
)

// meanings says what a reason means, to stand behind a count or a path: "12 unreadable: could
// not be opened or read". docs/skips.md says more, and what to do.
var meanings = map[finding.Reason]string{
	finding.Unreadable:   "could not be opened or read",
	finding.Vanished:     "gone when the turn came",
	finding.Changed:      "changed while being read",
	finding.TooLarge:     "larger than the limit; only name and metadata were examined",
	finding.Timeout:      "took longer than the limit",
	finding.Crashed:      "crashed a worker process, twice",
	finding.OutOfMemory:  "needed more memory than a worker may use",
	finding.Encrypted:    "behind a password",
	finding.Damaged:      "cannot be unpacked to the end",
	finding.Unsupported:  "a format or method that is not read",
	finding.ArchiveLimit: "beyond a limit for archives (depth, entries, ratio or bytes)",
	finding.MatchLimit:   "matched a rule's string too often to go on counting",
	finding.ScanError:    "libyara failed on the content",
	finding.TooDeep:      "below more directories than a walk descends into",
	finding.Stopped:      "not reached before the scan ended",
	finding.NotBuilt:     "areas that this version of Tyto cannot examine yet",
	finding.Lost:         "lines of this report that could not be read again; what they told is unknown",
	finding.Excluded:     "excluded on request",
	finding.PseudoFS:     "on a file system without files of its own (proc, sysfs, ...)",
	finding.NetworkFS:    "on a network file system",
	finding.Symlink:      "symbolic links; what they point to is scanned where it is",
	finding.SpecialFile:  "devices, pipes and sockets",
	finding.HardLink:     "further names of files that were examined",
	finding.Duplicate:    "directories that were walked by another path",
	finding.OwnFile:      "Tyto's own program, rules, indicators and reports",
	finding.Reparse:      "Windows reparse points (junctions, mount points, cloud placeholders)",
	finding.OtherVolume:  "on another file system, which was not asked for",
}

// Meaning says in a few words what a reason means: "could not be opened or read".
// A reason that this version does not know yields its own name.
func Meaning(r finding.Reason) string {
	if m, ok := meanings[r]; ok {
		return m
	}
	return Safe(string(r))
}

// skipped is the count of one reason, for showing.
type skipped struct {
	Reason finding.Reason
	finding.SkipCount
}

// skipsByWeight returns the skips in the order in which a reader wants them: first those that
// matter, then by descending count, then by name.
func skipsByWeight(skips map[finding.Reason]finding.SkipCount) []skipped {
	var list []skipped
	for reason, count := range skips {
		if count.Count > 0 {
			list = append(list, skipped{reason, count})
		}
	}
	slices.SortFunc(list, func(a, b skipped) int {
		if a.Reason.Matters() != b.Reason.Matters() {
			if a.Reason.Matters() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}
