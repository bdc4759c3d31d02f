package ioc

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/testdata"
)

var update = flag.Bool("update", false, "write terms.tsv from the reference list")

// TestTermTable makes the embedded table from the reference list and compares.
func TestTermTable(t *testing.T) {
	reference := filepath.Join(testdata.Shared(t), "..", "reference", "openioc-terms.tsv")
	content, err := os.ReadFile(reference)
	if err != nil {
		t.Skipf("needs the reference list: %v", err)
	}
	letters := map[string]string{"string": "s", "int": "i", "uint64": "u", "dateTime": "d", "boolean": "b", "": "-"}
	seen := map[string]bool{}
	var table strings.Builder
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		path := fields[0]
		if strings.HasPrefix(path, "#") || seen[strings.ToLower(path)] {
			continue // the list has one term in two spellings
		}
		seen[strings.ToLower(path)] = true
		table.WriteString(path + "\t" + letters[fields[2]] + letters[fields[3]] + "\n")
	}
	if *update {
		if err := os.WriteFile("terms.tsv", []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), termTable); diff != "" {
		t.Errorf("terms.tsv is not made from the reference list; run go test -run TestTermTable -update (-want +got):\n%s", diff)
	}
}

func TestLookupTermIgnoresCase(t *testing.T) {
	for _, path := range []string{"FileItem/Md5sum", "fileitem/MD5SUM"} {
		got, ok := lookupTerm(path)
		if !ok || got.path != "FileItem/Md5sum" {
			t.Errorf("lookupTerm(%q) = %+v, %v", path, got, ok)
		}
	}
}

func TestListElements(t *testing.T) {
	tests := []struct {
		path string
		want []string
	}{
		{"FileItem/Md5sum", nil},
		{"FileItem/StringList/string", nil}, // values without siblings
		{"FileItem/PEInfo/Exports/ExportedFunctions/string", nil},
		{"FileItem/PEInfo/Sections/NumberOfSections", nil},
		{"FileItem/PEInfo/Sections/Section/Entropy/CurveData/float", []string{"FileItem/PEInfo/Sections/Section"}},
		{"FileItem/PEInfo/ImportedModules/Module/Name", []string{"FileItem/PEInfo/ImportedModules/Module"}},
		{"ProcessItem/PortList/PortItem/remoteIP", []string{"ProcessItem/PortList/PortItem"}},
		{"ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section/Name",
			[]string{"ProcessItem/SectionList/MemorySection", "ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section"}},
		{"SystemInfoItem/networkArray/networkInfo/ipArray/ipInfo/ipAddress",
			[]string{"SystemInfoItem/networkArray/networkInfo", "SystemInfoItem/networkArray/networkInfo/ipArray/ipInfo"}},
		{"DriverItem/DeviceItem/DeviceName", []string{"DriverItem/DeviceItem"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, listElements(test.path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
	}
}

// TestFileTermsAreInTheVocabulary guards against a term that is spelled wrongly and never asked for.
func TestFileTermsAreInTheVocabulary(t *testing.T) {
	for _, path := range FileTerms() {
		if known, ok := lookupTerm(path); !ok || known.path != path {
			t.Errorf("%q is not in the vocabulary's spelling", path)
		}
	}
	for path := range pathTerms {
		if known, ok := lookupTerm(path); !ok || known.path != path {
			t.Errorf("%q is not in the vocabulary's spelling", path)
		}
	}
}
