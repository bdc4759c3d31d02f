package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"tyto/agent/place"
	"tyto/agent/policy/strict"
	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/submit/wire"
	"tyto/scheduler"
)

const (
	// mostServers is as many as a cluster of Kaspersky Sandbox has.
	mostServers = 32
	// longestHold bounds how long access to a file may be held: people take longer for a fault.
	longestHold = 10 * time.Second
	// longestMemory bounds how long anything of the link is kept.
	longestMemory = 366 * 24 * time.Hour
)

func (c *checker) sandbox() {
	s := &c.policy.Sandbox
	if len(s.Servers) > mostServers {
		c.wrong("sandbox.servers", "there are %d servers, at most %d", len(s.Servers), mostServers)
		return
	}
	known := map[string]int{}
	for i := range s.Servers {
		c.server(fmt.Sprintf("sandbox.servers[%d].", i), &s.Servers[i], known)
	}
	c.between("sandbox.timeout", s.Timeout, 10*time.Millisecond, time.Minute)
	c.between("sandbox.upload_time", s.UploadTime, time.Second, time.Hour)
	c.between("sandbox.verdict_by", s.VerdictBy, 10*time.Second, 24*time.Hour)
	if s.Parallel < 1 || s.Parallel > 16 {
		c.wrong("sandbox.parallel", "%d cannot be: use 1 to 16", s.Parallel)
	}
	if s.Bandwidth > 0 && s.Bandwidth < 1<<10 {
		c.wrong("sandbox.bandwidth", "%s each second is too little to send anything: use at least 1KiB, or 0 for no limit", s.Bandwidth)
	}
	c.sandboxIntercept()
	c.sandboxDecide()
	c.between("sandbox.recall.clean", s.Recall.Clean, time.Minute, longestMemory)
	c.between("sandbox.recall.suspicious", s.Recall.Suspicious, time.Minute, longestMemory)
	c.between("sandbox.recall.malicious", s.Recall.Malicious, time.Minute, longestMemory)
	c.sandboxQueue()
	c.sandboxResponse()
}

// between demands a duration within bounds.
func (c *checker) between(path string, d, least, most time.Duration) {
	if d < least || d > most {
		c.wrong(path, "%s cannot be: use %s to %s", strict.FormatDuration(d), strict.FormatDuration(least), strict.FormatDuration(most))
	}
}

// server checks one server; known are the lines of those before it, by address.
func (c *checker) server(at string, s *SandboxServer, known map[string]int) {
	address, err := wire.ParseAddress(s.Address)
	switch first, twice := known[address.URL()]; {
	case err != nil:
		c.wrong(at+"address", "%v", err)
	case twice:
		c.wrong(at+"address", "it is the server on line %d again: remove it", first)
	case address.Plain():
		c.warn(at+"address", "objects are sent and verdicts are believed without TLS: use https")
	}
	known[address.URL()] = c.lines.Of(at + "address")
	if s.Kind != "" {
		c.oneOf(at+"kind", s.Kind, "tyto", "kaspersky", "cape")
	}
	if filepath.IsAbs(s.Pin) {
		c.trustedFile(at+"pin", s.Pin)
	} else if sum, err := hex.DecodeString(strings.ReplaceAll(s.Pin, ":", "")); s.Pin != "" && (err != nil || len(sum) != 32) {
		c.wrong(at+"pin", "it is neither the whole path of a certificate nor a SHA-256: 64 hexadecimal digits, as tyto sandbox cert prints them")
	}
	if (s.ClientCertificate == "") != (s.ClientKey == "") {
		c.wrong(at+"client_certificate", "client_certificate and client_key are set together or not at all")
	}
	c.trustedFile(at+"ca", s.CA)
	c.trustedFile(at+"client_certificate", s.ClientCertificate)
	c.trustedFile(at+"client_key", s.ClientKey)
	c.trustedFile(at+"token_file", s.TokenFile)
}

// trustedFile demands a file that only the administrator can change, if it is there.
func (c *checker) trustedFile(path, file string) {
	if file == "" || !c.absolute(path, file) {
		return
	}
	switch err := place.CheckFile(file); {
	case errors.Is(err, fs.ErrNotExist):
		c.warn(path, "%v: the server is not asked until it is there", err)
	case err != nil:
		c.wrong(path, "%v", err)
	}
}

func (c *checker) sandboxIntercept() {
	i := &c.policy.Sandbox.Intercept
	for n, path := range i.FileSystems {
		c.absolute(fmt.Sprintf("sandbox.intercept.file_systems[%d]", n), path)
	}
	for n, path := range i.ExcludePrograms {
		if at := fmt.Sprintf("sandbox.intercept.exclude_programs[%d]", n); c.absolute(at, path) {
			if err := place.CheckFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				c.wrong(at, "%v", err) // else whoever can replace it is never looked at
			}
		}
	}
	c.between("sandbox.intercept.wait", i.Wait, 0, longestHold)
	c.between("sandbox.intercept.exec_wait", i.ExecWait, 0, longestHold)
	if (i.Exec || i.Open) && runtime.GOOS != "linux" && runtime.GOOS != "windows" {
		c.warn("sandbox.intercept", "accesses cannot be noticed on this system")
	}
}

func (c *checker) sandboxQueue() {
	q := c.policy.Sandbox.Queue
	switch {
	case q.Limit < 1<<20:
		c.wrong("sandbox.queue.limit", "%s holds next to nothing: use at least 1MiB", q.Limit)
	case q.ObjectLimit <= 0:
		c.wrong("sandbox.queue.object_limit", "%s lets nothing in: use a size such as 60MiB", q.ObjectLimit)
	}
	c.between("sandbox.queue.expire", q.Expire, time.Hour, longestMemory)
}

func (c *checker) sandboxResponse() {
	t := &c.policy.Sandbox.Response.Task
	c.oneOf("sandbox.response.task.run", t.Run, RunNone, RunManual, RunNow, RunIdle)
	for i, area := range t.Areas {
		c.oneOf(fmt.Sprintf("sandbox.response.task.areas[%d]", i), string(area),
			string(scheduler.Critical), string(scheduler.SystemDrives), string(scheduler.Computer))
	}
	for i, path := range t.Paths {
		if at := fmt.Sprintf("sandbox.response.task.paths[%d]", i); c.absolute(at, path) && filepath.Clean(path) != path {
			c.wrong(at, "write it as %q", filepath.Clean(path))
		}
	}
	if t.Run != RunNone && len(t.Areas)+len(t.Paths) == 0 {
		c.wrong("sandbox.response.task.areas", "the task would look at nothing: name areas or paths")
	}
	c.between("sandbox.response.task.expire", t.Expire, time.Hour, longestMemory)
}

// sandboxDecide tells what package decide finds wrong with its settings.
func (c *checker) sandboxDecide() {
	d := &c.policy.Sandbox.Decide
	const at = "sandbox.decide."
	var wrong *decide.CheckError
	switch err := d.Check(); {
	case errors.As(err, &wrong):
		for _, p := range wrong.Problems {
			c.wrong(at+p.Field, "%s", p.Text)
		}
	case err != nil:
		c.wrong("sandbox.decide", "%v", err)
	}
	for i, file := range d.Roots {
		c.trustedFile(fmt.Sprintf("%sroots[%d]", at, i), file)
	}
}
