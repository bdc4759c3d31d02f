package jail

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"tyto/sandbox"
)

// BenchmarkExamine is what a sample costs that ends at once, and one that opens 1,000 files.
func BenchmarkExamine(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	e, err := New(b.Context(), Options{Tracer: []string{exe, tracerWord}})
	if err != nil {
		b.Skip(err)
	}
	for _, test := range []struct{ name, script string }{
		{"nothing", "#!/bin/sh\n"},
		{"1000 opens", "#!/usr/bin/perl\nfor (1..1000) { open(my $f, '<', '/etc/hosts'); close($f); }\n"},
	} {
		sum := sha256.Sum256([]byte(test.script))
		s := sandbox.Sample{Name: "sample", Path: filepath.Join(b.TempDir(), "s"), SHA256: hex.EncodeToString(sum[:])}
		if err := os.WriteFile(s.Path, []byte(test.script), 0o400); err != nil {
			b.Fatal(err)
		}
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Examine(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
