package load

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tyto/ioc"
	"tyto/ioc/lists"
	"tyto/ioc/openioc"
)

// Format is what a file is.
type Format string

// The formats. Unknown files hold no indicators that Tyto can read.
const (
	OpenIOC Format = "openioc"
	List    Format = "list"
	Unknown Format = "unknown"
)

// accepted tells a person what can be loaded.
const accepted = "accepted are OpenIOC 1.0 and 1.1, lists whose name has one of the words " +
	"hash, filename, c2, domains, keyword, trusted-hash, falsepositive-hash, handles, pipes, " +
	"and files whose lines begin with hashes"

// headBytes is how much of a file is looked at to tell its format.
const headBytes = 64 << 10

// file loads one file.
func (l *loader) file(path string) {
	f, err := os.Open(path)
	if err != nil {
		l.problem(path, 0, false, "%v", cause(err))
		l.result.Files = append(l.result.Files, File{Path: path, Format: Unknown, Broken: true})
		return
	}
	defer f.Close()
	l.content(path, f)
}

// content loads the content of a file.
func (l *loader) content(path string, content io.Reader) {
	entry := File{Path: path, Format: Unknown}
	defer func() { l.result.Files = append(l.result.Files, entry) }()
	sum := sha256.New()
	r := bufio.NewReaderSize(io.TeeReader(content, sum), headBytes)
	head, err := r.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		entry.Broken = true
		l.problem(path, 0, false, "%v", cause(err))
		return
	}
	var kind lists.Kind
	if entry.Format, kind, err = recognise(path, head); err != nil {
		// Named like indicators but no such thing: an error. Anything else: a warning.
		entry.Broken = named(path)
		l.problem(path, 0, !entry.Broken, "%v", err)
		return
	}
	switch entry.Format {
	case OpenIOC:
		err = l.openIOC(r, &entry)
	case List:
		err = l.list(r, kind, &entry)
	}
	if err != nil {
		entry.Broken = entry.Indicators+entry.Hashes+entry.Trusted+entry.Networks+entry.Keywords == 0
		return
	}
	l.finish(r, sum, &entry)
}

// finish reads what the parser left, such as white space after the root element, so that the
// hash is that of the whole file.
func (l *loader) finish(r io.Reader, sum hash.Hash, entry *File) {
	if _, err := io.Copy(io.Discard, io.LimitReader(r, l.options.MaxListBytes)); err != nil {
		l.problem(entry.Path, 0, true, "%v", cause(err))
	}
	entry.SHA256 = hex.EncodeToString(sum.Sum(nil))
}

// named reports whether a file's name says that it is an OpenIOC file.
func named(path string) bool { return strings.EqualFold(filepath.Ext(path), ".ioc") }

// recognise tells a format by content, and the kind of a list. The error says why a file is
// unknown.
func recognise(path string, head []byte) (Format, lists.Kind, error) {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	isXML := bytes.HasPrefix(text, []byte("<")) || bytes.HasPrefix(text, []byte("\x00<")) ||
		bytes.HasPrefix(text, []byte("\xff\xfe<")) || bytes.HasPrefix(text, []byte("\xfe\xff\x00<"))
	kind, tagged := lists.KindOf(path)
	switch {
	case len(text) == 0:
		return Unknown, "", errors.New("file is empty")
	case isXML && (openioc.Sniff(head) || named(path)):
		return OpenIOC, "", nil
	case isXML && !tagged:
		return Unknown, "", fmt.Errorf("XML with the root element %q holds no indicators; %s", openioc.Root(head), accepted)
	case text[0] == '{' && (!tagged || strings.EqualFold(filepath.Ext(path), ".json")):
		return Unknown, "", errors.New("JSON cannot be loaded yet (STIX and MISP are planned); " + accepted)
	case binary(head):
		return Unknown, "", errors.New("binary file holds no indicators; " + accepted)
	case tagged:
		return List, kind, nil
	case lists.Sniff(head):
		return List, lists.Hashes, nil
	}
	return Unknown, "", errors.New("not an indicator file; " + accepted)
}

// binary reports whether a file holds zero bytes that UTF-16 does not explain.
func binary(head []byte) bool {
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return false
	}
	even, odd := 0, 0
	for i, b := range head {
		if b == 0 {
			if i%2 == 0 {
				even++
			} else {
				odd++
			}
		}
	}
	return even > 0 && odd > 0
}

func (l *loader) openIOC(r io.Reader, entry *File) error {
	indicators, problems, err := openioc.Parse(r, entry.Path, l.options.OpenIOC)
	l.result.Problems = append(l.result.Problems, problems...)
	if err != nil {
		line := 0
		var parseError *openioc.Error
		if errors.As(err, &parseError) {
			line = parseError.Line
		}
		l.problem(entry.Path, line, false, "%v", err)
		return err
	}
	for _, i := range indicators {
		if first, ok := l.ids[i.ID]; ok && i.ID != "" {
			l.problem(entry.Path, i.Line, true, "indicator id %q is also in %q; both are used", i.ID, first)
		} else {
			l.ids[i.ID] = entry.Path
		}
		l.builder.AddIndicator(i)
		entry.Indicators++
	}
	return nil
}

func (l *loader) list(r io.Reader, kind lists.Kind, entry *File) error {
	bounded := &io.LimitedReader{R: r, N: l.options.MaxListBytes}
	_, problems, err := lists.Parse(bounded, entry.Path, kind, counter{l.builder, entry})
	l.result.Problems = append(l.result.Problems, problems...)
	if err != nil {
		l.problem(entry.Path, 0, false, "%v", err)
		return err
	}
	if bounded.N <= 0 {
		l.problem(entry.Path, 0, false, "list is larger than %d bytes; what lies behind is not loaded", l.options.MaxListBytes)
	}
	return nil
}

// counter counts what a list hands to the builder.
type counter struct {
	lists.Sink
	file *File
}

func (c counter) AddIndicator(i *ioc.Indicator) { c.file.Indicators++; c.Sink.AddIndicator(i) }

func (c counter) AddHash(row ioc.HashRow) error { return counted(c.Sink.AddHash(row), &c.file.Hashes) }

func (c counter) AddTrusted(row ioc.HashRow) error {
	return counted(c.Sink.AddTrusted(row), &c.file.Trusted)
}

func (c counter) AddNetwork(n ioc.Network) { c.file.Networks++; c.Sink.AddNetwork(n) }

func (c counter) AddKeyword(k ioc.Keyword) { c.file.Keywords++; c.Sink.AddKeyword(k) }

func counted(err error, n *int) error {
	if err == nil {
		*n++
	}
	return err
}

// version identifies a set of files, see [Result].
func version(files []File) string {
	var lines []string
	for _, f := range files {
		if f.SHA256 != "" {
			lines = append(lines, f.SHA256+" "+filepath.Base(f.Path)+"\n")
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	io.WriteString(h, "tyto indicators 1\n")
	for _, line := range lines {
		io.WriteString(h, line)
	}
	return hex.EncodeToString(h.Sum(nil))
}
