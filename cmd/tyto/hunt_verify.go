package main

import (
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
	"os"
	"runtime"
	"strings"

	"tyto/finding"
	"tyto/scanner/walk"
	"tyto/store"
)

// diskState says what stands at the path of a known file now.
type diskState string

const (
	stillThere  diskState = "still there"   // a file with the hash
	otherwise   diskState = "changed"       // something else
	vanished    diskState = "gone"          // nothing
	unreadable  diskState = "unreadable"    // nobody knows
	notLookedAt diskState = "not looked at" // as the user wanted
)

// diskStates are all of them, in the order in which they are counted.
var diskStates = []diskState{stillThere, otherwise, vanished, unreadable, notLookedAt}

// diskResult is what a look at the disk found.
type diskResult struct {
	State  diskState `json:"state"`
	Detail string    `json:"detail,omitempty"`
}

func (r diskResult) String() string {
	if r.Detail == "" {
		return string(r.State)
	}
	return string(r.State) + ": " + r.Detail
}

// errSeen ends a walk after the one file that it was for.
var errSeen = errors.New("seen")

// verify hashes the file again. It is opened as a scan opens files: no link is followed, no pipe is
// waited for.
func verify(ctx context.Context, k *store.KnownFile) diskResult {
	path := k.Object.Path
	root := withoutStream(path)
	info, err := os.Lstat(root)
	switch {
	case err != nil && walk.Reason(err) == finding.Vanished:
		return diskResult{State: vanished}
	case err != nil:
		return diskResult{unreadable, withoutPath(err).Error()}
	case !info.Mode().IsRegular():
		return diskResult{otherwise, kindName(info.Mode()) + " has its path now"}
	}
	result := diskResult{otherwise, "the path leads to another place now"}
	err = walk.Walk(ctx, walk.Options{Roots: []string{root}, Network: true}, func(e *walk.Entry) error {
		if e.Object.Path == path {
			result = rehash(ctx, e, k.Hash)
			return errSeen
		}
		return nil
	}, func(s finding.Skip) {
		switch s.Reason {
		case finding.Vanished:
			result = diskResult{State: vanished}
		case finding.Changed, finding.Symlink, finding.SpecialFile, finding.Reparse:
			result = diskResult{otherwise, s.Detail}
		default:
			result = diskResult{unreadable, strings.TrimSpace(string(s.Reason) + " " + s.Detail)}
		}
	})
	if err != nil && !errors.Is(err, errSeen) {
		return diskResult{unreadable, err.Error()}
	}
	return result
}

func kindName(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	}
	return "a device, pipe or socket"
}

// withoutStream returns the path of the file that a stream belongs to; only Windows has streams.
func withoutStream(path string) string {
	if runtime.GOOS != "windows" {
		return path
	}
	const drive = len(`C:`)
	if i := strings.LastIndexByte(path, ':'); i >= drive {
		return path[:i]
	}
	return path
}

func withoutPath(err error) error {
	if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
		return cause.Err
	}
	return err
}

// rehash reads the file and compares its hash.
func rehash(ctx context.Context, e *walk.Entry, want string) diskResult {
	f, err := e.Open()
	if err == nil {
		defer f.Close()
		var got string
		if got, err = hashFile(ctx, f, want, e.Object.Size); err == nil {
			if got == want {
				return diskResult{State: stillThere}
			}
			return diskResult{otherwise, "its hash is " + got + " now"}
		}
	}
	switch walk.Reason(err) {
	case finding.Vanished:
		return diskResult{State: vanished}
	case finding.Changed:
		return diskResult{otherwise, "it was replaced while it was looked at"}
	}
	return diskResult{unreadable, withoutPath(err).Error()}
}

// hashFile returns the hash of a file, of the same kind as another hash. No more is read than the file had
// when it was opened: one that grows has another content anyway.
func hashFile(ctx context.Context, f io.Reader, like string, size int64) (string, error) {
	var h hash.Hash
	switch len(like) {
	case 2 * md5.Size:
		h = md5.New()
	case 2 * sha1.Size:
		h = sha1.New()
	default:
		h = sha256.New()
	}
	if _, err := io.Copy(h, io.LimitReader(contextReader{ctx, f}, size+1)); err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// contextReader ends reading when a context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
