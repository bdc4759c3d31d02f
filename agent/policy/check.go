package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"tyto/agent/place"
	"tyto/agent/policy/strict"
	"tyto/finding"
	"tyto/scheduler"
)

// Parse reads a policy; file is how problems call it. The policy can be used unless one of the problems is
// an error, that is no warning: see [Broken].
func Parse(file string, document []byte) (*Policy, []finding.Problem) {
	p := Default()
	lines, problems := strict.Decode(file, document, p)
	c := checker{policy: p, file: file, lines: lines, problems: problems}
	c.all()
	slices.SortStableFunc(c.problems, func(a, b finding.Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p, c.problems
}

// ParseTask reads one task from a file of its own, as it stands below "tasks" in a policy.
func ParseTask(file string, document []byte) (*scheduler.Task, []finding.Problem) {
	task := new(scheduler.Task)
	lines, problems := strict.Decode(file, document, task)
	c := checker{file: file, lines: lines, problems: problems}
	c.task("", task)
	return task, c.problems
}

// Broken reports whether the problems keep a policy from being used.
func Broken(problems []finding.Problem) bool {
	return slices.ContainsFunc(problems, func(p finding.Problem) bool { return !p.Warning })
}

// checker holds settings against each other and against what they may be.
type checker struct {
	policy   *Policy
	file     string
	lines    strict.Lines
	problems []finding.Problem
}

// wrong is an error of the setting at path.
func (c *checker) wrong(path, format string, args ...any) {
	c.problems = append(c.problems, finding.Problem{File: c.file, Line: c.lines.Of(path),
		Message: fmt.Sprintf("%q: ", path) + fmt.Sprintf(format, args...)})
}

func (c *checker) warn(path, format string, args ...any) {
	c.wrong(path, format, args...)
	c.problems[len(c.problems)-1].Warning = true
}

func (c *checker) all() {
	c.places()
	c.tasks()
	c.presence()
	c.resources()
	c.response()
	c.sandbox()
	c.quarantine()
	c.results()
	c.events()
}

// absolute demands a whole path where one is set: the agent's working directory means nothing to whoever
// writes a policy.
func (c *checker) absolute(path, value string) bool {
	if value == "" || filepath.IsAbs(value) {
		return true
	}
	c.wrong(path, "%q is no whole path: begin it with %s", value, rootExample)
	return false
}

var rootExample = map[bool]string{false: `"/"`, true: `a drive, such as C:\`}[runtime.GOOS == "windows"]

// oneOf demands one of some words.
func (c *checker) oneOf(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		c.wrong(path, "%q is unknown: use %s", value, strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
	}
}

func (c *checker) places() {
	p := c.policy
	c.absolute("data", p.Data)
	for _, list := range []struct {
		path  string
		files []string
	}{{"detection.rules", p.Detection.Rules}, {"detection.indicators", p.Detection.Indicators}} {
		for i, file := range list.files {
			at := fmt.Sprintf("%s[%d]", list.path, i)
			switch {
			case file == "":
				c.wrong(at, "the path is empty: remove it")
			case file == "builtin" && list.path == "detection.rules":
			default:
				c.absolute(at, file)
			}
		}
		c.missing(list.path, list.files)
	}
	if len(p.Detection.Rules)+len(p.Detection.Indicators) == 0 {
		c.warn("detection", "there is nothing to look for: add \"builtin\" to rules")
	}
	c.address()
}

// maxSocket is what fits into struct sockaddr_un, with the zero at the end.
const maxSocket = 107

func (c *checker) address() {
	address := c.policy.Control.Address
	const pipe = `\\.\pipe\`
	switch {
	case address == "":
	case runtime.GOOS == "windows":
		if name, ok := strings.CutPrefix(address, pipe); !ok || name == "" || strings.ContainsAny(name, `\/`) {
			c.wrong("control.address", `%q is no name of a pipe: write it as \\.\pipe\NAME`, address)
		}
	case len(address) > maxSocket:
		c.wrong("control.address", "the path has %d bytes, a socket's at most %d: choose a shorter one", len(address), maxSocket)
	default:
		c.absolute("control.address", address)
	}
	group := c.policy.Control.Group
	if group != "" && runtime.GOOS == "windows" {
		c.wrong("control.group", "on Windows only administrators command the agent: remove it")
	} else if group != "" {
		if _, err := user.LookupGroup(group); err != nil {
			c.warn("control.group", "%v: only the administrator commands the agent until it is there", err)
		}
	}
}

// mostTasks is more than anybody schedules.
const mostTasks = 1000

func (c *checker) tasks() {
	if len(c.policy.Tasks) > mostTasks {
		c.wrong("tasks", "there are %d tasks, at most %d", len(c.policy.Tasks), mostTasks)
		return
	}
	ids := map[string]int{}
	for i := range c.policy.Tasks {
		task := &c.policy.Tasks[i]
		at := fmt.Sprintf("tasks[%d].", i)
		c.task(at, task)
		if first, twice := ids[task.ID]; twice {
			c.wrong(at+"id", "%q is the id of the task on line %d as well: choose another", task.ID, first)
		} else if task.ID != "" {
			ids[task.ID] = c.lines.Of(at + "id")
		}
	}
}

// task tells what package scheduler finds wrong with a task, whose fields have this prefix in the file.
func (c *checker) task(prefix string, task *scheduler.Task) {
	var wrong *scheduler.CheckError
	switch err := task.Check(); {
	case errors.As(err, &wrong):
		for _, p := range wrong.Problems {
			c.wrong(prefix+p.Field, "%s", p.Text)
		}
	case err != nil:
		c.wrong(strings.TrimSuffix(prefix, "."), "%v", err)
	}
	if strings.HasPrefix(task.ID, "sandbox-") {
		c.wrong(prefix+"id", "%q: what begins with sandbox- is kept for the agent's own tasks: choose another", task.ID)
	}
	c.missing(prefix+"rules", task.Rules)
	c.missing(prefix+"indicators", task.Indicators)
}

// missing warns of what scans are to look for and is not there yet.
func (c *checker) missing(list string, files []string) {
	for i, file := range files {
		if !filepath.IsAbs(file) {
			continue // "builtin", or told as an error
		}
		if _, err := os.Stat(file); err != nil {
			c.warn(fmt.Sprintf("%s[%d]", list, i), "%v: scans go without it until it is there", err)
		}
	}
}

func (c *checker) presence() {
	p := c.policy.Presence
	if file, ok := strings.CutPrefix(p.Source, "file:"); ok {
		if file == "" {
			c.wrong("presence.source", "the path behind \"file:\" is missing")
		} else if c.absolute("presence.source", file) {
			c.warn("presence.source", "a file says whether somebody uses the computer, which is for tests; use \"auto\"")
		}
	} else if p.Source != Auto {
		c.wrong("presence.source", "%q is unknown: use \"auto\" or \"file:/PATH\"", p.Source)
	}
	if p.InputIdle > 0 && p.InputIdle < time.Minute {
		c.wrong("presence.input_idle", "%s is too short, people think longer: use at least 1m, or 0 to turn it off", strict.FormatDuration(p.InputIdle))
	}
	if p.TerminalIdle < time.Minute {
		c.wrong("presence.terminal_idle", "%s is too short, people read longer: use at least 1m", strict.FormatDuration(p.TerminalIdle))
	}
	if p.Settle > time.Hour {
		c.warn("presence.settle", "scans wait %s after each lock of the screen", strict.FormatDuration(p.Settle))
	}
}

// The least memory with which a worker can hold rules; the same as of the command tyto scan.
const leastWorkerMemory = 64 << 20

func (c *checker) resources() {
	r := c.policy.Resources
	cores := runtime.NumCPU()
	switch {
	case r.Workers < 0:
		c.wrong("resources.workers", "%d cannot be: 0 is one less than there are cores", r.Workers)
	case r.Workers > 1024:
		c.wrong("resources.workers", "%d are too many: use 0 for one less than there are cores", r.Workers)
	case r.Workers > max(16, 4*cores):
		c.warn("resources.workers", "%d are more than this computer's %d cores can use", r.Workers, cores)
	}
	switch {
	case r.CPULimit < 0, r.CPULimit > 0 && r.CPULimit < 1:
		c.wrong("resources.cpu_limit", "%g cannot be: it is in percent of one core, from 1; 0 is unlimited", r.CPULimit)
	case r.CPULimit > 100*1024:
		c.wrong("resources.cpu_limit", "%g is more than any computer has: 100 is one core, 0 is unlimited", r.CPULimit)
	case r.CPULimit > float64(100*cores):
		c.warn("resources.cpu_limit", "%g is more than this computer has: 100 is one of its %d cores", r.CPULimit, cores)
	}
	if r.WorkerMemory < leastWorkerMemory {
		c.wrong("resources.worker_memory", "%s is too little: the rules alone need %s", r.WorkerMemory, Size(leastWorkerMemory))
	}
	if r.MaxObjectTime > 0 && r.MaxObjectTime < time.Second {
		c.wrong("resources.max_object_time", "%s is too short to examine anything: use at least 1s, or 0 for no limit", r.MaxObjectTime)
	}
	c.oneOf("resources.on_battery", r.OnBattery, Wait, Run)
}

func (c *checker) response() {
	r := c.policy.Response
	c.oneOf("response.level", r.Level, "notice", "warning", "alert")
	if r.CommandTime <= 0 || r.CommandTime > 24*time.Hour {
		c.wrong("response.command_time", "%s cannot be: use 1s to 24h", strict.FormatDuration(r.CommandTime))
	}
	if len(r.Command) == 0 {
		return
	}
	if r.Command[0] == "" {
		c.wrong("response.command[0]", "the program's path is empty")
		return
	}
	if !c.absolute("response.command[0]", r.Command[0]) {
		return
	}
	// It runs with the agent's privileges: whoever can change it has them too. One that is missing may come.
	switch err := place.CheckFile(r.Command[0]); {
	case errors.Is(err, fs.ErrNotExist):
		c.warn("response.command[0]", "%v: nothing is started until it is there", err)
	case err != nil:
		c.wrong("response.command[0]", "%v", err)
	}
}

func (c *checker) quarantine() {
	q := c.policy.Quarantine
	switch {
	case q.Limit <= 0:
		c.wrong("quarantine.limit", "%s holds nothing: use a size such as 200MiB", q.Limit)
	case q.ObjectLimit <= 0:
		c.wrong("quarantine.object_limit", "%s lets nothing in: use a size such as 100MiB", q.ObjectLimit)
	case q.ObjectLimit > q.Limit:
		c.wrong("quarantine.object_limit", "%s do not fit into the whole vault of %s: lower it or raise limit", q.ObjectLimit, q.Limit)
	}
	c.oneOf("quarantine.when_full", q.WhenFull, Reject, DropOldest)
	for i, path := range q.Protected {
		at := fmt.Sprintf("quarantine.protected[%d]", i)
		if path == "" {
			c.wrong(at, "the path is empty: remove it")
		} else {
			c.absolute(at, path)
		}
	}
}

func (c *checker) results() {
	switch keep := c.policy.Results.Keep; {
	case keep < time.Hour:
		c.wrong("results.keep", "%s is too short to look at anything: use at least 1h", strict.FormatDuration(keep))
	case keep > 10*365*24*time.Hour:
		c.warn("results.keep", "the database grows for %s", strict.FormatDuration(keep))
	}
}

func (c *checker) events() {
	e := c.policy.Events
	c.oneOf("events.level", e.Level, "info", "notice", "warning", "error")
	if e.File != Off {
		c.absolute("events.file", e.File)
	}
	if e.FileSize < 64<<10 {
		c.wrong("events.file_size", "%s is too small: use at least 64KiB", e.FileSize)
	}
	if e.FileCount < 0 || e.FileCount > 100 {
		c.wrong("events.file_count", "%d cannot be: use 0 to 100", e.FileCount)
	}
	c.oneOf("events.system_log", e.SystemLog, Auto, Journal, Syslog, EventLog, Off)
	if windows := runtime.GOOS == "windows"; windows && (e.SystemLog == Journal || e.SystemLog == Syslog) ||
		!windows && e.SystemLog == EventLog {
		c.wrong("events.system_log", "this system has no %s: use auto", e.SystemLog)
	}
}
