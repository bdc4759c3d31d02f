package lists

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/internal/pattern"
)

// maxProblems bounds the problems reported for one list.
const maxProblems = 20

// Bounds of the comment that describes rows.
const (
	maxCommentLines = 3
	maxCommentBytes = 300
)

// parser turns lines into rows.
type parser struct {
	source string
	kind   Kind
	sink   Sink

	line     int
	comments []string // of the block that is being read
	closed   bool     // the block has ended: a row came after it
	about    string   // the description of the rows

	rows     int // rows seen, used or not
	count    Count
	md5      int // rows of a trusted list that only an MD5 names
	problems []finding.Problem
}

func (p *parser) warn(format string, args ...any) {
	p.problems = append(p.problems, finding.Problem{File: p.source, Line: p.line, Warning: true, Message: fmt.Sprintf(format, args...)})
}

// refuse reports a row that is not used.
func (p *parser) refuse(format string, args ...any) {
	if p.count.Refused++; p.count.Refused <= maxProblems {
		p.warn(format, args...)
	}
}

func (p *parser) end() {
	p.line = 0
	if more := p.count.Refused - maxProblems; more > 0 {
		p.warn("and %d more rows that are not used", more)
	}
	if p.md5 > 0 {
		p.warn("%d trusted files are known by MD5 or SHA-1 only, which can be forged; prefer SHA-256", p.md5)
	}
}

// row takes one line.
func (p *parser) row(line string) {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "":
		p.closed = true
	case trimmed[0] == '#':
		p.comment(strings.TrimSpace(strings.TrimLeft(trimmed, "#")))
	default:
		p.closed = true
		p.rows++
		p.entry(trimmed)
	}
}

// comment collects the lines of a block and keeps the last ones, which stand nearest to the rows.
func (p *parser) comment(text string) {
	if p.closed {
		p.comments, p.closed = p.comments[:0], false
	}
	if text == "" {
		return
	}
	if len(p.comments) == maxCommentLines {
		p.comments = append(p.comments[:0], p.comments[1:]...)
	}
	p.comments = append(p.comments, text)
	p.about = cut(strings.Join(p.comments, " "), maxCommentBytes)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (p *parser) entry(line string) {
	switch p.kind {
	case Hashes, Trusted:
		p.hash(line)
	case Names:
		p.name(line, "FileItem/FullPath")
	case Handles, Pipes:
		p.name(line, "ProcessItem/HandleList/Handle/Name")
	case C2:
		p.network(line)
	case Keywords:
		p.sink.AddKeyword(ioc.Keyword{Value: line, Score: DefaultKeywordScore, Description: p.about, Source: p.source, Line: p.line})
		p.count.Rows++
	}
}

// hash reads a row of a hash list.
func (p *parser) hash(line string) {
	text, rest := line, ""
	if i := strings.IndexAny(line, ";,|: \t"); i >= 0 {
		text, rest = line[:i], line[i+1:]
	}
	text = strings.Trim(text, `"'`)
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) < 16 {
		if p.rows == 1 && strings.ContainsAny(line, ";,\t") {
			return // the header of a CSV file
		}
		p.refuse("row does not begin with a hash: %.60q", line)
		return
	}
	row := ioc.HashRow{Sum: sum, Score: DefaultHashScore, Source: p.source, Line: p.line}
	row.Score, row.Comment = scoreAndComment(rest)
	if row.Comment == "" {
		row.Comment = p.about
	}
	if p.kind == Trusted {
		if len(sum) < 32 {
			p.md5++
		}
		p.hand(p.sink.AddTrusted(row))
		return
	}
	if content, ok := ioc.TrivialContent(sum); ok {
		p.refuse("hash %s is refused: it is that of the content %.20q (%d bytes), which harmless files have", text, content, len(content))
		return
	}
	p.hand(p.sink.AddHash(row))
}

func (p *parser) hand(err error) {
	if err != nil {
		p.refuse("%v", err)
		return
	}
	p.count.Rows++
}

// scoreAndComment reads what follows a hash: an optional score and a comment.
func scoreAndComment(rest string) (score int, comment string) {
	rest = strings.TrimSpace(rest)
	first, after, _ := strings.Cut(rest, ";")
	if n, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && -100 <= n && n <= 100 {
		return n, strings.TrimSpace(after)
	}
	rest = strings.TrimPrefix(rest, "*") // sha256sum marks binary mode
	return DefaultHashScore, strings.Trim(rest, `"'; `)
}

// name reads a row of a list of expressions.
func (p *parser) name(line, term string) {
	expression, score, except, err := splitName(line)
	if err != nil {
		p.refuse("%v", err)
		return
	}
	positive, err := p.term(term, expression)
	if err != nil {
		p.refuse("pattern %.80q: %v", expression, err)
		return
	}
	node := ioc.Leaf(positive)
	if except != "" {
		negative, err := p.term(term, except)
		if err != nil {
			p.refuse("exception %.80q: %v", except, err)
			return
		}
		negative.Negate = true
		node = ioc.Node{Operator: ioc.And, Children: []ioc.Node{node, ioc.Leaf(negative)}}
	}
	about := p.about
	if about == "" {
		about = expression
	}
	p.sink.AddIndicator(&ioc.Indicator{
		Name: about, Description: "name matches " + expression, Source: p.source, Line: p.line, Score: score, Pattern: node,
	})
	p.count.Rows++
}

// splitName splits a row at the first field that is a whole number.
func splitName(line string) (expression string, score int, except string, err error) {
	fields := strings.Split(line, ";")
	for i := 1; i < len(fields); i++ {
		n, err := strconv.Atoi(strings.TrimSpace(fields[i]))
		if err != nil {
			continue
		}
		if n < -100 || n > 100 {
			return "", 0, "", fmt.Errorf("score %d is not between -100 and 100", n)
		}
		return strings.TrimSpace(strings.Join(fields[:i], ";")), n, strings.TrimSpace(strings.Join(fields[i+1:], ";")), nil
	}
	if len(fields) > 1 {
		return "", 0, "", fmt.Errorf("score %.20q is not a whole number", fields[1])
	}
	return line, DefaultNameScore, "", nil
}

// metacharacters make a pattern a regular expression.
const metacharacters = `\.+*?()[]{}^$|`

func (p *parser) term(path, expression string) (ioc.Term, error) {
	t := ioc.Term{Line: p.line, Path: path, Condition: ioc.Matches, PreserveCase: true, Type: "string", Value: expression}
	if expression == "" {
		return t, fmt.Errorf("is empty")
	}
	if !strings.ContainsAny(expression, metacharacters) {
		t.Condition, t.PreserveCase = ioc.Contains, false
		return t, nil
	}
	err := pattern.Check(pattern.Options{Kind: pattern.Matches, Value: expression, PreserveCase: true, Path: true})
	return t, err
}

// network reads a row of a C2 list.
func (p *parser) network(line string) {
	fields := strings.SplitN(line, ";", 3)
	n := ioc.Network{Value: strings.ToLower(strings.TrimSpace(fields[0])), Score: DefaultC2Score, Description: p.about, Source: p.source, Line: p.line}
	if len(fields) > 1 {
		score, err := strconv.Atoi(strings.TrimSpace(fields[1]))
		if err != nil || score < -100 || score > 100 {
			p.refuse("score %.20q is not a whole number between -100 and 100", fields[1])
			return
		}
		n.Score = score
	}
	if len(fields) > 2 {
		n.Description = strings.TrimSpace(fields[2])
	}
	if err := checkNetwork(n.Value); err != nil {
		p.refuse("%v", err)
		return
	}
	p.sink.AddNetwork(n)
	p.count.Rows++
}

func checkNetwork(value string) error {
	if strings.Contains(value, "/") {
		if prefix, err := netip.ParsePrefix(value); err != nil {
			return fmt.Errorf("%.60q is not a network such as 192.0.2.0/24", value)
		} else if prefix.Bits() == 0 {
			return fmt.Errorf("%q is every address", value)
		}
		return nil
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return nil
	}
	if value == "" || len(value) > 253 || strings.ContainsAny(value, " \t\"'\\:@") || !strings.Contains(value, ".") {
		return fmt.Errorf("%.60q is neither a domain nor an address", value)
	}
	return nil
}
