package rules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The names that Loki and THOR define, all but THOR's "age".
func TestExternalNames(t *testing.T) {
	texts, numbers := ExternalNames()
	want := strings.Fields("filename filepath extension filetype owner md5 id group permissions unpack_parent unpack_source timezone language")
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"filemode", "osversion"}, numbers); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}
