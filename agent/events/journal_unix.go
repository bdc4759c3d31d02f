//go:build unix

package events

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Journal sends events to systemd's journal by its own protocol, with the data as fields: TYTO_EVENT is
// the id, file.path becomes TYTO_FILE_PATH (tyto.task becomes TYTO_TASK). See systemd.io/JOURNAL_NATIVE_PROTOCOL.
type Journal struct {
	Socket string // path of the journal's socket
	socket socket
}

// Write sends the event. If it is too large for a datagram, only what every event has is sent.
func (j *Journal) Write(e Event) error {
	err := j.socket.send(j.Socket, []string{"unixgram"}, journalMessage(e, e.Data))
	if errors.Is(err, syscall.EMSGSIZE) {
		err = j.socket.send(j.Socket, []string{"unixgram"}, journalMessage(e, Data{"tyto.cut": true}))
	}
	return err
}

// Close gives back the connection.
func (j *Journal) Close() error { j.socket.close(); return nil }

func journalMessage(e Event, data Data) []byte {
	var b bytes.Buffer
	field(&b, "MESSAGE", text(e))
	field(&b, "PRIORITY", strconv.Itoa(e.Level.priority()))
	field(&b, "SYSLOG_IDENTIFIER", identifier)
	field(&b, "TYTO_EVENT", string(e.ID))
	field(&b, "TYTO_ACTION", KindOf(e.ID).Name)
	field(&b, "TYTO_TIME", strconv.FormatInt(e.Time.UnixMicro(), 10))
	for _, name := range slices.Sorted(maps.Keys(data)) {
		field(&b, fieldName(name), plain(data[name]))
	}
	return b.Bytes()
}

// field writes one field in the binary form, in which the value may hold anything, line feeds too: the
// name, a line feed, the length as 64 bits in little endian, the value, a line feed.
func field(b *bytes.Buffer, name, value string) {
	b.WriteString(name)
	b.WriteByte('\n')
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(value)))
	b.Write(length[:])
	b.WriteString(value)
	b.WriteByte('\n')
}

// fieldName returns the name of a field of the journal: capitals, digits and underscores, at most 64.
func fieldName(name string) string {
	upper := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, strings.TrimPrefix(name, "tyto."))
	upper = "TYTO_" + upper
	return upper[:min(len(upper), 64)]
}
