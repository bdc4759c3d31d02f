package quarantine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func tryAdd(t *testing.T, v *Vault, path string) error {
	t.Helper()
	_, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}})
	return err
}

func TestFullVaultRejects(t *testing.T) {
	dir := folder(t)
	v, events := newVault(t, Options{Limit: 500 << 10, ObjectLimit: 300 << 10})
	body := strings.Repeat("x", 200<<10)
	if err := tryAdd(t, v, write(t, filepath.Join(dir, "first"), body)); err != nil {
		t.Fatal(err)
	}
	second := add(t, v, write(t, filepath.Join(dir, "second"), body))
	third := write(t, filepath.Join(dir, "third"), body)
	if err := tryAdd(t, v, third); !errors.Is(err, ErrFull) {
		t.Errorf("full: %v", err)
	}
	if err := tryAdd(t, v, write(t, filepath.Join(dir, "large"), body+body)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if !exists(third) {
		t.Error("what was rejected is gone")
	}
	if err := v.Delete(t.Context(), second.Entry.ID); err != nil {
		t.Fatal(err)
	}
	if err := tryAdd(t, v, third); err != nil {
		t.Errorf("after there was room again: %v", err)
	}
	want := []EventKind{EventQuarantined, EventQuarantined, EventAlmostFull, EventFull, EventDeleted, EventQuarantined, EventAlmostFull}
	if diff := cmp.Diff(want, kinds(*events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The warning is told once while it lasts, also by several processes.
func TestAlmostFullIsToldOnce(t *testing.T) {
	dir := folder(t)
	v, events := newVault(t, Options{Limit: 400 << 10, ObjectLimit: 400 << 10})
	add(t, v, write(t, filepath.Join(dir, "large"), strings.Repeat("x", 330<<10)))
	other, err := Open(v.Dir(), v.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	add(t, other, write(t, filepath.Join(dir, "small"), "x"))
	if diff := cmp.Diff([]EventKind{EventQuarantined, EventAlmostFull, EventQuarantined}, kinds(*events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if e := (*events)[1]; e.Used < 330<<10 || e.Limit != 400<<10 {
		t.Errorf("the warning tells %d of %d bytes", e.Used, e.Limit)
	}
}

func TestFullVaultDropsTheOldest(t *testing.T) {
	dir := folder(t)
	now := time.Unix(1_700_000_000, 0)
	v, events := newVault(t, Options{Limit: 500 << 10, WhenFull: DropOldest, Now: func() time.Time { now = now.Add(time.Second); return now }})
	body := strings.Repeat("x", 200<<10)
	var ids []string
	for i, name := range []string{"first", "second", "third"} {
		ids = append(ids, add(t, v, write(t, filepath.Join(dir, name), body)).Entry.ID)
		// Two files may be written within one tick of the file system's clock.
		at := now.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(filepath.Join(v.Dir(), ids[i]+suffixDone), at, at); err != nil {
			t.Fatal(err)
		}
	}
	entries, _, err := v.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.ID)
	}
	if diff := cmp.Diff(ids[1:], left); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	dropped := 0
	for _, e := range *events {
		if e.Kind == EventDropped && e.ID == ids[0] && e.Path == filepath.Join(dir, "first") {
			dropped++
		}
	}
	if dropped != 1 {
		t.Errorf("%d events say that the first was dropped", dropped)
	}
}

// Many at a time never exceed the limit.
func TestLimitHoldsForAllAtOnce(t *testing.T) {
	dir := folder(t)
	vault := filepath.Join(folder(t), "vault")
	var group sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	for i := range 12 {
		path := write(t, filepath.Join(dir, string(rune('a'+i))), strings.Repeat("x", 100<<10))
		group.Go(func() {
			v, err := Open(vault, Options{Limit: 400 << 10})
			if err == nil {
				_, err = v.Add(context.Background(), Request{Object: finding.Object{Path: path}})
				v.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				outcomes["in"]++
			case errors.Is(err, ErrFull):
				outcomes["full"]++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(map[string]int{"in": 3, "full": 9}, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestVaultThatIsNotUsed(t *testing.T) {
	dir := folder(t)
	path := write(t, filepath.Join(dir, "file"), "content")
	t.Run("the key is lost", func(t *testing.T) {
		v, _ := newVault(t, Options{})
		add(t, v, write(t, filepath.Join(dir, "first"), "content"))
		v.Close()
		if err := os.Remove(filepath.Join(v.Dir(), keyName)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(v.Dir(), Options{}); !errors.Is(err, ErrKeyLost) {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("the key is another", func(t *testing.T) {
		v, _ := newVault(t, Options{})
		out := add(t, v, write(t, filepath.Join(dir, "first"), "content"))
		other, _ := newVault(t, Options{})
		add(t, other, path)
		for _, suffix := range []string{suffixDone} {
			sealed, err := os.ReadFile(filepath.Join(v.Dir(), out.Entry.ID+suffix))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(other.Dir(), out.Entry.ID+suffix), string(sealed))
		}
		if _, _, err := other.Show(t.Context(), out.Entry.ID); !errors.Is(err, ErrDamaged) {
			t.Errorf("show: %v", err)
		}
		if entries, damaged, err := other.List(t.Context()); len(entries) != 1 || len(damaged) != 1 || err != nil {
			t.Errorf("list: %d entries, %v, %v", len(entries), damaged, err)
		}
	})
	t.Run("the context has ended", func(t *testing.T) {
		v, _ := newVault(t, Options{})
		add(t, v, write(t, filepath.Join(dir, "first"), "content"))
		unlock, err := v.lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		cancel(why)
		second := write(t, filepath.Join(dir, "second"), "content")
		if _, err := v.Add(ctx, Request{Object: finding.Object{Path: second}}); !errors.Is(err, why) || !exists(second) {
			t.Errorf("add: %v", err)
		}
	})
}
