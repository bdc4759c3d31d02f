package derive

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxNotes bounds what is told of what was left out, in the files; the rest is counted.
const maxNotes = 200

// The elements of OpenIOC 1.1, as published by Mandiant with the schema OpenIOC_1.1.
type (
	iocFile struct {
		XMLName   xml.Name    `xml:"http://openioc.org/schemas/OpenIOC_1.1 OpenIOC"`
		ID        string      `xml:"id,attr"`
		Modified  string      `xml:"last-modified,attr"`
		Published string      `xml:"published-date,attr"`
		Metadata  iocMetadata `xml:"metadata"`
		Criteria  iocBranch   `xml:"criteria>Indicator"`
		Params    []iocParam  `xml:"parameters>param"`
	}
	iocMetadata struct {
		Short       string    `xml:"short_description"`
		Description string    `xml:"description"`
		Keywords    string    `xml:"keywords"`
		Author      string    `xml:"authored_by"`
		Date        string    `xml:"authored_date"`
		Links       []iocLink `xml:"links>link"`
	}
	iocLink struct {
		Rel  string `xml:"rel,attr"`
		Text string `xml:",chardata"`
	}
	iocBranch struct {
		Operator string      `xml:"operator,attr"`
		ID       string      `xml:"id,attr"`
		Items    []iocItem   `xml:"IndicatorItem"`
		Branches []iocBranch `xml:"Indicator"`
	}
	iocItem struct {
		ID        string     `xml:"id,attr"`
		Condition string     `xml:"condition,attr"`
		Case      bool       `xml:"preserve-case,attr"`
		Negate    bool       `xml:"negate,attr"`
		Context   iocContext `xml:"Context"`
		Content   iocContent `xml:"Content"`
	}
	iocContext struct {
		Document string `xml:"document,attr"`
		Search   string `xml:"search,attr"`
		Type     string `xml:"type,attr"`
	}
	iocContent struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
	iocParam struct {
		ID    string `xml:"id,attr"`
		Ref   string `xml:"ref-id,attr"`
		Name  string `xml:"name,attr"`
		Value string `xml:"value"`
	}
)

// OpenIOC returns the indicators as an OpenIOC 1.1 file: an OR of the kinds, each an OR of its indicators.
// Confidence, which is also the score of a match, reason and what was left out are parameters; sandbox and validity are links. It is an error if
// there is no indicator.
func (d *Derived) OpenIOC() ([]byte, error) {
	if len(d.Indicators) == 0 {
		return nil, fmt.Errorf("write OpenIOC: %w", ErrNothing)
	}
	root := iocBranch{Operator: "OR", ID: d.newID("criteria")}
	file := iocFile{
		ID: d.ID, Modified: iocTime(d.From), Published: iocTime(d.From),
		Metadata: iocMetadata{
			Short: d.Threat, Description: d.Description(), Keywords: "sandbox derived", Author: d.producer, Date: iocTime(d.From),
			Links: []iocLink{{"valid-until", d.Until.UTC().Format(time.RFC3339)}},
		},
	}
	if by := d.report.Verdict.Sandbox; by != "" {
		file.Metadata.Links = append(file.Metadata.Links, iocLink{"sandbox", printable(by)})
	}
	for _, kind := range Kinds() {
		branch := iocBranch{Operator: "OR", ID: d.newID("kind", string(kind))}
		for _, i := range d.Indicators {
			if i.Kind == kind {
				id := d.add(&branch, i)
				file.Params = append(file.Params,
					iocParam{d.newID("confidence", id), id, "confidence", strconv.Itoa(i.Confidence)},
					iocParam{d.newID("score", id), id, "score", strconv.Itoa(i.Confidence)}, // what Tyto reads
					iocParam{d.newID("comment", id), id, "comment", d.comment(i)})
			}
		}
		if len(branch.Items)+len(branch.Branches) > 0 {
			root.Branches = append(root.Branches, branch)
		}
	}
	file.Criteria = root
	for n, note := range d.notes() {
		file.Params = append(file.Params, iocParam{d.newID("left out", strconv.Itoa(n)), root.ID, "left-out", note})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	encoder := xml.NewEncoder(&b)
	encoder.Indent("", "  ")
	if err := encoder.Encode(file); err != nil {
		return nil, fmt.Errorf("write OpenIOC: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// add adds an indicator to the branch of its kind and returns the id under which it stands.
func (d *Derived) add(branch *iocBranch, i Indicator) string {
	if len(i.Tests) == 1 {
		item := d.item(i.Tests[0], i.key())
		branch.Items = append(branch.Items, item)
		return item.ID
	}
	all := iocBranch{Operator: "AND", ID: d.newID("all", i.key())}
	for _, t := range i.Tests {
		all.Items = append(all.Items, d.item(t, i.key()))
	}
	branch.Branches = append(branch.Branches, all)
	return all.ID
}

func (d *Derived) item(t Test, within string) iocItem {
	document, _, _ := strings.Cut(t.Term, "/")
	return iocItem{
		ID: d.newID("item", within, t.Term, t.Condition, t.Value), Condition: t.Condition,
		Context: iocContext{document, t.Term, "mir"}, Content: iocContent{t.Type, t.Value},
	}
}

func iocTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }
