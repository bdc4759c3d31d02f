package derive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tyto/verdict"
)

// The objects of STIX 2.1 (OASIS, 10 June 2021), with the properties that are used here. Those that have no
// omitempty are required by §3 and §4.
type (
	stixBundle struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Objects []any  `json:"objects"`
	}
	stixCommon struct {
		Type       string   `json:"type"`
		Version    string   `json:"spec_version"`
		ID         string   `json:"id"`
		Created    string   `json:"created"`
		Modified   string   `json:"modified"`
		By         string   `json:"created_by_ref,omitempty"`
		Confidence int      `json:"confidence,omitempty"`
		Labels     []string `json:"labels,omitempty"`
	}
	stixIdentity struct {
		stixCommon
		Name  string `json:"name"`
		Class string `json:"identity_class"`
	}
	stixFile struct {
		Type    string            `json:"type"`
		Version string            `json:"spec_version"`
		ID      string            `json:"id"`
		Hashes  map[string]string `json:"hashes"`
		Size    int64             `json:"size,omitempty"`
	}
	stixMalware struct {
		stixCommon
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Types       []string `json:"malware_types"`
		IsFamily    bool     `json:"is_family"`
		Samples     []string `json:"sample_refs,omitempty"`
	}
	stixAnalysis struct {
		stixCommon
		Product    string `json:"product"`
		Result     string `json:"result"`
		ResultName string `json:"result_name"`
		Definition string `json:"analysis_definition_version,omitempty"`
		Ended      string `json:"analysis_ended,omitempty"`
		Sample     string `json:"sample_ref,omitempty"`
	}
	stixIndicator struct {
		stixCommon
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Types       []string `json:"indicator_types"`
		Pattern     string   `json:"pattern"`
		PatternType string   `json:"pattern_type"`
		From        string   `json:"valid_from"`
		Until       string   `json:"valid_until"`
	}
	stixRelationship struct {
		stixCommon
		Relation string `json:"relationship_type"`
		Source   string `json:"source_ref"`
		Target   string `json:"target_ref"`
	}
	stixNote struct {
		stixCommon
		Abstract string   `json:"abstract"`
		Content  string   `json:"content"`
		Refs     []string `json:"object_refs"`
	}
)

// STIX returns the indicators as a STIX 2.1 bundle: the producer, the object as malware with the sandbox's
// analysis, an indicator with a pattern for each of [Derived.Indicators], and a note that tells what was left
// out. Identifiers are the same each time, so that a later bundle replaces an earlier one. It is an error if
// there is no indicator.
func (d *Derived) STIX() ([]byte, error) {
	if len(d.Indicators) == 0 {
		return nil, fmt.Errorf("write STIX: %w", ErrNothing)
	}
	s := &stixWriter{d: d, created: d.created()}
	s.by = "identity--" + newUUID(namespace, "identity", d.producer)
	began := stixTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) // the producer never changes, so neither does this
	s.add(stixIdentity{stixCommon{Type: "identity", Version: "2.1", ID: s.by, Created: began, Modified: began}, d.producer, "system"})
	malware := s.malware()
	for _, i := range d.Indicators {
		s.indicator(i, malware)
	}
	if notes := d.notes(); len(notes) > 0 {
		s.add(stixNote{s.common("note", 0, "left-out"), "What was left out of the indicators", strings.Join(notes, "\n"), []string{malware}})
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(stixBundle{"bundle", "bundle--" + d.newID("bundle"), s.objects}); err != nil {
		return nil, fmt.Errorf("write STIX: %w", err)
	}
	return b.Bytes(), nil
}

// stixWriter gathers the objects of a bundle.
type stixWriter struct {
	d       *Derived
	by      string // the producer's id
	created time.Time
	objects []any
}

func (s *stixWriter) add(object any) { s.objects = append(s.objects, object) }

// common returns the properties that all objects have; names tell the object from others of its type.
func (s *stixWriter) common(kind string, confidence int, names ...string) stixCommon {
	return stixCommon{
		Type: kind, Version: "2.1", ID: kind + "--" + s.d.newID(append([]string{kind}, names...)...),
		Created: stixTime(s.created), Modified: stixTime(s.d.From), By: s.by, Confidence: confidence,
	}
}

// malware adds the object, its content, and the sandbox's judgement, and returns its id.
func (s *stixWriter) malware() string {
	d := s.d
	v := d.report.Verdict
	var samples []string
	if hashes := hashesOf(d.report.Object); len(hashes) > 0 {
		file := stixFile{"file", "2.1", "file--" + d.newID("sample"), hashes, d.report.Object.Size}
		s.add(file)
		samples = []string{file.ID}
	}
	common := s.common("malware", v.Score, "malware")
	s.add(stixMalware{common, d.Threat, d.Description(), []string{"unknown"}, false, samples})
	analysis := stixAnalysis{
		stixCommon: s.common("malware-analysis", 0, "analysis"), Product: printable(v.Sandbox), Result: stixResults[v.Level],
		ResultName: d.Threat, Definition: printable(v.Database),
	}
	if analysis.Product == "" {
		analysis.Product = "sandbox"
	}
	if analysis.Result == "" {
		analysis.Result = "unknown"
	}
	if !v.Time.IsZero() {
		analysis.Ended = stixTime(v.Time)
	}
	if len(samples) > 0 {
		analysis.Sample = samples[0]
	}
	s.add(analysis)
	return common.ID
}

// stixResults are the words of the vocabulary malware-result-ov (§10.20).
var stixResults = map[verdict.Level]string{verdict.Malicious: "malicious", verdict.Suspicious: "suspicious", verdict.Clean: "benign"}

func hashesOf(o verdict.Object) map[string]string {
	hashes := map[string]string{}
	for name, value := range map[string]string{"MD5": o.MD5, "SHA-1": o.SHA1, "SHA-256": o.SHA256} {
		if value != "" {
			hashes[name] = value
		}
	}
	return hashes
}

// indicator adds an indicator and says what it indicates.
func (s *stixWriter) indicator(i Indicator, malware string) {
	common := s.common("indicator", i.Confidence, i.key())
	common.Labels = []string{string(i.Kind)}
	s.add(stixIndicator{
		common, s.d.Threat + ": " + string(i.Kind), s.d.comment(i), []string{"malicious-activity"},
		"[" + i.stix + "]", "stix", stixTime(s.d.From), stixTime(s.d.Until),
	})
	s.add(stixRelationship{s.common("relationship", 0, i.key()), "indicates", common.ID, malware})
}

// created returns when the sandbox judged, so that it is the same each time; if that is not known or is to
// come, it is now.
func (d *Derived) created() time.Time {
	if at := d.report.Verdict.Time; !at.IsZero() && at.Before(d.From) {
		return at
	}
	return d.From
}

func stixTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// stixText returns a text as a literal of a STIX pattern (§9.3), where backslash and quotation mark are
// escaped by a backslash.
func stixText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
