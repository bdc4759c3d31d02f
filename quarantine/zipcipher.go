package quarantine

import (
	"crypto/rand"
	"hash/crc32"
	"io"
)

// encryptionHeader is how many bytes stand before the encrypted content.
const encryptionHeader = 12

// zipCipher is the traditional encryption of zip archives (APPNOTE.TXT 6.1). It protects nothing: it
// keeps programs from opening what people should open with care.
type zipCipher struct {
	w    io.Writer
	keys [3]uint32
}

// newZipCipher writes the header: eleven random bytes, and the highest of the checksum, by which a
// program knows that the password is right.
func newZipCipher(w io.Writer, password string, crc uint32) (*zipCipher, error) {
	c := &zipCipher{w: w, keys: [3]uint32{0x12345678, 0x23456789, 0x34567890}}
	for _, b := range []byte(password) {
		c.update(b)
	}
	var header [encryptionHeader]byte
	rand.Read(header[:])
	header[encryptionHeader-1] = byte(crc >> 24)
	_, err := c.Write(header[:])
	return c, err
}

// update mixes a byte of the plain text into the keys.
func (c *zipCipher) update(b byte) {
	c.keys[0] = crcByte(c.keys[0], b)
	c.keys[1] = (c.keys[1]+c.keys[0]&0xff)*134775813 + 1
	c.keys[2] = crcByte(c.keys[2], byte(c.keys[1]>>24))
}

// crcByte is one step of CRC-32 without its inversions.
func crcByte(crc uint32, b byte) uint32 { return crc32.IEEETable[byte(crc)^b] ^ crc>>8 }

// Write encrypts; p stays as it is.
func (c *zipCipher) Write(p []byte) (int, error) {
	out := make([]byte, len(p))
	for i, b := range p {
		t := uint16(c.keys[2]) | 2
		out[i] = b ^ byte(t*(t^1)>>8)
		c.update(b)
	}
	return c.w.Write(out)
}
