package decide_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/decide/decidetest"
	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/worker"
)

// asWorker is the argument by which the test binary is a worker.
const asWorker = "be-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asWorker {
		if err := worker.Serve(new(inspect.Handler)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type part = decidetest.Part

// bench decides about files that a test writes.
type bench struct {
	t       testing.TB
	options decide.Options
	decider *decide.Decider
	dir     string
}

func newBench(t testing.TB, change func(*decide.Options)) *bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir, options: decide.Options{Policy: decide.DefaultPolicy(), WorkerCommand: []string{self, asWorker}}}
	b.options.Policy.Kinds = slices.Clone(b.options.Policy.Kinds)
	if change != nil {
		change(&b.options)
	}
	if b.decider, err = decide.New(b.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.decider.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// write makes a file and returns its path.
func (b *bench) write(name string, content []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// about decides about the file at a path.
func (b *bench) about(path string, exec bool) decide.Decision {
	b.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	d, err := b.decider.Decide(context.Background(), decide.Request{File: f, Path: path, Exec: exec})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// codes are those of the reasons, without those that depend on where tests keep their files.
func codes(d decide.Decision) string {
	var all []string
	for _, r := range d.Reasons {
		switch r.Code {
		case "others-can-write", "temporary", "removable", "hidden":
		default:
			all = append(all, r.Code)
		}
	}
	return strings.Join(all, " ")
}

func has(d decide.Decision, code string) bool {
	return slices.ContainsFunc(d.Reasons, func(r decide.Reason) bool { return r.Code == code })
}

func TestDecide(t *testing.T) {
	b := newBench(t, func(o *decide.Options) { o.Policy.TrustPackages = false })
	pe := decidetest.PE(nil)
	tests := []struct {
		name    string
		file    string
		content []byte
		exec    bool
		kind    inspect.Kind
		ask     bool
		codes   string
	}{
		{"text", "notes.txt", []byte("hello, world\n"), false, inspect.None, false, "kind"},
		{"picture", "a.png", []byte("\x89PNG\r\n\x1a\n    "), false, inspect.None, false, "kind"},
		{"tiny", "a.sh", []byte("#!/b"), true, inspect.None, false, "too-small"},
		{"program that is started", "a.exe", pe, true, inspect.PE, true, "kind unsigned base started ask"},
		{"program that is called a picture", "a.jpg", pe, false, inspect.PE, true, "kind unsigned base wrong-extension ask"},
		{"program behind a document's name", "invoice.pdf.exe", pe, false, inspect.PE, true, "kind unsigned base double-extension ask"},
		{"name that turns", "a\u202egnp.exe", pe, false, inspect.PE, true, "kind unsigned base direction-mark ask"},
		{"downloaded program", "Downloads/a.exe", pe, false, inspect.PE, true, "kind unsigned base downloads ask"},
		{"script that is started", "run", []byte("#!/bin/sh\necho\n"), true, inspect.Script, true, "kind base started ask"},
		{"script by its name only", "a.js", []byte("x(1);y(2);\n"), true, inspect.Script, true, "kind base started ask"},
		{"object file", "a.o", decidetest.ELF(decidetest.ELFObject, nil, ".text"), false, inspect.None, false, "kind kind"},
		{"docm", "a.docm", decidetest.Docx(part{"word/vbaProject.bin", "x"}), false, inspect.Office, true, "kind base macros ask"},
		{"installer", "a.msi", decidetest.OLE(decidetest.MSI), false, inspect.Installer, true, "kind kind base ask"},
		{"zip of texts", "Downloads/a.zip", decidetest.Zip(part{"a.txt", "hello"}), false, inspect.Archive, false, "kind base downloads nothing-inside"},
		{"zip of a program", "a.zip", decidetest.Zip(part{"a.exe", string(pe)}), false, inspect.Archive, true, "kind base holds-pe ask"},
		{"shortcut to an interpreter", "a.lnk", decidetest.Link("cmd.exe", "/c calc"), false, inspect.Shortcut, true, "kind base interpreter ask"},
		{"pdf with javascript", "a.pdf", decidetest.PDF("/JS (x)"), false, inspect.PDF, true, "kind base pdf-javascript ask"},
		{"iso", "a.iso", decidetest.ISO(part{"A.EXE;1", string(pe)}), false, inspect.Disk, true, "kind base holds-pe ask"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := b.about(b.write(test.file, test.content), test.exec)
			got := []any{d.Kind, d.Ask, codes(d)}
			if diff := cmp.Diff([]any{test.kind, test.ask, test.codes}, got); diff != "" {
				t.Errorf("kind, ask, reasons (-want +got):\n%s%+v", diff, d.Reasons)
			}
			if sum := sha256.Sum256(test.content); d.SHA256 != "" && d.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("SHA-256 is %s", d.SHA256)
			}
			if d.Risk < 0 || d.Risk > 100 || d.Ask && d.Risk < b.options.Policy.AskFrom {
				t.Errorf("risk %d", d.Risk)
			}
		})
	}
}

// The order in the queue: what is more likely to do harm comes first.
func TestRiskOrders(t *testing.T) {
	b := newBench(t, nil)
	pe := decidetest.PE(nil)
	plain := b.about(b.write("a/a.docx", decidetest.Docx()), false)
	macros := b.about(b.write("a/a.docm", decidetest.Docx(part{"word/vbaProject.bin", "x"})), false)
	opened := b.about(b.write("a/a.exe", pe), false)
	started := b.about(b.write("a/b.exe", pe), true)
	disguised := b.about(b.write("Downloads/c.pdf.exe", pe), true)
	risks := []int{plain.Risk, macros.Risk, started.Risk, disguised.Risk}
	if !slices.IsSorted(risks) || macros.Risk == plain.Risk || opened.Risk >= started.Risk {
		t.Errorf("risks: document %d, with macros %d, program %d, started %d, disguised %d", plain.Risk, macros.Risk, opened.Risk, started.Risk, disguised.Risk)
	}
}

func TestPolicyIsKept(t *testing.T) {
	pe := decidetest.PE(nil)
	sum := sha256.Sum256(pe)
	hash := hex.EncodeToString(sum[:])
	now := time.Now()
	seen := func(age time.Duration) func(context.Context, string) (time.Time, bool) {
		return func(context.Context, string) (time.Time, bool) { return now.Add(-age), true }
	}
	lists := t.TempDir()
	file := filepath.Join(lists, "hashes.txt")
	if err := os.WriteFile(file, []byte("# ours\n"+strings.ToUpper(hash)+"  a.exe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*decide.Options)
		code   string
		ask    bool
	}{
		{"kind is off", func(o *decide.Options) { o.Policy.Kinds = []string{"pdf"} }, "kind-off", false},
		{"too large", func(o *decide.Options) { o.Policy.MaxSize = 100 }, "too-large", false},
		{"threshold", func(o *decide.Options) { o.Policy.AskFrom = 100 }, "low-risk", false},
		{"allowed hash", func(o *decide.Options) { o.Policy.AllowHashes = []string{hash} }, "allowed-hash", false},
		{"list of allowed hashes", func(o *decide.Options) { o.Policy.AllowHashes = []string{file} }, "allowed-hash", false},
		{"known for long", func(o *decide.Options) { o.Policy.KnownFor = 24 * time.Hour; o.Inventory = seen(48 * time.Hour) }, "known", false},
		{"not known for long", func(o *decide.Options) { o.Policy.KnownFor = 96 * time.Hour; o.Inventory = seen(48 * time.Hour) }, "ask", true},
		{"known for long but not trusted for it", func(o *decide.Options) { o.Inventory = seen(1000 * time.Hour) }, "ask", true},
		{"first seen in the future", func(o *decide.Options) { o.Policy.KnownFor = time.Hour; o.Inventory = seen(-48 * time.Hour) }, "new", true},
		{"never seen", func(o *decide.Options) {
			o.Policy.KnownFor = time.Hour
			o.Inventory = func(context.Context, string) (time.Time, bool) { return time.Time{}, false }
		}, "new", true},
		{"risky path", func(o *decide.Options) { o.Policy.RiskyPaths = []string{"*.exe"} }, "risky-path", true},
		{"truster", func(o *decide.Options) { o.Trust = []decide.Truster{trusting("it is ours")} }, "trusted", false},
		{"truster without an opinion", func(o *decide.Options) { o.Trust = []decide.Truster{trusting("")} }, "ask", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.change)
			d := b.about(b.write("a.exe", pe), true)
			if d.Ask != test.ask || !has(d, test.code) {
				t.Errorf("ask %t for %+v, want %t and %q", d.Ask, d.Reasons, test.ask, test.code)
			}
		})
	}
}

type trusting string

func (t trusting) Trusts(_ context.Context, o decide.Object) (string, error) {
	if o.SHA256 == "" || o.Size == 0 || o.File == nil || !filepath.IsAbs(o.Path) {
		return "", fmt.Errorf("incomplete: %+v", o)
	}
	return string(t), nil
}

func TestSignatures(t *testing.T) {
	signed, err := os.ReadFile(filepath.Join("authenticode", "testdata", "signed.exe"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("authenticode", "testdata", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(signed)
	changed[512]++
	tests := []struct {
		name    string
		content []byte
		roots   []string
		signers []string
		code    string
		ask     bool
	}{
		{"allowed by name", signed, []string{root}, []string{"CN=Tyto Test Signer"}, "signature", false},
		{"allowed by organisation", signed, []string{root}, []string{"O=Tyto Test"}, "signature", false},
		{"not allowed", signed, []string{root}, []string{"CN=Somebody Else"}, "signature-valid", true},
		{"a part of the name is not the name", signed, []string{root}, []string{"CN=Tyto Test"}, "signature-valid", true},
		{"without roots", signed, nil, []string{"CN=Tyto Test Signer"}, "signature-untrusted", true},
		{"changed", changed, []string{root}, []string{"CN=Tyto Test Signer"}, "signature-tampered", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.roots == nil && underWine() {
				t.Skip("Wine trusts every root")
			}
			b := newBench(t, func(o *decide.Options) { o.Policy.Roots, o.Policy.Signers = test.roots, test.signers })
			d := b.about(b.write("a.exe", test.content), true)
			if d.Ask != test.ask || !has(d, test.code) {
				t.Errorf("ask %t for %+v, want %t and %q", d.Ask, d.Reasons, test.ask, test.code)
			}
		})
	}
}

// What a package delivered is trusted where nobody else can write, and nowhere else. The folder of tests is below
// one where everybody can write, so here it never is.
func TestPackagesAreNotEnough(t *testing.T) {
	b := newBench(t, nil)
	root := b.dir
	script := "#!/bin/sh\necho\n"
	sum := md5.Sum([]byte(script))
	b.write("var/lib/dpkg/status", []byte("x"))
	b.write("var/lib/dpkg/info/p.md5sums", []byte(hex.EncodeToString(sum[:])+"  usr/bin/p\n"+hex.EncodeToString(sum[:])+"  usr/bin/q\n"))
	b2 := newBench(t, func(o *decide.Options) { o.Root = root })
	b2.dir = root
	if d := b2.about(b2.write("usr/bin/p", []byte(script)), true); !d.Ask || !has(d, "package-open") {
		t.Errorf("a package's file that others can replace: %+v", d)
	}
	if d := b2.about(b2.write("usr/bin/q", []byte(script+"\n")), true); !d.Ask || !has(d, "package-changed") {
		t.Errorf("a package's file that was changed: %+v", d)
	}
	if d := b2.about(b2.write("usr/bin/r", []byte(script)), true); has(d, "package-open") || has(d, "package") {
		t.Errorf("a copy of a package's file: %+v", d)
	}
}

func TestCheck(t *testing.T) {
	good := decide.DefaultPolicy()
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	abs, err := filepath.Abs("x")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*decide.Policy)
		field  string
	}{
		{"unknown kind", func(p *decide.Policy) { p.Kinds = []string{"pe", "exe"} }, "kinds[1]"},
		{"sizes", func(p *decide.Policy) { p.MinSize = p.MaxSize + 1 }, "min_size"},
		{"huge", func(p *decide.Policy) { p.MaxSize = 1 << 50 }, "max_size"},
		{"risk", func(p *decide.Policy) { p.AskFrom = 101 }, "ask_from"},
		{"moment", func(p *decide.Policy) { p.KnownFor = time.Second }, "known_for"},
		{"signer", func(p *decide.Policy) { p.Signers = []string{"Microsoft"} }, "signers[0]"},
		{"fingerprint", func(p *decide.Policy) { p.Signers = []string{"sha256:abc"} }, "signers[0]"},
		{"relative root", func(p *decide.Policy) { p.Roots = []string{"root.pem"} }, "roots[0]"},
		{"hash", func(p *decide.Policy) { p.AllowHashes = []string{"abc"} }, "allow_hashes[0]"},
		{"bare name", func(p *decide.Policy) { p.AllowPaths = []string{abs, "*.exe"} }, "allow_paths[1]"},
		{"pattern", func(p *decide.Policy) { p.RiskyPaths = []string{"[a"} }, "risky_paths[0]"},
		{"long list", func(p *decide.Policy) { p.RiskyPaths = make([]string, 2000) }, "risky_paths"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := decide.DefaultPolicy()
			test.change(&p)
			wrong, ok := p.Check().(*decide.CheckError)
			if !ok || len(wrong.Problems) != 1 || wrong.Problems[0].Field != test.field || wrong.Problems[0].Text == "" {
				t.Errorf("got %+v, want one problem of %s", wrong, test.field)
			}
			if _, err := decide.New(decide.Options{Policy: p}); err == nil {
				t.Error("a decider works with it")
			}
		})
	}
}

func TestNewReadsFiles(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.txt")
	if err := os.WriteFile(bad, []byte("\n\nnot a hash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*decide.Policy)
		want   string
	}{
		"list of hashes": {func(p *decide.Policy) { p.AllowHashes = []string{bad} }, "bad.txt:3"},
		"missing list":   {func(p *decide.Policy) { p.AllowHashes = []string{filepath.Join(dir, "none")} }, "none"},
		"no certificate": {func(p *decide.Policy) { p.Roots = []string{bad} }, "holds no certificate"},
		"missing root":   {func(p *decide.Policy) { p.Roots = []string{filepath.Join(dir, "none")} }, "none"},
	} {
		p := decide.DefaultPolicy()
		test.change(&p)
		if _, err := decide.New(decide.Options{Policy: p}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

// A worker that cannot be started costs a reason, not the decision.
func TestWithoutWorker(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(o *decide.Options) { o.WorkerCommand = []string{self, "-test.run=NoSuchTest"} })
	for range 2 {
		if d := b.about(b.write("a.docx", decidetest.Docx()), false); !has(d, "not-inspected") {
			t.Errorf("got %+v", d.Reasons)
		}
	}
}

// The worker ends when nothing comes, and another takes its place.
func TestWorkerComesAndGoes(t *testing.T) {
	b := newBench(t, func(o *decide.Options) { o.Idle = time.Millisecond })
	for i := range 3 {
		content := append(decidetest.PDF("/JS (x)"), byte('0'+i))
		if d := b.about(b.write(fmt.Sprint(i, ".pdf"), content), false); !has(d, "pdf-javascript") {
			t.Errorf("round %d: %+v", i, d.Reasons)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestCanceled(t *testing.T) {
	b := newBench(t, nil)
	f, err := os.Open(b.write("a.exe", decidetest.PE(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if d, err := b.decider.Decide(ctx, decide.Request{File: f, Path: f.Name()}); err == nil {
		t.Errorf("got %+v, want an error", d)
	}
}

// Many decide at once, about few files and many.
func TestConcurrent(t *testing.T) {
	b := newBench(t, nil)
	var wait sync.WaitGroup
	var paths []string
	for i := range 4 {
		paths = append(paths, b.write(fmt.Sprint(i, ".pdf"), append(decidetest.PDF("/JS (x)"), byte('0'+i))))
	}
	for i := range 8 {
		path := paths[i%len(paths)]
		wait.Go(func() {
			for range 10 {
				f, err := os.Open(path)
				if err != nil {
					t.Error(err)
					return
				}
				d, err := b.decider.Decide(t.Context(), decide.Request{File: f, Path: path})
				f.Close()
				if err != nil || !has(d, "pdf-javascript") {
					t.Errorf("%+v, %v", d, err)
				}
			}
		})
	}
	wait.Wait()
}

// swapping puts another content into a file between the moment in which it was hashed and that in which it is looked
// into.
type swapping struct {
	path    string
	content []byte
}

func (s *swapping) Trusts(context.Context, decide.Object) (string, error) {
	if s.path == "" {
		return "", nil
	}
	return "", os.WriteFile(s.path, s.content, 0o644)
}

// The signature of one content does not speak for another, neither at once nor from memory.
func TestSwappedContent(t *testing.T) {
	signed, err := os.ReadFile(filepath.Join("authenticode", "testdata", "signed.exe"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("authenticode", "testdata", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	swap := &swapping{content: signed}
	b := newBench(t, func(o *decide.Options) {
		o.Policy.Roots, o.Policy.Signers = []string{root}, []string{"O=Tyto Test"}
		o.Trust = []decide.Truster{swap}
	})
	unsigned := append(decidetest.PE(nil), make([]byte, len(signed)-len(decidetest.PE(nil)))...)
	path := b.write("a.exe", unsigned)
	swap.path = path
	if d := b.about(path, true); !d.Ask || has(d, "signature") {
		t.Errorf("while it is swapped: %+v", d)
	}
	swap.path = ""
	if d := b.about(b.write("a.exe", unsigned), true); !d.Ask || has(d, "signature") {
		t.Errorf("afterwards: %+v", d)
	}
	if d := b.about(b.write("a.exe", signed), true); d.Ask || !has(d, "signature") {
		t.Errorf("the signed program itself: %+v", d)
	}
}
