package examine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tyto/finding"
	"tyto/rules"
	"tyto/scanner/filetype"
)

// openRules opens the compiled rules that the broker passed.
func (x *Examiner) openRules(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open compiled rules: %w", err)
	}
	x.rules, err = rules.Open(f, info.Size(), rules.ScannerOptions{
		MatchesPerObject: x.cfg.Limits.Matches,
		BytesPerMatch:    x.cfg.Limits.MatchBytes,
	})
	return err
}

// matchRules holds the rules against content in memory.
func (o *object) matchRules(data []byte, inside []string, facts *Facts) {
	if o.rules == nil {
		return
	}
	result, err := o.rules.ScanMem(data, o.externals(facts, inside))
	o.ruleResult(result, err, facts)
}

// matchChunks holds the rules against content that is too large to be held in memory.
func (o *object) matchChunks(content io.ReaderAt, size int64) error {
	if o.rules == nil {
		return nil
	}
	result, err := o.rules.ScanChunks(content, size, rules.Chunks{Size: o.cfg.Limits.Chunk}, o.externals(&o.facts, nil))
	var failed *rules.ScanError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	o.ruleResult(result, err, &o.facts)
	return nil
}

// ruleResult notes what matched and what could not be decided.
func (o *object) ruleResult(result rules.Result, err error, facts *Facts) {
	facts.Rules = result.Matches
	if err != nil {
		o.skip(facts.Member, finding.ScanError, err.Error())
	}
	for _, over := range result.Overflows {
		o.skip(facts.Member, finding.MatchLimit, fmt.Sprintf("string %s of rule %d occurs too often to be counted", over.ID, over.Rule))
	}
}

// externals says of an object what rules may ask about it beside its content. inside are the types
// of the archives around a member, from the outermost.
func (o *object) externals(facts *Facts, inside []string) *rules.Externals {
	path := string(o.req.Path)
	if facts.Member != nil {
		path += finding.MemberMark + string(facts.Member)
	}
	folder, name := splitPath(path)
	e := &rules.Externals{
		Filename:  name,
		Filepath:  folder,
		Extension: extension(name),
		Filetype:  facts.Type,
		Owner:     string(o.req.Owner),
		MD5:       facts.Hashes.MD5,
		Group:     string(o.req.Group),
		FileMode:  int64(o.req.Mode),
	}
	if e.Filetype == "" {
		e.Filetype = filetype.Unknown
	}
	e.Permissions = fs.FileMode(o.req.Mode & 0o777).String()[1:]
	if len(inside) > 0 {
		e.UnpackParent = inside[len(inside)-1]
		e.UnpackSource = strings.Join(inside, ">")
	}
	return e
}

// splitPath divides a path at its last separator, of whatever system.
func splitPath(path string) (folder, name string) {
	i := strings.LastIndexAny(path, `/\`)
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// extension returns the extension with its dot in lower case, as Loki and THOR pass it.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return strings.ToLower(name[i:])
}
