package derive

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"tyto/ioc"
	"tyto/verdict"
)

const (
	termSHA256 = "FileItem/Sha256sum"
	termMD5    = "FileItem/Md5sum"
	termSize   = "FileItem/SizeInBytes"
)

// tiny is the size in bytes below which a dropped content is too likely to be somebody else's as well: a flag,
// a number, an empty configuration. The object itself may be that small: a line for a shell.
const tiny = 32

// maxContents bounds the dropped contents that are held against packages and the inventory: the surest.
const maxContents = 200

// contents makes indicators of the hashes of the object and of what it dropped.
func (c *collector) contents() {
	o := c.derived.report.Object
	why, confidence := "hash of the object", 100
	if o.Presumed {
		why, confidence = "hash of the object, presumed from the name that the sandbox gave it", 75
	}
	if o.SHA256 != "" || o.MD5 != "" {
		c.content(verdict.Dropped{Path: o.Name, Size: o.Size, SHA256: o.SHA256, SHA1: o.SHA1, MD5: o.MD5}, why, confidence)
	}
	for i, d := range droppedWithReason(c.derived.report, func(d verdict.Dropped, reason string) { c.leaveOut(Content, d.Path, reason) }) {
		if i >= maxContents {
			c.together(Content, d.Path, "there are "+strconv.Itoa(maxContents)+" of which as much is known already")
			continue
		}
		c.content(d.Dropped, d.why, d.confidence)
	}
}

// candidate is a dropped content that has a reason to become an indicator.
type candidate struct {
	verdict.Dropped
	confidence int
	why        string
}

// droppedWithReason returns the dropped contents that tell something of the object, the surest first, and calls
// leave for the others.
func droppedWithReason(r *verdict.Report, leave func(d verdict.Dropped, reason string)) []candidate {
	var kept []candidate
	old, used := oldFiles(r), usesOf(r)
	for _, d := range r.Dropped {
		switch {
		case d.SHA256 == r.Object.SHA256: // a copy of itself
		case d.System:
			leave(d, "the sandbox's own system has this content: it copied it")
		case d.Size > 0 && d.Size < tiny:
			leave(d, "is so small that harmless files may have the same content")
		case old[d.Path] && !d.Executable:
			leave(d, "was there before: most of its content is the sandbox's own")
		default:
			confidence, why := used.weigh(d)
			if confidence == 0 {
				leave(d, why)
				continue
			}
			kept = append(kept, candidate{d, confidence, why})
		}
	}
	slices.SortStableFunc(kept, func(a, b candidate) int { return b.confidence - a.confidence })
	return kept
}

func (c *collector) content(file verdict.Dropped, why string, confidence int) {
	name := file.Path
	if name == "" {
		name = file.SHA256
	}
	if reason := c.commonContent(file); reason != "" {
		c.leaveOut(Content, name, reason)
		return
	}
	tests := []Test{{termSHA256, "is", "sha256", file.SHA256}}
	if file.SHA256 == "" {
		// MD5 can be forged, by whoever makes both files; the size makes that no harder, but chance smaller.
		tests = []Test{{termMD5, "is", "md5", file.MD5}}
		if file.Size > 0 {
			tests = append(tests, Test{termSize, "is", "int", strconv.FormatInt(file.Size, 10)})
		}
	}
	c.add(Indicator{Kind: Content, Tests: tests, Confidence: confidence, Why: why, Evidence: []string{name}, stix: stixContent(file)})
}

// stixContent compares all hashes that are known: other programs than Tyto may look for any of them.
func stixContent(file verdict.Dropped) string {
	var any []string
	for _, hash := range []struct{ name, value string }{{"'SHA-256'", file.SHA256}, {"'SHA-1'", file.SHA1}, {"MD5", file.MD5}} {
		if hash.value != "" {
			any = append(any, "file:hashes."+hash.name+" = "+stixText(hash.value))
		}
	}
	hashes := strings.Join(any, " OR ")
	if file.SHA256 == "" && file.Size > 0 {
		return "(" + hashes + ") AND file:size = " + strconv.FormatInt(file.Size, 10)
	}
	return hashes
}

// commonContent says why a content is likely to be on clean computers, or "".
func (c *collector) commonContent(file verdict.Dropped) string {
	for _, text := range []string{file.SHA256, file.MD5} {
		sum, err := hex.DecodeString(text)
		if _, trivial := ioc.TrivialContent(sum); err == nil && trivial {
			return "is a content that many harmless files have"
		}
	}
	switch {
	case file.SHA256 != "" && c.options.OwnFile != nil && c.options.OwnFile(file.SHA256):
		return "is a file of the operating system"
	case file.SHA256 != "" && c.options.Widespread != nil && c.options.Widespread(Content, file.SHA256):
		return "the inventory has seen it widely before"
	}
	return ""
}
