package decide

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tyto/sandboxlink/decide/inspect"
	"tyto/sandboxlink/decide/packages"
	"tyto/scanner/worker"
)

// look is one decision under way.
type look struct {
	*Decider
	ctx      context.Context
	request  Request
	decision Decision

	identity identity
	info     fs.FileInfo
	place    string            // the file's path as the system tells it
	open     string            // why others than the administrator can change what is there; "" if they cannot
	sums     map[string][]byte // digests by algorithm
	facts    *inspect.Facts
}

// step is a part of a decision. done ends it.
type step func(*look) (done bool, err error)

// steps in their order. See the package comment.
var steps = []step{
	(*look).size, (*look).remembered, (*look).kind, (*look).allowedPath, (*look).digest, (*look).allowedHash,
	(*look).packaged, (*look).trusters, (*look).known, (*look).inspected, (*look).signed,
}

func (l *look) run() error {
	for _, s := range steps {
		if done, err := s(l); err != nil || done {
			return err
		}
	}
	l.judge()
	l.remember()
	return nil
}

// reason leaves one. Points are what it adds to the risk.
func (l *look) reason(code string, isFor bool, points int, format string, args ...any) {
	l.decision.Reasons = append(l.decision.Reasons, Reason{Code: code, Detail: fmt.Sprintf(format, args...), For: isFor, Points: points})
}

// trust ends a decision for an object that need not be asked about.
func (l *look) trust(code, format string, args ...any) (bool, error) {
	l.decision.Ask, l.decision.Risk = false, 0
	l.reason(code, false, 0, format, args...)
	l.remember()
	return true, nil
}

// size looks at what costs nothing.
func (l *look) size() (bool, error) {
	var err error
	if l.identity, l.info, err = identify(l.request.File); err != nil {
		return false, err
	}
	p := &l.options.Policy
	size := l.info.Size()
	l.decision.Size = size
	switch {
	case !l.info.Mode().IsRegular():
		l.reason("not-a-file", false, 0, "it is no regular file")
	case size < int64(p.MinSize):
		l.reason("too-small", false, 0, "%d bytes are less than the %d from which objects are asked about", size, p.MinSize)
	case size > int64(p.MaxSize):
		l.reason("too-large", false, 0, "%d bytes are more than the %s up to which objects are asked about", size, p.MaxSize)
	default:
		return false, nil
	}
	return true, nil
}

func (l *look) key() key { return key{l.identity, l.request.Path, l.request.Exec} }

func (l *look) remembered() (bool, error) {
	r, ok := l.Decider.remembered.Get(l.key())
	if !ok || !l.options.Now().Before(r.until) || l.options.Now().Before(r.until.Add(-rememberFor)) {
		return false, nil
	}
	l.decision = r.decision
	l.decision.Reasons = slices.Concat([]Reason{{Code: "remembered", For: r.decision.Ask,
		Detail: "the file has not changed since it was decided, " + l.options.Now().Sub(r.until.Add(-rememberFor)).Round(time.Second).String() + " ago"}}, r.decision.Reasons)
	return true, nil
}

// remember keeps a decision, if a change of the file cannot go unnoticed.
func (l *look) remember() {
	now := l.options.Now()
	if l.identity.changed == 0 || now.Sub(time.Unix(0, l.identity.changed)) < settled || !keepsChangeTime(l.request.File) {
		return
	}
	if again, _, err := identify(l.request.File); err != nil || again != l.identity {
		return
	}
	kept := l.decision
	kept.Reasons = slices.Clone(kept.Reasons) // the caller may change what it gets
	l.Decider.remembered.Put(l.key(), remembered{kept, now.Add(rememberFor)})
}

// heads are buffers for the first bytes: most of what is opened goes no further.
var heads = sync.Pool{New: func() any { return new([inspect.HeadSize]byte) }}

// kind looks at the first bytes.
func (l *look) kind() (bool, error) {
	buffer := heads.Get().(*[inspect.HeadSize]byte)
	defer heads.Put(buffer)
	n, err := l.request.File.ReadAt(buffer[:min(l.decision.Size, inspect.HeadSize)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the beginning: %w", err)
	}
	head := buffer[:n]
	typ, kind := inspect.Head(head)
	if kind == inspect.None {
		typ, kind = inspect.Late(l.request.File, l.decision.Size, typ)
	}
	d := &l.decision
	d.Type, d.Kind = typ, kind
	if language := scriptName(l.request.Path); kind == inspect.None && typ == "" && language != "" && inspect.IsText(head) {
		d.Type, d.Kind = language, inspect.Script
		l.reason("kind", true, 0, "it is a text that is called as a script is, which is enough to run it")
		return l.unwanted(d.Kind, true), nil
	}
	if kind == inspect.None {
		l.reason("kind", false, 0, "its content%s can carry no code that is asked about", called(typ))
		return true, nil
	}
	l.reason("kind", true, 0, "it is %s%s", sentences[kind], called(typ))
	return l.unwanted(kind, true), nil
}

func called(typ string) string {
	if typ == "" {
		return ""
	}
	return " (" + typ + ")"
}

// unwanted ends a decision about a kind that the policy leaves out.
func (l *look) unwanted(kind Kind, provisional bool) bool {
	if l.policy.asks(kind, provisional) {
		return false
	}
	l.reason("kind-off", false, 0, "the policy does not ask about %q", kind)
	return true
}

// allowedPath holds only where nobody but the administrator can put something.
func (l *look) allowedPath() (bool, error) {
	l.place = realPath(l.request.File, l.request.Path)
	if l.place != "" {
		l.open = writableByOthers(l.place, l.info)
	} else {
		l.open = "it has no path any more"
	}
	pattern, ok := matching(l.policy.allowed, l.place)
	switch {
	case !ok:
		return false, nil
	case l.open != "":
		l.reason("allowed-path-open", true, 0, "the policy allows %q, which does not hold here: %s", pattern, l.open)
		return false, nil
	}
	return l.trust("allowed-path", "the policy allows %q, and only the administrator can write there", pattern)
}

// blocks are buffers for content that is hashed.
var blocks = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// digest reads the content once, for the digests that are needed.
func (l *look) digest() (bool, error) {
	hashes := map[string]hash.Hash{"sha256": sha256.New()}
	for _, c := range l.claims() {
		switch c.Algorithm {
		case "md5":
			hashes[c.Algorithm] = md5.New()
		case "sha1":
			hashes[c.Algorithm] = sha1.New()
		}
	}
	var all []io.Writer
	for _, h := range hashes {
		all = append(all, h)
	}
	content := io.NewSectionReader(l.request.File, 0, math.MaxInt64)
	buffer := blocks.Get().(*[128 << 10]byte)
	defer blocks.Put(buffer)
	n, err := io.CopyBuffer(io.MultiWriter(all...), bounded{l.ctx, io.LimitReader(content, l.decision.Size+1)}, buffer[:])
	if err != nil {
		return false, fmt.Errorf("read the content: %w", err)
	}
	if again, _, err := identify(l.request.File); err != nil || again != l.identity || n != l.decision.Size {
		l.reason("changing", true, points["changing"], "it was changed while it was looked at")
	}
	l.sums = map[string][]byte{}
	for name, h := range hashes {
		l.sums[name] = h.Sum(nil)
	}
	l.decision.SHA256 = hex.EncodeToString(l.sums["sha256"])
	return false, nil
}

// bounded ends reading with its context, and hides what else the reader can do, so that the buffer is used.
type bounded struct {
	ctx context.Context
	r   io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

func (l *look) allowedHash() (bool, error) {
	if !l.policy.hashes[[sha256.Size]byte(l.sums["sha256"])] {
		return false, nil
	}
	return l.trust("allowed-hash", "the policy allows this content by its SHA-256")
}

// claims returns what packages say of the file's path.
func (l *look) claims() []packages.Claim {
	if l.packages == nil || l.place == "" {
		return nil
	}
	path, ok := below(l.options.Root, l.place)
	if !ok {
		return nil
	}
	claims, err := l.packages.Claims(path)
	if err != nil {
		l.options.Log.Warn("package database cannot be read: its files are not trusted", "error", err)
	}
	return claims
}

// below returns a path as it is seen from the root.
func below(root, path string) (string, bool) {
	if root == "" || root == "/" {
		return filepath.ToSlash(path), true
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return "/" + filepath.ToSlash(rel), true
}

// packaged holds the content against what packages delivered.
func (l *look) packaged() (bool, error) {
	claims := l.claims()
	if len(claims) == 0 {
		return false, nil
	}
	i := slices.IndexFunc(claims, func(c packages.Claim) bool { return bytes.Equal(l.sums[c.Algorithm], c.Sum) })
	switch {
	case i < 0:
		l.reason("package-changed", true, points["package-changed"], "it is not as %s delivered it in package %q", claims[0].Manager, claims[0].Package)
		return false, nil
	case l.open != "":
		l.reason("package-open", true, 0, "it is as package %q delivered it, which is not enough here: %s", claims[i].Package, l.open)
		return false, nil
	}
	return l.trust("package", "it is as %s delivered it in package %q, and only the administrator can write it", claims[i].Manager, claims[i].Package)
}

func (l *look) trusters() (bool, error) {
	o := Object{File: l.request.File, Path: l.place, SHA256: l.decision.SHA256, Size: l.decision.Size}
	for _, t := range l.options.Trust {
		why, err := t.Trusts(l.ctx, o)
		switch {
		case l.ctx.Err() != nil:
			return false, l.ctx.Err()
		case err != nil:
			l.options.Log.Warn("it cannot be asked whether an object is trusted", "path", l.place, "error", err)
		case why != "":
			return l.trust("trusted", "%s", why)
		}
	}
	return false, nil
}

// known asks the inventory.
func (l *look) known() (bool, error) {
	if l.options.Inventory == nil {
		return false, nil
	}
	first, ok := l.options.Inventory(l.ctx, l.decision.SHA256)
	age := l.options.Now().Sub(first)
	switch after := l.options.Policy.KnownFor; {
	case !ok || age < 24*time.Hour:
		l.reason("new", true, points["new"], "its content is new on this computer")
	case after > 0 && age >= after:
		return l.trust("known", "its content has been on this computer since %s", first.UTC().Format(time.DateOnly))
	}
	return false, nil
}

// inspected has a worker look into the content.
func (l *look) inspected() (bool, error) {
	sum := [sha256.Size]byte(l.sums["sha256"])
	facts, ok := l.Decider.facts.Get(sum)
	if !ok {
		var err error
		facts, err = l.workers.inspect(l.ctx, l.request.File, l.decision.Size)
		if l.ctx.Err() != nil {
			return false, l.ctx.Err()
		}
		if err != nil {
			l.notInspected(err)
			return false, nil
		}
		// Only what was said of exactly these bytes may speak for them, now or later.
		if facts.SHA256 == l.decision.SHA256 {
			l.Decider.facts.Put(sum, facts)
		} else {
			facts.Signature = nil
		}
	}
	l.facts = facts
	named := l.decision.Kind == inspect.Script && facts.Kind == inspect.None // it is a script by its name only
	if !named && facts.Kind != l.decision.Kind {
		l.decision.Type, l.decision.Kind = facts.Type, facts.Kind
		if facts.Kind == inspect.None {
			l.reason("kind", false, 0, "on a closer look nothing of it can be run")
			l.remember()
			return true, nil
		}
		l.reason("kind", true, 0, "on a closer look it is %s%s", sentences[facts.Kind], called(facts.Type))
	}
	return !named && l.unwanted(facts.Kind, false), nil
}

// notInspected goes on without a look into the content. What ends or confuses a parser is a reason to ask.
func (l *look) notInspected(err error) {
	var lost *worker.LostError
	if errors.As(err, &lost) {
		l.reason("hostile", true, points["hostile"], "looking into it ended the worker process: %v", err)
		return
	}
	l.options.Log.Warn("an object was not looked into", "path", l.place, "error", err)
	l.reason("not-inspected", true, points["not-inspected"], "it could not be looked into: %v", err)
}
