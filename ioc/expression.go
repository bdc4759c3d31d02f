package ioc

import "slices"

// expression is a part of an indicator's pattern that speaks of one item, or, before it is
// split, the whole pattern. Expressions are immutable and may share branches.
type expression struct {
	operator Operator
	branches []*expression
	term     *term // set in a leaf
	// perElement is set in a conjunction of leaves of which some speak of the same list
	// element; see evaluation.elements.
	perElement bool
}

// join returns the conjunction or disjunction of expressions, without needless nesting.
func join(op Operator, branches ...*expression) *expression {
	var flat []*expression
	for _, b := range branches {
		if b.term == nil && b.operator == op && !b.perElement {
			flat = append(flat, b.branches...)
		} else {
			flat = append(flat, b)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &expression{operator: op, branches: flat}
}

// either returns the disjunction of branches of one expression.
func either(branches []*expression) *expression {
	if len(branches) == 1 {
		return branches[0]
	}
	return &expression{operator: Or, branches: branches}
}

// positive reports whether the expression selects anything: whether a leaf is not negated.
func (e *expression) positive() bool {
	if e.term != nil {
		return !e.term.source.Negate
	}
	return slices.ContainsFunc(e.branches, (*expression).positive)
}

// walk calls visit with each leaf.
func (e *expression) walk(visit func(*term)) {
	if e.term != nil {
		visit(e.term)
		return
	}
	for _, b := range e.branches {
		b.walk(visit)
	}
}

// document returns the document that all leaves speak of, or "" if there are several.
func (e *expression) document() string {
	if e.term != nil {
		return e.term.document
	}
	document := e.branches[0].document()
	for _, b := range e.branches[1:] {
		if document == "" || b.document() != document {
			return ""
		}
	}
	return document
}

// withoutIdle drops what selects nothing: branches of an OR that are wholly negative, and hashes of
// trivial content that would select harmless files on their own. It returns nil if nothing is
// left. alone says that no sibling narrows the expression.
func (e *expression) withoutIdle(alone bool) *expression {
	switch {
	case e.term != nil:
		if alone && isTrivialTerm(e.term) {
			e.term.refuse(TrivialHash, "is the hash of content that harmless files have")
			return nil
		}
		return e
	case e.operator == And:
		selecting := 0
		for _, b := range e.branches {
			if b.positive() {
				selecting++
			}
		}
		kept := make([]*expression, len(e.branches))
		for i, b := range e.branches {
			if kept[i] = b.withoutIdle(alone && selecting == 1); kept[i] == nil {
				return nil // an AND without one of its conditions would be wider
			}
		}
		return join(And, kept...)
	}
	var kept []*expression
	for _, b := range e.branches {
		if !b.positive() {
			b.walk(func(t *term) { t.refuse(NegativeAlone, "has no positive sibling under an AND, so it selects nothing") })
		} else if k := b.withoutIdle(alone); k != nil {
			kept = append(kept, k)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return join(Or, kept...)
}

// withoutUnknown drops branches that are unknown for every item, which never match. It returns
// nil if nothing is left. It changes no result and saves collecting facts for nothing.
func (e *expression) withoutUnknown() *expression {
	if e.term != nil {
		if e.term.status != Evaluated {
			return nil
		}
		return e
	}
	var kept []*expression
	for _, b := range e.branches {
		k := b.withoutUnknown()
		switch {
		case k != nil:
			kept = append(kept, k)
		case e.operator == And:
			return nil
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return join(e.operator, kept...)
}
