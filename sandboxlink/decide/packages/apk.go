package packages

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"strings"
)

// apk reads Alpine's /lib/apk/db/installed: paragraphs of lines of a letter, a colon and a value, in which P names
// the package, F a folder, R a file in it, and Z the file's digest: "Q1" and a SHA-1 in base64.
type apk struct {
	options Options
	index   lazy[map[string]Claim]
}

func newAPK(o Options) *apk {
	a := &apk{options: o}
	a.index = lazy[map[string]Claim]{read: a.read, now: o.Now, files: []string{o.at("/lib/apk/db/installed")}}
	return a
}

// Claims implements [Database].
func (a *apk) Claims(path string) ([]Claim, error) {
	index, ok, err := a.index.get()
	if !ok || err != nil {
		return nil, err
	}
	if c, ok := index[path]; ok {
		return []Claim{c}, nil
	}
	return nil, nil
}

// read takes the whole database: Alpine's systems are small.
func (a *apk) read() (map[string]Claim, error) {
	data, err := readBounded(a.index.files[0], maxList)
	if err != nil {
		return nil, err
	}
	files := map[string]Claim{}
	var name, folder, file string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	for lines.Scan() && len(files) < maxFiles {
		letter, value, _ := strings.Cut(lines.Text(), ":")
		switch letter {
		case "":
			name, folder, file = "", "", ""
		case "P":
			name = value
		case "F":
			folder = value
		case "R":
			file = "/" + strings.TrimPrefix(folder+"/"+value, "/")
		case "Z":
			sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Q1"))
			if err == nil && len(sum) == 20 && file != "" {
				files[file] = Claim{Manager: "apk", Package: name, Algorithm: "sha1", Sum: sum}
			}
		}
	}
	return files, lines.Err()
}
