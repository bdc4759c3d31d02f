package facts

import (
	"bytes"
	"debug/pe"
	"fmt"
	"slices"
	"strings"
)

// Flags of a PE section.
const (
	sectionExecute = 0x20000000
	sectionWrite   = 0x80000000
)

// packers are prefixes of section names, in lower case, by their packer.
var packers = []struct{ prefix, packer string }{
	{"upx", "UPX"}, {".upx", "UPX"}, {".aspack", "ASPack"}, {".adata", "ASPack"}, {".mpress", "MPRESS"}, {".themida", "Themida"},
	{".winlice", "WinLicense"}, {".vmp", "VMProtect"}, {".enigma", "Enigma"}, {".petite", "Petite"}, {"pec1", "PECompact"},
	{"pec2", "PECompact"}, {"pecompact", "PECompact"}, {".nsp", "NSPack"}, {"nsp0", "NSPack"}, {".yp", "Yoda"}, {".y0da", "Yoda"},
	{"fsg!", "FSG"}, {".mew", "MEW"}, {"mew", "MEW"}, {".perplex", "Perplex"}, {".boom", "Boomerang"}, {".ccg", "CCG"}, {"kkrunchy", "kkrunchy"},
}

// pe looks at a Windows program.
func (l *look) pe() {
	f, err := pe.NewFile(bytes.NewReader(l.content))
	if err != nil {
		// "EXE" stands for anything with a DOS header, old programs among them.
		if bytes.Contains(l.content[:min(len(l.content), 4<<10)], []byte("PE\x00\x00")) {
			l.damaged("pe-damaged", err)
		}
		return
	}
	var entry uint32
	dotnet := false
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		entry, dotnet = h.AddressOfEntryPoint, h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].Size > 0
	case *pe.OptionalHeader64:
		entry, dotnet = h.AddressOfEntryPoint, h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].Size > 0
	default:
		return // an object file
	}
	end, entryFound := uint64(0), false
	for _, s := range f.Sections[:min(len(f.Sections), 100)] {
		l.peSection(s)
		end = max(end, uint64(s.Offset)+uint64(s.Size))
		inside := entry >= s.VirtualAddress && uint64(entry) < uint64(s.VirtualAddress)+uint64(max(s.VirtualSize, s.Size))
		if inside {
			entryFound = s.Characteristics&sectionExecute != 0
		}
	}
	if entry != 0 && !entryFound && len(f.Sections) > 0 && !dotnet {
		l.fact("pe-entry-outside")
	}
	l.peImports(f, dotnet)
	l.peOverlay(f, end)
}

// peSection looks at one section.
func (l *look) peSection(s *pe.Section) {
	name := strings.ToLower(s.Name)
	for _, p := range packers {
		if strings.HasPrefix(name, p.prefix) {
			l.fact("pe-packer", s.Name+": "+p.packer)
			break
		}
	}
	runs := s.Characteristics&sectionExecute != 0
	if runs && s.Characteristics&sectionWrite != 0 {
		l.fact("pe-writable-code", s.Name)
	}
	if data := slice(l.content, uint64(s.Offset), uint64(s.Size)); runs && len(data) >= packedSize && entropy(data) >= packedFrom {
		l.fact("pe-packed-code", s.Name)
	}
}

// peImports looks for functions that together do what malware does. Their names are compared without the "A"
// or "W" of their alphabet.
func (l *look) peImports(f *pe.File, dotnet bool) {
	symbols, err := f.ImportedSymbols()
	if err != nil {
		l.damaged("pe-damaged", fmt.Errorf("imports: %w", err))
		return
	}
	has := map[string]bool{}
	for _, s := range symbols[:min(len(symbols), 20_000)] {
		name, _, _ := strings.Cut(s, ":")
		has[name] = true
		has[strings.TrimRight(name, "AW")] = true
	}
	both := func(id string, first, second []string) {
		a := slices.IndexFunc(first, func(n string) bool { return has[n] })
		b := slices.IndexFunc(second, func(n string) bool { return has[n] })
		if a >= 0 && b >= 0 {
			l.fact(id, first[a]+" and "+second[b])
		}
	}
	both("pe-injects", []string{"WriteProcessMemory", "NtWriteVirtualMemory", "NtMapViewOfSection"},
		[]string{"CreateRemoteThread", "CreateRemoteThreadEx", "NtCreateThreadEx", "RtlCreateUserThread", "QueueUserAPC", "SetThreadContext", "NtQueueApcThread"})
	both("pe-fetches-runs", []string{"URLDownloadToFile", "URLDownloadToCacheFile"},
		[]string{"ShellExecute", "ShellExecuteEx", "WinExec", "CreateProcess"})
	both("pe-logs-keys", []string{"GetAsyncKeyState", "GetKeyState", "GetRawInputData"}, []string{"SetWindowsHookEx"})
	both("pe-logs-keys", []string{"GetAsyncKeyState"}, []string{"GetForegroundWindow"})
	if n := len(symbols); n <= 5 && !dotnet && has["GetProcAddress"] && (has["LoadLibrary"] || has["LoadLibraryEx"] || has["GetModuleHandle"]) {
		l.fact("pe-few-imports", strings.Join(symbols, ", "))
	}
}

// peOverlay looks at what follows the last section, the signature left out.
func (l *look) peOverlay(f *pe.File, end uint64) {
	var signature pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		signature = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	case *pe.OptionalHeader64:
		signature = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	}
	length := uint64(len(l.content))
	if at := uint64(signature.VirtualAddress); at >= end && at < length { // which is an offset in the file here
		length = at
	}
	if end == 0 || end >= length {
		return
	}
	if data := l.content[end:length]; len(data) >= 64<<10 && entropy(data) >= packedFrom {
		l.fact("pe-packed-overlay")
	}
}

// slice returns a part of the content that may be said to lie anywhere.
func slice(content []byte, offset, size uint64) []byte {
	length := uint64(len(content))
	if offset >= length {
		return nil
	}
	return content[offset : offset+min(size, length-offset)]
}
