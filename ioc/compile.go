package ioc

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds of one indicator's pattern. What exceeds them is reported and not evaluated.
const (
	// MaxAlternatives bounds the alternatives that an indicator over several documents, or
	// over elements of lists, is multiplied out into.
	MaxAlternatives = 4096
	// MaxTermsMultiplied bounds the terms in all of these alternatives.
	MaxTermsMultiplied = 1 << 18
	// MaxDepth bounds the nesting of AND and OR.
	MaxDepth = 64
)

// compiled is an indicator ready for evaluation: it holds if one of its alternatives holds.
type compiled struct {
	source       *Indicator
	terms        []*term // in the order of the source
	alternatives []*alternative
}

// alternative holds if each part holds for some item of the run.
type alternative struct {
	parts  []*part
	number int // in the set, counting only those with several parts; else -1
}

// part is an expression about one item of one document.
type part struct {
	document   string
	expression *expression
	owner      *compiled
	within     *alternative
	place      int // in within.parts
}

// compile normalises an indicator into alternatives. The error says that the pattern is too
// large; the terms are compiled in any case.
func compile(source *Indicator, available func(string) bool) (*compiled, error) {
	c := &compiled{source: source}
	root, err := c.translate(&source.Pattern, 0)
	if err != nil {
		return c, err
	}
	for _, t := range c.terms {
		if t.status == Evaluated && !available(t.path) {
			t.refuse(NotBuilt, fmt.Sprintf("%s is not collected yet", t.path))
		}
	}
	if root == nil {
		return c, errors.New("indicator has no terms")
	}
	// An OR of one branch: the root is treated as any branch of an OR.
	if root = (&expression{operator: Or, branches: []*expression{root}}).withoutIdle(true); root == nil {
		return c, nil
	}
	alternatives, err := split(root)
	if err != nil {
		return c, err
	}
	return c, c.keepAlternatives(alternatives)
}

func (c *compiled) translate(n *Node, depth int) (*expression, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("pattern is nested deeper than %d", MaxDepth)
	}
	if n.Term != nil {
		t := compileTerm(n.Term)
		c.terms = append(c.terms, t)
		return &expression{term: t}, nil
	}
	var branches []*expression
	for i := range n.Children {
		e, err := c.translate(&n.Children[i], depth+1)
		if err != nil {
			return nil, err
		}
		if e != nil {
			branches = append(branches, e)
		}
	}
	if len(branches) == 0 {
		return nil, nil
	}
	return join(n.Operator, branches...), nil
}

// conjunction maps documents to what one item of them must satisfy.
type conjunction map[string]*expression

// split distributes AND over OR as far as needed for each conjunction to have one expression for
// each document. What speaks of one document only stays as it is.
func split(e *expression) ([]conjunction, error) {
	if document := e.document(); document != "" {
		return []conjunction{{document: e}}, nil
	}
	if e.operator == Or {
		return splitOr(e)
	}
	product := []conjunction{{}}
	for _, b := range e.branches {
		factors, err := split(b)
		if err != nil {
			return nil, err
		}
		if len(product)*len(factors) > MaxAlternatives {
			return nil, fmt.Errorf("pattern over several documents has more than %d alternatives", MaxAlternatives)
		}
		var next []conjunction
		for _, p := range product {
			for _, f := range factors {
				next = append(next, p.and(f))
			}
		}
		product = next
	}
	return product, nil
}

// splitOr gathers the alternatives of all branches; those of the same single document become one.
func splitOr(e *expression) ([]conjunction, error) {
	var all []conjunction
	var documents []string
	single := map[string][]*expression{}
	for _, b := range e.branches {
		alternatives, err := split(b)
		if err != nil {
			return nil, err
		}
		for _, a := range alternatives {
			if len(a) > 1 {
				all = append(all, a)
				continue
			}
			for document, e := range a {
				if single[document] == nil {
					documents = append(documents, document)
				}
				single[document] = append(single[document], e)
			}
		}
	}
	for _, document := range documents {
		all = append(all, conjunction{document: join(Or, single[document]...)})
	}
	if len(all) > MaxAlternatives {
		return nil, fmt.Errorf("pattern over several documents has more than %d alternatives", MaxAlternatives)
	}
	return all, nil
}

func (c conjunction) and(d conjunction) conjunction {
	both := conjunction{}
	for document, e := range c {
		both[document] = e
	}
	for document, e := range d {
		if other := both[document]; other != nil {
			e = join(And, other, e)
		}
		both[document] = e
	}
	return both
}

// keepAlternatives keeps the alternatives that can ever hold, and notes on terms why the others
// cannot.
func (c *compiled) keepAlternatives(alternatives []conjunction) error {
	selecting := map[*term]bool{}
	var lonely []*term
	for _, a := range alternatives {
		idle := false
		for _, e := range a {
			if !e.positive() {
				idle = true
				e.walk(func(t *term) { lonely = append(lonely, t) })
			} else {
				e.walk(func(t *term) { selecting[t] = true })
			}
		}
		if idle {
			continue
		}
		kept, err := c.newAlternative(a)
		if err != nil {
			return err
		}
		if kept != nil {
			c.alternatives = append(c.alternatives, kept)
		}
	}
	for _, t := range lonely {
		if !selecting[t] && t.status == Evaluated {
			t.refuse(NegativeAlone, fmt.Sprintf("has no positive sibling of document %s under its AND, so the AND selects nothing", t.document))
		}
	}
	return nil
}

func (c *compiled) newAlternative(a conjunction) (*alternative, error) {
	alt := &alternative{number: -1}
	for document, e := range a {
		e = e.withoutUnknown()
		if e == nil {
			return nil, nil
		}
		e, err := bindElements(e)
		if err != nil {
			return nil, err
		}
		alt.parts = append(alt.parts, &part{document: document, expression: e, owner: c, within: alt})
	}
	slices.SortFunc(alt.parts, func(a, b *part) int {
		if a.document < b.document {
			return -1
		}
		return 1
	})
	for i, p := range alt.parts {
		p.place = i
	}
	return alt, nil
}

// bindElements multiplies an expression out into conjunctions of leaves if terms under one AND
// speak of the same list element, because the choice of that element joins them.
func bindElements(e *expression) (*expression, error) {
	if !bindsElements(e) {
		return e, nil
	}
	conjunctions, err := multiply(e)
	if err != nil {
		return nil, err
	}
	branches := make([]*expression, len(conjunctions))
	for i, leaves := range conjunctions {
		branches[i] = &expression{operator: And, branches: leaves, perElement: true}
	}
	return either(branches), nil
}

// bindsElements reports whether two different branches of an AND have terms below the same list
// element.
func bindsElements(e *expression) bool {
	if e.term != nil {
		return false
	}
	if e.operator == And {
		seen := map[string]int{} // outermost element to the branch that has it
		for i, b := range e.branches {
			shared := false
			b.walk(func(t *term) {
				if len(t.elements) == 0 {
					return
				}
				if branch, ok := seen[t.elements[0]]; ok && branch != i {
					shared = true
				}
				seen[t.elements[0]] = i
			})
			if shared {
				return true
			}
		}
	}
	return slices.ContainsFunc(e.branches, bindsElements)
}

// multiply returns the disjunctive normal form.
func multiply(e *expression) ([][]*expression, error) {
	if e.term != nil {
		return [][]*expression{{e}}, nil
	}
	var sum [][]*expression
	if e.operator == And {
		sum = [][]*expression{nil}
	}
	for _, b := range e.branches {
		terms, err := multiply(b)
		if err != nil {
			return nil, err
		}
		if e.operator == Or {
			sum = append(sum, terms...)
		} else if sum, err = product(sum, terms); err != nil {
			return nil, err
		}
		if len(sum) > MaxAlternatives {
			return nil, fmt.Errorf("pattern over list elements has more than %d alternatives", MaxAlternatives)
		}
	}
	return sum, nil
}

func product(a, b [][]*expression) ([][]*expression, error) {
	if len(a)*len(b) > MaxAlternatives {
		return nil, fmt.Errorf("pattern over list elements has more than %d alternatives", MaxAlternatives)
	}
	var all [][]*expression
	terms := 0
	for _, x := range a {
		for _, y := range b {
			all = append(all, slices.Concat(x, y))
			terms += len(x) + len(y)
		}
	}
	if terms > MaxTermsMultiplied {
		return nil, fmt.Errorf("pattern over list elements has more than %d terms in all alternatives", MaxTermsMultiplied)
	}
	return all, nil
}
