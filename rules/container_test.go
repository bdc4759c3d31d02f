package rules

import (
	"bytes"
	"os"
	"testing"
)

// TestCompiledHidesItsStrings shows that a scan which comes across compiled rules does not find in them what
// they look for.
func TestCompiledHidesItsStrings(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": `rule Marked { strings: $a = "a needle in the hay" condition: $a }`})
	set := loadCached(t, dir, t.TempDir())
	content, err := os.ReadFile(set.File().Name())
	must(t, err)
	for _, text := range []string{"a needle in the hay", "Marked"} {
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("%q stands in the file", text)
		}
	}
	info, err := set.File().Stat()
	must(t, err)
	s, err := Open(set.File(), info.Size(), ScannerOptions{})
	must(t, err)
	defer s.Close()
	result, err := s.ScanMem([]byte("there is a needle in the hay"), &Externals{})
	must(t, err)
	if len(result.Matches) != 1 {
		t.Errorf("%d rules match, want 1", len(result.Matches))
	}
}
