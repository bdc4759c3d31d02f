package quarantine

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

// sealed returns the bytes of an entry's file.
func sealed(t *testing.T, v *Vault, id string) []byte {
	t.Helper()
	return []byte(mustRead(t, filepath.Join(v.Dir(), id+suffixDone)))
}

// Without Tyto an entry is opened with age and tar, as docs/quarantine.md says.
func TestEntryIsOpenedByHand(t *testing.T) {
	need(t, "tar")
	v, _ := newVault(t, Options{})
	id := add(t, v, write(t, filepath.Join(folder(t), "file"), "content")).Entry.ID
	identities, err := age.ParseIdentities(strings.NewReader(mustRead(t, filepath.Join(v.Dir(), "key.txt"))))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed(t, v, id)), identities...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("tar", "-x", "-f", "-", "-C", dir)
	cmd.Stdin = plain
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := mustRead(t, filepath.Join(dir, "content")); got != "content" {
		t.Errorf("content %q", got)
	}
	var description struct {
		ID       string
		Metadata struct{ Modified [2]int64 }
	}
	if err := json.Unmarshal([]byte(mustRead(t, filepath.Join(dir, "entry.json"))), &description); err != nil || description.ID != id {
		t.Errorf("%+v, %v", description, err)
	}
}

// forge makes a sealed archive of parts, as somebody could who knows the vault's recipient.
func forge(t testing.TB, k *key, parts ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, k.identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(w)
	for _, p := range parts {
		if err := archive.WriteHeader(&tar.Header{Name: p[0], Size: int64(len(p[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, p[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An entry that the vault did not write, or that was changed, is never restored.
func TestForgedAndDamagedEntries(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	id := add(t, v, write(t, filepath.Join(dir, "file"), strings.Repeat("content ", 20_000))).Entry.ID
	other := add(t, v, write(t, filepath.Join(dir, "other"), "x")).Entry.ID
	good := sealed(t, v, id)
	k := v.key()
	description := `{"format":1,"id":"` + id + `","path":"` + filepath.Join(dir, "shadow") + `","size":1,"parts":[{"name":"content","size":1,"sha256":""}]}`
	changed := slices.Clone(good)
	changed[len(changed)/2] ^= 1
	for _, test := range []struct {
		name    string
		content []byte
	}{
		{"nothing", nil},
		{"noise", bytes.Repeat([]byte("noise"), 1000)},
		{"one bit", changed},
		{"cut", good[:len(good)-100]},
		{"cut at a chunk", good[:len(good)/2]},
		{"continued", append(slices.Clone(good), good...)},
		{"another entry", sealed(t, v, other)},
		{"no mac", forge(t, k, [2]string{"content", "x"}, [2]string{"entry.json", description})},
		{"a wrong mac", forge(t, k, [2]string{"content", "x"}, [2]string{"entry.json", description}, [2]string{"entry.mac", strings.Repeat("m", 32)})},
		{"an empty mac", forge(t, k, [2]string{"content", "x"}, [2]string{"entry.json", description}, [2]string{"entry.mac", ""})},
		{"no description", forge(t, k, [2]string{"content", "x"})},
		{"nothing in it", forge(t, k)},
		{"a mac of nothing", forge(t, k, [2]string{"content", "x"}, [2]string{"entry.mac", string(k.sign(nil))})},
		{"many parts", forge(t, k, slices.Repeat([][2]string{{"content", ""}}, maxParts+1)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(v.Dir(), id+suffixDone), test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Restore(t.Context(), id, RestoreOptions{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("restore: %v", err)
			}
			if f, err := v.Extract(t.Context(), id); err == nil {
				f.Close()
				t.Error("it was extracted")
			}
			if _, damaged, err := v.List(t.Context()); test.name != "one bit" && (err != nil || len(damaged) != 1 || damaged[0].ID != id) {
				t.Errorf("list: %v, %v", damaged, err)
			}
			if around, _ := os.ReadDir(dir); len(around) != 0 {
				t.Errorf("something was restored: %v", around)
			}
		})
	}
}

// The content belongs to its description.
func TestContentOfAnotherEntry(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	id := add(t, v, write(t, filepath.Join(dir, "file"), "mine")).Entry.ID
	f, err := v.find(id)
	if err != nil {
		t.Fatal(err)
	}
	o, err := v.open(f)
	if err != nil {
		t.Fatal(err)
	}
	o.close()
	forged := forge(t, v.key(), [2]string{"content", "else"}, [2]string{"entry.json", string(o.description)}, [2]string{"entry.mac", string(v.key().sign(o.description))})
	if err := os.WriteFile(filepath.Join(v.Dir(), f.name()), forged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Restore(t.Context(), id, RestoreOptions{}); !errors.Is(err, ErrDamaged) || exists(filepath.Join(dir, "file")) {
		t.Errorf("restore: %v", err)
	}
}

func TestBytesAndTimesAreExact(t *testing.T) {
	type pair struct {
		B Bytes
		T Time
	}
	for _, want := range []pair{
		{"plain", Time{0, 0}}, {"\xff\xfe\n\x00", Time{-1, 999999999}}, {"<&>\u2028\"\\", Time{1 << 40, 1}}, {"", Time{}},
	} {
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got pair
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Errorf("%s is %+v, want %+v, %v", data, got, want, err)
		}
	}
}

// FuzzUnpack feeds what can be in the age file of somebody who knows the recipient: it must be refused
// within bounds. Only the vault's own MAC opens it.
func FuzzUnpack(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	k, err := newKey(identity)
	if err != nil {
		f.Fatal(err)
	}
	inner := func(parts ...[2]string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, p := range parts {
			_ = w.WriteHeader(&tar.Header{Name: p[0], Size: int64(len(p[1])), Typeflag: tar.TypeReg})
			_, _ = io.WriteString(w, p[1])
		}
		_ = w.Close()
		return b.Bytes()
	}
	f.Add(inner())
	f.Add(inner([2]string{"content", "x"}, [2]string{"entry.json", "{}"}, [2]string{"entry.mac", "m"}))
	f.Add(inner([2]string{"entry.json", `{"format":1}`}, [2]string{"entry.mac", string(k.sign([]byte(`{"format":1}`)))}))
	f.Fuzz(func(t *testing.T, plain []byte) {
		o, err := unpack(bytes.NewReader(plain), int64(len(plain)), k)
		if err == nil && !bytes.Contains(plain, k.sign(o.description)) {
			t.Error("a description was believed without its mac")
		}
	})
}

// FuzzDescription feeds descriptions with a MAC, as only this vault writes them: also those must not crash
// it, as an older or newer version may have written them.
func FuzzDescription(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"x","path":{"base64":"/w=="},"parts":[{"name":"content","size":1,"sha256":""}],"metadata":{"modified":[1,2],"data":[{"offset":0,"length":1}]}}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, description []byte) {
		o := &opened{}
		if err := o.describe(description, []Part{{Name: partContent, Size: 1}}); err != nil {
			return
		}
		w := &holeWriter{file: discardAt{}, data: o.entry.Metadata.Data}
		if n, err := w.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("writing wrote %d, %v", n, err)
		}
	})
}

type discardAt struct{}

func (discardAt) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func BenchmarkList(b *testing.B) {
	v, err := Open(filepath.Join(b.TempDir(), "vault"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	dir := b.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, make([]byte, 100<<10), 0o600); err != nil {
		b.Fatal(err)
	}
	unlock, err := v.create(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	unlock()
	src, err := openSource(path)
	if err != nil {
		b.Fatal(err)
	}
	defer src.close()
	for range 1000 {
		if _, err := src.file.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		e := v.describe(src, &Request{})
		e.ID = newID()
		file, err := os.Create(filepath.Join(v.Dir(), e.ID+suffixDone))
		if err != nil {
			b.Fatal(err)
		}
		if err := v.seal(b.Context(), file, src, &Request{}, e); err != nil {
			b.Fatal(err)
		}
		file.Close()
	}
	for b.Loop() {
		if list, _, err := v.List(b.Context()); err != nil || len(list) != 1000 {
			b.Fatalf("%d entries, %v", len(list), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/entry")
}
