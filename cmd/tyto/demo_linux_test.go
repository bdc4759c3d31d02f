package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs what `make demo` shows, from the first start of a dropper to the refusal of the second, with the
// real server, jail, agent and kernel.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demonstration takes half a minute")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may hold accesses to files")
	}
	if err := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "none", os.TempDir()).Run(); err != nil {
		t.Skipf("this computer does not let root mount: %v", err)
	}
	if _, err := exec.LookPath("bwrap"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("bubblewrap is missing: scripts/install-deps.sh tests installs it")
		}
		t.Skip("bubblewrap is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "report.html")
	cmd := exec.Command("bash", "../../scripts/demo/demo.sh")
	cmd.Env = append(os.Environ(), isTyto+"=1", "TYTO="+self, "REPORT="+page)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, told := range []string{"TY-701", "TY-501", "TY-730", "TY-731", "TY-703", "TY-603", "Operation not permitted"} {
		if !strings.Contains(string(out), told) {
			t.Errorf("the story lacks %q:\n%s", told, out)
		}
	}
	for file, told := range map[string][]string{
		page: {"fontd", "copy-of-invoice.sh"},
		filepath.Join(filepath.Dir(page), "tyto-demo-events.txt"): {"TY-701", "TY-401", "TY-703"},
	} {
		content, err := os.ReadFile(file)
		for _, word := range told {
			if err != nil || !strings.Contains(string(content), word) {
				t.Errorf("%s does not tell of %q: %v", filepath.Base(file), word, err)
			}
		}
	}
}
