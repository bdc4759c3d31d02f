package store

import (
	"context"
	"database/sql/driver"
	"encoding/hex"

	"tyto/finding"
)

// This file reads single values of rows. SQLite columns hold values of any type, and the file may have
// been changed by anybody who may write it: a value of the wrong type counts as zero.

// noContext is for statements that take microseconds.
var noContext = context.Background()

func integer(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func stampOf(v driver.Value) int64 {
	if n, ok := v.(int64); ok {
		return n
	}
	return unknownTime
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func bytesOf(v driver.Value) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	return nil
}

// hashes writes digests in hexadecimal.
func hashes(md5, sha1, sha256 []byte) finding.Hashes {
	return finding.Hashes{
		MD5: hex.EncodeToString(md5), SHA1: hex.EncodeToString(sha1), SHA256: hex.EncodeToString(sha256),
	}
}
