package rules_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"tyto/rules"
	"tyto/rules/source"
)

// conditions makes random conditions of the kind that variants are cut by, and others.
type conditions struct{ *rand.Rand }

func (c conditions) one(of ...string) string { return of[c.IntN(len(of))] }

func (c conditions) expression(depth int) string {
	if depth == 0 || c.IntN(3) == 0 {
		return c.term()
	}
	a, b := c.expression(depth-1), c.expression(depth-1)
	switch c.IntN(7) {
	case 0, 1:
		return a + " and " + b
	case 2:
		return a + " or " + b
	case 3:
		return "(" + a + " or " + b + ")"
	case 4:
		return "(" + a + ")"
	case 5:
		return "not (" + a + ")"
	}
	return "not " + a
}

func (c conditions) term() string {
	pe := source.PEValues()
	op := c.one("==", "!=", "<", ">", "<=", ">=")
	switch c.IntN(12) {
	case 0, 1:
		return "filesize " + op + " " + c.one("0", "10", "300", "150KB", "300KB", "1MB", "0x64000")
	case 2:
		return c.one("10", "200KB") + " " + op + " filesize"
	case 3, 4:
		return fmt.Sprintf("%s(%s) %s %s", c.one("uint8", "uint16", "uint32", "uint16be", "uint32be", "int16"),
			c.one("0", "0", "0", "1", "2", "9000"), c.one("==", "==", "!=", "<"),
			c.one("0x5A4D", "0x4D5A", "0x7F454C46", "0x464C457F", "0x4D", "0x7F", "0x457F", "0", "0xFFFFFFFFFF"))
	case 5:
		return "$" + c.one("mz", "elf", "hex", "wide", "text") + c.one("", " at 0", " at 1", " in (0..3)")
	case 6:
		return c.one("true", "false", "1 of them", "none of them", "defined uint8(5)", "any of ($m*) at 0")
	case 7:
		return c.one("earlier", "not earlier", "any of (ear*)", "hidden", "always")
	case 8:
		return "for any i in (0.." + c.one("3", "pe.number_of_sections - 1", "pe.number_of_signatures") + "): (uint8(i) == 0x4D)"
	case 9:
		return "$text at " + c.one("pe.entry_point", "entrypoint", "filesize")
	case 10:
		return c.one("pe.is_pe", "pe.is_pe == 0", "pe.DLL == 8192", "pe.machine == pe.MACHINE_AMD64", "pe.number_of_sections of them")
	}
	return c.one("", "defined ") + peTerm(pe[c.IntN(len(pe))])
}

// peTerm is a boolean expression with a value of the pe module.
func peTerm(name string) string {
	switch name {
	case "exports", "imports":
		return `pe.` + name + `("x")`
	case "imphash":
		return `pe.imphash() == ""`
	case "is_32bit", "is_64bit", "is_dll":
		return "pe." + name + "()"
	case "language", "locale":
		return "pe." + name + "(9)"
	case "sections":
		return `pe.sections[0].name == ""`
	case "signatures":
		return `pe.signatures[0].issuer contains ""`
	case "version_info":
		return `pe.version_info["x"] contains ""`
	case "dll_name", "pdb_path":
		return "pe." + name + ` == ""`
	}
	return "pe." + name + " >= 0"
}

// contents cover all classes and their borders.
func contents(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"empty": {}, "one byte": []byte("M"), "only mz": []byte("MZ"), "only elf": []byte("\x7fELF")}
	for _, head := range []string{"MZ", "\x7fELF", "\x7fEL\x00", "ZM", "M\x00Z\x00", "text"} {
		for _, size := range []int{5, 12, 300, 100<<10 - 1, 100 << 10, 200<<10 - 1, 200 << 10, 500 << 10, 1<<20 - 1, 1 << 20} {
			b := append([]byte(head), bytes.Repeat([]byte{0}, size-min(size, len(head)))...)
			out[fmt.Sprintf("%q of %d", head, size)] = b
		}
	}
	// A program that is one: this test.
	if self, err := os.Executable(); err == nil {
		if b, err := os.ReadFile(self); err == nil {
			out["this program"] = b[:min(len(b), 3<<20)]
		}
	}
	return out
}

// TestVariantsAgree compares the variants with the whole set on random conditions: leaving rules
// and terms out must not change a single match.
func TestVariantsAgree(t *testing.T) {
	c := conditions{rand.New(rand.NewPCG(7, 7))}
	var text strings.Builder
	text.WriteString("import \"pe\"\n")
	const str = `strings: $mz = "MZ" $elf = "\x7fELF" private $hex = { 4D 5A } $wide = "MZ" wide $text = "text" condition: `
	text.WriteString("rule always { condition: true }\nprivate rule hidden { condition: uint16(0) == 0x5A4D }\nrule earlier { condition: filesize > 300 and uint16(0) == 0x5A4D }\n")
	for i := range 3000 {
		expression := c.expression(4)
		// All strings must be referred to.
		fmt.Fprintf(&text, "rule r%d { %s (%s) and (true or any of them) }\n", i, str, expression)
	}
	fast := scannerFor(t, text.String(), rules.ScannerOptions{})
	whole := scannerFor(t, text.String(), rules.ScannerOptions{Plain: true})
	matches := 0
	for name, data := range contents(t) {
		want, got := make(findings), make(findings)
		for y, out := range map[*tyto]findings{fast: got, whole: want} {
			result, err := y.scanner.ScanMem(data, &rules.Externals{})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range result.Matches {
				strs := out.add(name, y.set.Rules[m.Rule].Name)
				for _, s := range m.Strings {
					*strs = append(*strs, fmt.Sprintf("%d:%s", s.Offset, s.ID))
				}
			}
		}
		matches += want.count()
		compare(t, want, got)
	}
	t.Logf("%d matches", matches)
	if matches < 10_000 {
		t.Error("too few matches to mean anything")
	}
}

// TestUndefinedWithoutPE asks libyara whether the values that package source takes for undefined
// are, and that they exist.
func TestUndefinedWithoutPE(t *testing.T) {
	var text strings.Builder
	text.WriteString("import \"pe\"\n")
	for i, name := range source.PEValues() {
		fmt.Fprintf(&text, "rule %s_%d { condition: (%s) or not (%s) }\n", name, i, peTerm(name), peTerm(name))
	}
	y := scannerFor(t, text.String(), rules.ScannerOptions{Plain: true})
	if len(y.set.Rules) != len(source.PEValues()) {
		t.Fatalf("%d rules", len(y.set.Rules))
	}
	for _, data := range []string{"", "text", "M", "\x7fELF", strings.Repeat("x", 5000)} {
		result, err := y.scanner.ScanMem([]byte(data), &rules.Externals{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range result.Matches {
			t.Errorf("%s is defined for %.10q", y.set.Rules[m.Rule].Name, data)
		}
	}
}
