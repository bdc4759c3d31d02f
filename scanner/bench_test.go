package scanner

import (
	"fmt"
	"testing"
	"time"

	"tyto/ioc"
	iocload "tyto/ioc/load"
	"tyto/rules"
	"tyto/testdata"
)

// BenchmarkSmallFiles scans 2,000 files of a few KiB with the rules and indicators of
// signature-base. What it costs beside libyara is the broker's own work and that of passing objects.
func BenchmarkSmallFiles(b *testing.B) {
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("d%d/file%d.txt", i%40, i)] = fmt.Sprintf("%0*d", 100+i, i)
	}
	dir := tree(b, files)
	set, err := rules.Load([]string{testdata.Shared(b, "signature-base", "yara")}, rules.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	indicators, err := iocload.Load(b.Context(), []string{testdata.Shared(b, "signature-base", "iocs")},
		iocload.Options{Set: ioc.Options{Now: time.Now()}})
	if err != nil {
		b.Fatal(err)
	}
	opts := testOptions(b, dir, set)
	opts.Indicators = indicators.Set
	for b.Loop() {
		runScan(b, b.Context(), opts)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2000, "µs/file")
}
