package verdict

import "time"

// Format is the version of the form of a [Report].
const Format = 1

// Report is what a sandbox saw of one object. Empty lists mean that nothing of the kind was seen, which may
// be because no engine looked: see [Engine.Blind].
type Report struct {
	Format  int     `json:"format"`
	Verdict Verdict `json:"verdict"`
	Object  Object  `json:"object"`
	// Engines say which engine saw what, and what it cannot see.
	Engines []Engine `json:"engines"`
	// Platform is where the object ran: "linux" or "windows"; empty if it did not run.
	Platform string `json:"platform,omitempty"`
	// Users are names of accounts of the sandbox's computer, whose folders occur in paths.
	Users []string `json:"users,omitempty"`
	// Computer is the host name of the sandbox's computer, which may occur in names.
	Computer string `json:"computer,omitempty"`

	Behaviours  []Behaviour  `json:"behaviours,omitempty"`
	Dropped     []Dropped    `json:"dropped,omitempty"`
	Files       []FileAct    `json:"files,omitempty"`
	Processes   []Process    `json:"processes,omitempty"`
	Registry    []Registry   `json:"registry,omitempty"`
	Services    []Service    `json:"services,omitempty"`
	Mutexes     []string     `json:"mutexes,omitempty"`
	Domains     []string     `json:"domains,omitempty"`
	URLs        []string     `json:"urls,omitempty"`
	Connections []Connection `json:"connections,omitempty"`
	// Notes say in a sentence each what a reader should know of how this report came about.
	Notes []string `json:"notes,omitempty"`
	// Skipped counts what could not be understood when a report of another sandbox was translated.
	Skipped int `json:"skipped,omitempty"`
	// Cut counts what was left out because a report has a longest length, see [Parse].
	Cut int `json:"cut,omitempty"`
}

// Object is what was looked at.
type Object struct {
	// Name is what the object was called when it was handed in, without folders; a sandbox may have
	// renamed it.
	Name   string `json:"name,omitempty"`
	Size   int64  `json:"size"`
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256"`
	// Presumed reports that SHA256 was not stated, but read off the name under which the object was kept.
	Presumed bool `json:"presumed,omitempty"`
	// Type is in the words of package filetype for our own sandbox, free text of others.
	Type string `json:"type,omitempty"`
}

// Engine is one way of looking at the object.
type Engine struct {
	Name    string  `json:"name"` // "static", "jail", or what another sandbox calls itself
	Version string  `json:"version,omitempty"`
	Level   Level   `json:"level"`
	Score   int     `json:"score"`
	Seconds float64 `json:"seconds"`
	// Saw says in a sentence what was done with the object; Blind, what this engine cannot see.
	Saw   string   `json:"saw,omitempty"`
	Blind []string `json:"blind,omitempty"`
	// Failed says why the engine could not finish; empty if it did.
	Failed string `json:"failed,omitempty"`
}

// Behaviour is something the object did or has that tells for malice.
type Behaviour struct {
	// ID is stable: "drops-program", "writes-cron", "connects-out", "static-rule".
	ID string `json:"id"`
	// Engine is the name of the one that saw it.
	Engine string `json:"engine"`
	// Score is its sub-score, 0 to 100, combined as findings are.
	Score int `json:"score"`
	// Detail says it in a sentence, and Evidence shows what was seen: a path, an address, a call.
	Detail   string   `json:"detail"`
	Evidence []string `json:"evidence,omitempty"`
}

// Dropped is a file that the object made and whose content was kept.
type Dropped struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256"`
	Type   string `json:"type,omitempty"`
	// Executable reports that it can be run.
	Executable bool `json:"executable,omitempty"`
	// Deleted reports that it was gone in the end.
	Deleted bool `json:"deleted,omitempty"`
	// System reports that the sandbox's own system has this content: the object copied it.
	System bool `json:"system,omitempty"`
}

// Act is what was done to a file, a registry key or a value.
type Act string

// The acts, from the most telling.
const (
	Created Act = "created"
	Written Act = "written"
	Deleted Act = "deleted"
	Moved   Act = "moved"
	Read    Act = "read"
	// Touched is for reports that do not tell what was done.
	Touched Act = "touched"
)

// FileAct is what was done to one file.
type FileAct struct {
	Path string `json:"path"`
	Act  Act    `json:"act"`
	To   string `json:"to,omitempty"` // the new path of what was moved
	// Size is how many bytes were written to a new file; 0 if that is not known.
	Size int64 `json:"size,omitempty"`
}

// Process is one that was started, the object's own first.
type Process struct {
	PID       int      `json:"pid"`
	Parent    int      `json:"parent,omitempty"`
	Path      string   `json:"path,omitempty"`
	Arguments []string `json:"arguments,omitempty"`
}

// Registry is what was done to a registry key, or to one of its values.
type Registry struct {
	// Key is written with single separators and the long name of its hive: "HKEY_LOCAL_MACHINE\Software\…".
	// Reports that do not tell keys from values have the value's name as its last part.
	Key string `json:"key"`
	// Value is the name of a value, empty for the key itself or its default value.
	Value string `json:"value,omitempty"`
	Data  string `json:"data,omitempty"`
	Act   Act    `json:"act"`
}

// Service is a Windows service or a systemd unit that was made or changed.
type Service struct {
	Name string `json:"name"`
	Path string `json:"path,omitempty"`
}

// Connection is one that was tried.
type Connection struct {
	Protocol string `json:"protocol"` // "tcp", "udp"; empty if the report does not say
	Address  string `json:"address"`
	Port     int    `json:"port"` // 0 if the report does not say
	// Domain is a name that was resolved to the address, the best known if there are several; may be empty.
	Domain string     `json:"domain,omitempty"`
	Time   *time.Time `json:"time,omitempty"`
}
