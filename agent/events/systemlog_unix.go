//go:build unix

package events

func newSystemLog(kind string) (Sink, error) {
	switch kind {
	case journal:
		return &Journal{Socket: journalSocket}, nil
	case syslog:
		return &Syslog{Socket: syslogSocket}, nil
	}
	return nil, noSuchLog(kind)
}

// priority is the severity of RFC 5424 §6.2.1 that fits a level; nothing Tyto says is worse than "error".
func (l Level) priority() int {
	switch l {
	case Info:
		return 6
	case Notice:
		return 5
	case Warning:
		return 4
	}
	return 3
}
