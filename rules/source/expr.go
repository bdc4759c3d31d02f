package source

// Op says how an expression is put together.
type Op int

// The shapes of an expression.
const (
	Leaf Op = iota // Tokens, not looked into
	And
	Or
	Not // of one argument
)

// Expr is a condition, taken apart at its logical operators.
type Expr struct {
	Op     Op
	Args   []Expr
	Tokens []Token // of a Leaf
}

// parseExpr takes a condition apart. The operators bind, from loosest to tightest: or, and, not;
// everything else binds tighter still and makes up the leaves. "defined" binds like "not", so a
// leaf may begin with it. Beyond maxDepth everything is one leaf.
func parseExpr(tokens []Token, depth int) Expr {
	if depth > maxDepth {
		return Expr{Tokens: tokens}
	}
	for _, level := range [...]struct {
		word string
		op   Op
	}{{"or", Or}, {"and", And}} {
		parts := split(tokens, level.word)
		if len(parts) == 1 {
			continue
		}
		e := Expr{Op: level.op}
		for _, part := range parts {
			e.Args = append(e.Args, parseExpr(part, depth+1))
		}
		return e
	}
	switch {
	case len(tokens) > 1 && tokens[0].Is("not"):
		return Expr{Op: Not, Args: []Expr{parseExpr(tokens[1:], depth+1)}}
	case enclosed(tokens):
		return parseExpr(tokens[1:len(tokens)-1], depth+1)
	}
	return Expr{Tokens: tokens}
}

// split cuts tokens at a word that stands outside of all parentheses and brackets.
func split(tokens []Token, word string) [][]Token {
	var parts [][]Token
	depth, start := 0, 0
	for i, t := range tokens {
		switch {
		case t.Is("(") || t.Is("["):
			depth++
		case t.Is(")") || t.Is("]"):
			depth--
		case depth == 0 && t.Is(word):
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}

// enclosed reports whether one pair of parentheses holds all the tokens.
func enclosed(tokens []Token) bool {
	if len(tokens) < 3 || !tokens[0].Is("(") {
		return false
	}
	depth := 0
	for i, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			if depth--; depth == 0 {
				return i == len(tokens)-1
			}
		}
	}
	return false
}
