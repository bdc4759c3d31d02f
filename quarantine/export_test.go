package quarantine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// need skips a test that needs a program, but not where scripts/install-deps.sh has installed it.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		// Where Windows programs are tested, these are no Windows programs.
		if os.Getenv("CI") != "" && runtime.GOOS != "windows" {
			t.Fatalf("%s is missing: scripts/install-deps.sh should install it", program)
		}
		t.Skipf("%s is missing", program)
	}
}

// What is exported can be opened with the programs that analysts use, and with the right password only.
func TestExport(t *testing.T) {
	v, _ := newVault(t, Options{})
	content := strings.Repeat("evil ", 100_000)
	out := add(t, v, write(t, filepath.Join(folder(t), "evil"), content))
	empty := add(t, v, write(t, filepath.Join(folder(t), "empty"), ""))
	for _, test := range []struct {
		program string
		unpack  func(archive, to, password string) *exec.Cmd
	}{
		{"unzip", func(archive, to, password string) *exec.Cmd {
			return exec.Command("unzip", "-P", password, "-d", to, archive)
		}},
		{"7z", func(archive, to, password string) *exec.Cmd {
			return exec.Command("7z", "x", "-y", "-p"+password, "-o"+to, archive)
		}},
	} {
		t.Run(test.program, func(t *testing.T) {
			need(t, test.program)
			for id, want := range map[string]string{out.Entry.ID: content, empty.Entry.ID: ""} {
				var archive bytes.Buffer
				if err := v.Export(t.Context(), id, &archive); err != nil {
					t.Fatal(err)
				}
				if want != "" && bytes.Contains(archive.Bytes(), []byte("evil evil")) {
					t.Error("the archive is not encrypted")
				}
				path := write(t, filepath.Join(t.TempDir(), "export.zip"), archive.String())
				to := t.TempDir()
				if text, err := test.unpack(path, to, ExportPassword).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				e, _, err := v.Show(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if got := mustRead(t, filepath.Join(to, e.Hashes.SHA256)); got != want {
					t.Errorf("unpacked %d bytes, want %d", len(got), len(want))
				}
				if !strings.Contains(mustRead(t, filepath.Join(to, "entry.json")), e.ID) {
					t.Error("the description is missing")
				}
				if want != "" && test.unpack(path, t.TempDir(), "benign").Run() == nil {
					t.Error("another password opened it")
				}
			}
		})
	}
}
