package policy

import (
	"time"

	"tyto/sandboxlink/decide"
	"tyto/scheduler"
)

// Sandbox says which sandboxes are asked, about what, and what is done about their verdicts. Without a server
// nothing is queued and nothing leaves the computer.
type Sandbox struct {
	Servers    []SandboxServer  `yaml:"servers" doc:"sandboxes, asked in this order: see docs/sandbox-servers.md. Without one nothing is queued or sent"`
	Timeout    time.Duration    `yaml:"timeout" doc:"longest time to connect to a server, with its name looked up and TLS agreed; then the next one is asked"`
	UploadTime time.Duration    `yaml:"upload_time" doc:"longest time to send one object"`
	VerdictBy  time.Duration    `yaml:"verdict_by" doc:"longest time that a server may take to judge one object; then another is asked"`
	Parallel   int              `yaml:"parallel" doc:"objects that are sent at the same time"`
	Bandwidth  Size             `yaml:"bandwidth" doc:"bytes per second that all sending takes together; 0 is unlimited"`
	Intercept  SandboxIntercept `yaml:"intercept" doc:"which accesses are noticed: see docs/intercept.md"`
	Decide     decide.Policy    `yaml:"decide" doc:"which objects are worth a question: see docs/sandbox-decide.md"`
	Recall     SandboxRecall    `yaml:"recall" doc:"how long verdicts are good for"`
	Queue      SandboxQueue     `yaml:"queue" doc:"objects that wait for a sandbox: see docs/sandbox-queue.md"`
	Response   SandboxResponse  `yaml:"response" doc:"what is done when a sandbox says malicious; telling it and looking into the inventory is always done"`
}

// SandboxServer is one sandbox.
type SandboxServer struct {
	Address           string `yaml:"address" doc:"HOST:PORT, [IPV6]:PORT or a URL; https unless the URL says http"`
	Kind              string `yaml:"kind,omitempty" doc:"tyto (default), kaspersky or cape"`
	Pin               string `yaml:"pin,omitempty" doc:"the server's certificate: its SHA-256 in hexadecimal, or the certificate as a file; no other is accepted"`
	CA                string `yaml:"ca,omitempty" doc:"file of the authority that signed the server's certificate, PEM; empty is those that the system trusts"`
	ClientCertificate string `yaml:"client_certificate,omitempty" doc:"file of the certificate shown to the server, PEM; empty is none"`
	ClientKey         string `yaml:"client_key,omitempty" doc:"file of its key, PEM"`
	TokenFile         string `yaml:"token_file,omitempty" doc:"file whose first line is the token for the server's API; empty is none"`
}

// SandboxIntercept says which accesses are noticed.
type SandboxIntercept struct {
	Exec            bool          `yaml:"exec" doc:"notice programs that are started; on Linux known malicious ones are refused"`
	Open            bool          `yaml:"open" doc:"notice files that are opened; on Linux known malicious ones are refused"`
	FileSystems     []string      `yaml:"file_systems" doc:"paths on the file systems to watch, on Windows the folders; empty is all local ones, on Windows each fixed and removable drive"`
	ExcludePrograms []string      `yaml:"exclude_programs" doc:"programs whose accesses are never held nor noticed"`
	Wait            time.Duration `yaml:"wait" doc:"longest time that opening a file is held while its content is compared with what is known to be malicious; then it is allowed"`
	ExecWait        time.Duration `yaml:"exec_wait" doc:"the same for starting a program"`
}

// SandboxRecall says how long verdicts are good for.
type SandboxRecall struct {
	Clean      time.Duration `yaml:"clean" doc:"how long a clean verdict is good for"`
	Suspicious time.Duration `yaml:"suspicious" doc:"how long a suspicious one is"`
	Malicious  time.Duration `yaml:"malicious" doc:"how long a malicious one is"`
}

// SandboxQueue bounds what waits for a sandbox.
type SandboxQueue struct {
	Limit       Size          `yaml:"limit" doc:"most that the queue holds on disk; when it is full nothing is added and one event is sent"`
	ObjectLimit Size          `yaml:"object_limit" doc:"largest object that is taken in"`
	Expire      time.Duration `yaml:"expire" doc:"how long an object waits before it is given up"`
}

// SandboxResponse says what is done when a sandbox says malicious.
type SandboxResponse struct {
	Quarantine   bool        `yaml:"quarantine" doc:"move the object into the quarantine"`
	ScanCritical bool        `yaml:"scan_critical" doc:"scan the critical areas"`
	DryRun       bool        `yaml:"dry_run" doc:"say in events what would be done, and do nothing"`
	Task         SandboxTask `yaml:"task" doc:"a task that looks for what the verdict's report tells of, with indicators made from it"`
}

// SandboxTask says which task is made from a verdict.
type SandboxTask struct {
	Run          string           `yaml:"run" doc:"none (no task is made), manual (a person starts it), now, or idle (only while nobody uses the computer)"`
	Areas        []scheduler.Area `yaml:"areas" doc:"what it looks at: critical, system-drives or computer"`
	Paths        []string         `yaml:"paths" doc:"files and folders that it looks at as well"`
	Quarantine   bool             `yaml:"quarantine" doc:"move what it finds into the quarantine, if a sandbox has judged that very content malicious; the rest is told"`
	ScanCritical bool             `yaml:"scan_critical" doc:"scan the critical areas if it finds something"`
	Expire       time.Duration    `yaml:"expire" doc:"how long after its creation it is deleted, and its indicators are good for"`
}

// The values of SandboxTask.Run.
const (
	RunNone   = "none"
	RunManual = "manual"
	RunNow    = "now"
	RunIdle   = "idle"
)

func defaultSandbox() Sandbox {
	const day = 24 * time.Hour
	return Sandbox{
		Servers: []SandboxServer{},
		Timeout: 500 * time.Millisecond, UploadTime: 2 * time.Minute, VerdictBy: time.Hour, Parallel: 2,
		Intercept: SandboxIntercept{
			FileSystems: []string{}, ExcludePrograms: []string{}, Wait: 500 * time.Millisecond, ExecWait: 500 * time.Millisecond,
		},
		Decide:   decide.DefaultPolicy(),
		Recall:   SandboxRecall{Clean: 7 * day, Suspicious: 7 * day, Malicious: 30 * day},
		Queue:    SandboxQueue{Limit: 100_000_000, ObjectLimit: 60 << 20, Expire: 30 * day},
		Response: SandboxResponse{Task: SandboxTask{Run: RunNone, Areas: []scheduler.Area{scheduler.SystemDrives}, Paths: []string{}, Expire: 30 * day}},
	}
}
