package walk

import (
	"path"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		// Without a separator: the last component.
		{"*.iso", "/home/a/big.iso", true},
		{"*.iso", "/home/a.iso/b", false},
		{"node_modules", "/x/node_modules", true},
		{"node_modules", "/x/node_modules2", false},
		{"a?c", "/x/abc", true},
		{"a?c", "/x/aéc", true},
		{"a?c", "/x/a\xffc", true},
		{"a?c", "/x/ac", false},
		{"[a-c]1", "/b1", true},
		{"[a-c]1", "/d1", false},
		{"[!a-c]1", "/d1", true},
		{"[^a-c]1", "/a1", false},
		{"[]x]", "/]", true},
		{"[a-]", "/-", true},
		{`\*`, "/*", true},
		{`\*`, "/x", false},
		{"**", "/a/b", true},
		{"a*b*c", "/aXXbYYbZZc", true},
		{"a*b*c", "/aXXcYYb", false},
		{"\xff*", "/\xff\xfe", true},
		{"\xff*", "/\xfe\xff", false},
		{"ABC", "/abc", false},

		// With one: the whole path.
		{"/var/lib/docker", "/var/lib/docker", true},
		{"/var/lib/docker", "/var/lib/docker/x", false},
		{"/var/*/docker", "/var/lib/docker", true},
		{"/var/*/docker", "/var/a/b/docker", false},
		{"/var/**/docker", "/var/a/b/docker", true},
		{"/var/**/docker", "/var/docker", true},
		{"/var/**/docker", "/varx/docker", false},
		{"/var/**/docker", "/var/xdocker", false},
		{"/var/**", "/var", true},
		{"/var/**", "/var/a/b", true},
		{"/var/**", "/variable", false},
		{"**/cache", "/a/b/cache", true},
		{"**/cache", "/a/bcache", false},
		{"/a**z", "/a/b/z", true},
		{"/**/a*/b*c", "/x/a1/b2/a3/b4c", true},
		{"/**/a*/b*c", "/x/a1/b2/a3/x4c", false},
		{"/**", "/anything/at/all", true},
		{"/a?b", "/a/b", false},
		{"/a[!x]b", "/a/b", false},

		// With one, but not from the root: from any directory on.
		{"cache/*.tmp", "/x/cache/y.tmp", true},
		{"cache/*.tmp", "/cache/y.tmp", true},
		{"cache/*.tmp", "/xcache/y.tmp", false},
		{"*/tmp", "/a/b/tmp", true},

		// Windows.
		{`C:\Windows\*.LOG`, `c:\windows\setup.log`, true},
		{`C:\Windows\**`, `C:\Windows\System32\cmd.exe`, true},
		{`C:\Windows`, `C:\Windows2`, false},
		{`C:/Windows`, `C:\Windows`, true},
		{`C:\[a-z]x`, `c:\Bx`, true},
		{`\\server\share\**`, `\\SERVER\Share\a`, true},
		{`C:\Ä`, `C:\ä`, true},
	} {
		p, err := parsePattern(test.pattern, false)
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if got := p.Match(test.path, false); got != test.want {
			t.Errorf("%q matches %q: %v, want %v", test.pattern, test.path, got, test.want)
		}
	}
}

func TestPatternForDirectories(t *testing.T) {
	p, err := parsePattern("build/", false)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match("/x/build", true) || p.Match("/x/build", false) {
		t.Error("a pattern with a separator at its end must match directories and nothing else")
	}
}

func TestPatternOnWindows(t *testing.T) {
	p, err := parsePattern(`temp\*.DLL`, true)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match(`D:\x\Temp\a.dll`, false) {
		t.Error("there, \\ is a separator and capitals are equal in every pattern")
	}
}

func TestInvalidPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"":       "it is empty",
		"a[b":    "a [ has no ]",
		"[]":     "a [ has no ]",
		"[z-a]":  "is empty",
		`a\`:     `nothing follows the last \`,
		`[a-b\`:  `nothing follows the last \`,
		"x/[a/b": "a [ has no ]",
	} {
		if _, err := parsePattern(pattern, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", pattern, err, want)
		}
	}
}

// FuzzPattern compares with path.Match, which knows the same patterns but for "**", and demands
// an end in any case.
func FuzzPattern(f *testing.F) {
	for _, seed := range []struct{ pattern, path string }{
		{"/a*b?c", "/axbyc"}, {"/[a-c]/x", "/b/x"}, {`/\*`, "/*"}, {"/**/a/**", "/b/a/c"}, {"[!a]*", "/b"}, {"/*/*/*x", "/a/b/cx"},
	} {
		f.Add(seed.pattern, seed.path)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 100 || len(name) > 1000 {
			return
		}
		p, err := parsePattern(pattern, false)
		if err != nil {
			return
		}
		got := p.Match(name, false)
		// What path.Match has not or has otherwise: **, [!, ] at the beginning of a class, bytes that
		// are not UTF-8; and here relative patterns and separators at the end mean more.
		if !strings.HasPrefix(pattern, "/") || strings.HasSuffix(pattern, "/") || strings.Contains(pattern, "**") ||
			strings.ContainsAny(pattern, "[\\") || strings.ToValidUTF8(pattern+name, "") != pattern+name || p.windows {
			return
		}
		if want, err := path.Match(pattern, name); err == nil && got != want {
			t.Errorf("%q matches %q: %v, path.Match says %v", pattern, name, got, want)
		}
	})
}

func BenchmarkPattern(b *testing.B) {
	name := "/" + strings.Repeat("usr/share/aaaa/", 20) + "file.txt"
	for _, text := range []string{"*.iso", "/var/lib/docker", "**/a*a*a*b", "/**/x/**/y/**"} {
		p, err := ParsePattern(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(text, "/", "_"), func(b *testing.B) {
			for b.Loop() {
				p.Match(name, false)
			}
		})
	}
}
