package openioc

import (
	"encoding/xml"
	"strconv"
	"strings"

	"tyto/ioc"
)

// OpenIOC has no score. Version 1.1 has parameters, which say something of the element that ref-id names; those
// that Tyto writes with the name "score" hold how much a match of that element counts.
//
//	<parameters><param id="…" ref-id="ID OF AN ITEM OR INDICATOR" name="score"><value>55</value></param></parameters>

// parameter reads a param element.
func (p *parser) parameter(e xml.StartElement) error {
	line, value := p.line, ""
	err := p.children(func(child xml.StartElement) error {
		if named(child, "value") {
			return p.field(&value)
		}
		return p.skip(child)
	})
	ref := attribute(e, "ref-id")
	if err != nil || !strings.EqualFold(attribute(e, "name"), "score") || ref == "" {
		return err
	}
	score, err := strconv.Atoi(value)
	if err != nil || score < -100 || score > 100 {
		p.problem(line, "parameter score %q is no whole number from -100 to 100: it is ignored", value)
		return nil
	}
	if p.scores == nil {
		p.scores = map[string]int{}
	}
	p.scores[ref] = score
	return nil
}

// byScore returns an indicator as several, one for each score that its alternatives have, which together match
// what it matches. Where an indicator joins conditions by AND, its own score counts, not those of its parts.
func (p *parser) byScore(i *ioc.Indicator) []*ioc.Indicator {
	if score, ok := p.scores[i.ID]; ok {
		i.Score = score
	}
	if len(p.scores) == 0 {
		return []*ioc.Indicator{i}
	}
	d := divider{ids: p.branchIDs, scores: p.scores, alternatives: map[int][]ioc.Node{}}
	for _, n := range i.Pattern.Children {
		d.divide(n, i.Score)
	}
	if len(d.order) == 1 {
		i.Score = d.order[0]
		return []*ioc.Indicator{i}
	}
	var all []*ioc.Indicator
	for _, score := range d.order {
		part := *i
		if part.ID != "" { // no two indicators should have the same
			part.ID += "/" + strconv.Itoa(score)
		}
		part.Score, part.Pattern = score, ioc.Node{Children: d.alternatives[score]}
		all = append(all, &part)
	}
	if len(all) == 0 {
		return []*ioc.Indicator{i}
	}
	return all
}

// divider takes a pattern apart into the alternatives of each score.
type divider struct {
	ids          []string // of the branches, in the order in which they begin
	scores       map[string]int
	alternatives map[int][]ioc.Node
	order        []int // scores as they came
}

func (d *divider) divide(n ioc.Node, score int) {
	var id string
	if n.Term != nil {
		id = n.Term.ID
	} else {
		id, d.ids = d.ids[0], d.ids[1:]
	}
	if own, ok := d.scores[id]; ok {
		score = own
	}
	if n.Term == nil && n.Operator == ioc.Or {
		for _, child := range n.Children {
			d.divide(child, score)
		}
		return
	}
	d.ids = d.ids[branches(n.Children):]
	if _, ok := d.alternatives[score]; !ok {
		d.order = append(d.order, score)
	}
	d.alternatives[score] = append(d.alternatives[score], n)
}

// branches counts the nodes that are no leaves.
func branches(nodes []ioc.Node) int {
	n := 0
	for _, node := range nodes {
		if node.Term == nil {
			n += 1 + branches(node.Children)
		}
	}
	return n
}
