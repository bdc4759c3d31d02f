// Package derive makes indicators of what a sandbox saw of one object: an OpenIOC 1.1 file and a STIX 2.1
// bundle that find the object, what it left behind, and the computers that it speaks to.
//
//	Report ─► evidence ─► generalised ─► held against what clean computers have ─► indicators
//	                                                    └─► left out, with the reason
//
// # What is derived
//
// Strong evidence matches alone: hashes of the object and of dropped files. What is weaker matches alone
// only if it is distinctive, that is, if a clean computer does not have it by chance: a folder named by the
// identifier of a browser extension, a CLSID, a random name of some length, a domain. What is weaker still is
// joined with something else: a file name with a size, an address with a port. What remains says too little
// and is left out.
//
// Paths are generalised: user folders of Windows XP to 11, also in their short form (DOCUME~1), drive
// letters, temporary folders of unpackers. Registry keys lose their hive. See docs/derived-indicators.md.
//
// # Hostile reports
//
// All of a report is chosen by whoever wrote the program that it tells of. A dropper that writes to the keys
// of a clean program hopes that its indicators accuse that program. So each value is held against lists of
// what clean computers have, against the inventory, and is limited and escaped. Nothing of the report becomes
// a file name except through [Derived.FileName].
package derive

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"tyto/verdict"
)

// DefaultExpire is how long indicators are valid.
const DefaultExpire = 30 * 24 * time.Hour

// Options say how indicators are made.
type Options struct {
	// Now is when they are made.
	Now time.Time
	// Expire is how long they are valid from then; 0 is [DefaultExpire].
	Expire time.Duration
	// Widespread reports that the inventory has seen a content (by its SHA-256) or a path widely, before the
	// object appeared. Nil: no inventory.
	Widespread func(Kind, string) bool
	// OwnFile reports that a content, by its SHA-256, is that of a file of this operating system or of
	// one that it trusts. Nil: nobody knows.
	OwnFile func(sha256 string) bool
	// Producer is who makes the indicators: "Tyto 0.4". Empty is "Tyto".
	Producer string
}

// Kind is what an indicator looks at.
type Kind string

// The kinds.
const (
	Content  Kind = "content" // hashes of the object and of dropped files
	File     Kind = "file"    // names and paths
	Mutex    Kind = "mutex"
	Registry Kind = "registry"
	Service  Kind = "service"
	Domain   Kind = "domain"
	URL      Kind = "url"
	Address  Kind = "address"
)

// Indicator holds when all its tests hold for one item: one file, one registry value, one connection.
type Indicator struct {
	Kind Kind
	// Tests are joined by AND.
	Tests []Test
	// Confidence is 0 to 100.
	Confidence int
	// Why says in a sentence what the sandbox saw.
	Why string
	// Evidence are the report's own words, at most a few.
	Evidence []string

	stix string // the comparison in a STIX pattern, without brackets
}

// Test is one condition in the vocabulary of OpenIOC.
type Test struct {
	Term      string // "FileItem/Sha256sum"
	Condition string // "is", "contains", "ends-with", "matches"
	Type      string // OpenIOC's type of the value: "string", "int", "sha256", "IP"
	Value     string
}

// LeftOut is what was not made an indicator.
type LeftOut struct {
	Kind   Kind
	Value  string // the first of them, in the report's own words
	Reason string
	Count  int // of values left out for this reason
}

// Derived is what came of one report.
type Derived struct {
	// Threat is the name of what was found, made up of the hash if the sandbox gave none.
	Threat string
	// ID is a UUID made of the object's SHA-256, so that what is derived again replaces the former.
	ID         string
	Indicators []Indicator
	LeftOut    []LeftOut
	// From and Until are when the indicators are valid.
	From, Until time.Time

	report   *verdict.Report
	producer string
}

// ErrNothing says that a report holds nothing that tells the object from clean programs.
var ErrNothing = errors.New("nothing in the report makes an indicator")

// Kinds returns all kinds in the order in which they are told.
func Kinds() []Kind {
	return []Kind{Content, File, Registry, Service, Mutex, Domain, URL, Address}
}

// Derive makes the indicators of a report, whatever its verdict: who calls decides whether that is worth it.
func Derive(r *verdict.Report, o Options) *Derived {
	if o.Expire <= 0 {
		o.Expire = DefaultExpire
	}
	if o.Producer == "" {
		o.Producer = "Tyto"
	}
	d := &Derived{Threat: threat(r), From: o.Now.UTC(), Until: o.Now.UTC().Add(o.Expire), report: r, producer: printable(o.Producer)}
	d.ID = newUUID(namespace, "object", r.Object.SHA256)
	c := &collector{options: o, derived: d, seen: map[string]int{}, left: map[leftKey]int{}}
	c.contents()
	c.files()
	c.registry()
	c.services()
	c.mutexes()
	c.domains()
	c.urls()
	c.addresses()
	d.sort()
	return d
}

// Hashes returns the SHA-256 of each content that has an indicator: the object's and those of dropped files.
func (d *Derived) Hashes() []string {
	var hashes []string
	for _, i := range d.Indicators {
		if len(i.Tests) > 0 && i.Tests[0].Term == termSHA256 && !slices.Contains(hashes, i.Tests[0].Value) {
			hashes = append(hashes, i.Tests[0].Value)
		}
	}
	return hashes
}

// sort puts the indicators in order: by kind, and the surest first.
func (d *Derived) sort() {
	slices.SortStableFunc(d.Indicators, func(a, b Indicator) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), cmp.Compare(b.Confidence, a.Confidence))
	})
	slices.SortStableFunc(d.LeftOut, func(a, b LeftOut) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), cmp.Compare(a.Reason, b.Reason))
	})
}
