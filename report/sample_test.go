package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tyto/finding"
	"tyto/report"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with the file testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update rewrites it:\n%s", path, diff)
	}
}

// sameData ignores the difference between an empty list and none.
var sameData = cmpopts.EquateEmpty()

var began = time.Date(2026, 11, 21, 8, 30, 0, 123456789, time.UTC)

func fixedClock() time.Time { return began.Add(90 * time.Second) }

func sampleRun() report.Run {
	return report.Run{
		ID:      "7f3c9a",
		Host:    report.Host{Name: "web-01", ID: "5f2d", Architecture: "x86_64", OS: report.OS{Type: "linux", Name: "Debian GNU/Linux", Version: "12 (bookworm)", Kernel: "6.1.0-18-amd64"}},
		Started: began, Version: "0.1.0",
		Paths: []string{"/srv", "/tmp"}, Command: []string{"tyto", "scan", "/srv", "/tmp"},
		Rules:      finding.SetSummary{Files: 741, Entries: 5883, Version: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"},
		Indicators: finding.SetSummary{Files: 4, Entries: 12045, Broken: 1, Version: "a1b2c3d4e5f6"},
	}
}

// webShell is a finding with everything that a finding can have.
func webShell() *finding.Finding {
	return &finding.Finding{
		Time: began.Add(time.Second), Score: 94.75, Level: finding.Alert,
		Object: finding.Object{
			Kind: finding.File, Path: "/mnt/evidence/inetpub/up/shell.aspx", OriginalPath: `C:\inetpub\up\shell.aspx`,
			Size: 1423, Mode: 0o640 | os.ModeSetgid, Owner: "www-data", Group: "33", Device: 2049, Inode: 131074, Links: 2,
			Modified: began.Add(-48 * time.Hour), Accessed: began.Add(-time.Hour), Changed: began.Add(-47 * time.Hour), Created: began.Add(-49 * time.Hour),
			Attributes: []string{"Hidden", "ReadOnly"},
			Hashes: finding.Hashes{
				MD5: "9e107d9d372bb6826bd81d3542a419d6", SHA1: "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
				SHA256: "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
			},
			Type: "ASPX", Via: "/proc/812/exe", Deleted: true,
		},
		Matches: []finding.Match{
			{
				Kind: finding.Rule, Name: "Generic_WebShell", ID: "b3c1e6a0", Source: "rules/web/shells.yar", Line: 12,
				Description: "Page that runs what a request tells it to", Score: 90, Tags: []string{"WEBSHELL", "T1505_003"},
				Meta: []finding.Meta{
					{Key: "description", Value: "Page that runs what a request tells it to"},
					{Key: "author", Value: "A. Nalyst"}, {Key: "reference", Value: "https://example.com/shells"},
					{Key: "reference", Value: "second"}, {Key: "score", Value: int64(90)}, {Key: "tested", Value: true},
				},
				Evidence: []finding.Evidence{
					{Term: "$run", Offset: 0x1f0, Length: 12, Data: []byte("run(request(")},
					{Term: "$raw", Offset: 0, Length: 4096, Data: []byte{0xff, 0xfe, 'M', 'Z', 0, 0x1b, '[', '2', 'J', '\n', '<', 'b', '>', 0x80, '1', '2', '3', '4'}},
					{Term: "$a", Offset: 70_000, Length: 1, Data: []byte("a")},
					{Term: "$a", Offset: 70_010, Length: 1, Data: []byte("a")},
				},
				Cut: 7,
			},
			{
				Kind: finding.Indicator, Name: "SHELL (FAMILY)", ID: "0c5d1b9e-0000-4000-8000-000000000001", Source: "iocs/shells.ioc",
				Description: "Known web shell", Score: 50,
				Evidence: []finding.Evidence{{
					Term: "FileItem/Md5sum", Expected: `is "9e107d9d372bb6826bd81d3542a419d6"`, Offset: -1, Length: 32,
					Data: []byte("9e107d9d372bb6826bd81d3542a419d6"),
				}},
			},
			{Kind: finding.Indicator, Name: "trusted name", Score: -10},
		},
	}
}

// hostileNames are names that try to do something to whoever reads them.
var hostileNames = []string{
	"/tmp/</script><script>alert(1)</script>",
	`/tmp/"><img src=x onerror=alert(1)>.txt`,
	"/tmp/evil\u202egnp.exe",
	"/tmp/two\nlines\r\tand\x00more",
	"/tmp/\x1b]0;title\x07\x1b[2J\x9b31m",
	"/tmp/not utf-8 \xff\xfe\\ and back\\slash",
	"/tmp/c1 \u0085\u009b31m csi",
	"/tmp/zero\u200bwidth\ufeff\u2800\u3164\U000e0041",
	"=cmd|' /C calc'!A0",
	"a;=1+1;\"@SUM(A1)",
	"/tmp/日本語のファイル.txt",
	"/tmp/עברית.txt",
	"{{.}}${7*7}<%= 1 %>",
	"",
}

func hostile(name string) *finding.Finding {
	return &finding.Finding{
		Time: began.Add(2 * time.Second), Score: 45, Level: finding.Notice,
		Object: finding.Object{Kind: finding.Member, Path: name, OriginalPath: name, Owner: name, Size: 3},
		Matches: []finding.Match{{
			Kind: finding.Rule, Name: "Odd_Name", Source: name, Description: "Name " + name, Score: 45,
			Meta:     []finding.Meta{{Key: "author", Value: name}, {Key: name, Value: name}},
			Evidence: []finding.Evidence{{Term: "FileItem/FileName", Expected: name, Offset: -1, Length: len(name), Data: []byte(name)}},
		}},
	}
}

func sampleSkips() []finding.Skip {
	return []finding.Skip{
		{Path: "/srv/secret\xff", Reason: finding.Unreadable, Detail: "permission denied"},
		{Path: "/srv/big.zip", Reason: finding.ArchiveLimit, Detail: "expands more than 200 times"},
		{Path: "/proc", Reason: finding.PseudoFS},
	}
}

func sampleSummary() *finding.Summary {
	return &finding.Summary{
		Host: "web-01", Started: began, Finished: began.Add(3*time.Minute + 20*time.Second), Active: 3 * time.Minute,
		Objects: 123456, Files: 120000, Bytes: 9_876_543_210,
		Findings:       map[finding.Level]int64{finding.Alert: 1, finding.Notice: 14},
		BelowThreshold: 4, Trusted: 1, Recalled: 119000, Gone: 17, Threshold: finding.Notice,
		Skips: map[finding.Reason]finding.SkipCount{
			finding.Unreadable:   {Count: 12, Examples: []finding.Skip{{Path: "/srv/secret\xff", Reason: finding.Unreadable, Detail: "permission denied"}}},
			finding.ArchiveLimit: {Count: 1, Examples: []finding.Skip{{Path: "/srv/big.zip", Reason: finding.ArchiveLimit, Detail: "expands more than 200 times"}}},
			finding.PseudoFS:     {Count: 2, Examples: []finding.Skip{{Path: "/proc", Reason: finding.PseudoFS}}},
			finding.Symlink:      {Count: 3456},
		},
		Problems: []finding.Problem{
			{File: "rules/broken.yar", Line: 7, Message: `undefined identifier "foo"`},
			{File: "iocs/hashes.txt", Message: "hash of the empty file refused", Warning: true},
		},
		Rules: sampleRun().Rules, Indicators: sampleRun().Indicators,
		Confinement: []string{"landlock", "seccomp", "uid 65534"},
		Version:     "0.1.0", Paths: []string{"/srv", "/tmp"}, Command: []string{"tyto", "scan", "/srv", "/tmp"},
	}
}

func cleanSummary() *finding.Summary {
	s := sampleSummary()
	s.Findings, s.Skips, s.Problems, s.BelowThreshold, s.Trusted, s.Recalled, s.Gone = nil, nil, nil, 0, 0, 0, 0
	return s
}

// tell gives the whole sample to a sink.
func tell(t testing.TB, s report.Sink) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	check(s.Start(sampleRun()))
	check(s.Finding(webShell()))
	for _, name := range hostileNames {
		check(s.Finding(hostile(name)))
	}
	for _, skip := range sampleSkips() {
		check(s.Skip(skip))
	}
	check(s.Summary(sampleSummary()))
	check(s.Close())
}
