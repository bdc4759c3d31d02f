package ioc

import (
	"testing"
	"time"
)

// TestConditions goes through conditions, types, case and negation. Each term stands under an AND
// with a positive condition that holds, so that negation can be seen.
func TestConditions(t *testing.T) {
	when := func(s string) Value {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return Time(at)
	}
	const (
		name = "ProcessItem/name"
		pid  = "ProcessItem/pid"
		from = "ProcessItem/startTime"
		path = "ProcessItem/path"
		ip   = "ProcessItem/PortList/PortItem/remoteIP"
		md5  = "ProcessItem/SectionList/MemorySection/Md5sum"
		user = "ProcessItem/userTime"
	)
	one := []Value{Text("Evil.exe")}
	tests := []struct {
		name     string
		term     Term
		values   []Value // nil: unknown
		want     bool    // the term alone
		wantNot  bool    // the term negated
		notValid bool
	}{
		{"text is", Term{Path: name, Condition: Is, Value: "evil.EXE"}, one, true, false, false},
		{"text is not", Term{Path: name, Condition: Is, Value: "evil"}, one, false, true, false},
		{"text is preserving case", Term{Path: name, Condition: Is, Value: "evil.exe", PreserveCase: true}, one, false, true, false},
		{"text contains", Term{Path: name, Condition: Contains, Value: "VIL"}, one, true, false, false},
		{"text contains preserving case", Term{Path: name, Condition: Contains, Value: "VIL", PreserveCase: true}, one, false, true, false},
		{"text starts with", Term{Path: name, Condition: StartsWith, Value: "ev"}, one, true, false, false},
		{"text ends with", Term{Path: name, Condition: EndsWith, Value: ".exe"}, one, true, false, false},
		{"text matches", Term{Path: name, Condition: Matches, Value: `^e.*\.exe$`}, one, true, false, false},
		{"text matches preserving case", Term{Path: name, Condition: Matches, Value: "^e", PreserveCase: true}, one, false, true, false},
		{"text greater", Term{Path: name, Condition: GreaterThan, Value: "a"}, one, false, false, true},
		{"bad expression", Term{Path: name, Condition: Matches, Value: "("}, one, false, false, true},
		{"empty value contains", Term{Path: name, Condition: Contains, Value: ""}, one, false, false, true},
		{"empty value is", Term{Path: name, Condition: Is, Value: ""}, one, false, true, false},
		{"unknown condition", Term{Path: name, Condition: "resembles", Value: "x"}, one, false, false, true},
		{"several values", Term{Path: name, Condition: Is, Value: "b"}, []Value{Text("a"), Text("b")}, true, false, false},
		{"no value", Term{Path: name, Condition: Is, Value: "b"}, []Value{}, false, true, false},
		{"not collected", Term{Path: name, Condition: Is, Value: "b"}, nil, false, false, false},
		{"lenient value counts for positive only", Term{Path: name, Condition: Is, Value: "b"}, []Value{Text("a"), Text("b").Lenient()}, true, true, false},

		{"path either separator", Term{Path: path, Condition: EndsWith, Value: `\tmp\x`}, []Value{Text("/var/tmp/x")}, true, false, false},
		{"path optional drive", Term{Path: path, Condition: Is, Value: `C:\tmp\x`}, []Value{Text("/tmp/x")}, true, false, false},

		{"int is", Term{Path: pid, Condition: Is, Value: "4"}, []Value{Int(4)}, true, false, false},
		{"int is hexadecimal", Term{Path: pid, Condition: Is, Value: "0x10"}, []Value{Int(16)}, true, false, false},
		{"int greater", Term{Path: pid, Condition: GreaterThan, Value: "4"}, []Value{Int(4)}, false, true, false},
		{"int greater than negative", Term{Path: pid, Condition: GreaterThan, Value: "-5"}, []Value{Int(-4)}, true, false, false},
		{"int less", Term{Path: pid, Condition: LessThan, Value: "5"}, []Value{Int(4)}, true, false, false},
		{"int large", Term{Path: pid, Condition: Is, Value: "18446744073709551615"}, []Value{Uint(1<<64 - 1)}, true, false, false},
		{"int interval", Term{Path: pid, Condition: Is, Value: "49600 TO 50700"}, []Value{Int(50700)}, true, false, false},
		{"int interval outside", Term{Path: pid, Condition: Is, Value: "[1 TO 3]"}, []Value{Int(4)}, false, true, false},
		{"int interval in brackets", Term{Path: pid, Condition: Is, Value: "[4 TO 4]"}, []Value{Int(4)}, true, false, false},
		{"int interval backwards", Term{Path: pid, Condition: Is, Value: "5 TO 4"}, []Value{Int(4)}, false, false, true},
		{"int interval greater", Term{Path: pid, Condition: GreaterThan, Value: "4 TO 5"}, []Value{Int(4)}, false, false, true},
		{"int contains", Term{Path: pid, Condition: Contains, Value: "4"}, []Value{Int(4)}, false, false, true},
		{"int of text", Term{Path: pid, Condition: Is, Value: "4", Type: "string"}, []Value{Text("4")}, true, false, false},
		{"int of no number", Term{Path: pid, Condition: Is, Value: "4"}, []Value{Text("four")}, false, false, false},
		{"int value no number", Term{Path: pid, Condition: Is, Value: "four"}, []Value{Int(4)}, false, false, true},
		{"float against int", Term{Path: pid, Condition: GreaterThan, Value: "3.5"}, []Value{Int(4)}, true, false, false},

		{"date is to the second", Term{Path: from, Condition: Is, Value: "2010-03-17T00:40:45Z"}, []Value{when("2010-03-17T00:40:45.9Z")}, true, false, false},
		{"date is another second", Term{Path: from, Condition: Is, Value: "2010-03-17T00:40:45Z"}, []Value{when("2010-03-17T00:40:46Z")}, false, true, false},
		{"date with zone", Term{Path: from, Condition: Is, Value: "2010-03-17T01:40:45+01:00"}, []Value{when("2010-03-17T00:40:45Z")}, true, false, false},
		{"date without zone is utc", Term{Path: from, Condition: Is, Value: "2010-03-17T00:40:45"}, []Value{when("2010-03-17T00:40:45Z")}, true, false, false},
		{"day", Term{Path: from, Condition: Is, Value: "2010-03-17"}, []Value{when("2010-03-17T23:59:59Z")}, true, false, false},
		{"after a day", Term{Path: from, Condition: GreaterThan, Value: "2010-03-17"}, []Value{when("2010-03-17T23:59:59Z")}, false, true, false},
		{"before", Term{Path: from, Condition: LessThan, Value: "2010-03-17"}, []Value{when("2010-03-16T23:59:59Z")}, true, false, false},
		{"date interval", Term{Path: from, Condition: Is, Value: "2009-04-28T10:00:00Z TO 2009-04-28T16:00:00Z"}, []Value{when("2009-04-28T16:00:00Z")}, true, false, false},
		{"date contains", Term{Path: from, Condition: Contains, Value: "2010"}, []Value{when("2010-01-01T00:00:00Z")}, false, false, true},
		{"no date", Term{Path: from, Condition: Is, Value: "yesterday"}, []Value{when("2010-01-01T00:00:00Z")}, false, false, true},

		{"duration", Term{Path: user, Condition: GreaterThan, Type: "duration", Value: "PT1H"}, []Value{Int(3601)}, true, false, false},
		{"duration in seconds", Term{Path: user, Condition: Is, Type: "duration", Value: "90"}, []Value{Text("PT1M30S")}, true, false, false},

		{"address is", Term{Path: ip, Condition: Is, Type: "IP", Value: "192.0.2.1"}, []Value{Text("192.0.2.1").At(0)}, true, false, false},
		{"address contains", Term{Path: ip, Condition: Contains, Type: "IP", Value: "192.0."}, []Value{Text("192.0.2.1").At(0)}, true, false, false},
		{"address of six is", Term{Path: ip, Condition: Is, Type: "IP", Value: "2001:DB8::1"}, []Value{Text("2001:db8:0:0::1").At(0)}, true, false, false},
		{"network", Term{Path: ip, Condition: Is, Type: "IP", Value: "192.0.2.0/24"}, []Value{Text("192.0.2.77").At(0)}, true, false, false},

		{"hash ignores case", Term{Path: md5, Condition: Is, Value: " D41D8CD98F00B204E9800998ECF8427E\n"}, []Value{Text("d41d8cd98f00b204e9800998ecf8427e").At(0)}, true, false, false},
		{"hash of wrong length", Term{Path: md5, Condition: Is, Value: "d41d8c"}, []Value{Text("x").At(0)}, false, false, true},

		{"term in any case", Term{Path: "PROCESSITEM/NAME", Condition: Is, Value: "evil.exe"}, one, true, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, negate := range []bool{false, true} {
				term := test.term
				term.Negate = negate
				anchor := Term{Path: "ProcessItem/arguments", Condition: Is, Value: "anchor"}
				b := NewBuilder(Options{})
				b.AddIndicator(&Indicator{Pattern: Node{Operator: And, Children: []Node{Leaf(anchor), Leaf(term)}}})
				s := b.Build()
				known, _ := lookupTerm(term.Path)
				item := testItem{"ProcessItem", map[string][]Value{"ProcessItem/arguments": {Text("anchor")}}}
				if test.values != nil {
					item.values[known.path] = test.values
				}
				want := test.want
				if negate {
					want = test.wantNot
				}
				if got := len(s.NewRun().Examine(item)) > 0; got != want {
					t.Errorf("negate %v: match is %v, want %v", negate, got, want)
				}
				status := s.Check()[0].Terms[1].Status
				if got := status == NotValid; got != test.notValid {
					t.Errorf("negate %v: status is %q", negate, status)
				}
			}
		})
	}
}

// TestTypesThatTheVocabulariesDisagreeOn shows who decides.
func TestTypesThatTheVocabulariesDisagreeOn(t *testing.T) {
	const path = "FileItem/PEInfo/ResourceInfoList/ResourceInfoItem/Name" // string in 1.0, int in 1.1
	tests := []struct {
		name  string
		term  Term
		value Value
	}{
		{"text", Term{Condition: Contains, Type: "string", Value: "DIOK"}, Text("DIOKAK")},
		{"number against text", Term{Condition: Is, Type: "int", Value: "0x7"}, Text("7")},
		{"text against number", Term{Condition: Is, Type: "string", Value: "7"}, Int(7)},
		{"order", Term{Condition: GreaterThan, Type: "string", Value: "6"}, Int(7)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.term.Path = path
			b := NewBuilder(Options{})
			b.AddIndicator(&Indicator{Pattern: Leaf(test.term)})
			item := testItem{"FileItem", map[string][]Value{path: {test.value.At(0)}}}
			if len(b.Build().NewRun().Examine(item)) != 1 {
				t.Error("no match")
			}
		})
	}
}
