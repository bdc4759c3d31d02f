package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is where a server keeps its things, for its user alone:
//
//	incoming/          uploads that are not complete; emptied at the start
//	samples/SHA256     what waits for a verdict, mode 0400
//	tasks/ID.json      the tasks that wait or are being worked on
//	results/SHA256.json  one report for each content that is known
//
// Each file is written beside its place and renamed, so that a killed server leaves it old or new, never
// half.
type folder string

const (
	incomingDir = "incoming"
	samplesDir  = "samples"
	tasksDir    = "tasks"
	resultsDir  = "results"
)

// maxTaskFile bounds what is read of a task's file. It holds a name of at most 255 bytes, each of which JSON
// writes as at most six, and hashes.
const maxTaskFile = 16 << 10

// prepare makes the folders that are missing and throws away what was on its way when the last server ended.
func (f folder) prepare() error {
	for _, name := range []string{incomingDir, samplesDir, tasksDir, resultsDir} {
		if err := os.MkdirAll(f.at(name), 0o700); err != nil {
			return fmt.Errorf("make the sandbox's folder: %w", err)
		}
	}
	left, err := os.ReadDir(f.at(incomingDir))
	if err != nil {
		return fmt.Errorf("look into the sandbox's folder: %w", err)
	}
	for _, e := range left {
		if err := os.RemoveAll(f.at(incomingDir, e.Name())); err != nil {
			return fmt.Errorf("remove an upload that was cut off: %w", err)
		}
	}
	return nil
}

func (f folder) at(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f folder) sample(sha256 string) string { return f.at(samplesDir, sha256) }
func (f folder) task(id string) string       { return f.at(tasksDir, id+".json") }
func (f folder) result(sha256 string) string { return f.at(resultsDir, sha256+".json") }

// write writes a file that is there whole or not at all, also after a power cut.
func (f folder) write(path string, content []byte) (err error) {
	tmp, err := os.CreateTemp(f.at(incomingDir), "write-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), remove(tmp.Name()))
		}
	}()
	if _, err := tmp.Write(content); err != nil {
		return err
	}
	return place(tmp, path)
}

// place syncs and closes a file and renames it to its place.
func place(tmp *os.File, path string) error {
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeJSON is write of a value.
func (f folder) writeJSON(path string, value any) error {
	content, err := marshal(value)
	if err != nil {
		return err
	}
	return f.write(path, content)
}

// marshal is json.Marshal without the escapes for HTML, which make a report up to six times as long.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return b.Bytes(), err
}

// readJSON reads a file of at most limit bytes into a value and returns its size.
func readJSON(path string, limit int64, into any) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return 0, err
	case int64(len(content)) > limit:
		return 0, fmt.Errorf("read %q: more than %d bytes", path, limit)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return 0, fmt.Errorf("read %q: %w", path, err)
	}
	return int64(len(content)), nil
}

// names lists what a folder holds, without an ending that all of it must have.
func (f folder) names(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(f.at(dir))
	if err != nil {
		return nil, fmt.Errorf("look into the sandbox's folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ending); ok && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, nil
}

// isHex reports whether text consists of n lower-case hexadecimal digits.
func isHex(text string, n int) bool {
	if len(text) != n {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
