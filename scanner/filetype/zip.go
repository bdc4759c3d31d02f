package filetype

import (
	"bytes"
	"encoding/binary"
)

// zipEntries is how many members at the beginning of a zip archive are looked at. The formats
// that build on zip put what identifies them first; Java's tools put it second now and then.
const zipEntries = 4

// zipType names a zip archive by its first members.
func zipType(head []byte) string {
	for range zipEntries {
		name, data, next, ok := zipMember(head)
		if !ok {
			break
		}
		if kind := zipKind(name, data); kind != "" {
			return kind
		}
		if next == 0 {
			break
		}
		head = head[next:]
	}
	return "ZIP"
}

// splitZIPType is zipType behind the four bytes that mark the first part of a split archive.
func splitZIPType(head []byte) string { return zipType(head[4:]) }

// zipMember reads the local header at the beginning of head (APPNOTE.TXT 4.3.7): the member's
// name, what of its data lies in head, and where the next header is, or 0 if beyond head or
// not known.
func zipMember(head []byte) (name, data []byte, next int, ok bool) {
	const header, dataDescriptor = 30, 1 << 3
	if len(head) < header || string(head[:4]) != "PK\x03\x04" {
		return nil, nil, 0, false
	}
	le := binary.LittleEndian
	flags, size := le.Uint16(head[6:]), int64(le.Uint32(head[18:]))
	nameEnd := header + int(le.Uint16(head[26:]))
	dataStart := nameEnd + int(le.Uint16(head[28:]))
	name = head[header:min(nameEnd, len(head))]
	if dataStart >= len(head) {
		return name, nil, 0, true
	}
	data = head[dataStart:]
	if flags&dataDescriptor == 0 && size < int64(len(data)) {
		next = dataStart + int(size)
		data = data[:size]
	}
	return name, data, next, true
}

// zipKind names what a member of that name and data makes of its archive; the empty string
// means nothing special.
func zipKind(name, data []byte) string {
	switch string(name) {
	case "mimetype":
		switch {
		case bytes.HasPrefix(data, []byte("application/vnd.oasis.opendocument")):
			return "ODF"
		case bytes.HasPrefix(data, []byte("application/epub+zip")):
			return "EPUB"
		}
		return ""
	case "[Content_Types].xml", "_rels/.rels":
		return "Office"
	case "AndroidManifest.xml", "classes.dex", "resources.arsc", "META-INF/com/android/build/gradle/app-metadata.properties":
		return "APK"
	case "META-INF/", "META-INF/MANIFEST.MF":
		return "JAR"
	}
	for _, folder := range [...]string{"word/", "xl/", "ppt/", "docProps/"} {
		if hasPrefix(name, folder) {
			return "Office"
		}
	}
	return ""
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
