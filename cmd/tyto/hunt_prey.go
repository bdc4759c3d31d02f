package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tyto/ioc"
	iocload "tyto/ioc/load"
	"tyto/report"
	"tyto/store"
)

// prey is what a hunt looks for.
type prey struct {
	hashes     []string            // in lower case, each once, in the order in which they were named
	sources    map[string][]string // who wants a hash: indicators with their files; a few of each
	unanswered []string            // sentences about what was asked for and cannot be answered
	notes      []string            // sentences about what is not looked for, as a scan would not either
}

// maxSources bounds how many indicators are named for one hash.
const maxSources = 5

// gatherPrey takes the arguments of a hunt: hashes, and files with hashes.
func gatherPrey(ctx context.Context, args []string) (*prey, error) {
	p := &prey{sources: map[string][]string{}}
	var paths []string
	for _, arg := range args {
		switch _, err := os.Lstat(arg); {
		case err == nil:
			paths = append(paths, arg) // a file of that name is meant, whatever it looks like
		case store.IsHash(arg):
			p.add(arg, "")
		default:
			return nil, usagef("a hash has 32, 40 or 64 hexadecimal digits; check the name of a file", "%q is neither a hash nor a file", arg)
		}
	}
	if len(paths) > 0 {
		if err := p.load(ctx, paths); err != nil {
			return nil, err
		}
	}
	if len(p.hashes) == 0 {
		return nil, usagef(strings.Join(p.unanswered, "\n"), "there is no hash to look for")
	}
	return p, nil
}

func (p *prey) add(hash, source string) {
	hash = strings.ToLower(hash)
	known, ok := p.sources[hash]
	if !ok {
		p.hashes = append(p.hashes, hash)
	}
	if source != "" && len(known) < maxSources && !slices.Contains(known, source) {
		known = append(known, source)
	}
	p.sources[hash] = known
}

// load takes the hashes from indicator files, and notes what else is in them.
func (p *prey) load(ctx context.Context, paths []string) error {
	result, err := iocload.Load(ctx, paths, iocload.Options{Set: ioc.Options{Now: time.Now(), Available: ioc.Only(ioc.FileTerms()...)}})
	if err != nil {
		return err
	}
	for _, problem := range result.Problems {
		if !problem.Warning {
			p.unanswered = append(p.unanswered, problemText(problem))
		}
	}
	for row := range result.Set.Hashes() {
		p.add(hex.EncodeToString(row.Sum), wantedBy(row.Comment, row.Source, row.Line))
	}
	left, idle := tallies{}, tallies{}
	for _, check := range result.Set.Check() {
		p.indicator(&check, left, idle)
	}
	for _, n := range result.Set.Networks() {
		left.add(n.Source, "network address")
	}
	for _, k := range result.Set.Keywords() {
		left.add(k.Source, "keyword")
	}
	p.unanswered = append(p.unanswered, left.texts("no hash: not looked for; scan for it")...)
	p.notes = idle.texts("not looked for")
	return nil
}

// tallies count, by file, what is not looked for.
type tallies map[string]map[string]int

func (t tallies) add(file, what string) {
	if t[file] == nil {
		t[file] = map[string]int{}
	}
	t[file][what]++
}

func (t tallies) texts(why string) (list []string) {
	for _, file := range slices.Sorted(maps.Keys(t)) {
		for _, what := range slices.Sorted(maps.Keys(t[file])) {
			list = append(list, fmt.Sprintf("%s: %s: %s", file, count(t[file][what], what), why))
		}
	}
	return list
}

// hashTerms are the facts that the inventory can answer.
var hashTerms = []string{"fileitem/md5sum", "fileitem/sha1sum", "fileitem/sha256sum"}

// indicator takes the hashes that an indicator asks for. Each counts, though the indicator may ask for
// more of the same file: a hash says more than any other term.
func (p *prey) indicator(check *ioc.Check, left, idle tallies) {
	i := check.Indicator
	if check.Expired {
		idle.add(i.Source, "expired indicator")
		return
	}
	for _, t := range check.Terms {
		isHash := slices.Contains(hashTerms, strings.ToLower(t.Term.Path)) && t.Term.Condition == ioc.Is && !t.Term.Negate
		switch value := strings.TrimSpace(t.Term.Value); {
		case isHash && t.Status == ioc.TrivialHash:
			idle.add(i.Source, "trivial hash")
		case isHash && store.IsHash(value):
			name := i.Name
			if name == "" {
				name = i.ID
			}
			p.add(value, wantedBy(name, i.Source, t.Term.Line))
		default:
			left.add(i.Source, "condition")
		}
	}
}

// wantedBy names an indicator with its place.
func wantedBy(name, file string, line int) string {
	where := file
	if line > 0 {
		where = fmt.Sprintf("%s:%d", file, line)
	}
	if name = report.Safe(name); name == "" {
		return where
	}
	return name + " (" + where + ")"
}
