//go:build linux

package x11

import (
	"encoding/binary"
	"strconv"
)

// maxCookies is how many entries of an Xauthority file are looked at.
const maxCookies = 256

// Cookie finds the cookie for a display number in the content of an Xauthority file, nil if there is
// none. Entries for this machine are taken whatever it calls itself, the one that names the display
// before one for every display.
//
// Format: libXau's AuFileWrite: family, address, display number, name, data; a 16-bit number each for
// the family and for the length of each text, most significant byte first.
func Cookie(file []byte, display int) []byte {
	const local, wild = 256, 65535 // families
	text := func() (s string, ok bool) {
		if len(file) < 2 {
			return "", false
		}
		n := int(binary.BigEndian.Uint16(file))
		if len(file) < 2+n {
			return "", false
		}
		s, file = string(file[2:2+n]), file[2+n:]
		return s, true
	}
	var found []byte
	for range maxCookies {
		if len(file) < 2 {
			break
		}
		family := binary.BigEndian.Uint16(file)
		file = file[2:]
		_, ok1 := text()
		number, ok2 := text()
		name, ok3 := text()
		data, ok4 := text()
		if !ok1 || !ok2 || !ok3 || !ok4 {
			break
		}
		if name != cookieName || (family != local && family != wild) {
			continue
		}
		switch number {
		case strconv.Itoa(display):
			return []byte(data)
		case "":
			found = []byte(data)
		}
	}
	return found
}
