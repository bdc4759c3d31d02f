//go:build linux

package userenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name    string
		environ string
		want    Desktop
	}{
		{"nothing", "", Desktop{}},
		{"a desktop", "HOME=/home/ann\x00DISPLAY=:0\x00XAUTHORITY=/run/x\x00DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus\x00",
			Desktop{Display: ":0", Xauthority: "/run/x", Bus: "/run/user/1000/bus"}},
		{"the usual authority file", "HOME=/home/ann\x00DISPLAY=:1.0\x00", Desktop{Display: ":1.0", Xauthority: "/home/ann/.Xauthority"}},
		{"no desktop", "HOME=/root\x00PATH=/bin\x00", Desktop{}},
		{"torn and odd", "DISPLAY\x00=x\x00\x00XAUTHORITY=", Desktop{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parse([]byte(test.environ))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSocket(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/user/1000/bus":                     "/run/user/1000/bus",
		"unix:abstract=/tmp/dbus-x,guid=01":                "@/tmp/dbus-x",
		"tcp:host=evil,port=1;unix:guid=1,path=/a%20b%2fc": "/a b/c",
		"unix:path=relative":                               "",
		"unix:path=/a%00b":                                 "",
		"unix:path=/a%2":                                   "",
		"unixexec:path=/bin/sh":                            "",
		"autolaunch:":                                      "",
		"":                                                 "",
	} {
		if got := Socket(address); got != want {
			t.Errorf("Socket(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestLocalDisplay(t *testing.T) {
	for display, want := range map[string]int{":0": 0, ":12.1": 12, "unix:3": 3, "localhost:10.0": -1, ":": -1, "": -1, ":99999": -1, ":-1": -1} {
		got, ok := LocalDisplay(display)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("LocalDisplay(%q) = %d, want %d", display, got, want)
		}
	}
}

// Only processes of the user are looked into, and as many desktops are found as are promised.
func TestDesktops(t *testing.T) {
	proc := t.TempDir()
	put := func(pid, environ string) {
		t.Helper()
		dir := filepath.Join(proc, pid)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "environ"), []byte(environ), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("self", "DISPLAY=:9\x00")
	put("1", "DISPLAY=:0\x00")
	put("2", "DISPLAY=:0\x00")
	uid := os.Getuid()
	got, err := Desktops(proc, uid)
	if diff := cmp.Diff([]Desktop{{Display: ":0"}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := Desktops(proc, uid+1); err != nil || got != nil {
		t.Errorf("of another user: %v, %v", got, err)
	}
	for i := range 50 {
		put(fmt.Sprint(100+i), fmt.Sprintf("DISPLAY=:%d\x00", i))
	}
	if got, err := Desktops(proc, uid); err != nil || len(got) != maxFound {
		t.Errorf("found %d (%v), want %d", len(got), err, maxFound)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("DISPLAY=:0\x00DBUS_SESSION_BUS_ADDRESS=unix:path=/a%20b;tcp:x\x00HOME=/h\x00"))
	f.Fuzz(func(t *testing.T, environ []byte) {
		d := parse(environ)
		if len(d.Display)+len(d.Xauthority)+len(d.Bus) > 3*(maxValue+20) {
			t.Errorf("too long: %+v", d)
		}
		LocalDisplay(d.Display)
	})
}
