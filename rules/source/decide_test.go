package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecide(t *testing.T) {
	small := Facts{MaxSize: 1023}
	large := Facts{MinSize: 1 << 20, MaxSize: 1 << 40}
	mz := Facts{Prefix: []byte("MZ"), MaxSize: 1 << 40}
	elf := Facts{Prefix: []byte("\x7fELF"), MaxSize: 1 << 40}
	other := Facts{NotPrefixes: [][]byte{[]byte("MZ"), []byte("\x7fELF")}, MaxSize: 1 << 40}
	for _, c := range []struct {
		name      string
		facts     Facts
		condition string
		want      Truth
	}{
		{"size below", small, "filesize < 1KB", True},
		{"size above", large, "filesize < 1KB", False},
		{"size between", mz, "filesize < 1KB", Open},
		{"size mirrored", large, "1KB > filesize", False},
		{"size equal", small, "filesize == 2000", False},
		{"size not equal", small, "filesize != 2000", True},
		{"size in arithmetic", large, "filesize - 5 < 10", Open},
		{"size as offset", large, "uint8(filesize - 1) == 0", Open},

		{"header holds", mz, "uint16(0) == 0x5A4D", True},
		{"header mirrored", elf, "0x5A4D == uint16(0)", False},
		{"header of another class", elf, "uint16(0) == 0x5A4D", False},
		{"header excluded", other, "uint16(0) == 0x5A4D", False},
		{"header big endian", other, "uint16be(0) == 0x4D5A", False},
		{"header longer than excluded one", other, "uint32(0) == 0x464C457F", False},
		{"header shorter than excluded one", other, "uint16(0) == 0x457F", Open},
		{"header shorter than prefix", elf, "uint16(0) == 0x457F", True},
		{"header longer than prefix", mz, "uint32(0) == 0x00905A4D", Open},
		{"header longer than prefix and other", mz, "uint32(0) == 0x00904D5A", False},
		{"header behind the prefix", mz, "uint16(2) == 1", Open},
		{"header beyond the end", small, "uint16(5000) == 1", False},
		{"header not equal", mz, "uint16(0) != 0x5A4D", False},
		{"header not equal to another", elf, "uint16(0) != 0x5A4D", Open}, // undefined if empty
		{"signed", elf, "int16(0) == 0x5A4D", Open},
		{"value too large for the function", mz, "uint8(0) == 0x5A4D", Open},
		{"less than", mz, "uint16(0) < 5", Open},
		{"computed offset", elf, "uint16(uint32(0x3C)) == 0x4550", Open},

		{"string at start", elf, "$mz at 0", False},
		{"string at start of its class", mz, "$mz at 0", Open},
		{"hex at start", elf, "$hex at 0", False},
		{"wide at start", elf, "$wide at 0", Open},
		{"regexp at start", elf, "$re at 0", Open},
		{"string elsewhere", elf, "$mz at 1", Open},
		{"string", elf, "$mz", Open},

		{"and", elf, "$mz and uint16(0) == 0x5A4D", False},
		{"and of knowns", small, "filesize < 1KB and true", True},
		{"or", elf, "uint16(0) == 0x5A4D or $mz", Open},
		{"or of contradictions", elf, "(uint16(0) == 0x5A4D or uint16(0) == 0x4B50) and $mz", False},
		{"or with a truth", mz, "$mz or uint16(0) == 0x5A4D", True},
		{"and binds tighter", elf, "$mz or $re and uint16(0) == 0x5A4D", Open},
		{"not of true", mz, "not uint16(0) == 0x5A4D", False},
		{"not of false", large, "not filesize < 10", Open},
		{"not in and", elf, "not $mz and uint16(0) == 0x5A4D", False},
		{"parentheses", elf, "((uint16(0) == (0x5A4D)) and ((uint16(0) == 0x5A4D)))", False},

		{"rule that cannot match", elf, "is_mz", False},
		{"rule that can match", mz, "is_mz", Open},
		{"unknown word", elf, "is_elf", Open},

		{"pe value", elf, "pe.number_of_sections == 0", Undefined},
		{"pe value negated", elf, "not pe.number_of_signatures > 0", Undefined},
		{"pe value in arithmetic", elf, "pe.timestamp + 1 > 0", Undefined},
		{"pe function", elf, `pe.exports("x")`, Undefined},
		{"pe in its class", mz, `pe.exports("x")`, Open},
		{"pe where it is open", small, `pe.exports("x")`, Open},
		{"pe constant", elf, "pe.DLL == 8192", Open},
		{"pe or", elf, `pe.imphash() == "a" or $mz`, Open},
		{"pe and", elf, `$mz and pe.imphash() == "a"`, False},
		{"is_pe", elf, "pe.is_pe", False},
		{"is_pe compared", elf, "pe.is_pe == 0", Open},
		{"pe as quantifier", elf, "pe.number_of_sections of them", Open},
		{"string at pe value", elf, "$mz at pe.entry_point", False},
		{"pe loop", elf, "for any i in (0..pe.number_of_sections - 1): ( pe.sections[i].name == \"x\" )", False},
		{"pe loop negated", elf, "not for any i in (0 .. pe.number_of_signatures): ( true )", Open},
		{"loop", elf, "for any i in (0..2): ( pe.sections[i].name == \"x\" )", Open},
		{"defined", elf, "not defined pe.timestamp", Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := `rule is_mz { condition: uint16(0) == 0x5A4D }
				rule r { strings: $mz = "MZ" $hex = { 4D 5A } $wide = "MZ" wide $re = /MZ/ condition: ` + c.condition + "}"
			f, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := NewDecider(f.Rules, c.facts).Decide(f.Rules[1]); got != c.want {
				t.Errorf("%s is %v, want %v", c.condition, got, c.want)
			}
		})
	}
}

func TestSpecialise(t *testing.T) {
	elf := Facts{Prefix: []byte("\x7fELF"), MaxSize: 1 << 40}
	for _, c := range []struct {
		name, text, want string
	}{
		{
			"rules for others go",
			"rule a { condition: uint16(0) == 0x5A4D }\nrule b { condition: true }",
			"                                         \nrule b { condition: true }",
		},
		{
			"referenced rules stay",
			"rule a { condition: uint16(0) == 0x5A4D }\nrule b { condition: not a }",
			"rule a { condition: uint16(0) == 0x5A4D }\nrule b { condition: not a }",
		},
		{
			"rules referenced by prefix stay",
			"rule a_1 { condition: uint16(0) == 0x5A4D }\nrule b { condition: none of (a_*) }",
			"rule a_1 { condition: uint16(0) == 0x5A4D }\nrule b { condition: none of (a_*) }",
		},
		{
			"global rules stay",
			"global rule a { condition: uint16(0) == 0x5A4D }\nrule b { condition: true }",
			"global rule a { condition: uint16(0) == 0x5A4D }\nrule b { condition: true }",
		},
		{
			"unused private rules go",
			"private rule a { condition: true }\nprivate rule b { condition: true }\nrule c { condition: b }",
			"                                  \nprivate rule b { condition: true }\nrule c { condition: b }",
		},
		{
			"unused imports go",
			"import \"math\" import /* */ \"pe\"\nrule a { condition: pe.is_dll() and $a or true }\nrule b { condition: math.abs(1) == 1 }",
			"import \"math\"                  \nrule a { condition: false       and $a or true }\nrule b { condition: math.abs(1) == 1 }",
		},
		{
			"terms below not stay",
			"import \"pe\" rule a { condition: not (pe.is_dll() or pe.DLL == 1) }",
			"import \"pe\" rule a { condition: not (pe.is_dll() or pe.DLL == 1) }",
		},
		{
			"strings in replaced terms stay",
			"import \"pe\" rule a { strings: $a = \"x\" condition: $a at pe.entry_point or true }",
			"            rule a { strings: $a = \"x\" condition: $a at filesize       or true }",
		},
		{
			"nothing is left",
			"rule a { condition: uint16(0) == 0x5A4D }",
			"",
		},
		{
			"files with includes stay",
			"include \"x\" rule a { condition: uint16(0) == 0x5A4D }",
			"include \"x\" rule a { condition: uint16(0) == 0x5A4D }",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := Specialise([]byte(c.text), f, elf)
			if diff := cmp.Diff(strings.Split(c.want, "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
