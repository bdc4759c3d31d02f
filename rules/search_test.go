package rules_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/rules"
)

// TestSearchAgrees compares our search with libyara's on strings that occur all the time, of every
// length and kind, in random bytes of a small alphabet and in a real program. Order and all details
// of the evidence must agree.
func TestSearchAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	var text strings.Builder
	for i := range 150 {
		fmt.Fprintf(&text, "rule r%d { strings: $s = %s condition: $s }\n", i, randomString(random))
	}
	fast := scannerFor(t, text.String(), unlimited)
	o := unlimited
	o.Plain = true
	plain := scannerFor(t, text.String(), o)

	corpus := [][]byte{nil, []byte("a"), []byte("ab"), []byte("abc"), []byte("abcd")}
	for i := range 100 {
		b := make([]byte, random.IntN(1000))
		for k := range b {
			b[k] = "abcdABCD\x00\x00.\xff"[random.IntN(4+i%9)]
		}
		corpus = append(corpus, b)
	}
	if self, err := os.Executable(); err == nil {
		if b, err := os.ReadFile(self); err == nil {
			corpus = append(corpus, b[:min(len(b), 40<<10)])
		}
	}
	matches, occurrences := 0, 0
	for _, data := range corpus {
		want, err := plain.scanner.ScanMem(data, &rules.Externals{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := fast.scanner.ScanMem(data, &rules.Externals{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range want.Matches {
			matches++
			occurrences += len(m.Strings)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%d bytes, %.50q: libyara (-), tyto (+):\n%.3000s", len(data), data, cmp.Diff(want, got))
		}
	}
	t.Logf("%d contents, %d matches, %d occurrences", len(corpus), matches, occurrences)
	if matches < 1000 || occurrences < 10_000 {
		t.Error("too few matches to mean anything")
	}
}

// randomString declares a string over a small alphabet.
func randomString(random *rand.Rand) string {
	letters := func(low, high int) string {
		b := make([]byte, low+random.IntN(high-low+1))
		for i := range b {
			b[i] = "abcdABCD"[random.IntN(8)]
		}
		return string(b)
	}
	quoted := func(modifiers string) string { return fmt.Sprintf("%q %s", letters(1, 7), modifiers) }
	switch random.IntN(11) {
	case 0, 1:
		return quoted("")
	case 2:
		return quoted("nocase")
	case 3:
		return quoted("wide ascii")
	case 4:
		return fmt.Sprintf("%q xor(1-32)", letters(3, 5))
	case 5:
		return quoted("fullword")
	case 6:
		return fmt.Sprintf("{ 61 %02X ?? 6%d }", 0x61+random.IntN(4), 1+random.IntN(4))
	case 7:
		return fmt.Sprintf("{ 61 62 [0-%d] 6%d 6%d }", 10+random.IntN(400), 1+random.IntN(4), 1+random.IntN(4))
	case 8:
		return fmt.Sprintf("/%s[a-d]{1,4}%s/ nocase", letters(1, 2), letters(1, 2))
	case 9:
		return fmt.Sprintf("/(%s|%s).{0,%d}%s/s", letters(1, 4), letters(1, 4), random.IntN(300), letters(2, 3))
	}
	return fmt.Sprintf("{ ( 61 62 | 63 | 64 61 62 ) 6%d ( 61 | 62 63 ) }", 1+random.IntN(4))
}
