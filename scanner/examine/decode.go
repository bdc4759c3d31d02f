package examine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"tyto/finding"
)

// Limits on an answer beyond the size of its line. A worker that a hostile file has taken over may
// send what it likes, and a line of small values takes many times its size in memory.
const (
	maxValues = 1 << 20 // an answer with a thousand matches has some ten thousand
	maxDetail = 4 << 10
)

// reasons are those that an examination can give. Others are the broker's to give, among them all that
// make a gap look like one that the user asked for.
var reasons = map[finding.Reason]bool{
	finding.Unreadable: true, finding.Changed: true, finding.Encrypted: true, finding.Damaged: true,
	finding.Unsupported: true, finding.ArchiveLimit: true, finding.MatchLimit: true, finding.ScanError: true,
}

// DecodeFacts reads an answer of [Examiner.Handle] on the side of the broker, which does not trust
// it. rules is the number of rules that there are. An error means that nothing of the answer may be
// used.
func DecodeFacts(line []byte, rules int) (*Facts, error) {
	// Between any two values there is a comma, so that their number is known before memory is taken.
	if n := bytes.Count(line, []byte(",")); n > maxValues {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	facts := new(Facts)
	if err := json.Unmarshal(line, facts); err != nil {
		return nil, err
	}
	switch {
	case facts.Size < 0:
		return nil, fmt.Errorf("a size of %d", facts.Size)
	case len(facts.Skips) > maxSkips || len(facts.Skips) > 0 && facts.Member != nil:
		return nil, fmt.Errorf("%d skips, the limit is %d, all with the object itself", len(facts.Skips), maxSkips)
	}
	for _, m := range facts.Rules {
		if m.Rule < 0 || m.Rule >= rules {
			return nil, fmt.Errorf("rule %d, but there are %d", m.Rule, rules)
		}
	}
	for i := range facts.Skips {
		s := &facts.Skips[i]
		if !reasons[s.Reason] {
			return nil, errors.New("a skip for a reason that no examination has")
		}
		s.Detail = s.Detail[:min(len(s.Detail), maxDetail)]
	}
	return facts, nil
}
