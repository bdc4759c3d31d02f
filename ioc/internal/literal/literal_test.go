package literal

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// occurrences is the oracle: every word at every place.
func occurrences(words []string, text string) []int32 {
	found := []int32{}
	for end := 1; end <= len(text); end++ {
		for i, w := range words {
			if w != "" && strings.HasSuffix(text[:end], w) {
				found = append(found, int32(i))
			}
		}
	}
	return found
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		text  string
		want  []int32
	}{
		{"none", nil, "abc", nil},
		{"empty text", []string{"a"}, "", nil},
		{"empty word", []string{"", "b"}, "abc", []int32{1}},
		{"suffixes", []string{"he", "she", "his", "hers"}, "ushers", []int32{1, 0, 3}},
		{"equal words", []string{"a", "a"}, "a", []int32{0, 1}},
		{"overlap", []string{"aa"}, "aaa", []int32{0, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := New(test.words).Append(nil, []byte(test.text))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("words of %q in %q (-want +got):\n%s", test.words, test.text, diff)
			}
		})
	}
}

func TestAgainstOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(letters, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + random.IntN(letters))
		}
		return string(b)
	}
	for range 2000 {
		letters := 1 + random.IntN(20) // many letters make dense states, few make long suffix chains
		var words []string
		for range random.IntN(40) {
			words = append(words, word(letters, random.IntN(6)))
		}
		text := word(letters, random.IntN(60))
		got, want := New(words).Append(nil, []byte(text)), occurrences(words, text)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("words of %q in %q: got %v, want %v", words, text, got, want)
		}
	}
}
