package source

// withoutPE decides a leaf for content that is not a PE file, in which libyara's pe module leaves
// almost everything undefined.
func withoutPE(t []Token) Truth {
	switch {
	case len(t) == 0: // "a or or b", which libyara refuses
		return Open
	case len(t) == 3 && t[0].Is("pe") && t[1].Is(".") && t[2].Is("is_pe"):
		return False
	case undefinedValue(t) && !quantifies(t):
		return Undefined
	case len(t) == 5 && t[0].Kind == StringID && t[1].Is("at") && undefinedValue(t[2:]):
		return False // "$a at pe.entry_point"
	case undefinedRange(t):
		return False // a loop over nothing is false, whatever its quantifier
	}
	return Open
}

// undefinedValue reports whether t begins with a value of the pe module that is undefined without
// a PE file. Whatever is computed from it or compared with it is undefined too.
func undefinedValue(t []Token) bool {
	return len(t) >= 3 && t[0].Is("pe") && t[1].Is(".") && t[2].Kind == Word && undefinedWithoutPE[t[2].Raw]
}

// quantifies reports whether a leaf is no plain value or comparison: "pe.number_of_sections of
// them" is false, not undefined.
func quantifies(t []Token) bool {
	for _, token := range t {
		if token.Is("of") || token.Is("for") || token.Is("in") {
			return true
		}
	}
	return false
}

// undefinedRange reports whether t is a loop like "for any i in (0 .. pe.number_of_sections - 1) :
// (…)".
func undefinedRange(t []Token) bool {
	if !t[0].Is("for") {
		return false
	}
	for i := 1; i+1 < len(t); i++ {
		if t[i].Is(":") {
			return false
		}
		if t[i].Is("in") {
			return t[i+1].Is("(") && undefinedBound(t[i+2:])
		}
	}
	return false
}

// undefinedBound looks at "low .. high )": the tokens after a range's opening parenthesis.
func undefinedBound(t []Token) bool {
	depth := 0
	for i, token := range t {
		switch {
		case token.Is("("):
			depth++
		case token.Is(")"):
			depth--
		case depth == 0 && token.Is(".."):
			return undefinedValue(t) || undefinedValue(t[i+1:])
		}
		if depth < 0 {
			return false
		}
	}
	return false
}

// PEValues returns the names of the pe module's values that are undefined when the content is not a
// PE file. Its constants and is_pe are not. A test in package rules asks libyara for each of them.
func PEValues() []string {
	return []string{
		"characteristics", "checksum", "dll_name", "entry_point", "export_timestamp", "exports",
		"image_base", "imphash", "imports", "is_32bit", "is_64bit", "is_dll", "language", "locale",
		"machine", "number_of_exports", "number_of_imports", "number_of_resources",
		"number_of_sections", "number_of_signatures", "pdb_path", "sections", "signatures",
		"size_of_image", "subsystem", "timestamp", "version_info",
	}
}

var undefinedWithoutPE = func() map[string]bool {
	m := make(map[string]bool)
	for _, name := range PEValues() {
		m[name] = true
	}
	return m
}()
