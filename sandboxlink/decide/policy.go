package decide

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/finding/size"
	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/walk"
)

// Policy says which objects are worth asking about. Use [DefaultPolicy]: the zero value asks about nothing. The "doc"
// tags are the lines of docs/policy.md.
type Policy struct {
	Kinds         []string      `yaml:"kinds" doc:"kinds of content that are asked about, told by content and not by name; docs/sandbox-decide.md lists them"`
	MinSize       size.Size     `yaml:"min_size" doc:"smallest object that is asked about"`
	MaxSize       size.Size     `yaml:"max_size" doc:"largest object that is asked about; larger than what sandbox.queue.object_limit and the server take is asked in vain"`
	AskFrom       int           `yaml:"ask_from" doc:"risk, 0 to 100, from which an object is asked about; 0 asks about everything of these kinds that is not trusted"`
	TrustPackages bool          `yaml:"trust_packages" doc:"do not ask about files that belong to an installed package (dpkg, rpm, apk), are as the package delivered them, and can be written by the administrator only"`
	Signers       []string      `yaml:"signers" doc:"do not ask about Windows programs validly signed by these: \"CN=name\" or \"O=name\" of the signer, or \"sha256:\" and the fingerprint of its certificate or of one above it"`
	Roots         []string      `yaml:"roots" doc:"PEM files of the certificates at which chains of signatures may end; without any, signatures are verified by Windows, and elsewhere none is trusted"`
	AllowHashes   []string      `yaml:"allow_hashes" doc:"SHA-256 of objects that are not asked about, or paths of files with one at the beginning of each line"`
	AllowPaths    []string      `yaml:"allow_paths" doc:"patterns (* ? **) of paths that are not asked about. They hold only for files that nobody but the administrator can write or replace: whoever can write there could put anything there"`
	KnownFor      time.Duration `yaml:"known_for" doc:"do not ask about content that the inventory has known for this long; 0 is never: what is old is not therefore good"`
	RiskyPaths    []string      `yaml:"risky_paths" doc:"patterns of paths where objects are riskier, beside downloads, temporary folders and removable disks"`
}

// DefaultPolicy returns the policy of an empty file.
func DefaultPolicy() Policy {
	p := Policy{
		MinSize: 8, MaxSize: 60 << 20, AskFrom: 30, TrustPackages: true,
		Signers: []string{"CN=Microsoft Windows", "CN=Microsoft Corporation", "CN=Microsoft Windows Publisher"},
		Roots:   []string{}, AllowHashes: []string{}, AllowPaths: []string{}, RiskyPaths: []string{},
	}
	for _, k := range inspect.Kinds {
		p.Kinds = append(p.Kinds, string(k))
	}
	return p
}

// CheckError is all that is wrong with a policy. [Policy.Check] returns it.
type CheckError struct {
	Problems []Problem
}

// Problem is one setting that cannot be used.
type Problem struct {
	Field string // such as "allow_paths[2]"
	Text  string // what is wrong and what to write instead
}

// Error lists all problems, one in a line.
func (e *CheckError) Error() string {
	var b strings.Builder
	b.WriteString("the settings of what is asked about cannot be used:")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s: %s", p.Field, p.Text)
	}
	return b.String()
}

// Limits on settings.
const (
	mostEntries   = 1000 // of one list
	longestKnown  = 10 * 365 * 24 * time.Hour
	shortestKnown = time.Hour
)

// Check holds the settings against what they may be. It reads no file. The error is a *[CheckError].
func (p *Policy) Check() error {
	c := new(CheckError)
	for i, k := range p.Kinds {
		if !slices.Contains(inspect.Kinds, Kind(k)) {
			c.add("kinds", i, "%q is unknown: the kinds are %s", k, strings.Join(DefaultPolicy().Kinds, ", "))
		}
	}
	switch {
	case p.MinSize < 0 || p.MinSize > p.MaxSize:
		c.add("min_size", -1, "%s is more than max_size, %s: nothing would be asked about", p.MinSize, p.MaxSize)
	case p.MaxSize > 4<<30:
		c.add("max_size", -1, "%s is more than any sandbox takes: use at most 4GiB", p.MaxSize)
	}
	if p.AskFrom < 0 || p.AskFrom > 100 {
		c.add("ask_from", -1, "%d cannot be: the risk is 0 to 100", p.AskFrom)
	}
	if p.KnownFor != 0 && (p.KnownFor < shortestKnown || p.KnownFor > longestKnown) {
		c.add("known_for", -1, "%s cannot be: use 1h to 3650d, or 0 for never", p.KnownFor)
	}
	c.list("kinds", p.Kinds, func(string) error { return nil })
	c.list("signers", p.Signers, func(s string) error { _, err := parseSigner(s); return err })
	c.list("roots", p.Roots, absolute)
	c.list("allow_hashes", p.AllowHashes, func(s string) error {
		if _, ok := parseHash(s); ok || filepath.IsAbs(s) {
			return nil
		}
		return fmt.Errorf("%q is neither a SHA-256 of 64 hexadecimal digits nor the whole path of a file with such", s)
	})
	c.list("allow_paths", p.AllowPaths, absolutePattern)
	c.list("risky_paths", p.RiskyPaths, pattern)
	if len(c.Problems) > 0 {
		return c
	}
	return nil
}

// add notes a problem of a setting, or of one entry of a list.
func (e *CheckError) add(field string, index int, format string, args ...any) {
	if index >= 0 {
		field = fmt.Sprintf("%s[%d]", field, index)
	}
	e.Problems = append(e.Problems, Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

// list checks the entries of a list.
func (e *CheckError) list(field string, entries []string, check func(string) error) {
	if len(entries) > mostEntries {
		e.add(field, -1, "there are %d entries, at most %d", len(entries), mostEntries)
		return
	}
	for i, entry := range entries {
		if err := check(entry); err != nil {
			e.add(field, i, "%v", err)
		}
	}
}

func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no whole path", path)
	}
	return nil
}

func pattern(text string) error {
	_, err := walk.ParsePattern(text)
	return err
}

// absolutePattern demands a place: a bare name would allow a file of that name anywhere.
func absolutePattern(text string) error {
	if !filepath.IsAbs(text) {
		return fmt.Errorf("%q is no whole path: a bare name would be allowed wherever the administrator keeps one", text)
	}
	return pattern(text)
}
