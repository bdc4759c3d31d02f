package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// damage is what may happen to the file of an object, and whether that is seen when the queue is opened.
var damage = []struct {
	name   string
	do     func(path string) error
	atOpen bool
}{
	{"empty", func(path string) error { return os.Truncate(path, 0) }, true},
	{"cut in the first head", func(path string) error { return os.Truncate(path, 50) }, true},
	{"without content", func(path string) error { return os.Truncate(path, 2*minHead) }, true},
	{"a byte short", resize(-1), true},
	{"a byte long", resize(1), true},
	{"of another program", overwrite(0, "#!/bin/sh\n", minHead, "\x7fELF"), true},
	{"of a newer version", overwrite(7, "\x02", minHead+7, "\x02"), true},
	{"heads of a huge size", overwrite(16, "\xff\xff\xff\x7f", minHead+16, "\xff\xff\xff\x7f"), true},
	{"descriptions of a huge size", overwrite(20, "\xff\xff\xff\xff", minHead+20, "\xff\xff\xff\xff"), true},
	{"both heads flipped", overwrite(100, "?", minHead+100, "?"), true},
	{"the name of another", func(path string) error {
		return os.Rename(path, filepath.Join(filepath.Dir(path), strings.Repeat("5", 64)))
	}, true},
	{"the content flipped", overwrite(2*minHead+1000, "????"), false},
	{"the content's end flipped", func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return overwrite(int(info.Size())-4, "????")(path)
	}, false},
}

func resize(by int64) func(string) error {
	return func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()+by)
	}
}

// overwrite returns a function that writes texts at offsets.
func overwrite(pairs ...any) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		for i := 0; i < len(pairs); i += 2 {
			if _, err := f.WriteAt([]byte(pairs[i+1].(string)), int64(pairs[i].(int))); err != nil {
				return err
			}
		}
		return f.Close()
	}
}

func TestDamagedFilesAreSetAside(t *testing.T) {
	for _, test := range damage {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			q, _ := open(t, dir, Options{})
			o := add(t, q, noise(1, 100_000), 99)
			good := add(t, q, "good", 1)
			shut(t, q)
			if err := test.do(filepath.Join(dir, o.SHA256)); err != nil {
				t.Fatal(err)
			}
			q, events := open(t, dir, Options{})
			want := []EventKind{EventDamaged}
			if test.atOpen {
				if diff := cmp.Diff(want, events.kinds()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			} else {
				item := next(t, q)
				if content, err := read(item); !errors.Is(err, ErrDamaged) || len(content) >= 100_000 {
					t.Errorf("%d bytes, %v; want %v and not all", len(content), err, ErrDamaged)
				}
				if diff := cmp.Diff(want, events.kinds()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if err := item.Update(State{}); !errors.Is(err, ErrNotFound) {
					t.Errorf("update: %v", err)
				}
				item.Release()
			}
			if item := next(t, q); item.Object.SHA256 != good.SHA256 {
				t.Errorf("next is %v", item.Object)
			}
			if u := q.Usage(); u.Entries != 1 || u.Damaged != 1 || u.Bytes != onDisk(t, dir) {
				t.Errorf("%+v, %d bytes in %q", u, onDisk(t, dir), files(t, dir))
			}
			add(t, q, noise(1, 100_000), 0) // it can come back
			shut(t, q)
			q, events = open(t, dir, Options{})
			if u := q.Usage(); u.Entries != 2 || u.Damaged != 1 || u.Bytes != onDisk(t, dir) || events.kinds() != nil {
				t.Errorf("after another start: %+v, %d bytes in %q", u, onDisk(t, dir), files(t, dir))
			}
		})
	}
}

// One head is enough, whichever it is.
func TestOneHeadIsEnough(t *testing.T) {
	for _, at := range []int{0, minHead} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			dir := folder(t)
			q, _ := open(t, dir, Options{})
			o := add(t, q, "content", 0)
			if err := overwrite(at, strings.Repeat("?", minHead))(filepath.Join(dir, o.SHA256)); err != nil {
				t.Fatal(err)
			}
			shut(t, q)
			q, events := open(t, dir, Options{})
			item := next(t, q)
			if err := item.Update(State{Attempts: 1}); err != nil {
				t.Fatal(err)
			}
			if content, err := read(item); content != "content" || err != nil || events.kinds() != nil {
				t.Error(content, err)
			}
		})
	}
}

// A power cut in the midst of an update leaves the state from before or the new one: for each length that may
// have reached the disk, with and without the rest of the sector being lost.
func TestTornUpdate(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	o := add(t, q, "content", 0)
	path := filepath.Join(dir, o.SHA256)
	item := next(t, q)
	if err := item.Update(State{Attempts: 1, Task: "before"}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := item.Update(State{Attempts: 2, Task: "after"}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, last := differ(before, after)
	if first/minHead != last/minHead {
		t.Fatalf("an update changes bytes %d to %d, both heads", first, last)
	}
	seen := map[int]int{}
	for n := first; n <= last+1; n++ {
		for _, lost := range []bool{false, true} {
			torn := append(bytes.Clone(after[:n]), before[n:]...)
			if lost {
				clear(torn[n : (n/minHead+1)*minHead])
			}
			h, err := readHead(bytes.NewReader(torn), int64(len(torn)))
			if err != nil {
				t.Fatalf("torn at %d: %v", n, err)
			}
			seen[h.meta.state.Attempts]++
		}
	}
	if seen[1] == 0 || seen[2] == 0 || len(seen) != 2 {
		t.Errorf("states seen: %v", seen)
	}
}

func differ(a, b []byte) (first, last int) {
	first = -1
	for i := range a {
		if a[i] != b[i] {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}

// What is set aside stays within bounds, and makes way for objects.
func TestDamagedFilesAreFew(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	for i := range 40 {
		o := add(t, q, noise(uint64(i), 10_000), 0)
		if err := os.Truncate(filepath.Join(dir, o.SHA256), 5000); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, q)
	q, events := open(t, dir, Options{Limit: 1 << 20})
	if u := q.Usage(); u.Damaged != maxDamaged || u.Entries != 0 || u.Bytes != onDisk(t, dir) {
		t.Errorf("%+v, %d bytes in %q", u, onDisk(t, dir), files(t, dir))
	}
	if kinds := events.kinds(); len(kinds) != maxEvents+1 {
		t.Errorf("%d events", len(kinds))
	}
	for i := range 12 {
		add(t, q, noise(uint64(i), 75_000), 0)
	}
	if u := q.Usage(); u.Damaged != 2 || u.Bytes != onDisk(t, dir) || u.Bytes > u.Limit {
		t.Errorf("%+v, %d bytes in %q", u, onDisk(t, dir), files(t, dir))
	}
}

// The format is what docs/sandbox-queue.md says: an independent reader gets everything out.
func TestFormatIsAsDocumented(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	want := strings.Repeat("the content ", 20_000)
	o := object(want, 42)
	o.Names = []Name{{Path: "/bin/\xff"}}
	if _, err := q.Add(t.Context(), o, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	item := next(t, q)
	if err := item.Update(State{Task: "t1"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, o.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint32(b[16:])
	newest := b[:size]
	if other := b[size : 2*size]; binary.LittleEndian.Uint64(other[8:]) > binary.LittleEndian.Uint64(newest[8:]) {
		newest = other
	}
	if string(newest[:8]) != "TytoQ\r\n\x01" {
		t.Errorf("magic %q", newest[:8])
	}
	length := binary.LittleEndian.Uint32(newest[20:])
	key := newest[24:56]
	seal := sha256.Sum256(append(bytes.Clone(newest[:56]), newest[88:88+length]...))
	if !bytes.Equal(seal[:], newest[56:88]) {
		t.Error("the seal is another")
	}
	decode := func(b []byte) []byte {
		plain := make([]byte, len(b))
		for i := range b {
			plain[i] = b[i] ^ key[i%32]
		}
		return plain
	}
	var description struct {
		SHA256 string
		Size   int
		Stored int
		Risk   int
		Names  []struct{ Path []byte }
		State  struct{ Task string }
	}
	if err := json.Unmarshal(decode(newest[88:88+length]), &description); err != nil {
		t.Fatal(err)
	}
	if description.SHA256 != o.SHA256 || description.Size != len(want) || description.Risk != 42 || description.State.Task != "t1" ||
		string(description.Names[0].Path) != "/bin/\xff" || description.Stored != len(b)-2*int(size) {
		t.Errorf("%+v", description)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := d.DecodeAll(decode(b[2*size:]), nil); string(got) != want || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A head never makes the reader panic, or take more than its bounds; what it accepts can be written and read again.
func FuzzHead(f *testing.F) {
	for _, o := range []Object{object("content", 1), {SHA256: strings.Repeat("0", 64), Names: []Name{{Path: strings.Repeat("x", MaxPath)}, {Path: "/b"}}}} {
		h, err := newHead(o)
		if err != nil {
			f.Fatal(err)
		}
		h.meta.state = State{Server: "s", Task: "t", LastError: "e"}
		file := make([]byte, h.content())
		for range 2 {
			b, err := h.encode()
			if err != nil {
				f.Fatal(err)
			}
			copy(file[h.slot():], b)
			h.number++
		}
		f.Add(file, false)
		f.Add(file[:h.size], true)
	}
	f.Fuzz(func(t *testing.T, file []byte, seal bool) {
		if len(file) >= fixedHead && seal { // so that the description is reached
			length := min(int(binary.LittleEndian.Uint32(file[20:])&0xffff), len(file)-fixedHead)
			binary.LittleEndian.PutUint32(file[20:], uint32(length))
			sum := sealOf(file[:fixedHead+length])
			copy(file[56:], sum[:])
		}
		h, err := readHead(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if h != nil || !errors.Is(err, ErrDamaged) {
				t.Fatal(h, err)
			}
			return
		}
		if h.size > maxHead || len(h.meta.object.Names) > MaxNames || h.content()+h.meta.stored != int64(len(file)) {
			t.Fatalf("%+v", h)
		}
		h.number++
		b, err := h.encode()
		if err != nil {
			return // a description in a head that is too small for it; it stays as it is
		}
		copy(file[h.slot():], b)
		again, err := readHead(bytes.NewReader(file), int64(len(file)))
		if err != nil || again.meta.object.SHA256 != h.meta.object.SHA256 || again.number != h.number {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

// Content never yields more than it should, nor its end unless it is what it should be.
func FuzzContent(f *testing.F) {
	c := newCodec()
	for _, text := range []string{"", "content", strings.Repeat("x", 1<<20), noise(1, 300_000)} {
		h, err := newHead(object(text, 0))
		if err != nil {
			f.Fatal(err)
		}
		h.key = [keySize]byte{}
		var b bytes.Buffer
		if err := c.compress(f.Context(), &b, h, strings.NewReader(text)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), int64(len(text)))
	}
	f.Fuzz(func(t *testing.T, stored []byte, size int64) {
		size &= 1<<21 - 1
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		h := &head{}
		d, err := c.decoder(&unscrambler{r: bytes.NewReader(stored), head: h})
		if err != nil {
			t.Skip(err)
		}
		in := &content{file: file, codec: &c, decoder: d, digest: sha256.New(), left: size, damaged: func(error) {}}
		n, err := io.Copy(io.Discard, in)
		if err == nil { // nothing has a SHA-256 of zeros
			t.Errorf("%d bytes were taken for others", n)
		}
		if n > size || n == size && n > 0 {
			t.Errorf("%d bytes of %d came out", n, size)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
}
