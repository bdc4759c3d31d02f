package worker

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// program returns the absolute path of the worker's program: workers start in the root directory.
func (c *Config) program() (string, error) {
	path, err := exec.LookPath(c.Command[0])
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// environment returns the environment of a worker: what the caller gave, what the system
// cannot do without, and settings of the Go runtime. GODEBUG keeps the runtime from holding
// cgroup files open, which a confined worker could not read again anyway.
func (c *Config) environment() []string {
	env := slices.Clone(c.Env)
	set := func(key, value string) {
		if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") }) {
			env = append(env, key+"="+value)
		}
	}
	for key, value := range systemEnvironment() {
		set(key, value)
	}
	set("GOMAXPROCS", "1")
	set("GODEBUG", "containermaxprocs=0,updatemaxprocs=0")
	set("GOTRACEBACK", "single")
	if c.Memory > 0 {
		set("GOMEMLIMIT", strconv.FormatInt(c.Memory/4*3, 10))
	}
	return env
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
