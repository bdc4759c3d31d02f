package openioc

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tyto/finding"
	"tyto/ioc"
)

// parser walks through the elements of one file. Each method that is given a start element reads
// up to and including its end.
type parser struct {
	d      *xml.Decoder
	source string
	limits Limits
	depth  int
	items  int
	// line is where the latest token began.
	line int

	// Of the indicator that is being read: the ids of its branches in the order in which they begin, and the scores
	// that its parameters state, by the id of what they speak of.
	branchIDs []string
	scores    map[string]int

	indicators []*ioc.Indicator
	problems   []finding.Problem
	dropped    int
}

// file reads all indicators of a file, whatever elements they stand in.
func (p *parser) file() error {
	for {
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return p.end()
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || !named(start, "ioc") && !named(start, "OpenIOC") {
			continue
		}
		if err := p.indicator(start); err != nil {
			return err
		}
	}
}

func (p *parser) end() error {
	if p.dropped > 0 {
		p.problems = append(p.problems, finding.Problem{File: p.source, Warning: true,
			Message: fmt.Sprintf("and %d more problems", p.dropped)})
	}
	return nil
}

// next returns the next token and keeps count of lines and depth.
func (p *parser) next() (xml.Token, error) {
	p.line, _ = p.d.InputPos()
	token, err := p.d.Token()
	switch token.(type) {
	case xml.StartElement:
		if p.depth++; p.depth > p.limits.Depth {
			return nil, fmt.Errorf("elements are nested deeper than %d", p.limits.Depth)
		}
	case xml.EndElement:
		p.depth--
	}
	return token, err
}

func (p *parser) problem(line int, format string, args ...any) {
	if len(p.problems) >= maxProblems {
		p.dropped++
		return
	}
	p.problems = append(p.problems, finding.Problem{File: p.source, Line: line, Warning: true, Message: fmt.Sprintf(format, args...)})
}

func named(e xml.StartElement, name string) bool { return strings.EqualFold(e.Name.Local, name) }

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) && a.Name.Space != "xmlns" {
			return a.Value
		}
	}
	return ""
}

// children calls visit with each child element, which must read it to its end.
func (p *parser) children(visit func(xml.StartElement) error) error {
	for {
		token, err := p.next()
		if err != nil {
			return unexpectedEnd(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if err := visit(token); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("file ends within an element")
	}
	return err
}

func (p *parser) skip(xml.StartElement) error { return p.children(p.skip) }

// text returns the text of an element without its child elements.
func (p *parser) text() (string, error) {
	var b strings.Builder
	line := p.line
	for {
		token, err := p.next()
		if err != nil {
			return "", unexpectedEnd(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			if b.Len()+len(token) > p.limits.Text {
				return "", fmt.Errorf("text of the element in line %d is longer than %d bytes", line, p.limits.Text)
			}
			b.Write(token)
		case xml.StartElement:
			if err := p.skip(token); err != nil {
				return "", err
			}
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

// indicator reads an ioc or OpenIOC element.
func (p *parser) indicator(start xml.StartElement) error {
	i := &ioc.Indicator{ID: attribute(start, "id"), Source: p.source, Line: p.line, Score: ioc.DefaultScore}
	p.branchIDs, p.scores = nil, nil
	err := p.children(func(e xml.StartElement) error { return p.section(i, e) })
	if err != nil {
		return err
	}
	if i.Name == "" {
		i.Name = i.ID
	}
	if len(i.Pattern.Children) == 0 {
		p.problem(i.Line, "indicator %q has no conditions", i.Name)
	}
	p.indicators = append(p.indicators, p.byScore(i)...)
	return nil
}

// section reads an element of the head, or the pattern. In 1.1 the head stands in metadata.
func (p *parser) section(i *ioc.Indicator, e xml.StartElement) error {
	switch strings.ToLower(e.Name.Local) {
	case "definition", "criteria":
		return p.branches(&i.Pattern)
	case "metadata":
		return p.children(func(e xml.StartElement) error { return p.section(i, e) })
	case "parameters":
		return p.children(func(e xml.StartElement) error {
			if named(e, "param") {
				return p.parameter(e)
			}
			return p.skip(e)
		})
	case "links":
		return p.children(func(e xml.StartElement) error { return p.link(i, e) })
	case "short_description":
		return p.field(&i.Name)
	case "description":
		return p.field(&i.Description)
	case "authored_by":
		return p.field(&i.Author)
	case "keywords":
		var words string
		err := p.field(&words)
		i.Tags = append(i.Tags, strings.FieldsFunc(words, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })...)
		return err
	}
	return p.skip(e)
}

func (p *parser) field(to *string) error {
	text, err := p.text()
	*to = strings.TrimSpace(text)
	return err
}

// maxLinks bounds tags and references, which are shown with each match.
const maxLinks = 100

// link reads a link: an address is a reference, "valid-until" the end of the indicator's validity, anything
// else a tag such as "family:ZEUS".
func (p *parser) link(i *ioc.Indicator, e xml.StartElement) error {
	var text string
	if err := p.field(&text); err != nil {
		return err
	}
	href, rel := attribute(e, "href"), attribute(e, "rel")
	if strings.EqualFold(rel, "valid-until") {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.problem(p.line, "link valid-until holds no time such as 2026-12-31T00:00:00Z: the indicator stays valid")
			return nil
		}
		i.ValidUntil = until
		return nil
	}
	if href == "" && strings.Contains(text, "://") {
		href, text = text, ""
	}
	if href != "" && len(i.References) < maxLinks {
		i.References = append(i.References, href)
	}
	if text != "" && len(i.Tags) < maxLinks {
		if rel != "" {
			text = rel + ":" + text
		}
		i.Tags = append(i.Tags, text)
	}
	return nil
}

// branches reads the children of an Indicator, a definition or a criteria element into a node.
func (p *parser) branches(n *ioc.Node) error {
	return p.children(func(e xml.StartElement) error {
		switch {
		case named(e, "Indicator"):
			return p.branch(n, e)
		case named(e, "IndicatorItem"):
			return p.item(n, e)
		}
		p.problem(p.line, "element %q is not part of a pattern and ignored", e.Name.Local)
		return p.skip(e)
	})
}

// branch reads an Indicator element and adds it to its parent.
func (p *parser) branch(parent *ioc.Node, e xml.StartElement) error {
	line := p.line
	var n ioc.Node
	p.branchIDs = append(p.branchIDs, attribute(e, "id"))
	operator := attribute(e, "operator")
	switch strings.ToUpper(strings.TrimSpace(operator)) {
	case "AND":
		n.Operator = ioc.And
	case "OR":
	default:
		p.problem(line, "operator %q is neither AND nor OR: the branch is unknown", operator)
		n.Operator = ioc.And
		n.Children = append(n.Children, ioc.Leaf(ioc.Term{Line: line, Invalid: fmt.Sprintf("operator %q is neither AND nor OR", operator)}))
	}
	if err := p.branches(&n); err != nil {
		return err
	}
	if len(n.Children) == 0 {
		p.problem(line, "branch is empty")
		n.Children = []ioc.Node{ioc.Leaf(ioc.Term{Line: line, Invalid: "branch is empty"})}
	}
	parent.Children = append(parent.Children, n)
	return nil
}

// item reads an IndicatorItem element and adds it to its parent as a term.
func (p *parser) item(parent *ioc.Node, e xml.StartElement) error {
	if p.items++; p.items > p.limits.Items {
		return fmt.Errorf("file has more than %d items", p.limits.Items)
	}
	t := ioc.Term{ID: attribute(e, "id"), Line: p.line}
	p.condition(&t, e)
	hasContent := false
	err := p.children(func(e xml.StartElement) error {
		switch {
		case named(e, "Context"):
			t.Path = strings.TrimSpace(attribute(e, "search"))
		case named(e, "Content"):
			text, err := p.text()
			hasContent = true
			t.Type, t.Value = attribute(e, "type"), content(text)
			return err
		}
		return p.skip(e)
	})
	if err != nil {
		return err
	}
	switch {
	case t.Invalid != "":
	case t.Path == "":
		t.Invalid = "item has no Context with a search attribute"
	case !hasContent:
		t.Invalid = "item has no Content"
	}
	if t.Invalid != "" {
		p.problem(t.Line, "%s: the condition is unknown", t.Invalid)
	}
	parent.Children = append(parent.Children, ioc.Leaf(t))
	return nil
}

var conditions = map[string]ioc.Condition{
	"is": ioc.Is, "isnot": ioc.Is, "contains": ioc.Contains, "containsnot": ioc.Contains,
	"matches": ioc.Matches, "starts-with": ioc.StartsWith, "ends-with": ioc.EndsWith,
	"greater-than": ioc.GreaterThan, "less-than": ioc.LessThan,
}

func (p *parser) condition(t *ioc.Term, e xml.StartElement) {
	name := strings.ToLower(strings.TrimSpace(attribute(e, "condition")))
	var ok bool
	if t.Condition, ok = conditions[name]; !ok {
		t.Invalid = fmt.Sprintf("unknown condition %q", name)
		return
	}
	t.Negate = strings.HasSuffix(name, "not")
	for attr, to := range map[string]func(){
		"negate":        func() { t.Negate = !t.Negate },
		"preserve-case": func() { t.PreserveCase = true },
	} {
		switch value := strings.ToLower(strings.TrimSpace(attribute(e, attr))); value {
		case "true", "1":
			to()
		case "", "false", "0":
		default:
			t.Invalid = fmt.Sprintf("attribute %s=%q is neither true nor false", attr, value)
		}
	}
}

// content returns a value without the white space of pretty-printing. Spaces on the value's own
// line are part of it.
func content(s string) string {
	if strings.HasPrefix(strings.TrimLeft(s, " \t"), "\n") || strings.HasSuffix(strings.TrimRight(s, " \t"), "\n") {
		return strings.TrimSpace(s)
	}
	return s
}
