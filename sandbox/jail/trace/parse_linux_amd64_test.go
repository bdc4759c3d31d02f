package trace

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// query is a DNS query for a name, made by hand.
func query(labels ...string) string {
	q := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, l := range labels {
		q += string(rune(len(l))) + l
	}
	return q + "\x00\x00\x01\x00\x01"
}

func TestQuestions(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct {
		name   string
		packet string
		want   []string
	}{
		{"a name", query("C2", "example", "net"), []string{"c2.example.net"}},
		{"a service", query("_ldap", "_tcp", "example", "net"), []string{"_ldap._tcp.example.net"}},
		{"the longest", query(long, long, long, long[:61]), []string{strings.Join([]string{long, long, long, long[:61]}, ".")}},
		{"too long", query(long, long, long, long), nil},
		{"the root", query(), nil},
		{"an answer", strings.Replace(query("a"), "\x01\x00", "\x81\x00", 1), nil},
		{"no question", "\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil},
		{"too many questions", "\x12\x34\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00", nil},
		{"a pointer", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", nil},
		{"other characters", query("a b"), nil},
		{"cut", query("example")[:18], nil},
		{"no type", query("example")[:22], nil},
		{"empty", "", nil},
		{"not dns", strings.Repeat("x", 40), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, questions([]byte(test.packet))); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzQuestions(f *testing.F) {
	f.Add([]byte(query("c2", "example", "net")))
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, name := range questions(packet) {
			if name == "" || len(name) > maxName || strings.ContainsAny(name, " \n\x00/") {
				t.Errorf("got the name %q", name)
			}
		}
	})
}

func TestParseAddress(t *testing.T) {
	for _, test := range []struct {
		name string
		raw  string
		want address
		ok   bool
	}{
		{"ipv4", "\x02\x00\x11\x5c\xcb\x00\x71\x42\x00\x00\x00\x00\x00\x00\x00\x00", address{ip: netip.MustParseAddrPort("203.0.113.66:4444")}, true},
		{"ipv6", "\x0a\x00\x01\xbb\x00\x00\x00\x00\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x00\x00\x00\x00",
			address{ip: netip.MustParseAddrPort("[2001:db8::1]:443")}, true},
		{"ipv4 in ipv6", "\x0a\x00\x01\xbb\x00\x00\x00\x00" + strings.Repeat("\x00", 10) + "\xff\xff\xc6\x33\x64\x01\x00\x00\x00\x00",
			address{ip: netip.MustParseAddrPort("198.51.100.1:443")}, true},
		{"unix", "\x01\x00/run/x.sock\x00junk", address{unix: "/run/x.sock"}, true},
		{"abstract", "\x01\x00\x00x\x00y", address{unix: "@x\x00y"}, true},
		{"unnamed", "\x01\x00", address{}, false},
		{"short", "\x02\x00\x11", address{}, false},
		{"short ipv6", "\x0a\x00\x01\xbb\x00\x00\x00\x00", address{}, false},
		{"other family", "\x10\x00\x00\x00\x00\x00\x00\x00", address{}, false},
		{"empty", "", address{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := parseAddress([]byte(test.raw))
			if ok != test.ok || got != test.want {
				t.Errorf("got %v, %v, want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add([]byte("\x02\x00\x11\x5c\xcb\x00\x71\x42"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, ok := parseAddress(raw); ok && a.ip.IsValid() == (a.unix != "") && len(raw) > 2 && raw[2] != 0 {
			t.Errorf("%q is %v", raw, a)
		}
	})
}

func TestRecordIsBounded(t *testing.T) {
	b := newBook(nil)
	for i := range 3 * maxFiles {
		b.file(File{Path: strings.Repeat("x", maxText) + "tail", Act: "read"})
		b.file(File{Path: strings.Repeat("y", i%maxText), To: strings.Repeat("z", i/maxText)})
		b.deed(Forbidden, strings.Repeat("x", i%maxText))
		b.domain(strings.Repeat("x", i%maxText))
	}
	if len(b.Files) > maxFiles || len(b.Deeds) > maxDeeds || len(b.Domains) > maxNames {
		t.Errorf("%d files, %d deeds, %d names are kept", len(b.Files), len(b.Deeds), len(b.Domains))
	}
	if b.Files[0].Times != 3*maxFiles || len(b.Files[0].Path) != maxText || b.Cut == 0 {
		t.Errorf("the first file was counted %d times, its path is %d bytes long, %d were cut", b.Files[0].Times, len(b.Files[0].Path), b.Cut)
	}
}

// What matters is written down however much was done before.
func TestRecordKeepsWhatTells(t *testing.T) {
	b := newBook(func(path string) bool { return path == "/etc/crontab" })
	for i := range 2 * maxFiles {
		b.file(File{Path: strings.Repeat("x", i%maxText), To: strings.Repeat("z", i/maxText)})
	}
	b.file(File{Path: "/etc/crontab", Act: "written"})
	if last := b.Files[len(b.Files)-1]; last.Path != "/etc/crontab" {
		t.Errorf("the last of %d files is %q", len(b.Files), last.Path)
	}
}
