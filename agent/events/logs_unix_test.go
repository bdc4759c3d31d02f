//go:build unix

package events

import (
	"bytes"
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listen returns a socket that is a log, and what it got last.
func listen(t *testing.T) (path string, receive func() []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() []byte {
		t.Helper()
		b := make([]byte, 1<<20)
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
}

var hostile = Event{Time: moment, ID: Finding, Level: Error, Message: "found\n<0>forged", Data: Data{
	"file.path": "/tmp/a\nMESSAGE=forged", "tyto.run": int64(7), "tyto.names": []string{"a", "b"},
}}

func TestJournal(t *testing.T) {
	path, receive := listen(t)
	j := &Journal{Socket: path}
	if err := j.Write(hostile); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"MESSAGE": `TY-401 finding: found\n<0>forged`, "PRIORITY": "3", "SYSLOG_IDENTIFIER": "tyto",
		"TYTO_EVENT": "TY-401", "TYTO_ACTION": "finding", "TYTO_TIME": "1795291200000005",
		"TYTO_FILE_PATH": "/tmp/a\nMESSAGE=forged", "TYTO_RUN": "7", "TYTO_NAMES": `["a","b"]`,
	}
	if diff := cmp.Diff(want, fields(t, receive())); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (&Journal{Socket: path + "-none"}).Write(hostile); err == nil {
		t.Error("a journal that is not there took an event")
	}
}

// fields reads a message of the journal's protocol in its binary form.
func fields(t *testing.T, message []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for len(message) > 0 {
		name, rest, found := bytes.Cut(message, []byte("\n"))
		if !found || len(rest) < 8 {
			t.Fatalf("a field is cut: %q", message)
		}
		n := binary.LittleEndian.Uint64(rest)
		if uint64(len(rest)) < 8+n+1 || rest[8+n] != '\n' {
			t.Fatalf("the length of %q is wrong: %d", name, n)
		}
		all[string(name)] = string(rest[8 : 8+n])
		message = rest[8+n+1:]
	}
	return all
}

func TestJournalFieldNames(t *testing.T) {
	for name, want := range map[string]string{
		"tyto.task": "TYTO_TASK", "file.hash.sha256": "TYTO_FILE_HASH_SHA256", "a-b\n=ä": "TYTO_A_B___",
		strings.Repeat("x", 100): "TYTO_" + strings.Repeat("X", 59),
	} {
		if got := fieldName(name); got != want {
			t.Errorf("fieldName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSyslog(t *testing.T) {
	path, receive := listen(t)
	s := &Syslog{Socket: path}
	if err := s.Write(hostile); err != nil {
		t.Fatal(err)
	}
	got := string(receive())
	_, body, found := strings.Cut(got, "]: ")
	if want := `TY-401 finding: found\n<0>forged file.path="/tmp/a\\nMESSAGE=forged" tyto.names="[\"a\",\"b\"]" tyto.run=7` + "\n"; !found || body != want {
		t.Errorf("message %q\nwant body %q", got, want)
	}
	if !strings.HasPrefix(got, "<27>") || !strings.Contains(got, " tyto[") {
		t.Errorf("message %q: want the priority daemon.err and the tag tyto", got)
	}
	// A log that was restarted is found again.
	if err := s.Write(hostile); err != nil {
		t.Fatal(err)
	}
	receive()
	s.socket.conn.Close()
	if err := s.Write(hostile); err == nil {
		t.Error("a closed connection took an event")
	}
	if err := s.Write(hostile); err != nil {
		t.Errorf("the connection is not made anew: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewSystemLog(t *testing.T) {
	for _, kind := range []string{journal, syslog} {
		if _, got, err := NewSystemLog(kind); err != nil || got != kind {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
	if _, _, err := NewSystemLog(eventLog); err == nil {
		t.Error("this system has a Windows event log")
	}
}
