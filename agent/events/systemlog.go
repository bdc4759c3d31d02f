package events

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// The system logs that [NewSystemLog] knows, as a policy calls them.
const (
	auto     = "auto"
	journal  = "journal"
	syslog   = "syslog"
	eventLog = "eventlog"
)

// Where logs listen on Linux.
const (
	journalSocket = "/run/systemd/journal/socket"
	syslogSocket  = "/dev/log"
)

// ErrNoLog is returned where a system has no log that Tyto knows.
var ErrNoLog = errors.New("this system has neither a journal nor syslog")

// NewSystemLog returns a sink for the system's log: "journal", "syslog", "eventlog", or "auto" for the
// one that is there: the journal before syslog, on Windows the event log. It returns [ErrNoLog] if auto
// finds none.
func NewSystemLog(kind string) (Sink, string, error) {
	if kind == auto {
		switch {
		case runtime.GOOS == "windows":
			kind = eventLog
		case isSocket(journalSocket):
			kind = journal
		case isSocket(syslogSocket):
			kind = syslog
		default:
			return nil, "", ErrNoLog
		}
	}
	sink, err := newSystemLog(kind)
	return sink, kind, err
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

func noSuchLog(kind string) error { return fmt.Errorf("this system has no %s: use auto", kind) }
