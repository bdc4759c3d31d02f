package ioc

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"unicode/utf8"
)

// trivialContents are contents that many harmless files have. Feeds that were filled by machines
// contain their hashes, and a scan with those would accuse every empty file.
func trivialContents() []string {
	contents := []string{
		"", " ", "\t", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", " \n", "\x00", "\x00\x00", "\xff",
		"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff",
		"MZ", "PK", "#!", "%PDF", "GIF89a", "\x7fELF",
		"PK\x05\x06" + strings.Repeat("\x00", 18), // an empty zip
		"#!/bin/sh\n", "#!/bin/bash\n", "<?php\n", "<?php", "<html></html>", "<html></html>\n",
		"0", "1", "-1", "a", "A", "x", ".", "-", "?", "{}", "[]", "\"\"", "null", "none", "None",
		"true", "false", "True", "False", "yes", "no", "ok", "OK", "test", "TEST", "Test", "foo", "bar",
		"abc", "123", "1234", "12345", "123456", "hello", "Hello", "hello world", "Hello World",
		"hello world!", "Hello World!", "Hello, World!", "Hello, world!", "password", "admin",
		"data", "error", "empty", "default", "N/A", "n/a", "undefined", "NaN",
	}
	for _, s := range contents {
		if s != "" && utf8.ValidString(s) && strings.Trim(s, "\x00\r\n\t \ufeff") == s {
			contents = append(contents, s+"\n", s+"\r\n")
		}
	}
	for _, size := range []int{4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 1 << 20} {
		contents = append(contents, strings.Repeat("\x00", size), strings.Repeat("\xff", size))
	}
	return contents
}

// trivialHashes maps the hashes of trivial contents, in lower-case hexadecimal, to the contents.
var trivialHashes = sync.OnceValue(func() map[string]string {
	hashes := make(map[string]string)
	for _, s := range trivialContents() {
		m, h1, h256 := md5.Sum([]byte(s)), sha1.Sum([]byte(s)), sha256.Sum256([]byte(s))
		for _, sum := range [][]byte{m[:], h1[:], h256[:]} {
			hashes[hex.EncodeToString(sum)] = s
		}
	}
	return hashes
})

// TrivialContent returns the content that a hash belongs to if many harmless files have that
// content: the empty file, a line break, "test", a block of zeros.
func TrivialContent(sum []byte) (content string, ok bool) {
	content, ok = trivialHashes()[hex.EncodeToString(sum)]
	return content, ok
}

func isTrivialTerm(t *term) bool {
	if t.status != Evaluated || t.source.Negate || t.source.Condition != Is || hashLength(t.path) == 0 {
		return false
	}
	_, ok := trivialHashes()[strings.ToLower(strings.TrimSpace(t.source.Value))]
	return ok
}
