//go:build unix

package events

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// identifier is the name under which the system's log shows the agent.
const identifier = "tyto"

// Syslog sends events to the log daemon of this computer, in the form that libc's syslog(3) sends, which
// is the one that all of them read on their local socket: <priority>time tag[pid]: text (RFC 3164). The data
// follow the message as name="value".
type Syslog struct {
	Socket string // path of the log's socket
	socket socket
}

// maxSyslog is the size of a message that log daemons take whole by default.
const maxSyslog = 8 << 10

// facility is LOG_DAEMON, shifted as in a priority.
const facility = 3 << 3

// Write sends the event.
func (s *Syslog) Write(e Event) error {
	return s.socket.send(s.Socket, []string{"unixgram", "unix"}, syslogMessage(e, os.Getpid()))
}

// Close gives back the connection.
func (s *Syslog) Close() error { s.socket.close(); return nil }

func syslogMessage(e Event, pid int) []byte {
	body := strings.Join(append([]string{text(e)}, pairs(e.Data)...), " ")
	message := fmt.Sprintf("<%d>%s %s[%d]: %s", facility|e.Level.priority(), e.Time.Local().Format(time.Stamp), identifier, pid, body)
	// A stream needs an end of each message; in a datagram it is ignored.
	return append([]byte(cut(message, maxSyslog)), '\n')
}
