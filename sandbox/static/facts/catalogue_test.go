package facts

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The document for users lists each fact as it is.
func TestCatalogueIsDocumented(t *testing.T) {
	content, err := os.ReadFile("../../../docs/sandbox-server.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	for id, m := range catalogue {
		if row := fmt.Sprintf("| `%s` | %d | %s |\n", id, m.Score, m.Detail); !strings.Contains(text, row) {
			t.Errorf("docs/sandbox-server.md lacks the row %s", row)
		}
	}
	if rows := strings.Count(text, "| `pe-") + strings.Count(text, "| `elf-"); rows != count("pe-")+count("elf-") {
		t.Errorf("docs/sandbox-server.md has %d rows of facts on programs, the catalogue %d", rows, count("pe-")+count("elf-"))
	}
}

func count(prefix string) (n int) {
	for id := range catalogue {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

// No fact alone makes a content malicious.
func TestFactsAreModest(t *testing.T) {
	for id, m := range catalogue {
		if m.Score <= 0 || m.Score >= 80 || m.Detail == "" {
			t.Errorf("%s: %+v", id, m)
		}
	}
}
