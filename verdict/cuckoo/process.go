package cuckoo

import (
	"fmt"
	"strings"

	"tyto/verdict"
)

// process reads a process and follows its calls.
func (t *translator) process(p value) {
	if p.kind() != '{' {
		t.skip()
		return
	}
	fields := p.object()
	process := verdict.Process{
		PID: int(t.integer(either(fields["process_id"], fields["pid"]))), Parent: int(t.integer(either(fields["parent_id"], fields["ppid"]))),
		Path: t.text(either(fields["module_path"], fields["process_path"], fields["process_name"])),
	}
	environ := fields["environ"]
	if line := t.text(either(fields["command_line"], environ.get("CommandLine"))); line != "" {
		process.Arguments = []string{line}
		t.seen["command\x00"+line] = true
	}
	if user := t.text(environ.get("UserName")); user != "" && t.isNew(len(t.r.Users), "user", user) {
		t.r.Users = append(t.r.Users, user)
	}
	if name := t.text(environ.get("ComputerName")); name != "" {
		t.r.Computer = name
	}
	t.addProcess(process)
	s := &session{t: t, keys: map[string]string{}, open: map[string]*written{}}
	for call := range t.elements(fields["calls"]) {
		if t.calls++; t.calls > maxCalls {
			if t.calls == maxCalls+1 {
				t.note(fmt.Sprintf("only the first %d calls were looked at", maxCalls))
			}
			t.r.Cut++
			return
		}
		s.call(call)
	}
}

// either returns the first value that is one.
func either(values ...value) value {
	for _, v := range values {
		if !v.isNothing() {
			return v
		}
	}
	return nil
}

// session follows the handles of one process, because calls name files and keys once and then by handle.
// Handles are closed unseen: one that stands for another key by now is noticed only when it is opened anew.
type session struct {
	t    *translator
	keys map[string]string   // handle → key
	open map[string]*written // handle → file opened for writing
}

// written counts what goes into one file.
type written struct {
	path string
	size int64
}

// maxHandles bounds the handles that are remembered of one process.
const maxHandles = 10_000

// call reads one call of an API.
func (s *session) call(call value) {
	if call.kind() != '{' {
		s.t.skip()
		return
	}
	fields := call.object()
	api, ok := fields["api"].text()
	if !ok {
		s.t.skip()
		return
	}
	follow, ok := followed[plainName(api)]
	if !ok || !succeeded(fields["status"]) {
		return
	}
	a := arguments{t: s.t, byName: map[string]value{}, result: fields["return_value"]}
	if a.result.isNothing() {
		a.result = fields["return"]
	}
	a.repeated = s.t.integer(fields["repeated"])
	a.read(fields["arguments"])
	follow(s, a)
}

// plainName returns the name of a function without the suffixes that tell variants of it apart, in lower
// case: CreateFileW and CreateFileTransactedA are both createfile.
func plainName(api string) string {
	name := strings.TrimRight(api, "AW")
	for _, suffix := range []string{"Transacted", "Internal", "WithProgress", "Ex", "Ex2"} {
		name = strings.TrimSuffix(strings.TrimSuffix(name, suffix), "Ex")
	}
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "zw") {
		name = "nt" + name[2:]
	}
	return name
}

// succeeded reports whether a call did: "SUCCESS", true, or 1. Where it does not say, it did.
func succeeded(status value) bool {
	s, ok := status.text()
	if !ok {
		return true
	}
	switch strings.ToLower(s) {
	case "failure", "failed", "false", "0":
		return false
	}
	return true
}

// arguments are those of one call. Each sandbox and version has its own names for them.
type arguments struct {
	t      *translator
	byName map[string]value
	result value
	// repeated is how often the same call came again, which is not listed.
	repeated int64
}

// read reads arguments: an object, or a list of objects with name and value.
func (a *arguments) read(v value) {
	switch v.kind() {
	case '{':
		for name, content := range v.fields() {
			a.byName[strings.ToLower(name)] = content
		}
	case '[':
		for element := range v.elements() {
			name, ok := element.get("name").text()
			if !ok {
				a.t.skip()
				continue
			}
			a.byName[strings.ToLower(name)] = element.get("value")
		}
	default:
		if !v.isNothing() {
			a.t.skip()
		}
	}
}

// get returns the first argument of these names that is there, "" if none. Names are in lower case.
func (a arguments) get(names ...string) string {
	for _, name := range names {
		if v := a.byName[name]; !v.isNothing() {
			if s := a.t.text(v); s != "" && s != "(null)" {
				return s
			}
		}
	}
	return ""
}

// number returns the first argument of these names as a number, 0 if none.
func (a arguments) number(names ...string) int64 {
	for _, name := range names {
		if n, ok := a.byName[name].integer(); ok {
			return n
		}
	}
	return 0
}

// handle returns the handle that the call gives back, in an argument or as its result.
func (a arguments) handle(names ...string) string {
	if h := a.get(names...); h != "" {
		return h
	}
	h, _ := a.result.text()
	return h
}
