package inspect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"tyto/finding"
	"tyto/scanner/archive"
)

// Limits of the parts of documents that are read.
const (
	maxRelations = 1 << 20
	maxBody      = 8 << 20
)

// container looks at the members of an archive, and of archives in it.
func (s *inspection) container(r io.ReaderAt, size int64) {
	head := make([]byte, min(size, archive.HeadSize))
	n, _ := r.ReadAt(head, 0)
	if _, ok := archive.Detect(head[:n]); !ok {
		s.facts.add(Cut, "archives of this kind cannot be looked into")
		return
	}
	budget := archive.NewBudget(context.Background(), archive.Limits{
		Depth: Depth, Entries: Members, Bytes: UnpackedSize, MemberBytes: NestedSize + 1, Memory: 64 << 20,
	}, size)
	kind := s.facts.Kind
	w := &members{inspection: s, document: kind != PE, office: kind == Office, manifest: kind == Java}
	w.walk(r, size, budget)
	w.conclude()
}

// members is what the names of a zip archive's members say of it.
type members struct {
	*inspection
	document bool // the outermost archive is looked at: its names say what it is
	depth    int

	office, manifest, class, android bool
}

func (w *members) walk(r io.ReaderAt, size int64, budget *archive.Budget) {
	for m, err := range archive.Walk(r, size, "", budget) {
		if err != nil {
			w.problem(err)
			continue
		}
		w.member(m, budget)
	}
}

// problem notes what the archive keeps from being seen.
func (w *members) problem(err error) {
	var a *archive.Error
	if !errors.As(err, &a) {
		w.facts.add(Damaged, "%v", err)
		return
	}
	switch a.Reason {
	case finding.Encrypted:
		w.facts.add(Encrypted, "%s", a.Error())
	case finding.ArchiveLimit, finding.Unsupported:
		w.facts.add(Cut, "%s", a.Error())
	default:
		w.facts.add(Damaged, "%s", a.Error())
	}
}

func (w *members) member(m *archive.Member, budget *archive.Budget) {
	w.name(m.Name)
	content, err := io.ReadAll(io.LimitReader(m, HeadSize))
	if err != nil {
		w.problem(err)
	}
	if len(content) == 0 {
		return
	}
	_, kind := Head(content)
	switch {
	case kind == Java:
		w.class = true
	case kind == Archive || kind == Office && w.depth > 0:
		w.nested(m, content, kind, budget)
	default:
		w.part(m, content)
	}
	if kind != None && kind != Archive && !w.ownPart(kind, m.Name) {
		w.holds(kind, m.Name)
	}
}

// ownPart reports whether a member is of the sort that a document of this kind consists of, such as classes in a
// jar, so that it says nothing more.
func (w *members) ownPart(kind Kind, name string) bool {
	if w.depth > 0 || !w.document {
		return false
	}
	switch kind {
	case Java:
		return w.manifest
	case Android:
		return w.android
	case Office:
		return w.office && strings.HasSuffix(name, ".bin")
	}
	return false
}

// name notes what a name says, as long as it is the outermost archive's.
func (w *members) name(name string) {
	if w.depth > 0 || !w.document {
		return
	}
	switch name = strings.ReplaceAll(name, `\`, "/"); {
	case name == "[Content_Types].xml", name == "content.xml":
		w.office = true
	case name == "META-INF/MANIFEST.MF":
		w.manifest = true
	case name == "AndroidManifest.xml", name == "classes.dex":
		w.android = true
	case strings.HasSuffix(name, "/vbaProject.bin"), strings.HasSuffix(name, "/vbaData.xml"):
		w.facts.add(Macros, "%q holds VBA", name)
	case strings.HasPrefix(name, "xl/macrosheets/"):
		w.facts.add(Macros, "%q holds Excel 4 macros", name)
	case strings.HasPrefix(name, "Basic/") && strings.HasSuffix(name, ".xml"), strings.HasPrefix(name, "Scripts/"):
		w.facts.add(Macros, "%q holds macros", name)
	case strings.Contains(name, "/embeddings/"):
		w.facts.add(Embedded, "%q is embedded", name)
	case strings.Contains(name, "/activeX/"):
		w.facts.add(ActiveX, "%q is a control", name)
	}
}

// part looks into the parts of a document that can load something or start a program.
func (w *members) part(m *archive.Member, content []byte) {
	if w.depth > 0 || !w.document {
		return
	}
	switch {
	case strings.HasSuffix(m.Name, ".rels"):
		w.relations(rest(m, content, maxRelations))
	case m.Name == "word/document.xml" || strings.HasPrefix(m.Name, "xl/externalLinks/"):
		if body := rest(m, content, maxBody); bytes.Contains(body, []byte("DDEAUTO")) || bytes.Contains(body, []byte("ddeLink")) ||
			bytes.Contains(body, []byte("> DDE ")) {
			w.facts.add(DDE, "%q starts a program (DDE)", m.Name)
		}
	}
}

// relations looks for targets outside of the document that are loaded when it is opened. Links that a person has to
// click are none.
func (w *members) relations(data []byte) {
	for range Members {
		start := bytes.Index(data, []byte("<Relationship "))
		if start < 0 {
			return
		}
		data = data[start+1:]
		one := data
		if end := bytes.IndexByte(one, '>'); end >= 0 {
			one = one[:end]
		}
		if !bytes.Contains(one, []byte("External")) {
			continue
		}
		for _, kind := range []string{"attachedTemplate", "oleObject", "frame", "subDocument", "externalLinkPath", "/image"} {
			if bytes.Contains(one, []byte(kind+`"`)) {
				w.facts.add(RemoteContent, "it loads %s from elsewhere", strings.TrimPrefix(kind, "/"))
			}
		}
	}
}

// nested looks into an archive in the archive.
func (w *members) nested(m *archive.Member, head []byte, kind Kind, budget *archive.Budget) {
	if w.depth+1 >= Depth {
		w.facts.add(Cut, "archives are in each other, %d deep", Depth)
		return
	}
	content := rest(m, head, NestedSize+1)
	if len(content) > NestedSize {
		w.facts.add(Cut, "%q is too large to be looked into", m.Name)
		return
	}
	if _, ok := archive.Detect(content[:min(len(content), archive.HeadSize)]); !ok {
		if kind == Archive {
			w.facts.add(Cut, "%q is of a kind that cannot be looked into", m.Name)
		}
		return
	}
	w.depth++
	w.walk(bytes.NewReader(content), int64(len(content)), budget.Nested())
	w.depth--
}

// rest reads on behind what was read, up to a limit for both.
func rest(r io.Reader, begun []byte, limit int64) []byte {
	more, _ := io.ReadAll(io.LimitReader(r, limit-int64(len(begun)))) // what came before an error counts
	return append(begun, more...)
}

// conclude names what the members make of the archive.
func (w *members) conclude() {
	if w.facts.Kind != Archive {
		return
	}
	switch {
	case w.office:
		w.facts.Type, w.facts.Kind = "Office", Office
	case w.android:
		w.facts.Type, w.facts.Kind = "APK", Android
	case w.manifest && w.class:
		w.facts.Type, w.facts.Kind = "JAR", Java
	}
	if w.class && w.facts.Kind != Java {
		w.holds(Java, "classes")
	}
}
