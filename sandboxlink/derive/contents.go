package derive

import (
	"encoding/hex"
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
	old := oldFiles(c.derived.report)
	for _, dropped := range c.derived.report.Dropped {
		if dropped.SHA256 == o.SHA256 {
			continue // a copy of itself
		}
		if dropped.System {
			c.leaveOut(Content, dropped.Path, "the sandbox's own system has this content")
			continue
		}
		if dropped.Size > 0 && dropped.Size < tiny {
			c.leaveOut(Content, dropped.Path, "is so small that harmless files may have the same content")
			continue
		}
		if old[dropped.Path] && !dropped.Executable {
			c.leaveOut(Content, dropped.Path, "was there before: most of its content is the sandbox's own")
			continue
		}
		c.content(dropped, "hash of a file that it dropped", 90)
	}
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
