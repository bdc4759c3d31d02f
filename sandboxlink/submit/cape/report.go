package cape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// maxRaw is the longest report that is read off the wire. Most of a large one are the calls of each process,
// which are dropped as they come.
const maxRaw = 512 << 20

// result fetches what a task that is done has shown. The answer is pending if it is not done after all.
func (b *Backend) result(ctx context.Context, id string, o wire.Object) (wire.Answer, error) {
	data, err := b.report(ctx, id)
	if isUnfinished(err) {
		return wire.Answer{Task: id, Pending: true}, nil
	}
	if err != nil && !isForgotten(err) && !isBusy(err) && ctx.Err() == nil {
		// Switched off, too long, not kept, not for us: the indicators hold what matters.
		var again error
		if data, again = b.indicators(ctx, id); isUnfinished(again) {
			return wire.Answer{Task: id, Pending: true}, nil
		} else if again == nil {
			err = nil
		} else if isDisabled(err) && isDisabled(again) {
			err = errNoReport(err)
		}
	}
	if err != nil {
		return wire.Answer{}, err
	}
	return b.judge(data, id, o)
}

// report fetches a report without the calls.
func (b *Backend) report(ctx context.Context, id string) ([]byte, error) {
	var kept bytes.Buffer
	reply, err := b.client.Stream(ctx, "/apiv2/tasks/get/report/"+id+"/json/", maxRaw, func(r io.Reader) error {
		return slim(&kept, r, roomy, wire.MaxReport)
	})
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		_, err := read(reply)
		return nil, err
	}
	return document(wire.Reply{Status: reply.Status, Header: reply.Header, Body: kept.Bytes()})
}

// indicators fetches the short form.
func (b *Backend) indicators(ctx context.Context, id string) ([]byte, error) {
	reply, err := b.client.Fetch(ctx, "/apiv2/tasks/get/iocs/"+id+"/detailed/")
	if err != nil {
		return nil, err
	}
	return document(reply)
}

// document takes a report out of its envelope, if it has one, or returns what the envelope complains about.
func document(reply wire.Reply) ([]byte, error) {
	said, err := read(reply)
	if err != nil {
		return nil, err
	}
	if data := bytes.TrimSpace(said.Data); len(data) > 0 && data[0] == '{' {
		return data, nil
	}
	return reply.Body, nil
}

// judgement is what of a report makes the verdict.
type judgement struct {
	Malscore *float64 `json:"malscore"`
	Status   string   `json:"malstatus"`
	Info     struct {
		Score   *float64 `json:"score"`
		Version string   `json:"version"`
	} `json:"info"`
	Detections json.RawMessage `json:"detections"`
	Family     string          `json:"malfamily"`
}

// judge makes the verdict of a report, and the report.
func (b *Backend) judge(data []byte, id string, o wire.Object) (wire.Answer, error) {
	var j judgement
	if err := json.Unmarshal(data, &j); err != nil {
		if mistyped := (*json.UnmarshalTypeError)(nil); !errors.As(err, &mistyped) {
			return wire.Answer{}, wire.Bad("the report of task %s is no JSON: %v", id, err)
		}
	}
	score := j.Malscore
	if score == nil {
		score = j.Info.Score
	}
	if score == nil {
		return wire.Answer{}, wire.Bad("the report of task %s has no malscore", id)
	}
	if strings.EqualFold(j.Status, "failed") {
		return wire.Answer{}, &wire.Error{Kind: wire.Refused, Answered: true, Reason: "the object did not run on the sandbox"}
	}
	malscore := min(max(*score, 0), 10)
	v := verdict.Verdict{
		SHA256:  o.SHA256,
		Level:   b.level(malscore),
		Score:   int(malscore*10 + 0.5),
		Threats: j.threats(),
		Sandbox: strings.TrimSpace("CAPE " + j.Info.Version),
		Time:    b.settings.Now(),
	}
	answer := wire.Answer{Task: id, Verdict: &v}
	if b.settings.Translate == nil {
		return answer, nil
	}
	report, err := b.settings.Translate(data)
	if err != nil {
		answer.NoReport = wire.Bad("the report of task %s cannot be read: %v", id, err)
		return answer, nil
	}
	if len(v.Threats) == 0 {
		v.Threats = report.Verdict.Threats
	}
	// CAPE looks into archives and reports of what it found there; what we asked about is the archive.
	if inner := report.Object; inner.SHA256 != "" && inner.SHA256 != o.SHA256 {
		report.Dropped = append(report.Dropped, verdict.Dropped{Path: inner.Name, Size: inner.Size,
			MD5: inner.MD5, SHA1: inner.SHA1, SHA256: inner.SHA256, Type: inner.Type, Executable: true})
	}
	report.Object = verdict.Object{Name: o.Name, Size: o.Size, MD5: o.MD5, SHA1: o.SHA1, SHA256: o.SHA256, Type: o.Type}
	report.Verdict = v
	answer.Report = report
	return answer, nil
}

// Bounds of names of threats.
const (
	maxThreats = 16
	maxThreat  = 200
)

// threats returns the names of families: detections is a text, a list of texts, or of objects with "family".
func (j judgement) threats() []string {
	var names []string
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" && len(name) <= maxThreat && len(names) < maxThreats && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var text string
	var list []json.RawMessage
	switch {
	case json.Unmarshal(j.Detections, &text) == nil:
		add(text)
	case json.Unmarshal(j.Detections, &list) == nil:
		for _, entry := range list {
			var object struct {
				Family string `json:"family"`
			}
			if json.Unmarshal(entry, &text) == nil {
				add(text)
			} else if json.Unmarshal(entry, &object) == nil {
				add(object.Family)
			}
		}
	}
	add(j.Family)
	return names
}
