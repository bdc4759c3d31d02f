package source

import (
	"fmt"
	"strings"
)

// Parse reads a rule file. Its error is an [*Error]; there is no partial result.
func Parse(src []byte) (*File, error) {
	if len(src) > MaxSize {
		return nil, &Error{Line: 1, Message: fmt.Sprintf("file is larger than %d bytes", MaxSize)}
	}
	p := parser{lexer: lexer{src: string(src), line: 1}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.file()
}

// parser holds one token of look-ahead.
type parser struct {
	lexer lexer
	token Token
	end   int // of the token before
}

func (p *parser) advance() (err error) {
	p.end = p.token.Pos + len(p.token.Raw)
	p.token, err = p.lexer.next()
	return err
}

func (p *parser) fail(want string) error {
	have := "the end of the file"
	if p.token.Kind != EOF {
		have = fmt.Sprintf("%.40q", p.token.Raw)
	}
	return &Error{Line: p.token.Line, Message: fmt.Sprintf("%s expected, not %s", want, have)}
}

// expect moves past the given keyword or punctuation.
func (p *parser) expect(raw string) error {
	if !p.token.Is(raw) {
		return p.fail(fmt.Sprintf("%q", raw))
	}
	return p.advance()
}

// accept returns the current token if it is of that kind, and moves past it.
func (p *parser) accept(kind Kind, want string) (Token, error) {
	t := p.token
	if t.Kind != kind {
		return t, p.fail(want)
	}
	return t, p.advance()
}

func (p *parser) file() (*File, error) {
	f := &File{}
	for p.token.Kind != EOF {
		switch {
		case p.token.Kind == Include:
			f.Includes = append(f.Includes, p.token)
			if err := p.advance(); err != nil {
				return nil, err
			}
		case p.token.Is("import"):
			start := p.token.Pos
			if err := p.advance(); err != nil {
				return nil, err
			}
			module, err := p.accept(Text, "a module's name in quotes")
			if err != nil {
				return nil, err
			}
			f.Imports = append(f.Imports, Import{Module: string(module.Value()), Start: start, End: p.end})
		default:
			r, err := p.rule()
			if err != nil {
				return nil, err
			}
			if f.Rules = append(f.Rules, r); len(f.Rules) > MaxRules {
				return nil, &Error{Line: r.Line, Message: fmt.Sprintf("more than %d rules", MaxRules)}
			}
		}
	}
	return f, nil
}

func (p *parser) rule() (*Rule, error) {
	r := &Rule{Start: p.token.Pos}
	for p.token.Is("private") || p.token.Is("global") {
		r.Private = r.Private || p.token.Is("private")
		r.Global = r.Global || p.token.Is("global")
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	r.Line = p.token.Line
	if err := p.expect("rule"); err != nil {
		return nil, err
	}
	name, err := p.accept(Word, "a rule's name")
	if err != nil {
		return nil, err
	}
	r.Name = name.Raw
	for _, section := range [...]func(*Rule) error{p.tags, p.meta, p.strings, p.condition} {
		if err := section(r); err != nil {
			return nil, err
		}
	}
	if err := p.expect("}"); err != nil {
		return nil, err
	}
	r.End = p.end
	return r, nil
}

// tags moves past the tags and the opening brace of the body.
func (p *parser) tags(*Rule) error {
	if p.token.Is(":") {
		if err := p.advance(); err != nil {
			return err
		}
		for p.token.Kind == Word {
			if err := p.advance(); err != nil {
				return err
			}
		}
	}
	return p.expect("{")
}

// meta moves past the meta section. Its values are taken from libyara.
func (p *parser) meta(*Rule) error {
	if !p.token.Is("meta") {
		return nil
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect(":"); err != nil {
		return err
	}
	for p.token.Kind == Word && !p.token.Is("strings") && !p.token.Is("condition") {
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.expect("="); err != nil {
			return err
		}
		if p.token.Is("-") {
			if err := p.advance(); err != nil {
				return err
			}
		}
		if err := p.advance(); err != nil { // the value, a single token
			return err
		}
	}
	return nil
}

func (p *parser) strings(r *Rule) error {
	if !p.token.Is("strings") {
		return nil
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect(":"); err != nil {
		return err
	}
	for p.token.Kind == StringID {
		s, err := p.declaration()
		if err != nil {
			return err
		}
		r.Strings = append(r.Strings, s)
	}
	return nil
}

func (p *parser) declaration() (String, error) {
	s := String{ID: p.token.Raw}
	if err := p.advance(); err != nil {
		return s, err
	}
	if err := p.expect("="); err != nil {
		return s, err
	}
	s.Value = p.token
	switch p.token.Kind {
	case Text, Regexp, Hex:
	default:
		return s, p.fail("a string")
	}
	if err := p.advance(); err != nil {
		return s, err
	}
	for p.token.Kind == Word && !p.token.Is("condition") {
		m, err := p.modifier()
		if err != nil {
			return s, err
		}
		s.Modifiers = append(s.Modifiers, m)
	}
	return s, nil
}

func (p *parser) modifier() (Modifier, error) {
	m := Modifier{Name: p.token.Raw}
	if err := p.advance(); err != nil || !p.token.Is("(") {
		return m, err
	}
	for !p.token.Is(")") {
		if err := p.advance(); err != nil {
			return m, err
		}
		if p.token.Kind == EOF {
			return m, p.fail(`")"`)
		}
		m.Args = append(m.Args, p.token)
	}
	m.Args = m.Args[:len(m.Args)-1] // without the parenthesis
	return m, p.advance()
}

// condition reads the condition up to the brace that closes the rule. No brace can stand inside.
func (p *parser) condition(r *Rule) error {
	if err := p.expect("condition"); err != nil {
		return err
	}
	if err := p.expect(":"); err != nil {
		return err
	}
	var tokens []Token
	for !p.token.Is("}") {
		if p.token.Kind == EOF {
			return p.fail(`"}"`)
		}
		tokens = append(tokens, p.token)
		if err := p.advance(); err != nil {
			return err
		}
	}
	if len(tokens) == 0 {
		return p.fail("a condition")
	}
	r.Condition = parseExpr(tokens, 0)
	r.References, r.Prefixes = references(tokens)
	return nil
}

// references collects the words of a condition that are not keywords. Words after a dot are
// fields of modules.
func references(tokens []Token) (names, prefixes []string) {
	seen := make(map[string]bool)
	for i, t := range tokens {
		if t.Kind != Word || keywords[t.Raw] || i > 0 && tokens[i-1].Is(".") {
			continue
		}
		if i+1 < len(tokens) && tokens[i+1].Is("*") {
			// "of (apt_*)", or a multiplication: a prefix too many does no harm.
			prefixes = append(prefixes, t.Raw)
		}
		if !seen[t.Raw] {
			seen[t.Raw] = true
			names = append(names, t.Raw)
		}
	}
	return names, prefixes
}

var keywords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(`true false not and or at in of them for all any none
		entrypoint filesize matches contains startswith endswith icontains istartswith iendswith
		iequals defined int8 int16 int32 uint8 uint16 uint32 int8be int16be int32be uint8be
		uint16be uint32be`) {
		m[w] = true
	}
	return m
}()

// Includes returns the include directives of a file, as far as it can be cut into tokens: for a
// file that [Parse] refuses too.
func Includes(src []byte) []Token {
	var out []Token
	l := lexer{src: string(src), line: 1}
	for len(src) <= MaxSize {
		t, err := l.next()
		if err != nil || t.Kind == EOF {
			break
		}
		if t.Kind == Include {
			out = append(out, t)
		}
	}
	return out
}
