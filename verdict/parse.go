package verdict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a report. A sandbox that sends more has it cut, counted in [Report.Cut]; a larger one is refused.
const (
	// MaxReport is the length of a report in bytes.
	MaxReport = 16 << 20
	// MaxList is the number of entries in each list of a report.
	MaxList = 10_000
	// MaxSublist is the number of entries in a list within an entry: arguments, evidence, threats.
	MaxSublist = 100
	// MaxText is the length of one text in bytes.
	MaxText = 4 << 10
	// MaxSubtext is the length of all texts of such a list together, in bytes.
	MaxSubtext = 16 << 10
	// maxEntry is the length in bytes of one entry of a list in JSON, where one byte may take six. It bounds
	// what an entry of many tiny parts takes in memory before it is cut.
	maxEntry = 256 << 10
)

// ErrFormat says that a report is of a later form than this program knows. Test with [errors.Is].
var ErrFormat = errors.New("the report has a form that this version does not know")

// Parse reads a report in Tyto's own form, see docs/sandbox-report.md. It is strict about what makes a
// report one: its format, the verdict, the hash that names the object. Fields that it does not know are
// ignored. An entry of a list that makes no sense or is too long is left out and counted in [Report.Cut].
//
// The order of lists is kept, and what comes behind their longest length is cut.
func Parse(data []byte) (*Report, error) {
	if len(data) > MaxReport {
		return nil, fmt.Errorf("read report: %d bytes, at most %d are allowed", len(data), MaxReport)
	}
	p := &parser{decoder: json.NewDecoder(bytes.NewReader(data))}
	if err := p.report(); err != nil {
		return nil, fmt.Errorf("read report: byte %d: %w", p.decoder.InputOffset(), err)
	}
	if err := p.r.check(); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return &p.r, nil
}

// parser reads the report's lists entry by entry, because a list of millions of tiny entries would take far
// more memory as a whole than it takes in JSON.
type parser struct {
	decoder *json.Decoder
	r       Report
	cut     int
}

func (p *parser) report() error {
	if err := p.expect('{'); err != nil {
		return err
	}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // JSON has no other names
		if err := p.field(name); err != nil {
			return fmt.Errorf("%q: %w", name[:min(len(name), 100)], err)
		}
	}
	if err := p.expect('}'); err != nil {
		return err
	}
	if p.decoder.More() {
		return errors.New("something follows the report")
	}
	p.r.Cut = max(0, p.r.Cut) + p.cut
	return nil
}

func (p *parser) field(name string) error {
	r := &p.r
	switch name {
	case "engines":
		return list(p, &r.Engines)
	case "users":
		return list(p, &r.Users)
	case "behaviours":
		return list(p, &r.Behaviours)
	case "dropped":
		return list(p, &r.Dropped)
	case "files":
		return list(p, &r.Files)
	case "processes":
		return list(p, &r.Processes)
	case "registry":
		return list(p, &r.Registry)
	case "services":
		return list(p, &r.Services)
	case "mutexes":
		return list(p, &r.Mutexes)
	case "domains":
		return list(p, &r.Domains)
	case "urls":
		return list(p, &r.URLs)
	case "connections":
		return list(p, &r.Connections)
	case "notes":
		return list(p, &r.Notes)
	}
	var single any
	switch name {
	case "format":
		single = &r.Format
	case "verdict":
		single = &r.Verdict
	case "object":
		single = &r.Object
	case "platform":
		single = &r.Platform
	case "computer":
		single = &r.Computer
	case "skipped":
		single = &r.Skipped
	case "cut":
		single = &r.Cut
	}
	var raw json.RawMessage
	if err := p.decoder.Decode(&raw); err != nil || single == nil {
		return err
	}
	if len(raw) > maxEntry {
		return fmt.Errorf("longer than %d bytes", maxEntry)
	}
	return json.Unmarshal(raw, single)
}

// list reads a list, or null, into to.
func list[T any](p *parser, to *[]T) error {
	token, err := p.decoder.Token()
	if err != nil || token == nil {
		return err
	}
	if token != json.Delim('[') {
		return errors.New("not a list")
	}
	for p.decoder.More() {
		var raw json.RawMessage
		if err := p.decoder.Decode(&raw); err != nil {
			return err
		}
		if len(*to) >= MaxList || len(raw) > maxEntry {
			p.cut++
			continue
		}
		var entry T
		if err := json.Unmarshal(raw, &entry); err != nil {
			return err
		}
		if !accept(&entry) {
			p.cut++
			continue
		}
		*to = append(*to, entry)
	}
	return p.expect(']')
}

func (p *parser) expect(delim json.Delim) error {
	token, err := p.decoder.Token()
	if err != nil {
		return err
	}
	if token != delim {
		return fmt.Errorf("%v stands where %q belongs", token, delim)
	}
	return nil
}

// check holds what makes a report one against the rules, and puts the rest in order.
func (r *Report) check() error {
	if r.Format == 0 {
		return errors.New("no format is given: not a report of Tyto")
	}
	if r.Format != Format {
		return fmt.Errorf("%w: format %d, known is %d", ErrFormat, r.Format, Format)
	}
	if !IsSHA256(r.Object.SHA256) {
		return fmt.Errorf("object's sha256 %.80q is not 64 lower-case hexadecimal digits", r.Object.SHA256)
	}
	if r.Verdict.SHA256 != r.Object.SHA256 {
		return fmt.Errorf("verdict is on %.80q, the report on %q", r.Verdict.SHA256, r.Object.SHA256)
	}
	for _, hash := range []struct {
		value  string
		digits int
	}{{r.Object.MD5, 32}, {r.Object.SHA1, 40}} {
		if hash.value != "" && !isHex(hash.value, hash.digits) {
			return fmt.Errorf("object's hash %.80q is not %d lower-case hexadecimal digits", hash.value, hash.digits)
		}
	}
	if r.Object.Size < 0 {
		return fmt.Errorf("object's size is %d", r.Object.Size)
	}
	if r.Verdict.Score < 0 || r.Verdict.Score > 100 {
		return fmt.Errorf("score %d is not within 0 to 100", r.Verdict.Score)
	}
	r.Skipped = max(0, r.Skipped)
	if !r.Verdict.Level.Known() {
		r.Verdict.Level = Error
	}
	sublist(&r.Verdict.Threats)
	for _, text := range []*string{&r.Object.Name, &r.Object.Type, &r.Platform, &r.Computer, &r.Verdict.Sandbox, &r.Verdict.Database} {
		shorten(text)
	}
	return nil
}

// IsSHA256 reports whether s is a SHA-256 as reports write it: 64 lower-case hexadecimal digits.
func IsSHA256(s string) bool { return isHex(s, 64) }

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// sublist shortens a list within an entry, and its texts.
func sublist(texts *[]string) {
	if len(*texts) > MaxSublist {
		*texts = slices.Clone((*texts)[:MaxSublist]) // not the large array
	}
	total := 0
	for i := range *texts {
		shorten(&(*texts)[i])
		if total += length((*texts)[i]); total > MaxSubtext {
			*texts = slices.Clone((*texts)[:i])
			return
		}
	}
}

// shorten cuts a text that people read. One that names something is never shortened, as it would name
// something else: its entry is left out.
func shorten(text *string) {
	if length(*text) > MaxText {
		*text = strings.ToValidUTF8(*text, "?")
		*text = strings.ToValidUTF8((*text)[:min(len(*text), MaxText)], "")
	}
}

// length is how many bytes a text has in a report, which is UTF-8: any other byte becomes U+FFFD.
func length(text string) int {
	if utf8.ValidString(text) {
		return len(text)
	}
	return 3 * len(text)
}
