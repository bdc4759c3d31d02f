package cuckoo

import (
	"fmt"
	"strings"

	"tyto/verdict"
)

// dropped reads files that were kept: those that were written, and those that CAPE took from memory.
func (t *translator) dropped() {
	for d := range t.elements(t.root["dropped"]) {
		t.drop(d)
	}
	if cape := t.root["CAPE"]; cape.kind() == '{' {
		for d := range t.elements(cape.get("payloads")) {
			t.drop(d)
		}
	}
}

func (t *translator) drop(d value) {
	if d.kind() != '{' {
		t.skip()
		return
	}
	fields := d.object()
	file := verdict.Dropped{
		SHA256: t.hash(fields["sha256"], 64), SHA1: t.hash(fields["sha1"], 40), MD5: t.hash(fields["md5"], 32),
		Size: max(0, t.integer(fields["size"])), Type: t.text(fields["type"]), Path: t.droppedPath(fields),
	}
	if file.SHA256 == "" {
		t.skip()
		return
	}
	for _, word := range []string{"PE32", "ELF", "MS-DOS executable", "script"} {
		file.Executable = file.Executable || strings.Contains(file.Type, word)
	}
	if t.isNew(len(t.r.Dropped), "dropped", file.SHA256, file.Path) {
		t.r.Dropped = append(t.r.Dropped, file)
	}
}

// droppedPath returns the path that a file had where the object ran. The field "path" is where the sandbox
// keeps its copy.
func (t *translator) droppedPath(fields map[string]value) string {
	for _, name := range []string{"guest_paths", "filepath", "name"} {
		for _, path := range t.texts(fields[name]) {
			if path != "" {
				return path
			}
		}
	}
	return ""
}

// signatures reads what the sandbox says that the object did. Severities run from 1 to 3, in CAPE also
// higher.
func (t *translator) signatures() {
	for s := range t.elements(t.root["signatures"]) {
		if s.kind() != '{' {
			t.skip()
			continue
		}
		name, detail := t.text(s.get("name")), t.text(s.get("description"))
		if name == "" || !t.isNew(len(t.r.Behaviours), "signature", name) {
			continue
		}
		severity := min(max(t.integer(s.get("severity")), 0), 4)
		if families := t.texts(s.get("families")); len(families) > 0 {
			detail += fmt.Sprintf(" (%s)", strings.Join(families, ", "))
		}
		t.r.Behaviours = append(t.r.Behaviours, verdict.Behaviour{ID: name, Engine: "Cuckoo", Score: int(severity) * 20, Detail: detail})
	}
}
