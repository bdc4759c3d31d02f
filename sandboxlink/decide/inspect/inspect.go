// Package inspect looks into one file, in a worker process, for what makes it worth a sandbox's time: macros in a
// document, JavaScript in a PDF, a program in an archive, a packed or signed program.
//
// It does not say whether content is bad; it says what it can do, as [Trait]s. Package decide gives them their
// weight. The parsers are small on purpose: each reads only the structures that carry a trait, within
// the limits below, and has a fuzz target. What they do not understand is a trait as well ([Damaged]), for a
// reader of documents may understand it.
//
//	broker: open file ──► worker: Handler.Handle ──► Inspect ──► Facts as JSON ──► broker: [ReadFacts]
//
// [Head] is the exception: it compares the first bytes with tables and may be called anywhere.
package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"tyto/sandboxlink/decide/authenticode"
)

// Limits of one inspection. They bound time and memory, not what is decided: whatever bites is a [Cut].
const (
	// SnapshotSize is how large a file may be to be read once, into memory, and looked at there.
	SnapshotSize = 96 << 20
	// WholeSize is how much of a document is held in memory and searched.
	WholeSize = 32 << 20
	// Members is how many members of one file are looked at, at all depths.
	Members = 2000
	// UnpackedSize is how much may be unpacked of one file.
	UnpackedSize = 128 << 20
	// NestedSize is how large a member may be to be looked into in its turn.
	NestedSize = 16 << 20
	// Depth is how deep archives may be in each other.
	Depth = 4
	// MaxTraits is how many traits a file may have; each code occurs once.
	MaxTraits = 64
	// MaxDetail is the greatest length of a detail in bytes.
	MaxDetail = 200
	// MaxFacts is the greatest length of the facts as JSON.
	MaxFacts = 64 << 10
)

// Code names a trait. It is stable: people filter for it.
type Code string

// The traits.
const (
	Macros        Code = "macros"         // VBA, Excel 4 or Basic macros
	Embedded      Code = "embedded"       // an object or file is embedded in the document
	RemoteContent Code = "remote-content" // the document loads a template, an object or a frame from elsewhere
	DDE           Code = "dde"            // a field that starts programs
	ActiveX       Code = "activex"        // controls
	Encrypted     Code = "encrypted"      // cannot be looked into without a password
	JavaCode      Code = "java-code"      // an archive with classes
	JavaScriptPDF Code = "pdf-javascript"
	LaunchPDF     Code = "pdf-launch"   // a PDF starts a program
	ActionPDF     Code = "pdf-action"   // something happens when the PDF is opened
	EmbeddedPDF   Code = "pdf-embedded" // files in a PDF
	FormPDF       Code = "pdf-xfa"      // XFA forms or rich media
	Packed        Code = "packed"       // code is compressed or encrypted
	OddProgram    Code = "odd-program"  // entry point or sections as no compiler makes them
	Library       Code = "library"      // a DLL, a shared library: not started itself
	KernelCode    Code = "kernel-code"  // a driver or kernel module
	Dotnet        Code = "dotnet"       // managed code
	Overlay       Code = "overlay"      // data behind the end of the program
	Interpreter   Code = "interpreter"  // a shortcut that starts an interpreter
	LongCommand   Code = "long-command" // a shortcut with a long command line
	Holds         Code = "holds-"       // with a kind: an archive that holds such a thing
	Obfuscated    Code = "obfuscated"   // written so that it cannot be read
	DownloadsCode Code = "gets-code"    // a script that gets something from elsewhere and runs it
	Damaged       Code = "damaged"      // does not follow its format
	Cut           Code = "not-all-seen" // a limit was reached
)

// Trait is one thing that a file has.
type Trait struct {
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitempty"` // shows it; may hold anything the file holds
}

// Facts is what was seen of a file.
type Facts struct {
	Type   string  `json:"type,omitempty"` // in the words of package filetype and [Head]
	Kind   Kind    `json:"kind,omitempty"`
	Traits []Trait `json:"traits,omitempty"`
	// SHA256 is the digest in hex of exactly the bytes that were looked at. It is empty for a file larger than
	// [SnapshotSize]: that was read in pieces, between which it may have changed.
	SHA256 string `json:"sha256,omitempty"`
	// Signature is nil if the file has none.
	Signature *authenticode.Signature `json:"signature,omitempty"`
}

// Has reports whether the file has a trait.
func (f *Facts) Has(code Code) bool {
	for i := range f.Traits {
		if f.Traits[i].Code == code {
			return true
		}
	}
	return false
}

// add notes a trait, once.
func (f *Facts) add(code Code, format string, args ...any) {
	if f.Has(code) || len(f.Traits) >= MaxTraits {
		return
	}
	f.Traits = append(f.Traits, Trait{Code: code, Detail: shorten(fmt.Sprintf(format, args...))})
}

// shorten makes a text that came from the file valid and short.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxDetail {
		return text
	}
	cut := MaxDetail - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Config is what a worker is told at its start.
type Config struct {
	// Roots are certificates, as DER, at which chains of signatures may end.
	Roots [][]byte `json:",omitempty"`
}

// Handler inspects files in a worker process; it implements worker.Handler.
type Handler struct {
	verifier *authenticode.Verifier
}

// Setup takes a [Config] as JSON.
func (h *Handler) Setup(setup []byte, _ []*os.File) error {
	var config Config
	if err := json.Unmarshal(setup, &config); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	verifier, err := authenticode.NewVerifier(config.Roots)
	h.verifier = verifier
	return err
}

// Request is what is asked of a worker.
type Request struct {
	Size int64 // of the file, when it was looked at
}

// Handle inspects one file and answers with its [Facts] as JSON.
func (h *Handler) Handle(request []byte, f *os.File, respond func([]byte) error) error {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if f == nil {
		return errors.New("there is no file")
	}
	facts, err := Inspect(f, r.Size, h.verifier)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("write the facts: %w", err)
	}
	return respond(answer)
}

// ReadFacts reads what a worker answered. The worker may be in a hostile file's hands: what is not as
// [Inspect] makes it is an error.
func ReadFacts(answer []byte) (*Facts, error) {
	if len(answer) > MaxFacts {
		return nil, fmt.Errorf("read the facts: %d bytes, at most %d", len(answer), MaxFacts)
	}
	facts := new(Facts)
	d := json.NewDecoder(bytes.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(facts); err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	if len(facts.SHA256) > 64 || len(facts.Traits) > MaxTraits || len(facts.Type) > MaxDetail || len(facts.Kind) > MaxDetail {
		return nil, errors.New("read the facts: there is more than any file has")
	}
	for i := range facts.Traits {
		if len(facts.Traits[i].Detail) > MaxDetail {
			return nil, errors.New("read the facts: a detail is too long")
		}
	}
	return facts, nil
}

// Inspect looks into a file. The error says that it could not be read; what is wrong with its content is a trait.
func Inspect(r io.ReaderAt, size int64, verifier *authenticode.Verifier) (*Facts, error) {
	s := &inspection{facts: new(Facts), verifier: verifier}
	if size <= SnapshotSize {
		// Somebody may change the file back and forth while it is looked at: then the parts would be of different
		// contents, and the signature of one would speak for another.
		data := make([]byte, max(size, 0))
		n, err := io.ReadFull(io.NewSectionReader(r, 0, size), data)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("read the content: %w", err)
		}
		data = data[:n]
		sum := sha256.Sum256(data)
		s.facts.SHA256 = fmt.Sprintf("%x", sum)
		r, size = bytes.NewReader(data), int64(len(data))
	}
	head := make([]byte, min(size, HeadSize))
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the beginning: %w", err)
	}
	s.facts.Type, s.facts.Kind = Head(head[:n])
	if s.facts.Kind == None {
		s.facts.Type, s.facts.Kind = Late(r, size, s.facts.Type)
	}
	s.look(r, size, head[:n])
	return s.facts, nil
}

// Late looks for types whose marks stand elsewhere than at the beginning, in files that [Head] does not
// know: optical discs at sector 16, fixed virtual disks at their end. It is as simple as Head.
func Late(r io.ReaderAt, size int64, typ string) (string, Kind) {
	const sector16 = 16 * 2048
	var mark [8]byte
	if size > sector16+int64(len(mark)) {
		if _, err := r.ReadAt(mark[:], sector16); err == nil {
			switch string(mark[1:6]) {
			case "CD001":
				return "ISO", Disk
			case "BEA01", "NSR02", "NSR03":
				return UDF, Disk
			}
		}
	}
	if size >= 1024 && size%512 == 0 {
		if _, err := r.ReadAt(mark[:], size-512); err == nil && string(mark[:]) == "conectix" {
			return "VHD", Disk
		}
	}
	return typ, kindOf[typ]
}

// inspection is one file under inspection.
type inspection struct {
	facts    *Facts
	verifier *authenticode.Verifier
}

// look dispatches to the parser of the kind.
func (s *inspection) look(r io.ReaderAt, size int64, head []byte) {
	switch s.facts.Kind {
	case PE:
		s.pe(r, size)
		s.container(r, size) // an archive may follow, as droppers have it
	case ELF:
		s.elf(r, size, head)
	case Script:
		s.script(head)
	case Shortcut:
		s.shortcut(r, size, head)
	case Office:
		if s.facts.Type == "OLE" {
			s.ole(s.whole(r, size))
		} else {
			s.container(r, size)
		}
	case RTF:
		s.rtf(s.whole(r, size))
	case PDF:
		s.pdf(s.whole(r, size))
	case OneNote:
		s.oneNote(s.whole(r, size))
	case Disk:
		s.disk(r, size)
	case Archive:
		s.container(r, size)
	case Java:
		if s.facts.Type == "JAR" {
			s.container(r, size)
		}
	}
}

// whole returns the content, or its beginning.
func (s *inspection) whole(r io.ReaderAt, size int64) []byte {
	if size > WholeSize {
		s.facts.add(Cut, "only its first %d MiB were looked at", WholeSize>>20)
	}
	data := make([]byte, min(size, WholeSize))
	n, err := r.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		s.facts.add(Damaged, "it cannot be read: %v", err)
	}
	return data[:n]
}
