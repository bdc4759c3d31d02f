package critical

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tyto/finding"
	"tyto/scanner/walk"
)

// maxModules is how many lines of /proc/modules and modules.dep are read; distributions' kernels come
// with some 7,000 modules.
const maxModules = 100_000

// kernel takes the files of the modules that are loaded. Modules that hide from /proc/modules are a
// matter of kernel memory.
func (s *Source) kernel(ctx context.Context, c *collection) error {
	list := filepath.Join(s.proc, "modules")
	loaded, err := readList(list, loadedModule)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a kernel without modules
	}
	if err != nil {
		c.skip(finding.Skip{Path: list, Reason: walk.Reason(err), Detail: err.Error()})
	}
	if len(loaded) == 0 {
		return nil
	}
	index := filepath.Join(s.modules, "modules.dep")
	known, err := readList(index, indexedModule)
	if err != nil { // such as in a container, which has no files of the kernel
		c.skip(finding.Skip{Path: list, Reason: finding.Unreadable,
			Detail: fmt.Sprintf("where the files of %d loaded modules are is not known: %v", len(loaded), err)})
		if len(known) == 0 {
			return nil
		}
	}
	for name := range loaded {
		path, ok := known[name]
		if !ok {
			c.skip(finding.Skip{Path: list, Reason: finding.Unreadable,
				Detail: fmt.Sprintf("the file of the loaded module %q is not known: it was not installed with the kernel", name)})
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.modules, path)
		}
		if err := c.add(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// loadedModule takes apart a line of /proc/modules: "ext4 983040 1 - Live 0x0000000000000000".
func loadedModule(line string) (name, rest string, ok bool) {
	return strings.Cut(line, " ")
}

// indexedModule takes apart a line of modules.dep: "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz".
// A module's name is that of its file, where "-" and "_" are the same.
func indexedModule(line string) (name, path string, ok bool) {
	path, _, ok = strings.Cut(line, ":")
	name, _, found := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_"), path, ok && found
}

// readList reads a file of lines that parse takes apart into keys and values; other lines are left
// out. With an error it returns what was read until then.
func readList(name string, parse func(line string) (key, value string, ok bool)) (map[string]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return scanList(file, parse)
}

func scanList(r io.Reader, parse func(line string) (key, value string, ok bool)) (map[string]string, error) {
	list := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if len(list) == maxModules {
			return list, fmt.Errorf("more than %d modules", maxModules)
		}
		if key, value, ok := parse(lines.Text()); ok {
			list[key] = value
		}
	}
	return list, lines.Err()
}
