package kaspersky

import (
	"strings"
	"testing"
)

// Whatever a server says, it is a text of bounded use: never a panic, and one spelling of each state.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{"Found", "\"Not found\"", `{"status":"Processing","task":7}`, "{", `"`, "\ufeffFound", `{"status":null,"state":["x"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		said := read(body)
		if state := said.state(); state != strings.ToLower(state) || strings.Contains(state, "  ") || strings.Contains(state, "_") {
			t.Errorf("state of %q = %q", body, state)
		}
		if v := version(said.database); len(v) > maxVersion {
			t.Errorf("version of %q has %d bytes", body, len(v))
		}
	})
}
