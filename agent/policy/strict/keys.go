package strict

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Key is the name of a struct's field in a file, "" if it is in none.
func Key(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// Inline reports whether the fields of a field stand among those of the struct around it.
func Inline(f reflect.StructField) bool {
	_, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return f.Type.Kind() == reflect.Struct && slices.Contains(strings.Split(options, ","), "inline")
}

// fieldsOf returns the fields of a struct by their keys.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if Inline(f) {
			maps.Copy(fields, fieldsOf(v.Field(i)))
		} else if key := Key(f); key != "" {
			fields[key] = v.Field(i)
		}
	}
	return fields
}

// suggest says what may have been meant by a key that is unknown.
func suggest(key string, fields map[string]reflect.Value) string {
	known := slices.Sorted(maps.Keys(fields))
	lower := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	for _, k := range known {
		if len(lower) <= 40 && distance(lower, k) <= 2 {
			return fmt.Sprintf("did you mean %q?", k)
		}
	}
	return "the keys here are " + strings.Join(known, ", ")
}

// distance is the number of letters to add, take away or change to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, before+cost)
		}
	}
	return row[len(b)]
}
