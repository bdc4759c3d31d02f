// Package policy is what an administrator tells the agent: one YAML file, read strictly.
//
// Each setting has a default that is safe: an empty file is a valid policy, under which the agent
// watches, answers and acts on nothing. [Parse] tells all that is wrong with a file at once, each problem with its
// line and what to do next; a file with a problem is not used at all, as half a policy is not what
// anybody wrote. Warnings do not keep it from being used.
//
// The settings are the fields of [Policy], described by their tags: "doc" is the line that the table in
// docs/policy.md and `tyto policy example` show. A test holds the two together.
//
// [Keeper] holds the policy in force and replaces it when the file changes; a new file that is rejected
// leaves the old policy in force.
package policy

import (
	"time"

	"tyto/scheduler"
)

// Policy is the configuration of the agent. Use [Default] or [Parse]: the zero value has no limits.
type Policy struct {
	Data       string           `yaml:"data" doc:"folder of the agent's state; empty is /var/lib/tyto, on Windows %ProgramData%\\Tyto. Read at start only"`
	Detection  Detection        `yaml:"detection" doc:"what scans look for"`
	Tasks      []scheduler.Task `yaml:"tasks" doc:"the scans that the agent runs by itself: see docs/tasks.md"`
	Presence   Presence         `yaml:"presence" doc:"when nobody uses the computer"`
	Resources  Resources        `yaml:"resources" doc:"what scans may use"`
	Response   Response         `yaml:"response" doc:"what is done about findings of tasks that name no actions of their own; telling is always done"`
	Sandbox    Sandbox          `yaml:"sandbox" doc:"sandboxes that are asked about programs and documents; see docs/sandbox.md"`
	Quarantine Quarantine       `yaml:"quarantine" doc:"the vault that keeps what was taken away"`
	Results    Results          `yaml:"results" doc:"what is remembered"`
	Events     Events           `yaml:"events" doc:"where events go: see docs/events.md"`
	Control    Control          `yaml:"control" doc:"who may command the agent. Read at start only"`
}

// Detection says what scans look for.
type Detection struct {
	Rules      []string `yaml:"rules" doc:"YARA rules: files, folders, or \"builtin\" for those that Tyto ships"`
	Indicators []string `yaml:"indicators" doc:"indicators, OpenIOC or Loki/THOR lists: files or folders"`
}

// Presence says how the agent knows that nobody uses the computer.
type Presence struct {
	Source       string        `yaml:"source" doc:"\"auto\" asks the system; \"file:/PATH\" reads \"active\" or \"idle\" from a file, for tests"`
	InputIdle    time.Duration `yaml:"input_idle" doc:"this long without keyboard and mouse counts as idle too; 0: only a locked screen or a screensaver does"`
	TerminalIdle time.Duration `yaml:"terminal_idle" doc:"how long after the last key a session on a text console or over ssh counts as used: these have no lock"`
	Settle       time.Duration `yaml:"settle" doc:"how long the computer must have been idle before a scan begins or goes on"`
}

// Resources bound what scans use.
type Resources struct {
	Workers       int           `yaml:"workers" doc:"processes that examine objects; 0 is one less than there are cores"`
	CPULimit      float64       `yaml:"cpu_limit" doc:"processor time in percent of one core: 20 is a fifth of a core; 0 is unlimited"`
	WorkerMemory  Size          `yaml:"worker_memory" doc:"memory that one such process may use"`
	MaxSize       Size          `yaml:"max_size" doc:"largest file whose content is examined; 0 is unlimited"`
	MaxObjectTime time.Duration `yaml:"max_object_time" doc:"longest examination of one object; 0 is unlimited"`
	OnBattery     string        `yaml:"on_battery" doc:"what scheduled work does while the computer runs on battery: wait or run"`
}

// The values of Resources.OnBattery.
const (
	Wait = "wait"
	Run  = "run"
)

// Response says what is done about findings, beside telling them, for tasks that name no actions.
type Response struct {
	Quarantine   bool          `yaml:"quarantine" doc:"move what was found into the quarantine"`
	ScanCritical bool          `yaml:"scan_critical" doc:"scan the critical areas after a finding"`
	Command      []string      `yaml:"command" doc:"program and arguments to start for each finding, which it gets as JSON on its standard input; no shell is involved"`
	CommandTime  time.Duration `yaml:"command_time" doc:"longest run of that program, after which it is killed; also of the commands of tasks"`
	Level        string        `yaml:"level" doc:"lowest level of a finding that is acted on: notice, warning or alert"`
	DryRun       bool          `yaml:"dry_run" doc:"say in events what would be done, and do nothing"`
}

// Actions returns what is done, as a task says it.
func (r Response) Actions() scheduler.Actions {
	return scheduler.Actions{Quarantine: r.Quarantine, ScanCritical: r.ScanCritical, Command: r.Command, DryRun: r.DryRun}
}

// Quarantine bounds the vault.
type Quarantine struct {
	Limit       Size     `yaml:"limit" doc:"most that the vault holds; an event is sent at 80 %"`
	ObjectLimit Size     `yaml:"object_limit" doc:"largest object that is taken in"`
	WhenFull    string   `yaml:"when_full" doc:"what happens to an object that does not fit any more: reject leaves it where it is, drop_oldest makes room"`
	Protected   []string `yaml:"protected" doc:"paths that are reported, never moved, beside those of the system and of Tyto itself: a path protects all below it, and * ? ** work"`
}

// The values of Quarantine.WhenFull.
const (
	Reject     = "reject"
	DropOldest = "drop_oldest"
)

// Results says what is remembered, and how long.
type Results struct {
	Keep time.Duration `yaml:"keep" doc:"how long runs, findings and stored events are kept"`
}

// Events says where events go.
type Events struct {
	Level     string `yaml:"level" doc:"least level that is written: info, notice, warning or error"`
	File      string `yaml:"file" doc:"file of JSON Lines; empty is events.jsonl in the data folder, \"off\" is none"`
	FileSize  Size   `yaml:"file_size" doc:"size at which a new file is begun"`
	FileCount int    `yaml:"file_count" doc:"how many older files are kept"`
	SystemLog string `yaml:"system_log" doc:"auto (the journal, else syslog, on Windows the event log), journal, syslog, eventlog or off"`
}

// The values of Events.SystemLog; Off is one of Events.File too.
const (
	Auto     = "auto"
	Journal  = "journal"
	Syslog   = "syslog"
	EventLog = "eventlog"
	Off      = "off"
)

// Control says who may command the agent.
type Control struct {
	Address string `yaml:"address" doc:"path of the Unix socket, or name of the pipe; empty is /run/tyto/agent.sock, on Windows \\\\.\\pipe\\tyto-agent"`
	Group   string `yaml:"group" doc:"group whose members may command the agent beside the administrator; empty is none. They are as good as the administrator: through it they can read, write and delete every file"`
}

// Default returns the policy of an empty file.
func Default() *Policy {
	return &Policy{
		Detection: Detection{Rules: []string{"builtin"}, Indicators: []string{}},
		Tasks:     []scheduler.Task{},
		Presence:  Presence{Source: Auto, TerminalIdle: 10 * time.Minute, Settle: 5 * time.Second},
		Resources: Resources{
			WorkerMemory:  768 << 20,
			MaxSize:       100 << 20,
			MaxObjectTime: time.Minute,
			OnBattery:     Wait,
		},
		Response: Response{Command: []string{}, CommandTime: time.Minute, Level: "alert"},
		Quarantine: Quarantine{
			Limit:       200 << 20,
			ObjectLimit: 100 << 20,
			WhenFull:    Reject,
			Protected:   []string{},
		},
		Sandbox: defaultSandbox(),
		Results: Results{Keep: 30 * 24 * time.Hour},
		Events:  Events{Level: "info", FileSize: 10 << 20, FileCount: 5, SystemLog: Auto},
	}
}
