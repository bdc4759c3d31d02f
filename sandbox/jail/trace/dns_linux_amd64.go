package trace

import (
	"encoding/binary"
	"strings"
)

// Bounds of a DNS name and of what is looked at, see RFC 1035 §2.3.4.
const (
	maxLabel     = 63
	maxName      = 253
	maxQuestions = 4
	dnsHeader    = 12
)

// questions returns the names that a DNS query asks for, in lower case and without the last dot. What is not a
// query, or holds a name with other characters than host and service names have, yields nothing: it goes into
// indicators, and whatever is sent to port 53 need not be DNS.
func questions(packet []byte) (names []string) {
	if len(packet) < dnsHeader {
		return nil
	}
	const response, opcode = 0x80, 0x78
	count := int(binary.BigEndian.Uint16(packet[4:]))
	if packet[2]&(response|opcode) != 0 || count == 0 || count > maxQuestions {
		return nil
	}
	rest := packet[dnsHeader:]
	for range count {
		var name string
		var ok bool
		if name, rest, ok = readName(rest); !ok || len(rest) < 4 {
			return nil
		}
		rest = rest[4:] // type and class
		names = append(names, name)
	}
	return names
}

// readName reads a name as a question has it: labels, no pointers, as there is nothing before it to point to.
func readName(b []byte) (name string, rest []byte, ok bool) {
	var labels []string
	length := 0
	for {
		if len(b) == 0 {
			return "", nil, false
		}
		n := int(b[0])
		b = b[1:]
		if n == 0 {
			break
		}
		if n > maxLabel || n > len(b) || !hostLabel(b[:n]) {
			return "", nil, false
		}
		if length += n + 1; length > maxName+1 { // one dot less than labels
			return "", nil, false
		}
		labels = append(labels, strings.ToLower(string(b[:n])))
		b = b[n:]
	}
	return strings.Join(labels, "."), b, len(labels) > 0
}

func hostLabel(label []byte) bool {
	for _, c := range label {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
