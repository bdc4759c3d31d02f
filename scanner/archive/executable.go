package archive

import (
	"bytes"
	"io"
)

// executable walks an archive that is appended to a PE file, as in self-extractors: the first
// signature of an archive in what follows the last section. There is nothing to say if there is
// none, or if the file is no PE file after all.
func (w *walk) executable() error {
	start := w.overlay()
	if start <= 0 || start >= w.src.size {
		return nil
	}
	// Some self-extractors put a configuration before the archive, and installers may align it.
	buf := make([]byte, min(w.src.size-start, 64<<10))
	n, err := w.src.ReadAt(buf, start)
	if err != nil && err != io.EOF {
		return err
	}
	at, format := int64(-1), Format("")
	for _, m := range magics {
		switch m.format {
		case Zip, SevenZip, Rar, Cab:
			if i := int64(bytes.Index(buf[:n], []byte(m.magic))); i >= 0 && (at < 0 || i < at) {
				at, format = i, m.format
			}
		}
	}
	if at < 0 {
		return nil
	}
	if format == Zip {
		return w.zip() // its offsets may count from the beginning of the executable
	}
	w.src = &source{r: io.NewSectionReader(w.src.r, start+at, w.src.size-start-at), size: w.src.size - start - at}
	return w.format(format)
}

// overlay is the offset behind the last section of a PE file, 0 if it is none. See Microsoft's
// PE format for the offsets.
func (w *walk) overlay() int64 {
	const fileHeader, sectionHeader, maxSections = 24, 40, 96
	var dos [64]byte
	if _, err := w.src.ReadAt(dos[:], 0); err != nil {
		return 0
	}
	pe := int64(le32(dos[60:]))
	var h [fileHeader]byte
	if _, err := w.src.ReadAt(h[:], pe); err != nil || string(h[:4]) != "PE\x00\x00" {
		return 0
	}
	sections := int64(min(le16(h[6:]), maxSections))
	table := make([]byte, sections*sectionHeader)
	if _, err := w.src.ReadAt(table, pe+fileHeader+int64(le16(h[20:]))); err != nil && err != io.EOF {
		return 0
	}
	end := int64(0)
	for ; len(table) > 0; table = table[sectionHeader:] {
		if size := int64(le32(table[16:])); size > 0 {
			end = max(end, size+int64(le32(table[20:])))
		}
	}
	return end
}
