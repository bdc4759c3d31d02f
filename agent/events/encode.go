package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tyto/report"
)

// The limits on what one event may hold, so that no finding can fill a log.
const (
	maxMessage = 4 << 10  // bytes
	maxValue   = 8 << 10  // bytes of a text in Data
	maxLine    = 64 << 10 // bytes of JSON
)

// ecsVersion is that of the reports.
const ecsVersion = "8.17.0"

// Line returns the event as one line of JSON with its line feed, in the field names of the Elastic Common
// Schema. Two events with the same content have the same line.
func Line(e Event) ([]byte, error) {
	line, err := lineOf(e, e.Data)
	if err == nil && len(line) > maxLine {
		// What is left is what every event has; the report holds the rest.
		line, err = lineOf(e, Data{"tyto.cut": true})
	}
	return line, err
}

func lineOf(e Event, data Data) ([]byte, error) {
	kind := KindOf(e.ID)
	all := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		put(all, strings.Split(name, "."), bounded(data[name]))
	}
	category := "event"
	if e.ID == Finding {
		category = "alert"
	}
	for name, value := range map[string]any{
		"@timestamp":    e.Time.UTC().Format(time.RFC3339Nano),
		"message":       cut(e.Message, maxMessage),
		"ecs.version":   ecsVersion,
		"event.kind":    category,
		"event.module":  "tyto",
		"event.dataset": "tyto.event",
		"event.code":    string(e.ID),
		"event.action":  kind.Name,
		"log.level":     e.Level.String(),
	} {
		put(all, strings.Split(name, "."), value)
	}
	line, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("write the event %s as JSON: %w", e.ID, err)
	}
	return append(line, '\n'), nil
}

// put sets a field below the groups that its name says. What stands in the way is replaced.
func put(group map[string]any, name []string, value any) {
	for ; len(name) > 1; name = name[1:] {
		inner, ok := group[name[0]].(map[string]any)
		if !ok {
			inner = map[string]any{}
			group[name[0]] = inner
		}
		group = inner
	}
	group[name[0]] = value
}

// bounded cuts texts and writes bytes that are no UTF-8 in a form that JSON holds.
func bounded(value any) any {
	switch value := value.(type) {
	case string:
		if !utf8.ValidString(value) {
			value = report.Safe(value)
		}
		return cut(value, maxValue)
	case error:
		return bounded(value.Error())
	case fmt.Stringer:
		if t, ok := value.(time.Time); ok {
			return t.UTC().Format(time.RFC3339Nano)
		}
		return bounded(value.String())
	}
	return value
}

// cut shortens a text to at most n bytes without cutting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// text returns the event as one line for logs of lines: "TY-303 run-started: message". What could break the line or
// pretend to be another is escaped.
func text(e Event) string {
	return fmt.Sprintf("%s %s: %s", e.ID, KindOf(e.ID).Name, report.Safe(cut(e.Message, maxMessage)))
}

// pairs returns the data as "name=value" for logs of lines, by name. Values of text are quoted.
func pairs(data Data) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := plain(data[name])
		if _, number := data[name].(int64); !number {
			value = strconv.Quote(report.Safe(value))
		}
		all = append(all, report.Safe(name)+"="+value)
	}
	return all
}

// plain returns a value as text.
func plain(value any) string {
	switch value := bounded(value).(type) {
	case string:
		return value
	case nil:
		return ""
	default:
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Sprint(value)
		}
		return cut(string(b), maxValue)
	}
}
