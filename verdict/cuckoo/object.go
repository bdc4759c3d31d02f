package cuckoo

import (
	"path"
	"strings"
	"time"

	"tyto/verdict"
)

// target reads which object the report is on.
func (t *translator) target() {
	file := t.root["target"].get("file")
	if file.isNothing() {
		file = t.root["file"] // before Cuckoo 0.4
	}
	if file.isNothing() {
		return
	}
	if file.kind() != '{' {
		t.skip()
		return
	}
	o := &t.r.Object
	o.Name = base(t.first(file.get("name")))
	o.Size = max(0, t.integer(file.get("size")))
	o.MD5 = t.hash(file.get("md5"), 32)
	o.SHA1 = t.hash(file.get("sha1"), 40)
	o.SHA256 = t.hash(file.get("sha256"), 64)
	o.Type = t.text(file.get("type"))
}

// hash returns a hash in lower case, or "" if it is none.
func (t *translator) hash(v value, digits int) string {
	s := strings.ToLower(strings.TrimSpace(t.text(v)))
	if s != "" && !isHash(s, digits) {
		t.skip()
		return ""
	}
	return s
}

func isHash(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// first returns a text, or the first of a list of texts.
func (t *translator) first(v value) string {
	for _, s := range t.texts(v) {
		return s
	}
	return ""
}

// base returns what follows the last separator of either kind.
func base(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// machine reads on which computer the object ran.
func (t *translator) machine() {
	machine := t.root["info"].get("machine")
	if s, ok := machine.get("platform").text(); ok && len(s) < 100 {
		t.r.Platform = strings.ToLower(s)
	}
}

// verdict reads what the sandbox thinks of the object. Scores run from 0 to 10; both products call from about
// 7 malicious, and from about 4 suspicious, in their pages.
func (t *translator) verdict() {
	v := &t.r.Verdict
	v.SHA256 = t.r.Object.SHA256
	v.Sandbox = t.product()
	v.Time = t.time()
	v.Threats = t.threats()
	v.Level = verdict.Error
	if score, ok := t.score(); ok {
		v.Score = int(min(max(score, 0), 10)*10 + 0.5)
		switch {
		case score >= 7:
			v.Level = verdict.Malicious
		case score >= 4:
			v.Level = verdict.Suspicious
		default:
			v.Level = verdict.Clean
		}
	}
	if t.named() && v.Level != verdict.Malicious {
		v.Level = verdict.Malicious // it knows the family
		v.Score = max(v.Score, 80)
	}
	if v.Level == verdict.Error {
		t.note("the report gives no score, so there is no verdict")
	}
	t.r.Engines = append(t.r.Engines, verdict.Engine{
		Name: v.Sandbox, Level: v.Level, Score: v.Score, Seconds: t.seconds(), Saw: "it ran on a virtual computer",
	})
}

// score returns the score if there is one.
func (t *translator) score() (float64, bool) {
	for _, v := range []value{t.root["malscore"], t.root["info"].get("score")} {
		if v.isNothing() {
			continue
		}
		if f, ok := v.float(); ok {
			return f, true
		}
		t.skip()
	}
	return 0, false
}

// product returns what made the report, with its version.
func (t *translator) product() string {
	name := "Cuckoo"
	for _, field := range []string{"CAPE", "malscore", "detections", "process_tree", "statistics"} {
		if _, ok := t.root[field]; ok && (field != "statistics" || t.root["info"].get("package") != nil) {
			name = "CAPE"
		}
	}
	if version := t.text(t.root["info"].get("version")); version != "" && len(version) < 50 {
		name += " " + strings.TrimPrefix(version, "v")
	}
	return name
}

// time returns when the analysis ended or, if it does not say, began. Cuckoo 2 writes seconds since 1970,
// all others local time without a zone, which is taken for UTC.
func (t *translator) time() time.Time {
	info := t.root["info"]
	for _, v := range []value{info.get("ended"), info.get("started")} {
		s, ok := v.text()
		if !ok || s == "none" {
			continue
		}
		for _, layout := range []string{"2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05"} {
			if at, err := time.Parse(layout, s); err == nil {
				return at.UTC()
			}
		}
		if seconds, ok := v.float(); ok && seconds > 0 && seconds < 1<<33 {
			return time.Unix(int64(seconds), 0).UTC()
		}
	}
	return time.Time{}
}

func (t *translator) seconds() float64 {
	seconds, ok := t.root["info"].get("duration").float()
	if !ok || seconds < 0 || seconds > 1e6 {
		return 0
	}
	return seconds
}

// named reports whether the sandbox is sure enough to name a family.
func (t *translator) named() bool { return len(t.detections()) > 0 }

// detections returns the names of families, which CAPE writes as a text or as a list of objects.
func (t *translator) detections() []string {
	var names []string
	v := t.root["detections"]
	if v.kind() == '[' {
		for d := range v.elements() {
			if d.kind() == '{' {
				d = d.get("family")
			}
			if name, ok := d.text(); ok {
				names = append(names, name)
			}
		}
	} else if name, ok := v.text(); ok {
		names = append(names, name)
	}
	if name, ok := t.root["malfamily"].text(); ok {
		names = append(names, name)
	}
	return limited(names)
}

// threats returns the names of what was found: families, then those that signatures name.
func (t *translator) threats() []string {
	names := t.detections()
	for s := range t.root["signatures"].elements() {
		names = append(names, t.texts(s.get("families"))...)
	}
	return limited(names)
}

// limited returns the names that are some, each once, at most [verdict.MaxSublist] of at most 200 bytes.
func limited(names []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || name == "false" || len(name) > 200 || seen[strings.ToLower(name)] || len(kept) == verdict.MaxSublist {
			continue
		}
		seen[strings.ToLower(name)] = true
		kept = append(kept, name)
	}
	return kept
}

// presume takes the object's SHA-256 from the name under which it ran, if nothing else says it.
func (t *translator) presume() {
	o := &t.r.Object
	if o.SHA256 != "" {
		return
	}
	candidates := []string{o.Name}
	if len(t.r.Processes) > 0 {
		candidates = append(candidates, t.r.Processes[0].Path)
	}
	for _, c := range candidates {
		name := base(c)
		sum := strings.ToLower(strings.TrimSuffix(name, path.Ext(name)))
		if verdict.IsSHA256(sum) {
			o.SHA256, o.Presumed = sum, true
			if o.Name == "" {
				o.Name = name
			}
			t.note("the report does not name the object; its SHA-256 is presumed from the name under which it ran")
			return
		}
	}
}
