package scanner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	iocload "tyto/ioc/load"
)

// TestUndecidedIndicatorsAreTold scans a file that satisfies what is known of an indicator, which asks
// for a fact that is not collected: no match, and the summary says why.
func TestUndecidedIndicatorsAreTold(t *testing.T) {
	dir := tree(t, map[string]string{"evil.exe": "x", "good.exe": "x"})
	path := filepath.Join(t.TempDir(), "test.ioc")
	text := `<ioc xmlns="http://schemas.mandiant.com/2010/ioc" id="i" last-modified="2026-01-01T00:00:00">
<short_description>a file with a device path</short_description><definition><Indicator operator="AND" id="a">
<IndicatorItem id="b" condition="is"><Context document="FileItem" search="FileItem/FileName" type="mir"/><Content type="string">evil.exe</Content></IndicatorItem>
<IndicatorItem id="c" condition="is"><Context document="FileItem" search="FileItem/DevicePath" type="mir"/><Content type="string">x</Content></IndicatorItem>
</Indicator></definition></ioc>`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := iocload.Load(t.Context(), []string{path}, iocload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opts := testOptions(t, dir, nil)
	opts.Indicators = loaded.Set
	summary, got := runScan(t, t.Context(), opts)
	if len(got.findings) != 0 {
		t.Errorf("findings %v, want none", got.rulesByPath())
	}
	if len(summary.Problems) != 1 || !strings.Contains(summary.Problems[0].Message, `"a file with a device path" could not be decided for 1 objects`) {
		t.Errorf("problems %v, want one that names the indicator", summary.Problems)
	}
}
