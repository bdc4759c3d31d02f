package ioc_test

import (
	"context"
	"testing"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/load"
	"tyto/testdata"
)

// BenchmarkCleanFile is the cost of a file on which nothing matches, under all of signature-base
// and all OpenIOC files.
func BenchmarkCleanFile(b *testing.B) {
	r, err := load.Load(context.Background(), []string{testdata.Shared(b, "signature-base", "iocs"), testdata.Shared(b, "openioc")}, load.Options{Set: ioc.Options{Available: ioc.Only(ioc.FileTerms()...)}})
	if err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{
		"linux":       "/usr/lib/x86_64-linux-gnu/libreoffice/program/libsclo.so",
		"windows":     `C:\Windows\System32\DriverStore\FileRepository\netrndis.inf_amd64_4c9c8d3b1b5f5d1e\netrndis.inf`,
		"windows exe": `C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE`,
	} {
		run := r.Set.NewRun()
		object := finding.Object{Kind: finding.File, Path: path, Size: 12345, Hashes: finding.Hashes{
			MD5: "a123456789abcdef0123456789abcdef", SHA1: "0123456789abcdef0123456789abcdef01234567",
			SHA256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if m := run.Examine(ioc.FileItem(&object, nil, true)); m != nil {
					b.Fatalf("%+v", m)
				}
			}
		})
	}
}
