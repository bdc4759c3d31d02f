package kaspersky

import (
	"encoding/json"
	"strings"
)

// statement is what a body says, in whatever form.
type statement struct {
	text     string // the state, or a message, or an id
	task     string // an id that is named as one
	database string
}

// maxVersion bounds the version of a database, which is stored.
const maxVersion = 200

// read understands a bare text, a JSON string, and a JSON object with a text in one of the members that servers
// use. It never fails: what it cannot understand is a text, which then means nothing to anybody.
func read(body []byte) statement {
	text := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff"))
	switch {
	case strings.HasPrefix(text, `"`):
		var s string
		if json.Unmarshal([]byte(text), &s) == nil {
			text = strings.TrimSpace(s)
		}
	case strings.HasPrefix(text, "{"):
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &object) == nil {
			return statement{
				text:     member(object, "status", "state", "result", "verdict", "message", "error"),
				task:     member(object, "task", "task_id", "taskId", "id"),
				database: member(object, "database"),
			}
		}
	}
	return statement{text: text}
}

// member returns the first of some members that is a text or a number.
func member(object map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		raw, ok := object[name]
		if !ok {
			continue
		}
		var s string
		var n json.Number
		switch {
		case json.Unmarshal(raw, &s) == nil && s != "":
			return strings.TrimSpace(s)
		case json.Unmarshal(raw, &n) == nil && n != "":
			return n.String()
		}
	}
	return ""
}

// state is the text in one spelling: "Not_Found." is "not found".
func (s statement) state() string {
	text := strings.ToLower(strings.Trim(s.text, " \t\r\n.'\""))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '\t' }), " ")
	if text == "notfound" {
		return "not found"
	}
	return text
}

// version takes a version for what it is: a foreign text that will be compared and shown.
func version(s string) string {
	if len(s) > maxVersion || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return s
}
