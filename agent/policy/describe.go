package policy

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tyto/agent/policy/strict"
	"tyto/scheduler"
)

// Setting is one key of a policy, for documentation.
type Setting struct {
	Path    string // "presence.settle"; "sandbox.servers[].pin" is a key of each element of a list
	Doc     string
	Default string // as YAML; empty for a group of keys
	Group   bool   // it holds others
	Element bool   // it is a key of the elements of a list
}

// Settings returns all keys in the order in which they are documented.
func Settings() []Setting {
	return settings(reflect.ValueOf(Default()).Elem(), "")
}

func settings(v reflect.Value, prefix string) (all []Setting) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		s := Setting{Path: prefix + strict.Key(f), Doc: f.Tag.Get("doc")}
		if v.Field(i).Kind() == reflect.Struct {
			s.Group = true
			all = append(append(all, s), settings(v.Field(i), s.Path+".")...)
			continue
		}
		s.Default = inline(v.Field(i))
		s.Element = strings.Contains(prefix, "[]")
		all = append(all, s)
		if element := f.Type; element.Kind() == reflect.Slice && described(element.Elem()) {
			all = append(all, settings(reflect.Zero(element.Elem()), s.Path+"[].")...)
		}
	}
	return all
}

// described reports whether the keys of a list's elements are described here. Those of tasks have a document of
// their own.
func described(element reflect.Type) bool {
	return element.Kind() == reflect.Struct && element.NumField() > 0 && element.Field(0).Tag.Get("doc") != ""
}

// inline writes a value on one line of YAML.
func inline(v reflect.Value) string {
	var n yaml.Node
	if err := n.Encode(plain(v)); err != nil {
		return err.Error()
	}
	n.Style = yaml.FlowStyle
	b, err := yaml.Marshal(&n)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// YAML returns the policy with all its settings, as a file that [Parse] reads.
func (p *Policy) YAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(plain(reflect.ValueOf(p).Elem())); err != nil {
		return nil, fmt.Errorf("write the policy as YAML: %w", err)
	}
	return b.Bytes(), e.Close()
}

// plain turns a value into what YAML writes in the words of a policy: durations in days, and keys in the
// order of the struct's fields.
func plain(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return strict.FormatDuration(d)
	}
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := t.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		return plainStruct(v)
	case reflect.Slice:
		all := make([]any, v.Len())
		for i := range all {
			all[i] = plain(v.Index(i))
		}
		return all
	}
	return v.Interface()
}

func plainStruct(v reflect.Value) *yaml.Node {
	group := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if strict.Inline(f) {
			group.Content = append(group.Content, plainStruct(v.Field(i)).Content...)
			continue
		}
		key := strict.Key(f)
		if key == "" || strings.Contains(f.Tag.Get("yaml"), ",omitempty") && v.Field(i).IsZero() {
			continue
		}
		value, ok := plain(v.Field(i)).(*yaml.Node)
		if !ok {
			value = new(yaml.Node)
			if err := value.Encode(plain(v.Field(i))); err != nil {
				value.SetString(err.Error())
			}
		}
		group.Content = append(group.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	}
	return group
}

// TaskYAML returns a task as it stands in a file of its own, without what is default.
func TaskYAML(t scheduler.Task) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(t); err != nil {
		return nil, fmt.Errorf("write the task as YAML: %w", err)
	}
	return b.Bytes(), e.Close()
}
