package service

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// TestMain makes this program the service that the test installs: "service run".
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "service" && os.Args[2] == "run" {
		log := os.Args[0] + ".log"
		note := func(text string) {
			f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err == nil {
				_, _ = f.WriteString(text + "\n")
				f.Close()
			}
		}
		err := Run(func(ctx context.Context, ready func()) error {
			ready()
			note("ready")
			<-ctx.Done()
			note("stopped")
			return nil
		}, Controls{Reload: func() { note("reload") }, Pause: func(paused bool) {
			note(map[bool]string{true: "paused", false: "continued"}[paused])
		}})
		if err != nil {
			note(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The life of a service, under the service manager: installed, started, controlled, stopped, deleted.
func TestServiceLife(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "tyto.exe")
	if err := copyProgram(self, program); err != nil {
		t.Fatal(err)
	}
	if err := deleteService(t.Context()); err != nil { // of an earlier test that was killed
		t.Fatal(err)
	}
	if err := makeService(program); err != nil {
		t.Skipf("a service cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := deleteService(context.Background()); err != nil {
			t.Errorf("delete: %v", err)
		}
		if err := withService(func(*mgr.Service) error { return nil }); err == nil {
			t.Error("the service is there after its deletion")
		}
	})
	if err := makeService(program); err != nil {
		t.Errorf("made again: %v", err)
	}
	if err := startService(); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, program, "ready")
	await(t, svc.Running)
	for _, step := range []struct {
		control svc.Cmd
		state   svc.State
		log     string
	}{
		{svc.ParamChange, svc.Running, "reload"},
		{svc.Pause, svc.Paused, "paused"},
		{svc.Continue, svc.Running, "continued"},
		{svc.Stop, svc.Stopped, "stopped"},
	} {
		if err := withService(func(s *mgr.Service) error { _, err := s.Control(step.control); return err }); err != nil {
			t.Fatalf("control %d: %v", step.control, err)
		}
		awaitLog(t, program, step.log)
		await(t, step.state)
	}
}

func await(t *testing.T, want svc.State) {
	t.Helper()
	var got svc.State
	for range 600 {
		err := withService(func(s *mgr.Service) error {
			status, err := s.Query()
			got = status.State
			return err
		})
		if err == nil && got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the service is in state %d, want %d", got, want)
}

func awaitLog(t *testing.T, program, want string) {
	t.Helper()
	var content []byte
	for range 600 {
		content, _ = os.ReadFile(program + ".log")
		if strings.Contains(string(content), want+"\n") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the service's log is %q, want %q in it", content, want)
}

func TestInstallSteps(t *testing.T) {
	root := t.TempDir()
	o := Options{Root: root, Policy: []byte("# default\n")}
	steps, err := Install(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := Carry(t.Context(), steps, func(string) {}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{`Tyto\tyto.exe`, `ProgramData\Tyto\policy.yaml`} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	steps, err = Uninstall(Options{Root: root, Purge: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := Carry(t.Context(), steps, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(root, "*", "*")); len(left) > 0 && !strings.HasSuffix(left[0], "Tyto") {
		t.Errorf("left: %q", left)
	}
}
