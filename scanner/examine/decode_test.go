package examine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/rules"
)

func TestDecodeFacts(t *testing.T) {
	line := func(f Facts) string {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	skip := func(reason finding.Reason) Facts { return Facts{Skips: []Skip{{Reason: reason}}} }
	for _, test := range []struct {
		name, line, err string
	}{
		{"an honest answer", line(Facts{Size: 3, Rules: []rules.Match{{Rule: 1}}, Skips: []Skip{{Reason: finding.Damaged}}}), ""},
		{"no json", "{", "unexpected end"},
		{"a rule that does not exist", line(Facts{Rules: []rules.Match{{Rule: 2}}}), "rule 2, but there are 2"},
		{"a negative rule", line(Facts{Rules: []rules.Match{{Rule: -1}}}), "rule -1"},
		{"a negative size", line(Facts{Size: -1}), "size"},
		{"a gap that looks asked for", line(skip(finding.Excluded)), "reason"},
		{"a reason of its own", line(skip("nothing to see here")), "reason"},
		{"too many skips", line(Facts{Skips: make([]Skip, maxSkips+1)}), "skips"},
		{"skips of a member", line(Facts{Member: []byte("a"), Skips: []Skip{{Reason: finding.Damaged}}}), "skips"},
		{"small values that become large", `{"Skips":[` + strings.Repeat("{},", maxValues+1) + `{}]}`, "values"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := DecodeFacts([]byte(test.line), 2)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

// TestNamelessMember shows that a member without a name stays a member on the broker's side.
func TestNamelessMember(t *testing.T) {
	for _, member := range [][]byte{nil, {}, []byte("a")} {
		for _, facts := range []Facts{{Member: member}, {Skips: []Skip{{Member: member, Reason: finding.Damaged}}}} {
			b, err := json.Marshal(facts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeFacts(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&facts, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func FuzzDecodeFacts(f *testing.F) {
	f.Add([]byte(`{"Member":"YQ==","Size":1,"Rules":[{"Rule":1,"Strings":[{"ID":"$a","Data":"YQ=="}]}],"Skips":[{"Reason":"damaged"}]}`))
	f.Add([]byte(`{"Strings":[{"ID":1}],"Partial":true}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		facts, err := DecodeFacts(line, 2)
		if err != nil {
			return
		}
		for _, m := range facts.Rules {
			if m.Rule < 0 || m.Rule > 1 {
				t.Errorf("rule %d", m.Rule)
			}
		}
		for _, s := range facts.Skips {
			if !s.Reason.Matters() {
				t.Errorf("a worker gave the reason %q", s.Reason)
			}
		}
	})
}
