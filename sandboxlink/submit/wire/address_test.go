package wire

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"sandbox.example", "https://sandbox.example:443"},
		{"Sandbox.Example.:8443", "https://sandbox.example:8443"},
		{"https://sandbox.example/", "https://sandbox.example:443"},
		{"HTTP://sandbox.example:8000", "http://sandbox.example:8000"},
		{"http://127.0.0.1", "http://127.0.0.1:80"},
		{"192.0.2.7:0443", "https://192.0.2.7:443"},
		{"[2001:DB8:0::7]", "https://[2001:db8::7]:443"},
		{"[::1]:8443", "https://[::1]:8443"},
		{"sand_box-1", "https://sand_box-1:443"},
		{"xn--bcher-kva.example:443", "https://xn--bcher-kva.example:443"},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := ParseAddress(test.in)
			if err != nil || got.URL() != test.want {
				t.Errorf("ParseAddress(%q) = %q, %v; want %q", test.in, got.URL(), err, test.want)
			}
			again, err := ParseAddress(got.URL())
			if err != nil || again != got {
				t.Errorf("ParseAddress(%q) = %v, %v; want what it came from", got.URL(), again, err)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "there is no host"},
		{"https://", "there is no host"},
		{"ftp://sandbox.example", "no protocol of a sandbox"},
		{"2001:db8::7", "in brackets"},
		{"2001:db8::7:443", "in brackets"},
		{"[fe80::1%eth0]:443", "zone"},
		{"[192.0.2.7]:443", "no IPv6 address"},
		{"[::1]443", "write host:port"},
		{"sandbox.example:", "no port"},
		{"sandbox.example:0", "no port"},
		{"sandbox.example:65536", "no port"},
		{"sandbox.example:+443", "no port"},
		{"sandbox.example:https", "no port"},
		{"sandbox.example/cape", "host and port only"},
		{"user:secret@sandbox.example", "host and port only"},
		{"sandbox.example?x", "host and port only"},
		{"sand box.example", "no name of a host"},
		{"sandbox..example", "no name of a host"},
		{"sandbox.example\n", "no name of a host"},
		{"bücher.example", "no name of a host"},
		{strings.Repeat("a", 64) + ".example", "no name of a host"},
		{strings.Repeat("a.", 140) + "example", "no name of a host"},
		{"192.0.2.256", "no IPv4 address"},
		{"192.0.2", "no IPv4 address"},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := ParseAddress(test.in)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseAddress(%q) = %q, %v; want an error with %q", test.in, got.URL(), err, test.want)
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"sandbox.example:443", "http://[::1]:80/", "192.0.2.1", "[", "a:b:c", "[::%x]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(got.URL()); err != nil || again != got {
			t.Errorf("ParseAddress(%q) = %q, which is read as %q, %v", s, got.URL(), again.URL(), err)
		}
	})
}
