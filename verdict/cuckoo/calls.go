package cuckoo

import (
	"strconv"
	"strings"

	"tyto/verdict"
)

// followed are the functions whose calls tell what was made, by plain name.
var followed = map[string]func(*session, arguments){
	"createfile": createFile, "ntcreatefile": createFile, "ntopenfile": createFile,
	"writefile": writeFile, "ntwritefile": writeFile,
	"copyfile": copyFile, "movefile": moveFile,
	"deletefile": deleteFile, "ntdeletefile": deleteFile,
	"regcreatekey": createKey, "ntcreatekey": createKey,
	"regopenkey": openKey, "ntopenkey": openKey,
	"regsetvalue": setValue, "ntsetvaluekey": setValue,
	"regdeletevalue": deleteValue, "ntdeletevaluekey": deleteValue, "regdeletekey": deleteKey,
	"createservice": createService,
	"createmutex":   createMutex, "ntcreatemutant": createMutex,
}

// createFile notes a file that was opened for writing.
func createFile(s *session, a arguments) {
	path := a.get("lpfilename", "filename", "filepath", "file_name")
	if path == "" {
		return
	}
	handle := a.handle("filehandle", "file_handle")
	delete(s.open, handle)
	if !writes(a.get("dwdesiredaccess", "desiredaccess", "desired_access")) {
		s.t.file(path, verdict.Read, 0)
		return
	}
	s.t.file(path, verdict.Created, 0)
	if len(s.open) < maxHandles {
		s.open[handle] = &written{path: path}
	}
}

// Access rights that change a file: GENERIC_WRITE, GENERIC_ALL, FILE_WRITE_DATA, FILE_APPEND_DATA.
const writeRights = 0x40000000 | 0x10000000 | 0x2 | 0x4

// writes reports whether an access is one for writing, told in words or as a number. With read access beside
// it the file may have been there before: it counts as written all the same.
func writes(access string) bool {
	upper := strings.ToUpper(access)
	if strings.Contains(upper, "WRITE") && !strings.Contains(upper, "WRITE_ATTRIBUTES") || strings.Contains(upper, "GENERIC_ALL") {
		return true
	}
	bits, err := strconv.ParseUint(strings.TrimSpace(access), 0, 64)
	return err == nil && bits&writeRights != 0
}

// writeFile adds to what was written to a file.
func writeFile(s *session, a arguments) {
	w := s.open[a.get("hfile", "filehandle", "file_handle")]
	n := a.number("nnumberofbytestowrite", "length")
	if w == nil || n <= 0 || n > 1<<40 || a.repeated < 0 || a.repeated > 1<<20 || w.size > 1<<40 {
		return
	}
	w.size += n * (1 + a.repeated)
	s.t.file(w.path, verdict.Created, w.size)
}

// copyFile notes a copy, whose size is that of the original if that was written.
func copyFile(s *session, a arguments) {
	from, to := a.get("lpexistingfilename", "existingfilename", "oldfilepath"), a.get("lpnewfilename", "newfilename", "newfilepath")
	var size int64
	if at, ok := s.t.files[from]; ok {
		size = s.t.r.Files[at].Size
	}
	s.t.file(to, verdict.Created, size)
}

func moveFile(s *session, a arguments) {
	s.t.moved(a.get("lpexistingfilename", "existingfilename", "oldfilepath"), a.get("lpnewfilename", "newfilename", "newfilepath"))
}

func deleteFile(s *session, a arguments) {
	s.t.file(a.get("lpfilename", "filename", "filepath"), verdict.Deleted, 0)
}

// key returns the key that a call speaks of: in full where the sandbox tells it, else below a handle, "" if
// nobody knows which key that is.
func (s *session) key(a arguments) string {
	if full := a.get("regkey", "fullname"); full != "" {
		return tidyKey(full)
	}
	parent := a.get("hkey", "keyhandle", "key_handle", "registry", "base_handle")
	sub := a.get("lpsubkey", "subkey", "objectattributesname")
	switch {
	case strings.HasPrefix(strings.ToUpper(parent), "HK"):
	case s.keys[parent] != "":
		parent = s.keys[parent]
	default:
		return ""
	}
	return tidyKey(parent + `\` + sub)
}

// remember notes which key a handle stands for from now on. One that nobody knows is forgotten, so that what
// is written below it is not told of the key that had the handle before.
func (s *session) remember(a arguments, key string) {
	handle := a.get("phkresult", "handle", "key_handle")
	if h, ok := a.result.text(); ok && handle == "" {
		handle = h
	}
	delete(s.keys, handle)
	if handle != "" && key != "" && len(key) <= verdict.MaxText && len(s.keys) < maxHandles {
		s.keys[handle] = key
	}
}

// createKey notes a key. The call opens one that is there already, so this alone says little.
func createKey(s *session, a arguments) {
	key := s.key(a)
	s.remember(a, key)
	s.note(key, "", "", verdict.Created)
}

func openKey(s *session, a arguments) {
	key := s.key(a)
	s.remember(a, key)
	s.note(key, "", "", verdict.Touched)
}

func setValue(s *session, a arguments) {
	s.value(a, verdict.Written)
}

func deleteValue(s *session, a arguments) {
	s.value(a, verdict.Deleted)
}

func deleteKey(s *session, a arguments) {
	s.note(s.key(a), "", "", verdict.Deleted)
}

// value notes what was done to a value. Where the key is told in full, it has the value's name at its end.
func (s *session) value(a arguments, act verdict.Act) {
	key, name := s.key(a), a.get("lpvaluename", "valuename", "value_name")
	if a.get("regkey", "fullname") != "" {
		if n := len(key) - len(name); name != "" && n > 1 && strings.EqualFold(key[n:], name) && key[n-1] == '\\' {
			key = key[:n-1]
		} else if strings.HasSuffix(strings.ToLower(key), `\(default)`) {
			key = key[:len(key)-len(`\(default)`)]
		}
	}
	s.note(key, name, a.get("lpdata", "data", "buffer", "value"), act)
}

func (s *session) note(key, name, data string, act verdict.Act) {
	if key == "" {
		s.t.handles++
		return
	}
	if len(key)+len(name) > verdict.MaxText {
		s.t.skip()
		return
	}
	s.t.registry(key, name, data, act)
}

func createService(s *session, a arguments) {
	s.t.service(a.get("lpservicename", "servicename", "service_name"), a.get("lpbinarypathname", "binarypathname", "filepath"))
}

func createMutex(s *session, a arguments) {
	s.t.mutex(a.get("lpname", "mutexname", "mutant_name", "name"))
}
