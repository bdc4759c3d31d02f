package facts

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"
)

// elf looks at a Linux program or library.
func (l *look) elf() {
	f, err := elf.NewFile(bytes.NewReader(l.content))
	if err != nil {
		l.damaged("elf-damaged", err)
		l.elfPacker()
		return
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return // an object file or a core dump, which nobody runs
	}
	if len(f.Sections) == 0 {
		l.fact("elf-no-sections")
	}
	l.elfPacker()
	l.elfSegments(f)
	l.elfLibraries(f)
}

// elfPacker looks for the marks that UPX leaves behind, also when somebody changed a part of them.
func (l *look) elfPacker() {
	head, tail := l.content[:min(len(l.content), 4<<10)], l.content[max(0, len(l.content)-64):]
	if bytes.Contains(head, []byte("UPX!")) || bytes.Contains(tail, []byte("UPX!")) || bytes.Contains(l.content[:min(len(l.content), 1<<20)], []byte("$Info: This file is packed with the UPX")) {
		l.fact("elf-packer", "UPX")
	}
}

// loaders are folders in which program loaders lie.
var loaders = []string{"/lib/", "/lib64/", "/lib32/", "/libx32/", "/usr/lib", "/usr/libexec/", "/nix/store/", "/gnu/store/", "/system/bin/", "/libexec/", "/run/current-system/", "/snap/", "/opt/"}

// elfSegments looks at what is loaded, and where it starts.
func (l *look) elfSegments(f *elf.File) {
	entryFound := false
	for _, p := range f.Progs[:min(len(f.Progs), 1000)] {
		runs := p.Flags&elf.PF_X != 0
		switch p.Type {
		case elf.PT_LOAD:
			if runs && f.Entry >= p.Vaddr && f.Entry-p.Vaddr < p.Memsz {
				entryFound = true
			}
			if runs && p.Flags&elf.PF_W != 0 {
				l.fact("elf-writable-code")
			}
			if data := slice(l.content, p.Off, p.Filesz); runs && len(data) >= packedSize && entropy(data) >= packedFrom {
				l.fact("elf-packed-code")
			}
		case elf.PT_INTERP:
			path := string(bytes.TrimRight(slice(l.content, p.Off, min(p.Filesz, 4<<10)), "\x00"))
			if !slices.ContainsFunc(loaders, func(dir string) bool { return strings.HasPrefix(path, dir) }) {
				l.fact("elf-odd-interpreter", path)
			}
		}
	}
	if f.Entry != 0 && !entryFound {
		l.fact("elf-entry-outside")
	}
}

// elfLibraries looks at what it loads, and what it uses of it.
func (l *look) elfLibraries(f *elf.File) {
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			continue // none
		}
		for _, path := range paths {
			for dir := range strings.SplitSeq(path, ":") {
				if strings.HasPrefix(dir, "/tmp") || strings.HasPrefix(dir, "/dev/shm") || strings.HasPrefix(dir, "/var/tmp") {
					l.fact("elf-odd-libraries", dir)
				}
			}
		}
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return // a static program has none
	}
	has := map[string]bool{}
	for _, s := range symbols[:min(len(symbols), 50_000)] {
		has[s.Name] = true
	}
	if has["memfd_create"] && (has["fexecve"] || has["execveat"]) {
		l.fact("elf-runs-memory", "memfd_create and fexecve")
	}
}
