package scheduler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Task is a stored scan: what is looked at, what for, what is done about findings, and when. Its YAML
// and JSON forms have the same keys; docs/tasks.md explains each. The zero value of a field stands
// for its default; see [Task.WithDefaults].
type Task struct {
	// ID names the task among all of the machine: small letters, digits and hyphens.
	ID string `json:"id" yaml:"id"`
	// Name and Description are for people.
	Name        string `json:"name,omitzero" yaml:"name,omitempty"`
	Description string `json:"description,omitzero" yaml:"description,omitempty"`
	// Disabled keeps the task without running it by itself. It can still be run by hand.
	Disabled bool `json:"disabled,omitzero" yaml:"disabled,omitempty"`

	Scope Scope `json:"scope" yaml:"scope"`
	// Rules are YARA files or folders, Indicators indicator files or folders; "builtin" stands for
	// those that Tyto ships or is configured with. Both empty: "builtin".
	Rules      []string `json:"rules,omitzero" yaml:"rules,omitempty"`
	Indicators []string `json:"indicators,omitzero" yaml:"indicators,omitempty"`
	Actions    Actions  `json:"actions,omitzero" yaml:"actions,omitempty"`

	When  When  `json:"when,omitzero" yaml:"when,omitempty"`
	While While `json:"while,omitzero" yaml:"while,omitempty"`

	// ExpireAfter deletes the task so long after it was created. Default: never.
	ExpireAfter Duration `json:"expire_after,omitzero" yaml:"expire_after,omitempty"`
	// KeepResults is how long the results of a run are kept. Default: 30 days.
	KeepResults Duration `json:"keep_results,omitzero" yaml:"keep_results,omitempty"`
}

// Scope selects what is looked at: areas, paths, or both.
type Scope struct {
	Areas []Area `json:"areas,omitzero" yaml:"areas,omitempty"`
	// Paths are files and folders, absolute.
	Paths []string `json:"paths,omitzero" yaml:"paths,omitempty"`
	// Exclude are patterns as `tyto scan --exclude` takes them.
	Exclude       []string `json:"exclude,omitzero" yaml:"exclude,omitempty"`
	OneFileSystem bool     `json:"one_file_system,omitzero" yaml:"one_file_system,omitempty"`
	Network       bool     `json:"network,omitzero" yaml:"network,omitempty"`
	NoArchives    bool     `json:"no_archives,omitzero" yaml:"no_archives,omitempty"`
	// MaxSize is the largest file whose content is examined. Default: 100 MiB.
	MaxSize Size `json:"max_size,omitzero" yaml:"max_size,omitempty"`
	// Full examines every file anew. By default a file that did not change since it was examined under
	// the same rules and indicators is not read again.
	Full bool `json:"full,omitzero" yaml:"full,omitempty"`
}

// Area is a part of the computer that a person selects by name.
type Area string

// The areas.
const (
	Computer     Area = "computer"      // all local file systems
	SystemDrives Area = "system-drives" // those that the system starts from
	Critical     Area = "critical"      // kernel memory, running processes, boot sectors
)

// Actions are what is done about findings. The zero value is what the policy says, which by default is to
// report only.
type Actions struct {
	// ReportOnly does nothing but report, whatever the policy says. It stands alone.
	ReportOnly bool `json:"report_only,omitzero" yaml:"report_only,omitempty"`
	// Quarantine moves what was found into the quarantine.
	Quarantine bool `json:"quarantine,omitzero" yaml:"quarantine,omitempty"`
	// ScanCritical scans the critical areas after a finding.
	ScanCritical bool `json:"scan_critical,omitzero" yaml:"scan_critical,omitempty"`
	// Command is a program and its arguments; it gets the finding on its standard input.
	Command []string `json:"command,omitzero" yaml:"command,omitempty"`
	// DryRun says what would be done and does nothing.
	DryRun bool `json:"dry_run,omitzero" yaml:"dry_run,omitempty"`
}

// When says what starts a run. The zero value: only a person.
type When struct {
	// Schedule are cron expressions; see package robfig/cron.
	Schedule []string `json:"schedule,omitzero" yaml:"schedule,omitempty"`
	// Once is a single time: RFC 3339, or "2026-12-01 02:00" in TimeZone.
	Once string `json:"once,omitzero" yaml:"once,omitempty"`
	// TimeZone is an IANA name, for Schedule, Once and While.Hours. Default: the machine's.
	TimeZone string `json:"time_zone,omitzero" yaml:"time_zone,omitempty"`
	// AtStart runs the task each time the agent starts, StartDelay later.
	AtStart    bool     `json:"at_start,omitzero" yaml:"at_start,omitempty"`
	StartDelay Duration `json:"start_delay,omitzero" yaml:"start_delay,omitempty"`
	// AfterUpdate runs it when rules or indicators have changed.
	AfterUpdate bool `json:"after_update,omitzero" yaml:"after_update,omitempty"`
	// AfterDetection runs it when another task's scan found something.
	AfterDetection bool `json:"after_detection,omitzero" yaml:"after_detection,omitempty"`
	// RandomDelay is the longest time that a start by Schedule, Once, AtStart or AfterUpdate is put off,
	// so that many machines do not start at once. How long is fixed for each machine, task and time.
	RandomDelay Duration `json:"random_delay,omitzero" yaml:"random_delay,omitempty"`
	// SkipMissed leaves out starts that were missed while the computer or the agent did not run. By
	// default one run makes up for all of them.
	SkipMissed bool `json:"skip_missed,omitzero" yaml:"skip_missed,omitempty"`
}

// While says under which conditions a run works. When one ends, the run pauses; when all hold again, it
// goes on.
type While struct {
	// Idle: only when nobody uses the computer.
	Idle bool `json:"idle,omitzero" yaml:"idle,omitempty"`
	// IdleOverride is how old a run may get before it works although somebody uses the computer. Default:
	// 10 days.
	IdleOverride Duration `json:"idle_override,omitzero" yaml:"idle_override,omitempty"`
	// Hours is a daily window such as "20:00-07:00".
	Hours string `json:"hours,omitzero" yaml:"hours,omitempty"`
	// OnBattery lets runs that no person and no detection started work on battery too.
	OnBattery bool `json:"on_battery,omitzero" yaml:"on_battery,omitempty"`
	// MaxDuration ends a run that has worked so long, pauses not counted. Default: never.
	MaxDuration Duration `json:"max_duration,omitzero" yaml:"max_duration,omitempty"`
	// CPULimit is in percent of one core. Default: unlimited.
	CPULimit float64 `json:"cpu_limit,omitzero" yaml:"cpu_limit,omitempty"`
}

// Defaults of a task's fields.
const (
	DefaultIdleOverride Duration = Duration(10 * day)
	DefaultKeepResults  Duration = Duration(30 * day)
	DefaultMaxSize      Size     = 100 << 20
	// ResponseExpiry is the ExpireAfter of tasks that Tyto makes by itself in response to a threat.
	ResponseExpiry Duration = Duration(30 * day)
)

// Builtin stands for the rules and indicators that Tyto ships or is configured with.
const Builtin = "builtin"

// WithDefaults returns the task with its defaults written out.
func (t Task) WithDefaults() Task {
	set(&t.Name, t.ID)
	set(&t.Scope.MaxSize, DefaultMaxSize)
	set(&t.While.IdleOverride, DefaultIdleOverride)
	set(&t.While.MaxDuration, Never)
	set(&t.ExpireAfter, Never)
	set(&t.KeepResults, DefaultKeepResults)
	if len(t.Rules) == 0 && len(t.Indicators) == 0 {
		t.Rules, t.Indicators = []string{Builtin}, []string{Builtin}
	}
	return t
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// definition identifies what a run of the task looks at and for. A run that was interrupted goes on
// under the same definition only: what it has done already says nothing about another.
func (t *Task) definition() string {
	d := t.WithDefaults()
	text, err := json.Marshal([]any{d.Scope, d.Rules, d.Indicators})
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// times identifies what decides when the task is due.
func (w *When) times() string {
	text, err := json.Marshal([]any{w.Schedule, w.Once, w.TimeZone})
	if err != nil {
		panic(err) // plain data
	}
	return string(text)
}

// plan is what follows from a task's texts, ready to be asked.
type plan struct {
	due          schedule
	hours        *window // nil: all day
	idleOverride time.Duration
	maxDuration  time.Duration // 0: unlimited
	randomDelay  time.Duration
	startDelay   time.Duration
	expireAfter  time.Duration // 0: never
	keepResults  time.Duration // 0: for ever
	definition   string
}

// span turns a Duration into a plain one, "never" into 0.
func span(d Duration) time.Duration { return max(0, time.Duration(d)) }
