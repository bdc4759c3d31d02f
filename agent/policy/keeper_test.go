package policy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tyto/agent/policy"
	"tyto/finding"
)

// told gathers what a keeper tells.
type told struct {
	mu   sync.Mutex
	said []string
}

func (t *told) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, what)
}

func (t *told) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.said, " ")
}

func (t *told) options(file string) policy.KeeperOptions {
	return policy.KeeperOptions{
		File: file, Every: time.Millisecond,
		Loaded:   func(p *policy.Policy, _ []finding.Problem) { t.add("loaded:" + p.Response.Level) },
		Rejected: func(err error) { t.add("rejected") },
	}
}

func TestKeeperKeepsTheOldPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(document string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var told told
	k := policy.NewKeeper(told.options(file))
	level := func() string { return k.State().Policy.Response.Level }

	if err := k.Reload(); err != nil || level() != "alert" || !k.State().Loaded.IsZero() {
		t.Errorf("without a file: %v, %+v", err, k.State())
	}
	write("response: {level: notice}")
	if err := k.Reload(); err != nil || level() != "notice" {
		t.Errorf("with a file: %v, level %s", err, level())
	}
	write("response: {level: loud}\nresults: {keep: 1s}")
	err := k.Reload()
	var rejected *policy.Rejected
	if !errors.As(err, &rejected) || len(rejected.Problems) != 2 || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "1 more") {
		t.Errorf("a broken file: %v", err)
	}
	if s := k.State(); s.Policy.Response.Level != "notice" || s.Rejected == nil {
		t.Errorf("after a broken file: %+v", s)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err == nil || level() != "notice" {
		t.Errorf("after the file vanished: %v, level %s", err, level())
	}
	write("response: {level: warning}")
	if err := k.Reload(); err != nil || level() != "warning" || k.State().Rejected != nil {
		t.Errorf("after it was mended: %v, %+v", err, k.State())
	}
	if got, want := told.all(), "loaded:alert loaded:notice rejected rejected loaded:warning"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestKeeperSeesChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	var told told
	k := policy.NewKeeper(told.options(file))
	ctx, cancel := context.WithCancel(t.Context())
	reload := make(chan struct{})
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx, reload) }()

	replace := func(document string) {
		t.Helper()
		fresh := file + ".new"
		if err := os.WriteFile(fresh, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, file); err != nil {
			t.Fatal(err)
		}
	}
	await := func(want string) {
		t.Helper()
		for range 3000 {
			if strings.Contains(told.all(), want) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("told %q, want %q in it", told.all(), want)
	}
	replace("response: {level: notice}")
	await("loaded:notice")
	replace("response: {level: no}")
	await("rejected")
	replace("response: {level: warning}")
	await("loaded:warning")
	before := strings.Count(told.all(), "loaded:warning")
	reload <- struct{}{}
	await(strings.Repeat("loaded:warning ", before) + "loaded:warning")
	close(reload) // a source of signals that ends does not end the watch
	replace("response: {level: alert}")
	await("loaded:alert")
	cancel()
	<-done
}

func TestReadRefusesWhatOthersCanChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := policy.Read(file); err != nil {
		t.Fatalf("a safe file: %v", err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm()&0o022 == 0 || os.PathSeparator == '\\' {
		t.Skip("modes do not say here who may write a file")
	}
	if _, _, err := policy.Read(file); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("a file that everybody may write: %v", err)
	}
}
