package events

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/windows/svc/eventlog"
)

// Source is the name under which the Windows event log shows the agent. Its installation registers it with
// the message table of EventCreate.exe, which shows texts as they are for the numbers 1 to 1000.
const Source = "Tyto"

func newSystemLog(kind string) (Sink, error) {
	if kind != eventLog {
		return nil, noSuchLog(kind)
	}
	return new(EventLog), nil
}

// EventLog writes events to the Windows event log, with the number of the id as event id.
type EventLog struct {
	log *eventlog.Log
}

// maxEventLog is below what ReportEvent takes: 31,839 characters.
const maxEventLog = 30_000

// Write reports the event.
func (l *EventLog) Write(e Event) error {
	if l.log == nil {
		log, err := eventlog.Open(Source)
		if err != nil {
			return fmt.Errorf("open the event log: %w", err)
		}
		l.log = log
	}
	message := cut(strings.Join(append([]string{text(e)}, pairs(e.Data)...), "\r\n"), maxEventLog)
	var err error
	switch number := e.ID.number(); e.Level {
	case Info, Notice:
		err = l.log.Info(number, message)
	case Warning:
		err = l.log.Warning(number, message)
	default:
		err = l.log.Error(number, message)
	}
	if err != nil {
		_ = l.Close() // the service may have been restarted
		return fmt.Errorf("write to the event log: %w", err)
	}
	return nil
}

// Close gives back the log.
func (l *EventLog) Close() error {
	if l.log == nil {
		return nil
	}
	log := l.log
	l.log = nil
	return log.Close()
}

// number is the number of an id, 1 where it has none.
func (id ID) number() uint32 {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(id), "TY-"), 10, 10)
	if err != nil || n == 0 || n > 1000 {
		return 1
	}
	return uint32(n)
}
