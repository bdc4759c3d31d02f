package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// image is a folder that stands for a computer, and a program to install.
func image(t *testing.T) (o Options) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "tyto-new")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Options{Binary: program, Root: filepath.Join(dir, "root"), Policy: []byte("# default\n")}
}

func carry(t *testing.T, steps []Step, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := Carry(t.Context(), steps, func(string) {}); err != nil {
		t.Fatal(err)
	}
}

func TestInstallAndUninstall(t *testing.T) {
	o := image(t)
	steps, err := Install(o)
	carry(t, steps, err)
	for path, want := range map[string]struct {
		mode    os.FileMode
		content string
	}{
		installed:  {0o755, "#!/bin/sh\n"},
		policyFile: {0o600, "# default\n"},
		unitFile:   {0o644, Unit(installed)},
		"/etc/systemd/system/multi-user.target.wants/tyto.service": {0o644, Unit(installed)},
	} {
		at := filepath.Join(o.Root, path)
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(at)
		if err != nil || info.Mode().Perm() != want.mode || string(content) != want.content {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	// Done again it renews the program and leaves a changed policy alone.
	policy := filepath.Join(o.Root, policyFile)
	if err := os.WriteFile(policy, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	steps, err = Install(o)
	carry(t, steps, err)
	if content, _ := os.ReadFile(policy); string(content) != "mine" {
		t.Errorf("the policy was overwritten: %q", content)
	}
	state := filepath.Join(o.Root, stateDir, "state.db")
	if err := os.MkdirAll(filepath.Dir(state), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	steps, err = Uninstall(Options{Root: o.Root})
	carry(t, steps, err)
	for path, want := range map[string]bool{installed: false, unitFile: false, policyFile: true, stateDir: true} {
		if _, err := os.Lstat(filepath.Join(o.Root, path)); (err == nil) != want {
			t.Errorf("after uninstall %s is there: %v, want %v", path, err == nil, want)
		}
	}
	steps, err = Uninstall(Options{Root: o.Root, Purge: true})
	carry(t, steps, err)
	for _, path := range []string{policyFile, stateDir} {
		if _, err := os.Lstat(filepath.Join(o.Root, path)); err == nil {
			t.Errorf("after a purge %s is there", path)
		}
	}
	if steps, err := Uninstall(Options{Root: o.Root, Purge: true}); err != nil || len(steps) != 0 {
		t.Errorf("nothing is there, and yet there is something to do: %v, %v", steps, err)
	}
}

func TestUnitIsWellFormed(t *testing.T) {
	line := regexp.MustCompile(`^(|\[[A-Z][a-z]+\]|#.*|[A-Z][A-Za-z]+=.+)$`)
	seen := map[string]bool{}
	for l := range strings.Lines(Unit("/opt/a b/%tyto$")) {
		l = strings.TrimSuffix(l, "\n")
		if !line.MatchString(l) {
			t.Errorf("line %q", l)
		}
		key, _, isSetting := strings.Cut(l, "=")
		if isSetting && !strings.HasPrefix(l, "#") && seen[key] {
			t.Errorf("%s is set twice", key)
		}
		seen[key] = true
	}
	if !strings.Contains(Unit("/opt/a b/%tyto$"), `ExecStart="/opt/a b/%%tyto$$" agent run`) {
		t.Error("the program's path is not quoted")
	}
}

// What would blind the scanner is not there; see the comment of Unit.
func TestUnitLetsTheScannerSee(t *testing.T) {
	unit := Unit(installed)
	for _, key := range []string{
		"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectProc", "ProtectKernelTunables", "ProtectKernelModules",
		"ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "ProtectClock", "DevicePolicy", "DeviceAllow", "PrivateUsers",
		"RestrictSUIDSGID", "ProtectKernelLogs", "PrivateNetwork", "ProtectControlGroups", "User", "DynamicUser",
	} {
		if strings.Contains(unit, "\n"+key+"=") {
			t.Errorf("%s is set", key)
		}
	}
}

// systemd itself says what is wrong with the unit.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	o := image(t)
	steps, err := Install(o)
	carry(t, steps, err)
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system"} { // what the unit refers to
		if _, err := os.Stat(dir); err == nil && os.MkdirAll(filepath.Join(o.Root, filepath.Dir(dir)), 0o755) == nil {
			if err := os.Symlink(dir, filepath.Join(o.Root, dir)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	out, _ := exec.Command(analyze, "verify", "--root", o.Root, "--recursive-errors=no", "tyto.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// Other units of this computer, and programs that an image has not got, are not the point.
		if strings.Contains(line, "tyto.service") && !strings.Contains(line, "not executable") && !strings.Contains(line, "not found") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
	// A unit with a mistake in it is found, so the silence above means something.
	unit := filepath.Join(o.Root, unitFile)
	if err := os.WriteFile(unit, []byte(strings.Replace(Unit(installed), "IOWeight=", "IOWeigh=", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ = exec.Command(analyze, "verify", "--root", o.Root, "--recursive-errors=no", "tyto.service").CombinedOutput()
	if !strings.Contains(string(out), "IOWeigh") {
		t.Errorf("systemd-analyze does not see a key that does not exist:\n%s", out)
	}
}
