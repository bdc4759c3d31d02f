package packages

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dpkg reads /var/lib/dpkg: info/PACKAGE.md5sums name a package's files with their digests, status those of its
// configuration files as they were delivered, and diversions where a file was moved because another package, or the
// administrator, has one of the same name.
type dpkg struct {
	options Options
	info    string
	index   lazy[*dpkgIndex]
}

// dpkgIndex finds the packages that may have a path.
type dpkgIndex struct {
	seed  maphash.Seed
	files []dpkgFile // by hash
	names []string   // of packages, as their lists are called
	// moved are the diversions, by the path that packages state.
	moved map[string]diversion
	// configuration are the digests of unchanged configuration files.
	configuration map[string]Claim
	// merged are folders of the root that are links into /usr: "bin", "lib", …
	merged []string
}

// dpkgFile is one path of one package. A collision of hashes costs a look into a list, no more. The fields are apart
// to save the space between them.
type dpkgFile [10]byte

func newDpkgFile(hash uint64, pkg int) (f dpkgFile) {
	for i := range 8 {
		f[i] = byte(hash >> (56 - 8*i))
	}
	f[8], f[9] = byte(pkg>>8), byte(pkg)
	return f
}

func (f dpkgFile) hash() []byte { return f[:8] }
func (f dpkgFile) pkg() int     { return int(f[8])<<8 | int(f[9]) }

// diversion is where the file of a path is, unless it is of that package.
type diversion struct{ to, by string }

func newDpkg(o Options) *dpkg {
	d := &dpkg{options: o, info: o.at("/var/lib/dpkg/info")}
	d.index = lazy[*dpkgIndex]{read: d.read, now: o.Now,
		files: []string{o.at("/var/lib/dpkg/status"), d.info, o.at("/var/lib/dpkg/diversions")}}
	return d
}

// Claims implements [Database].
func (d *dpkg) Claims(path string) (claims []Claim, err error) {
	index, ok, err := d.index.get()
	if !ok || err != nil {
		return nil, err
	}
	if c, ok := index.configuration[path]; ok {
		claims = append(claims, c)
	}
	want := newDpkgFile(maphash.String(index.seed, path), 0)
	at, _ := slices.BinarySearchFunc(index.files, want, compareHash)
	for ; at < len(index.files) && compareHash(index.files[at], want) == 0; at++ {
		name := index.names[index.files[at].pkg()]
		sum, err := d.lookUp(index, name, path)
		if err != nil {
			return nil, err
		}
		if sum != nil {
			pkg, _, _ := strings.Cut(name, ":") // behind it is the architecture
			claims = append(claims, Claim{Manager: "dpkg", Package: pkg, Algorithm: "md5", Sum: sum})
		}
	}
	return claims, nil
}

func compareHash(a, b dpkgFile) int { return bytes.Compare(a.hash(), b.hash()) }

// lookUp reads the list of a package for the digest of one path.
func (d *dpkg) lookUp(index *dpkgIndex, name, path string) (sum []byte, err error) {
	err = d.list(name, func(stated, digest []byte) bool {
		if index.place(name, stated) != path {
			return true
		}
		sum = make([]byte, hex.DecodedLen(len(digest)))
		if _, wrong := hex.Decode(sum, digest); wrong != nil {
			sum = nil
		}
		return false
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed since the index was made
	}
	return sum, err
}

// read makes the index.
func (d *dpkg) read() (*dpkgIndex, error) {
	index := &dpkgIndex{seed: maphash.MakeSeed(), configuration: map[string]Claim{}}
	for _, dir := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"} {
		if to, err := os.Readlink(d.options.at("/" + dir)); err == nil && strings.Trim(to, "/") == "usr/"+dir {
			index.merged = append(index.merged, dir)
		}
	}
	var err error
	if index.moved, err = readDiversions(d.options.at("/var/lib/dpkg/diversions")); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.info)
	if err != nil {
		return nil, fmt.Errorf("list dpkg's packages: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".md5sums")
		if !ok {
			continue
		}
		if len(index.names) == maxPackages {
			return nil, fmt.Errorf("list dpkg's packages: more than %d", maxPackages)
		}
		index.names = append(index.names, name)
		err := d.list(name, func(stated, _ []byte) bool {
			h := maphash.String(index.seed, index.place(name, stated))
			index.files = append(index.files, newDpkgFile(h, len(index.names)-1))
			return len(index.files) < maxFiles
		})
		if err != nil { // the others are as good as before
			d.options.Log.Warn("a package's list of files cannot be read: its files are not trusted", "package", name, "error", err)
		}
	}
	slices.SortFunc(index.files, compareHash)
	index.files = slices.Clip(index.files)
	if err := d.readStatus(index); err != nil {
		return nil, err
	}
	d.options.Log.Debug("read dpkg's database", slog.Int("packages", len(index.names)), slog.Int("files", len(index.files)))
	return index, nil
}

// place returns where a file is that a package states at a path without a slash at the beginning: diversions may
// have moved it, and the folders of the root may be links into /usr.
func (x *dpkgIndex) place(name string, stated []byte) string {
	path := "/" + strings.TrimPrefix(string(stated), "./")
	if len(x.moved) > 0 {
		pkg, _, _ := strings.Cut(name, ":")
		for _, as := range []string{path, x.resolve(path)} {
			if m, ok := x.moved[as]; ok && m.by != pkg {
				path = m.to
				break
			}
		}
	}
	return x.resolve(path)
}

// resolve follows the links of a merged /usr.
func (x *dpkgIndex) resolve(path string) string {
	for _, dir := range x.merged {
		if strings.HasPrefix(path[1:], dir+"/") {
			return "/usr" + path
		}
	}
	return path
}

// list calls visit with each path and digest of a package's list, until it returns false.
func (d *dpkg) list(name string, visit func(path, digest []byte) bool) error {
	f, err := os.Open(filepath.Join(d.info, name+".md5sums"))
	if err != nil {
		return fmt.Errorf("read the files of package %q: %w", name, err)
	}
	defer f.Close()
	const digest, gap = 32, 2
	lines := bufio.NewScanner(io.LimitReader(f, maxList))
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) <= digest+gap || line[digest] != ' ' {
			continue // blank, or nothing that md5sum writes
		}
		if !visit(line[digest+gap:], line[:digest]) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the files of package %q: %w", name, err)
	}
	return nil
}

// readDiversions reads triples of lines: a path, where its file is instead, and the package whose own file has
// the path, ":" for the administrator's.
func readDiversions(file string) (map[string]diversion, error) {
	data, err := readBounded(file, maxList)
	if err != nil {
		return nil, err
	}
	moved := map[string]diversion{}
	for lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n"); len(lines) >= 3; lines = lines[3:] {
		moved[lines[0]] = diversion{to: lines[1], by: lines[2]}
	}
	return moved, nil
}

// readStatus takes the digests of configuration files from the packages' paragraphs:
//
//	Package: cron
//	Conffiles:
//	 /etc/crontab c0f0a9a27ad5b4c4a2d4c5a2d6bb1a11
func (d *dpkg) readStatus(index *dpkgIndex) error {
	f, err := os.Open(d.options.at("/var/lib/dpkg/status"))
	if err != nil {
		return fmt.Errorf("read dpkg's status: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxStatus))
	lines.Buffer(make([]byte, 0, 4<<10), 1<<20) // a Depends field is one line
	name, inside := "", false
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "Package: "):
			name, inside = line[len("Package: "):], false
		case line == "Conffiles:":
			inside = true
		case !strings.HasPrefix(line, " "):
			inside = false
		case inside && len(index.configuration) < maxFiles:
			index.configure(name, strings.Fields(line))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read dpkg's status: %w", err)
	}
	return nil
}

// configure takes one configuration file. Words behind the digest, such as "obsolete", say that the package that is
// installed now does not have it any more.
func (x *dpkgIndex) configure(name string, fields []string) {
	if len(fields) != 2 || !strings.HasPrefix(fields[0], "/") {
		return
	}
	if sum, err := hex.DecodeString(fields[1]); err == nil && len(sum) == 16 {
		x.configuration[x.resolve(fields[0])] = Claim{Manager: "dpkg", Package: name, Algorithm: "md5", Sum: sum}
	}
}

// readBounded reads a file of a database; one that is not there is empty.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a package database: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, err)
	}
	return data, nil
}
