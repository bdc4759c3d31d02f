//go:build linux

// Package userenv finds out from a user's processes where that user's desktop is: the display, its
// Xauthority file, the session bus. They stand in the environment of every program on the desktop.
//
// What is found is the user's own say: it is to be used with the user's rights only (package peer), and
// what is learnt there believed for that user's sessions only.
package userenv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	maxProcesses = 32768     // looked at in one go
	maxRead      = 400       // environments read for one user
	maxEnviron   = 128 << 10 // bytes read of an environment
	maxFound     = 8         // different desktops of one user
	maxValue     = 1024      // bytes of one variable
)

// Desktop is what the environment of a process says of its desktop. Parts of it may be empty.
type Desktop struct {
	Display    string // DISPLAY, such as ":0"
	Xauthority string // XAUTHORITY, else .Xauthority in HOME
	Bus        string // socket of DBUS_SESSION_BUS_ADDRESS, "@" first for an abstract one
}

// Desktops returns the different desktops that processes of user uid know, at most 8. proc is the
// folder of the proc file system.
func Desktops(proc string, uid int) ([]Desktop, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(maxProcesses)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []Desktop
	read := 0
	for _, name := range entries {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		path := filepath.Join(proc, name)
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() || ownerOf(info) != uid {
			continue // ended, somebody else's, or not to be looked into by anybody
		}
		if read++; read > maxRead || len(found) >= maxFound {
			break
		}
		environ, err := readShort(filepath.Join(path, "environ"))
		if err != nil {
			continue
		}
		if d := parse(environ); d != (Desktop{}) && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	return found, nil
}

func ownerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

func readShort(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxEnviron))
}

// parse reads an environment: NAME=value, each ended by a zero byte.
func parse(environ []byte) Desktop {
	var d Desktop
	home := ""
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, ok := strings.Cut(string(entry[:min(len(entry), maxValue)]), "=")
		if !ok || len(entry) > maxValue {
			continue
		}
		switch name {
		case "DISPLAY":
			d.Display = value
		case "XAUTHORITY":
			d.Xauthority = value
		case "DBUS_SESSION_BUS_ADDRESS":
			d.Bus = Socket(value)
		case "HOME":
			home = value
		}
	}
	if d.Display != "" && d.Xauthority == "" && home != "" {
		d.Xauthority = filepath.Join(home, ".Xauthority")
	}
	return d
}

// Socket finds the socket of a local bus in a D-Bus address: "unix:path=/run/user/1000/bus",
// "unix:abstract=/tmp/dbus-x,guid=0;…". "" if there is none. Format: D-Bus Specification, "Server
// Addresses".
func Socket(address string) string {
	for one := range strings.SplitSeq(address, ";") {
		transport, pairs, _ := strings.Cut(one, ":")
		if transport != "unix" {
			continue
		}
		for pair := range strings.SplitSeq(pairs, ",") {
			key, value, _ := strings.Cut(pair, "=")
			path, ok := unescape(value)
			if !ok || strings.IndexByte(path, 0) >= 0 {
				continue
			}
			switch {
			case key == "path" && filepath.IsAbs(path):
				return path
			case key == "abstract" && path != "":
				return "@" + path
			}
		}
	}
	return ""
}

// unescape replaces %xx.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// LocalDisplay is the number of a display on this computer, such as 0 for ":0" and ":0.0"; false for
// displays of others.
func LocalDisplay(display string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(display, "unix"), ":")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(number, 10, 16)
	return int(n), err == nil
}
