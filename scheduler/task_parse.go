package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// largestFile bounds the file of one task, in bytes.
const largestFile = 1 << 20

// ParseYAML reads one task. Keys that do not exist are errors, which name their lines; the task is
// checked.
func ParseYAML(text []byte) (*Task, error) {
	if len(text) > largestFile {
		return nil, fmt.Errorf("reading a task: it has more than %d bytes", largestFile)
	}
	t := new(Task)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(t); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading a task: the file holds more than one: write each into a file of its own")
	}
	return t, t.Check()
}

// ParseJSON reads one task. Keys that do not exist are errors; the task is checked.
func ParseJSON(text []byte) (*Task, error) {
	if len(text) > largestFile {
		return nil, fmt.Errorf("reading a task: it has more than %d bytes", largestFile)
	}
	t := new(Task)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading a task: something follows its end")
	}
	return t, t.Check()
}
