package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is an ext4 file system in a file, whose power can be cut: what it has not synced is lost.
type disk struct {
	image, mount string
	mounted      bool
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	dir := t.TempDir()
	d := &disk{image: filepath.Join(dir, "image"), mount: filepath.Join(dir, "mount")}
	if os.Geteuid() != 0 {
		t.Skip("mounting needs privileges")
	}
	for _, err := range []error{os.Mkdir(d.mount, 0o700), os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 32<<20)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := d.on(); err != nil {
		t.Skipf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if d.mounted {
			d.off(t)
		}
	})
	return d
}

func (d *disk) on() ([]byte, error) {
	out, err := exec.Command("mount", "-o", "loop", d.image, d.mount).CombinedOutput()
	d.mounted = err == nil
	return out, err
}

func (d *disk) off(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("umount", d.mount).CombinedOutput(); err != nil {
		t.Fatalf("umount: %v: %s", err, out)
	}
	d.mounted = false
}

// cut ends all writing at once, the journal's too. The numbers are EXT4_IOC_SHUTDOWN and
// EXT4_GOING_FLAGS_NOLOGFLUSH of the kernel's fs/ext4/ext4.h.
func (d *disk) cut() error {
	const shutdown, withoutLog = 0x8004587d, 2
	f, err := os.Open(d.mount)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetPointerInt(int(f.Fd()), shutdown, withoutLog)
}

// After a power cut at any moment everything that was confirmed is there, in the state that was confirmed
// last, and nothing that was removed.
func TestPowerCut(t *testing.T) {
	d := newDisk(t)
	if err := d.cut(); err != nil {
		t.Skipf("this kernel cannot cut the power: %v", err)
	}
	cuts := 40
	if testing.Short() {
		cuts = 6
	}
	fates := map[string]*fate{}
	r := rand.New(rand.NewPCG(9, 10))
	dir := filepath.Join(d.mount, "queue")
	n := 0
	for range cuts {
		d.off(t)
		if out, err := d.on(); err != nil {
			t.Fatalf("mount: %v: %s", err, out)
		}
		if n > 0 {
			check(t, dir, fates)
		}
		q, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range q.inOrder()[min(len(q.entries), 50):] { // the disk is small
			if err := q.remove(e); err != nil {
				t.Fatal(err)
			}
			fates[e.name()].going, fates[e.name()].gone = true, true
		}
		var work sync.WaitGroup
		work.Go(func() {
			time.Sleep(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
			if err := d.cut(); err != nil {
				t.Error(err)
			}
		})
		for err == nil {
			n++
			err = powered(t, q, n, fates)
		}
		work.Wait()
		if !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EROFS) {
			t.Errorf("it ended with %v", err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d cuts while %d objects came and %d went", cuts, n, n-len(fates))
}

// powered does a round of work until the power fails.
func powered(t *testing.T, q *Queue, n int, fates map[string]*fate) error {
	content := victimContent(n)
	o := object(content, n*7%100)
	f := &fate{n: n, begun: true}
	fates[o.SHA256] = f
	if _, err := q.Add(t.Context(), o, strings.NewReader(content)); err != nil {
		return err
	}
	f.there = true
	if n%2 == 0 { // an update would sync more than itself
		return nil
	}
	e, err := q.find(o.SHA256)
	if err != nil {
		return err
	}
	item := &Item{Object: o, q: q, e: e}
	for i := range 2 {
		f.attempts[1] = i + 1
		if err := item.Update(State{Attempts: i + 1, Task: fmt.Sprint("task", i)}); err != nil {
			return err
		}
		f.attempts[0] = i + 1
	}
	if n%3 == 0 {
		return nil
	}
	f.going = true
	if err := item.Remove(); err != nil {
		return err
	}
	f.gone = true
	return nil
}
