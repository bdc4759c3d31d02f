package cuckoo

import (
	"strings"

	"tyto/verdict"
)

// behaviour reads what the processes did. Calls come before summaries: they say how much was written, and the
// first word on a file counts.
func (t *translator) behaviour() {
	behavior := t.root["behavior"]
	if behavior.isNothing() {
		return
	}
	if behavior.kind() != '{' {
		t.skip()
		return
	}
	for p := range t.elements(behavior.get("processes")) {
		t.process(p)
	}
	t.summary(behavior.get("summary"))
	for g := range behavior.get("generic").elements() {
		t.summary(g.get("summary"))
	}
}

// fileLists are the lists of paths in summaries, of Cuckoo 2 and of CAPE, and what they say.
var fileLists = []struct {
	name string
	act  verdict.Act
}{
	{"file_created", verdict.Created}, {"file_recreated", verdict.Created}, {"file_written", verdict.Written}, {"write_files", verdict.Written},
	{"file_deleted", verdict.Deleted}, {"delete_files", verdict.Deleted},
	{"file_read", verdict.Read}, {"read_files", verdict.Read}, {"file_opened", verdict.Touched}, {"files", verdict.Touched},
}

// keyLists are the same for registry keys.
var keyLists = []struct {
	name string
	act  verdict.Act
}{
	{"regkey_written", verdict.Written}, {"write_keys", verdict.Written}, {"regkey_deleted", verdict.Deleted}, {"delete_keys", verdict.Deleted},
	{"regkey_read", verdict.Read}, {"read_keys", verdict.Read}, {"regkey_opened", verdict.Touched}, {"keys", verdict.Touched},
}

func (t *translator) summary(summary value) {
	if summary.isNothing() {
		return
	}
	if summary.kind() != '{' {
		t.skip()
		return
	}
	fields := summary.object()
	for _, l := range fileLists {
		for _, path := range t.texts(fields[l.name]) {
			t.file(path, l.act, 0)
		}
	}
	t.pairs(fields["file_moved"], func(from, to string) { t.moved(from, to) })
	t.pairs(fields["file_copied"], func(_, to string) { t.file(to, verdict.Created, 0) })
	for _, l := range keyLists {
		for _, key := range t.texts(fields[l.name]) {
			t.registry(key, "", "", l.act)
		}
	}
	for _, name := range []string{"mutexes", "mutex"} {
		for _, m := range t.texts(fields[name]) {
			t.mutex(m)
		}
	}
	for _, name := range t.texts(fields["created_services"]) {
		t.service(name, "")
	}
	for _, name := range []string{"executed_commands", "command_line"} {
		for _, line := range t.texts(fields[name]) {
			t.command(line)
		}
	}
	for _, name := range t.texts(fields["resolves_host"]) {
		t.domain(name)
	}
	for _, name := range t.texts(fields["fetches_url"]) {
		t.url(name)
	}
}

// pairs calls add with each pair of texts in a list.
func (t *translator) pairs(v value, add func(a, b string)) {
	for pair := range t.elements(v) {
		if texts := t.texts(pair); len(texts) == 2 {
			add(texts[0], texts[1])
		} else {
			t.skip()
		}
	}
}

// iocs reads the form of CAPE's call get/iocs.
func (t *translator) iocs() {
	for _, section := range []struct {
		name string
		add  func(string, verdict.Act)
	}{
		{"files", func(path string, act verdict.Act) { t.file(path, act, 0) }},
		{"registry", func(key string, act verdict.Act) { t.registry(key, "", "", act) }},
	} {
		lists := t.root[section.name]
		for _, l := range []struct {
			name string
			act  verdict.Act
		}{{"modified", verdict.Written}, {"deleted", verdict.Deleted}, {"read", verdict.Read}} {
			for _, s := range t.texts(lists.get(l.name)) {
				section.add(s, l.act)
			}
		}
	}
	for _, m := range t.texts(t.root["mutexes"]) {
		t.mutex(m)
	}
	for _, line := range t.texts(t.root["executed_commands"]) {
		t.command(line)
	}
	if tree := t.root["process_tree"]; tree.kind() == '{' {
		t.tree(tree, 0)
	}
}

// maxTree is how deep a tree of processes is followed.
const maxTree = 64

func (t *translator) tree(node value, depth int) {
	if depth > maxTree {
		t.r.Cut++
		return
	}
	t.addProcess(verdict.Process{PID: int(t.integer(node.get("pid"))), Path: t.text(node.get("name"))})
	for child := range node.get("spawned_processes").elements() {
		t.tree(child, depth+1)
	}
}

// rank orders what is told of one file or key: the most telling stays.
var rank = map[verdict.Act]int{verdict.Touched: 0, verdict.Read: 1, verdict.Deleted: 2, verdict.Written: 3, verdict.Created: 4}

// file notes what was done to a file. Of several acts on one the most telling is kept, but a deletion is told
// in any case. Size is 0 if it is not known.
func (t *translator) file(path string, act verdict.Act, size int64) {
	if path == "" || path == "(null)" {
		return
	}
	if act == verdict.Deleted {
		if t.isNew(len(t.r.Files), "deleted", path) {
			t.r.Files = append(t.r.Files, verdict.FileAct{Path: path, Act: act})
		}
		return
	}
	at, ok := t.files[path]
	if !ok {
		if t.isNew(len(t.r.Files), "file", path) {
			t.files[path] = len(t.r.Files)
			t.r.Files = append(t.r.Files, verdict.FileAct{Path: path, Act: act, Size: size})
		}
		return
	}
	there := &t.r.Files[at]
	if rank[act] > rank[there.Act] {
		there.Act = act
	}
	there.Size = max(there.Size, size)
}

func (t *translator) moved(from, to string) {
	if from != "" && to != "" && t.isNew(len(t.r.Files), "moved", from, to) {
		t.r.Files = append(t.r.Files, verdict.FileAct{Path: from, Act: verdict.Moved, To: to})
	}
}

// hives are the short names of hives, and other ways to write them.
var hives = map[string]string{
	"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER", "HKCR": "HKEY_CLASSES_ROOT", "HKU": "HKEY_USERS", "HKCC": "HKEY_CURRENT_CONFIG",
}

// tidyKey writes a key with single separators and the long name of its hive.
func tidyKey(key string) string {
	parts := strings.FieldsFunc(key, func(r rune) bool { return r == '\\' })
	if len(parts) == 0 {
		return ""
	}
	if long, ok := hives[strings.ToUpper(parts[0])]; ok {
		parts[0] = long
	}
	if len(parts) > 2 && strings.EqualFold(parts[0], "REGISTRY") { // as the kernel calls them
		switch {
		case strings.EqualFold(parts[1], "MACHINE"):
			parts = append([]string{"HKEY_LOCAL_MACHINE"}, parts[2:]...)
		case strings.EqualFold(parts[1], "USER"):
			parts = append([]string{"HKEY_USERS"}, parts[2:]...)
		}
	}
	return strings.Join(parts, `\`)
}

// registry notes what was done to a key or value.
func (t *translator) registry(key, name, data string, act verdict.Act) {
	key = tidyKey(key)
	if name == "(null)" || name == "(Default)" {
		name = ""
	}
	if strings.HasPrefix(key, "0x") {
		t.handles++ // the oldest reports; what was written below a handle is read from the calls
		return
	}
	if key == "" || act == verdict.Touched && t.seen["key\x00"+key] || !t.isNew(len(t.r.Registry), "registry", key, name, string(act), data) {
		return
	}
	t.seen["key\x00"+key] = true
	t.r.Registry = append(t.r.Registry, verdict.Registry{Key: key, Value: name, Data: data, Act: act})
}

func (t *translator) mutex(name string) {
	if name != "" && name != "(null)" && t.isNew(len(t.r.Mutexes), "mutex", name) {
		t.r.Mutexes = append(t.r.Mutexes, name)
	}
}

func (t *translator) service(name, path string) {
	if name != "" && name != "(null)" && t.isNew(len(t.r.Services), "service", name) {
		t.r.Services = append(t.r.Services, verdict.Service{Name: name, Path: path})
	}
}

// command notes a command line that was run, of a process about which nothing else is known.
func (t *translator) command(line string) {
	if line != "" && t.isNew(len(t.r.Processes), "command", line) {
		t.addProcess(verdict.Process{Arguments: []string{line}})
	}
}

func (t *translator) addProcess(p verdict.Process) {
	if p.Path == "" && len(p.Arguments) == 0 {
		return
	}
	if len(t.r.Processes) >= verdict.MaxList {
		t.r.Cut++
		return
	}
	t.r.Processes = append(t.r.Processes, p)
}
