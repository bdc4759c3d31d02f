package examine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"tyto/finding"
	"tyto/ioc/stringlist"
	"tyto/rules"
	"tyto/scanner/archive"
	"tyto/scanner/filetype"
)

// Examiner examines one object after the other. It implements the worker's handler; it is not safe
// for concurrent use.
type Examiner struct {
	cfg     Config
	rules   *rules.Scanner      // nil without rules
	strings *stringlist.Matcher // nil without StringList indicators
	digests *digests
	polite  *politeness

	// buffers holds the content of the outer object at 0, of its member at 1, of a member's
	// member at 2, and so on.
	buffers []*buffer
	scratch []byte
}

// New returns an examiner that has to be set up.
func New() *Examiner { return &Examiner{} }

// Setup takes the configuration as JSON and the files that it mentions.
func (x *Examiner) Setup(setup []byte, files []*os.File) error {
	if err := json.Unmarshal(setup, &x.cfg); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	x.digests = newDigests(&x.cfg)
	x.scratch = make([]byte, readBlock)
	if !x.cfg.KeepCache {
		x.polite = newPoliteness()
	}
	if x.cfg.HasRules {
		if len(files) == 0 {
			return errors.New("the compiled rules are missing")
		}
		if err := x.openRules(files[0]); err != nil {
			return err
		}
	}
	if len(x.cfg.Strings) > 0 {
		var err error
		if x.strings, err = stringlist.New(x.cfg.Strings); err != nil {
			return err
		}
	}
	return nil
}

// Handle examines one file and answers with the facts of its members and, last, its own.
func (x *Examiner) Handle(request []byte, f *os.File, respond func([]byte) error) error {
	var req Request
	if err := json.Unmarshal(request, &req); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	o := &object{Examiner: x, req: &req, file: f, answer: func(facts *Facts) error {
		line, err := json.Marshal(facts)
		if err != nil {
			return fmt.Errorf("write the facts: %w", err)
		}
		return respond(line)
	}}
	return o.examine()
}

// object is one file under examination.
type object struct {
	*Examiner
	req    *Request
	file   *os.File
	answer func(*Facts) error
	facts  Facts // of the outer object
}

func (o *object) examine() error {
	before, err := o.file.Stat()
	if err != nil {
		o.skip(nil, finding.Unreadable, err.Error())
		return o.answer(&o.facts)
	}
	content := io.ReaderAt(&source{file: o.file, polite: o.polite})
	o.facts.Size = before.Size()
	if before.Size() > o.cfg.Limits.Whole {
		err = o.inChunks(content, before.Size())
	} else {
		content, err = o.inOnePiece(content, before.Size())
	}
	switch {
	case err != nil:
		o.skip(nil, finding.Unreadable, err.Error())
		o.facts.cut()
	default:
		o.compare(before)
		if err := o.lookInside(content, o.facts.Size); err != nil {
			return err
		}
	}
	return o.answer(&o.facts)
}

// inOnePiece reads the whole content into memory and examines it there. It returns the content as it
// was read.
func (o *object) inOnePiece(content io.ReaderAt, size int64) (io.ReaderAt, error) {
	b := o.buffer(0)
	more, err := o.fill(b, &reader{r: content}, size, o.cfg.Limits.Whole)
	if err != nil {
		return nil, err
	}
	o.content(b.data, nil, &o.facts)
	if more {
		o.skip(nil, finding.Changed, fmt.Sprintf("it grew beyond %d bytes while it was read", o.cfg.Limits.Whole))
		o.facts.cut()
	}
	return bytes.NewReader(b.data), nil
}

// content examines bytes in memory; their digests were taken when they were read.
func (o *object) content(data []byte, inside []string, facts *Facts) {
	facts.Size = int64(len(data))
	facts.Hashes = o.digests.sum()
	facts.Type = filetype.Detect(data[:min(len(data), filetype.HeadSize)])
	o.matchRules(data, inside, facts)
	if o.strings != nil {
		facts.Strings = o.strings.Find(data)
	}
}

// inChunks examines content that is too large to be held.
func (o *object) inChunks(content io.ReaderAt, size int64) error {
	head := make([]byte, min(size, filetype.HeadSize))
	n, err := content.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	o.facts.Type = filetype.Detect(head[:n])
	if o.rules != nil && o.rules.Uses("md5") {
		// A rule may ask for the hash of the whole before the scan comes to its end.
		if err := o.hash(content, size); err != nil {
			return err
		}
	}
	o.digests.reset()
	t := &tee{r: content, sink: o.digests}
	if o.strings != nil {
		feed := &stringFeed{scan: o.strings.NewScan()}
		t.sink = io.MultiWriter(o.digests, feed)
		defer func() { o.facts.Strings = feed.scan.Finish() }()
	}
	if err := o.matchChunks(t, size); err != nil {
		return err
	}
	if err := t.finish(size, o.scratch); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			o.facts.Size = t.hashed // compare says that it shrank
			o.facts.cut()
			return nil
		}
		return err
	}
	o.facts.Hashes = o.digests.sum()
	return nil
}

// cut notes that only a part of the content was read. Its hashes would name another file.
func (f *Facts) cut() { f.Partial, f.Hashes = true, finding.Hashes{} }

// hash reads content once to take its hashes.
func (o *object) hash(content io.ReaderAt, size int64) error {
	o.digests.reset()
	t := &tee{r: content, sink: o.digests}
	if err := t.finish(size, o.scratch); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	o.facts.Hashes = o.digests.sum()
	return nil
}

// stringFeed passes content that is written to it to a scan for strings.
type stringFeed struct {
	scan *stringlist.Scan
	off  int64
}

func (f *stringFeed) Write(p []byte) (int, error) {
	f.scan.Feed(f.off, p)
	f.off += int64(len(p))
	return len(p), nil
}

// compare reports a file that changed while it was read.
func (o *object) compare(before os.FileInfo) {
	after, err := o.file.Stat()
	if err != nil {
		o.skip(nil, finding.Unreadable, err.Error())
		return
	}
	if reason, detail := changed(before, after, o.facts.Size); reason != "" {
		o.skip(nil, reason, detail)
	}
}

// lookInside unpacks the object if it is an archive. Only a failure to answer is an error.
func (o *object) lookInside(content io.ReaderAt, size int64) error {
	if !o.cfg.Limits.Archives {
		return nil
	}
	budget := archive.NewBudget(context.Background(), o.cfg.Limits.Archive, size)
	outer := nested{content: content, size: size, name: baseName(o.req.Path), budget: budget, kinds: []string{o.facts.Type}}
	return o.members(&outer)
}

// nested is an archive whose members are examined.
type nested struct {
	content io.ReaderAt
	size    int64
	path    []byte   // its member path; nil for the outer object
	name    []byte   // its file name
	kinds   []string // its type, behind those of the archives around it
	budget  *archive.Budget
}

// members examines the members of an archive, and theirs. It does nothing if the content is no archive.
func (o *object) members(a *nested) error {
	head := make([]byte, min(a.size, archive.HeadSize))
	if _, err := a.content.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		o.skip(a.path, finding.Unreadable, err.Error())
		return nil
	}
	if _, ok := archive.Detect(head); !ok {
		return nil
	}
	for m, err := range archive.Walk(a.content, a.size, string(a.name), a.budget) {
		if err != nil {
			o.archiveError(err, a.path, nil)
			continue
		}
		if err := o.member(m, a); err != nil {
			return err
		}
	}
	return nil
}

func (o *object) member(m *archive.Member, a *nested) error {
	facts := Facts{Member: memberPath(a.path, m.Name), Modified: m.Modified}
	b := o.buffer(len(a.kinds))
	defer b.reset()
	room := min(o.cfg.Limits.Whole, max(maxHeld-o.held(), retained))
	// The declared size is a lie until proven otherwise: memory grows with what really comes.
	more, err := o.fill(b, m, min(max(m.Size, 0), retained), room)
	switch {
	case err == nil && len(b.data) == 0 && !m.Mode.IsRegular():
		// Directories and links have no content of their own. But an archive may call a link what
		// unpacking programs that know no links write as a file, so it is the content that counts.
		return nil
	case err != nil:
		o.archiveError(err, a.path, facts.Member)
	case more:
		err = errCut
		o.skip(facts.Member, finding.ArchiveLimit, fmt.Sprintf("there was room for its first %d bytes only", room))
	}
	o.content(b.data, a.kinds, &facts)
	if err != nil {
		facts.cut()
	}
	if err := o.answer(&facts); err != nil {
		return err
	}
	return o.members(&nested{
		content: bytes.NewReader(b.data),
		size:    int64(len(b.data)),
		path:    facts.Member,
		name:    baseName(facts.Member),
		kinds:   append(slices.Clip(a.kinds), facts.Type),
		budget:  a.budget.Nested(),
	})
}

// maxHeld is how many bytes the contents of an object, of its member, of that member's member and so on
// may take together. Each stays in memory while what is in it is examined.
const maxHeld = 192 << 20

// errCut says that a member was longer than what was read of it.
var errCut = errors.New("only the beginning of the member was read")

// held returns how many bytes of content are in memory.
func (x *Examiner) held() (n int64) {
	for _, b := range x.buffers {
		n += int64(len(b.data))
	}
	return n
}

// archiveError turns what package archive says into a skip. path is the member's, if it is about one
// that was being read.
func (o *object) archiveError(err error, prefix, path []byte) {
	reason, detail := finding.Damaged, err.Error()
	var ae *archive.Error
	if errors.As(err, &ae) {
		reason, detail = ae.Reason, ae.Detail
		if path == nil && ae.Member != "" {
			path = memberPath(prefix, ae.Member)
		}
	}
	if path == nil {
		path = prefix
	}
	o.skip(path, reason, detail)
}

// maxSkips is how many skips one object may report; an archive of damaged members must not fill the
// report. The last one says how many more there were.
const maxSkips = 100

func (o *object) skip(member []byte, reason finding.Reason, detail string) {
	if len(o.facts.Skips) >= maxSkips {
		return
	}
	if len(o.facts.Skips) == maxSkips-1 {
		reason, detail = finding.ArchiveLimit, fmt.Sprintf("more than %d problems inside; the rest is not listed", maxSkips-1)
		member = nil
	}
	o.facts.Skips = append(o.facts.Skips, Skip{Member: member, Reason: reason, Detail: detail})
}

func (x *Examiner) buffer(depth int) *buffer {
	for len(x.buffers) <= depth {
		x.buffers = append(x.buffers, &buffer{})
	}
	return x.buffers[depth]
}

// memberPath returns the path inside the outer object of a member of prefix, which is nil for the outer
// object itself.
func memberPath(prefix []byte, name string) []byte {
	if prefix == nil {
		return []byte(name)
	}
	return append(append(bytes.Clone(prefix), finding.MemberMark...), name...)
}

// baseName returns the part of a path behind the last separator of any system.
func baseName(path []byte) []byte {
	return path[bytes.LastIndexAny(path, `/\`)+1:]
}
