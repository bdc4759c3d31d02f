package quarantine

import (
	"archive/zip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// ExportPassword is the password by which analysts pass malware around: it keeps mail filters and scanners
// from opening the archive, and nobody else.
const ExportPassword = "infected"

// Export writes an entry as a zip archive to w, for analysts: the content, named by its SHA-256, its
// streams, the finding, and the description. All of it is encrypted with [ExportPassword] in the
// traditional way, which unzip, 7z and every tool of the trade can open. The original name is in the
// description only: it may be made to harm who unpacks it. The entry stays in the vault.
//
// The archive is complete only if the error is nil.
func (v *Vault) Export(ctx context.Context, id string, w io.Writer) error {
	wrap := operation("export", id)
	f, err := v.lookup(id)
	if err != nil {
		return wrap(err)
	}
	o, err := v.open(f)
	if err != nil {
		return wrap(err)
	}
	defer o.close()
	archive := zip.NewWriter(w)
	for i, p := range o.entry.Parts {
		name := p.Name
		if i == 0 {
			name = o.entry.Hashes.SHA256
		}
		if err := o.exportPart(ctx, archive, i, name); err != nil {
			return wrap(err)
		}
	}
	if err := exportBytes(archive, partDescription, o.description, o.entry.Quarantined); err != nil {
		return wrap(err)
	}
	return wrap(archive.Close())
}

// exportPart copies a part. It is read twice, as its checksum stands before it, in the header of the
// encryption even.
func (o *opened) exportPart(ctx context.Context, archive *zip.Writer, i int, name string) error {
	size := o.entry.Parts[i].Size
	if size > math.MaxUint32-encryptionHeader {
		return fmt.Errorf("%w: a zip archive of the kind that all tools open cannot hold %d bytes", ErrTooLarge, size)
	}
	sum := crc32.NewIEEE()
	if err := o.part(ctx, i, sum); err != nil {
		return err
	}
	w, err := encryptedFile(archive, name, size, sum.Sum32(), o.entry.Quarantined)
	if err != nil {
		return err
	}
	return o.part(ctx, i, w)
}

func exportBytes(archive *zip.Writer, name string, content []byte, at time.Time) error {
	w, err := encryptedFile(archive, name, int64(len(content)), crc32.ChecksumIEEE(content), at)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// encryptedFile begins a file in the archive, whose content is then written to what is returned.
func encryptedFile(archive *zip.Writer, name string, size int64, crc uint32, at time.Time) (io.Writer, error) {
	const encrypted = 0x1
	h := &zip.FileHeader{
		Name: name, Method: zip.Store, Flags: encrypted, CRC32: crc, Modified: at,
		CompressedSize64: uint64(size) + encryptionHeader, UncompressedSize64: uint64(size),
	}
	h.SetMode(0o400)
	raw, err := archive.CreateRaw(h)
	if err != nil {
		return nil, err
	}
	return newZipCipher(raw, ExportPassword, crc)
}
