package derive

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tyto/verdict"
)

// namespace is the UUID below which all names of this package live. It was drawn at random, once.
var namespace = [16]byte{0x6f, 0x9d, 0x1a, 0x5e, 0x3b, 0x57, 0x4c, 0x0e, 0x9a, 0x41, 0x7d, 0x27, 0xc3, 0x88, 0x52, 0xb6}

// newUUID returns the UUID of version 5 (RFC 9562 §5.5) that names have within a namespace.
func newUUID(space [16]byte, names ...string) string {
	h := sha1.New()
	h.Write(space[:])
	h.Write([]byte(strings.Join(names, "\x00")))
	var u [16]byte
	copy(u[:], h.Sum(nil))
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// newID returns an id for a part of what was derived, the same each time.
func (d *Derived) newID(names ...string) string {
	return newUUID(namespace, append([]string{d.ID}, names...)...)
}

// key tells an indicator from others of the same report.
func (i Indicator) key() string {
	var b strings.Builder
	for _, t := range i.Tests {
		fmt.Fprintf(&b, "%s\x01%s\x01%s\x02", t.Term, t.Condition, t.Value)
	}
	return b.String()
}

// String returns the tests as a person writes them.
func (i Indicator) String() string {
	tests := make([]string, len(i.Tests))
	for n, t := range i.Tests {
		tests[n] = fmt.Sprintf("%s %s %q", t.Term, t.Condition, t.Value)
		if !strings.ContainsFunc(t.Value, unicode.IsControl) { // Windows paths are easier to read so
			tests[n] = fmt.Sprintf("%s %s \"%s\"", t.Term, t.Condition, t.Value)
		}
	}
	return strings.Join(tests, " AND ")
}

// Description tells in a few sentences what was found, by whom, and for how long the indicators hold.
func (d *Derived) Description() string {
	v, o := d.report.Verdict, d.report.Object
	var b strings.Builder
	by := printable(v.Sandbox)
	if by == "" {
		by = "A sandbox"
	}
	if v.Level.Known() {
		fmt.Fprintf(&b, "%s calls the object %s (score %d)", by, v.Level, v.Score)
	} else {
		fmt.Fprintf(&b, "%s gives no verdict on the object", by)
	}
	if o.SHA256 != "" {
		fmt.Fprintf(&b, ", SHA-256 %s", o.SHA256)
	}
	if o.Presumed {
		b.WriteString(" (presumed from its name)")
	}
	if name := printable(o.Name); name != "" && !strings.EqualFold(name, o.SHA256) {
		fmt.Fprintf(&b, ", handed in as %q", name)
	}
	b.WriteString(".")
	if !v.Time.IsZero() {
		fmt.Fprintf(&b, " Judged %s.", v.Time.UTC().Format(time.RFC3339))
	}
	if v.Database != "" {
		fmt.Fprintf(&b, " Database %s.", printable(v.Database))
	}
	fmt.Fprintf(&b, " Indicators derived by %s, valid until %s.", d.producer, d.Until.UTC().Format(time.RFC3339))
	return b.String()
}

// comment is what the files say of an indicator: why it is one, and on what evidence.
func (d *Derived) comment(i Indicator) string {
	if len(i.Evidence) == 0 {
		return i.Why
	}
	shown := make([]string, len(i.Evidence))
	for n, e := range i.Evidence {
		shown[n] = printable(e)
	}
	return i.Why + ": " + strings.Join(shown, "; ")
}

// notes returns what was left out, a sentence each.
func (d *Derived) notes() []string {
	var notes []string
	for n, l := range d.LeftOut {
		if n == maxNotes {
			return append(notes, fmt.Sprintf("and %d more", len(d.LeftOut)-maxNotes))
		}
		notes = append(notes, l.String())
	}
	return notes
}

// String returns what was left out, and why, in one line.
func (l LeftOut) String() string {
	more := ""
	if l.Count > 1 {
		more = fmt.Sprintf(" and %d more", l.Count-1)
	}
	return fmt.Sprintf("%s %s%s: %s", l.Kind, printable(l.Value), more, l.Reason)
}

// maxShown is how much of a text is shown, in bytes.
const maxShown = 256

// printable returns a text that can stand in any file: UTF-8 of limited length without control characters.
func printable(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\ufffe' || r == '\uffff' {
			return '?'
		}
		return r
	}, s)
}

// FileName returns a name for the files without an extension: "Dropper-9f86d081". It has only letters,
// digits, hyphens and underscores, and no name that Windows keeps for devices.
func (d *Derived) FileName() string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '-', r == '_':
			return r
		}
		return '_'
	}, d.Threat)
	name = strings.Trim(name[:min(len(name), 60)], "_-")
	if name == "" {
		name = "threat"
	}
	return name + "-" + d.ID[:8] // the hyphen and digits keep it from being a device
}

// threat returns the name of what was found.
func threat(r *verdict.Report) string {
	for _, name := range r.Verdict.Threats {
		if name = strings.TrimSpace(printable(name)); name != "" {
			return name
		}
	}
	if r.Object.SHA256 != "" {
		return "unnamed " + r.Object.SHA256[:12]
	}
	return "unnamed"
}
