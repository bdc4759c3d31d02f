package packages_test

import (
	"crypto/md5"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tyto/sandboxlink/decide/packages"
)

// dpkg itself is the oracle: what it lists, holds and finds changed on this computer.
func TestDpkgAgreesWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("there is no dpkg on this computer")
	}
	set := packages.System(packages.Options{})
	total := 0
	for _, pkg := range []string{"coreutils", "bash", "dash", "util-linux", "cron", "openssl"} {
		out, err := exec.Command("dpkg-query", "-L", pkg).Output()
		if err != nil {
			continue // not installed
		}
		changed, _ := exec.Command("dpkg", "-V", pkg).Output() // lines such as "??5?????? c /etc/crontab"
		for path := range strings.Lines(string(out)) {
			path = strings.TrimSpace(path)
			info, err := os.Lstat(path)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			content, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := set.Claims(real)
			if err != nil {
				t.Fatal(err)
			}
			sum := md5.Sum(content)
			same := slices.ContainsFunc(claims, func(c packages.Claim) bool {
				return hex.EncodeToString(c.Sum) == hex.EncodeToString(sum[:])
			})
			if want := !strings.Contains(string(changed), " "+path+"\n"); same != want {
				t.Errorf("%s of %s: unchanged is %t by us, %t by dpkg -V (claims: %v)", path, pkg, same, want, claims)
			}
			total++
		}
	}
	if total < 100 {
		t.Errorf("only %d files were held against dpkg", total)
	}
}

// BenchmarkIndex measures reading dpkg's database of this computer, and what it costs in memory.
func BenchmarkIndex(b *testing.B) {
	for b.Loop() {
		before := heap()
		set := packages.System(packages.Options{})
		if _, err := set.Claims("/usr/bin/true"); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before), "B-held")
		runtime.KeepAlive(set)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkClaims measures a look-up in a long list and of a path that no package has.
func BenchmarkClaims(b *testing.B) {
	set := packages.System(packages.Options{})
	for name, path := range map[string]string{"owned": "/usr/bin/ls", "not owned": "/usr/bin/no-such-thing"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := set.Claims(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
