package rules

import (
	yara "github.com/hillu/go-yara/v4"

	"tyto/rules/internal/engine"
)

// LibyaraVersion is the version of the libyara in this build, such as "4.5.2".
const LibyaraVersion = engine.Version

// Modules returns the names of the modules that rules can import in this build.
func Modules() []string {
	var out []string
	for _, name := range [...]string{
		"console", "cuckoo", "dex", "dotnet", "elf", "hash", "macho", "magic", "math", "pe",
		"string", "tests", "time",
	} {
		// libyara has no list of them, but it knows whether one can be imported.
		r, err := yara.Compile(`import "`+name+`" rule r { condition: true }`, nil)
		if err == nil {
			out = append(out, name)
			r.Destroy()
		}
	}
	return out
}
