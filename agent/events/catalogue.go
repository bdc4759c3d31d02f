package events

import "slices"

// The events of the agent itself: 1xx.
const (
	AgentStarted       ID = "TY-101"
	AgentStopped       ID = "TY-102"
	AgentDegraded      ID = "TY-103"
	AgentUncleanEnd    ID = "TY-104"
	PolicyLoaded       ID = "TY-110"
	PolicyRejected     ID = "TY-111"
	DetectionLoaded    ID = "TY-115"
	DetectionProblem   ID = "TY-116"
	DatabaseSetAside   ID = "TY-120"
	StoreFailed        ID = "TY-121"
	ClockChanged       ID = "TY-123"
	EventsDropped      ID = "TY-130"
	SinkFailed         ID = "TY-131"
	SinkBack           ID = "TY-132"
	PresenceSourceLost ID = "TY-140"
	PresenceSourceBack ID = "TY-141"
	SelfProtection     ID = "TY-150"
	ControlRefused     ID = "TY-151"
)

// The events of tasks, 2xx, and of their runs, 3xx.
const (
	TaskAdded    ID = "TY-201"
	TaskChanged  ID = "TY-202"
	TaskDeleted  ID = "TY-203"
	TaskExpired  ID = "TY-204"
	TaskBroken   ID = "TY-205"
	RunQueued    ID = "TY-301"
	RunMerged    ID = "TY-302"
	RunStarted   ID = "TY-303"
	RunPaused    ID = "TY-304"
	RunResumed   ID = "TY-305"
	RunParked    ID = "TY-306"
	RunRecovered ID = "TY-307"
	RunRetried   ID = "TY-308"
	RunFinished  ID = "TY-309"
	RunCancelled ID = "TY-310"
	RunFailed    ID = "TY-311"
	RunOverride  ID = "TY-312"
	StartsMissed ID = "TY-313"
)

// The events of findings, 4xx, the quarantine, 5xx, and other responses, 6xx.
const (
	Finding              ID = "TY-401"
	Quarantined          ID = "TY-501"
	QuarantineRefused    ID = "TY-502"
	QuarantineFailed     ID = "TY-503"
	Restored             ID = "TY-504"
	QuarantineDeleted    ID = "TY-505"
	QuarantineDropped    ID = "TY-506"
	QuarantineAlmostFull ID = "TY-507"
	QuarantineFull       ID = "TY-508"
	QuarantineLeftover   ID = "TY-509"
	FalseAlarmLikely     ID = "TY-510"
	CommandRun           ID = "TY-601"
	CommandFailed        ID = "TY-602"
	CriticalScanQueued   ID = "TY-603"
	ResponseDryRun       ID = "TY-604"
)

// The events of the link to sandboxes: 7xx.
const (
	Verdict             ID = "TY-701"
	NoVerdict           ID = "TY-702"
	AccessRefused       ID = "TY-703"
	ObjectQueued        ID = "TY-710"
	SandboxQueueFull    ID = "TY-711"
	QueuedExpired       ID = "TY-713"
	QueuedDamaged       ID = "TY-714"
	SandboxQueueFailed  ID = "TY-715"
	SandboxLost         ID = "TY-720"
	SandboxBack         ID = "TY-721"
	SandboxInsecure     ID = "TY-722"
	SandboxTrouble      ID = "TY-723"
	IndicatorsDerived   ID = "TY-730"
	SandboxTaskMade     ID = "TY-731"
	KnownElsewhere      ID = "TY-732"
	InterceptIncomplete ID = "TY-740"
	AccessesMissed      ID = "TY-741"
	AccessesLate        ID = "TY-742"
)

// Kind describes what events of one id have in common.
type Kind struct {
	ID ID
	// Name says what happened in a word or three: event.action.
	Name  string
	Level Level
	// Doc says when it is sent, Next what to do about it; "" is nothing.
	Doc  string
	Next string
}

// Catalogue returns all kinds of event, by id.
func Catalogue() []Kind { return slices.Clone(catalogue) }

// KindOf returns the kind of an id. An unknown id is a kind of its own without description.
func KindOf(id ID) Kind {
	for _, k := range catalogue {
		if k.ID == id {
			return k
		}
	}
	return Kind{ID: id, Name: "unknown", Level: Warning}
}

// Named returns the kind of that name.
func Named(name string) (Kind, bool) {
	for _, k := range catalogue {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

var catalogue = []Kind{
	{AgentStarted, "agent-started", Info, "The agent is ready: its state is open, it watches and answers.", ""},
	{AgentStopped, "agent-stopped", Notice, "The agent was told to stop. Runs that were at work are interrupted and go on at the next start.", "Nothing if you stopped it; otherwise find out who did."},
	{AgentDegraded, "agent-degraded", Warning, "A part of the agent does not work; the message says which and why. The rest goes on.", "Do what the message says; tyto agent status shows what is still missing."},
	{AgentUncleanEnd, "agent-unclean-end", Warning, "Told at a start: the agent before this one did not end as it should. It was killed, or the computer lost power. Its run goes on.", "Nothing after a power cut; otherwise find out who killed it."},
	{PolicyLoaded, "policy-loaded", Info, "A policy has come into force, at the start or because the file has changed. Warnings stand in the data.", ""},
	{PolicyRejected, "policy-rejected", Error, "The policy file cannot be used. The policy that was in force stays; at the start, the defaults.", "Run tyto policy check and mend what it lists."},
	{DetectionLoaded, "detection-loaded", Info, "Rules and indicators were loaded; the data hold their versions and counts.", ""},
	{DetectionProblem, "detection-problem", Warning, "A file of rules or indicators cannot be used, all or in part. Scans go on without it.", "Run tyto rules check or tyto ioc check on the file."},
	{DatabaseSetAside, "database-set-aside", Error, "The database was damaged and has been renamed; a new one was begun. The next scan examines everything again.", "Keep the renamed file until you know why: a failing disk, a full one, or somebody's hand."},
	{StoreFailed, "store-failed", Warning, "The database could not be written or read, often because its disk is full. What runs goes on; new runs and results wait or are missing from it.", "See to the disk that holds the data folder: the message has the cause."},
	{ClockChanged, "clock-changed", Notice, "The clock was set by more than a moment. Schedules follow the new time; nothing runs twice.", "Find out who set it, if it was not time synchronisation."},
	{EventsDropped, "events-dropped", Warning, "In this place events are missing from this output, because it could not be written for too long; the data say how many.", "Look into the other outputs for what is missing here."},
	{SinkFailed, "event-sink-failed", Warning, "An output of events cannot be written. Events for it are kept, up to a limit, and it is tried again.", "See to the cause in the message: a full disk, a stopped log service."},
	{SinkBack, "event-sink-back", Info, "An output of events that had failed works again; what was kept for it has been written.", ""},
	{PresenceSourceLost, "presence-source-lost", Warning, "A source that says whether somebody uses the computer does not answer. The careful answer, active, holds until it is back.", "tyto idle shows what each source says."},
	{PresenceSourceBack, "presence-source-back", Info, "A source of presence answers again.", ""},
	{SelfProtection, "self-protection", Error, "Something that belongs to the agent is not as it must be: its program, policy or state could be, or was, changed by others.", "Treat it as an attack until you know better; the message says what was seen."},
	{ControlRefused, "control-refused", Warning, "A user without the right to command the agent tried to. At most one such event is sent a minute.", "Find out what runs under that user."},

	{TaskAdded, "task-added", Info, "A task was added, by a person, the policy or a response.", ""},
	{TaskChanged, "task-changed", Info, "A task was changed.", ""},
	{TaskDeleted, "task-deleted", Info, "A task was deleted. Its results stay until their time is over.", ""},
	{TaskExpired, "task-expired", Info, "A task was deleted because its time was over.", ""},
	{TaskBroken, "task-broken", Warning, "A stored task cannot be used any more, as its definition is not understood. It is kept, and does not run.", "Change or delete it: tyto task show, tyto task add, tyto task delete."},

	{RunQueued, "run-queued", Info, "A run is due and waits for its turn or its conditions; the data say for which.", ""},
	{RunMerged, "run-merged", Info, "A start was not needed, because an unfinished run of the same task answers it.", ""},
	{RunStarted, "run-started", Info, "A run began to work.", ""},
	{RunPaused, "run-paused", Info, "A run stands still; the data say why. It goes on where it is.", ""},
	{RunResumed, "run-resumed", Info, "A run that was paused goes on.", ""},
	{RunParked, "run-parked", Info, "A run was put aside for a more urgent one, or because the agent stops. It goes on later from its checkpoint.", ""},
	{RunRecovered, "run-recovered", Notice, "A run was at work when the agent died or the computer lost power. It goes on from its checkpoint.", "Find out why the agent ended, if the computer did not."},
	{RunRetried, "run-retried", Warning, "A run failed and will be tried again.", "See to the cause in the message, if it comes again."},
	{RunFinished, "run-finished", Info, "A run has ended by itself. The message says what it came to, the data hold its counts.", ""},
	{RunCancelled, "run-cancelled", Notice, "A run was ended by a person or by a limit before it was complete. What it found is kept.", ""},
	{RunFailed, "run-failed", Error, "A run could not be carried out.", "See to the cause in the message and run the task again."},
	{RunOverride, "run-override", Notice, "A run that waited for an idle computer longer than its task allows now works although somebody uses it.", "Give the task a longer idle_override, or the computer more idle time."},
	{StartsMissed, "starts-missed", Notice, "The agent or the computer did not run when a task was due. One run makes up for all, unless the task says skip_missed.", ""},

	{Finding, "finding", Error, "A scan found something. The level is error for an alert, warning for a warning, notice for a notice; the data hold object, rule or indicator and score.", "tyto task results shows all evidence."},
	{Quarantined, "quarantined", Notice, "An object was moved into the quarantine.", "If it was a false alarm: tyto quarantine restore."},
	{QuarantineRefused, "quarantine-refused", Warning, "A protected file was found and left where it is.", "Look at it yourself: a system's own file that is malicious, or a rule that is wrong."},
	{QuarantineFailed, "quarantine-failed", Error, "An object could not be moved into the quarantine and is still where it was; the message says why.", "Remove the cause, then tyto quarantine add."},
	{Restored, "restored", Notice, "An object was given back from the quarantine.", ""},
	{QuarantineDeleted, "quarantine-deleted", Notice, "An object was deleted from the quarantine for good.", ""},
	{QuarantineDropped, "quarantine-dropped", Warning, "The oldest object of the quarantine was deleted to make room, as the policy says.", "Raise quarantine.limit, or look through the quarantine more often."},
	{QuarantineAlmostFull, "quarantine-almost-full", Warning, "Four fifths of the quarantine's limit are used. Told once, and again only after it has been less.", "tyto quarantine list; delete what is not needed, or raise quarantine.limit."},
	{QuarantineFull, "quarantine-full", Error, "An object did not fit into the quarantine and is still where it was.", "Make room in the quarantine, then tyto quarantine add."},
	{QuarantineLeftover, "quarantine-leftover", Notice, "A process that was killed had left something unfinished in the quarantine; it has been put in order.", ""},
	{FalseAlarmLikely, "false-alarm-likely", Notice, "After rules or indicators have changed, an object in the quarantine is not found any more.", "Look at it; if it is harmless: tyto quarantine restore."},

	{CommandRun, "response-command-run", Info, "The command that the policy or a task names was run for a finding and ended with 0.", ""},
	{CommandFailed, "response-command-failed", Warning, "That command could not be started, took too long, or ended with an error; the data hold what it printed.", "Run it by hand with the finding from tyto task results."},
	{CriticalScanQueued, "critical-scan-queued", Notice, "A scan of the critical areas was queued because of a finding.", ""},
	{ResponseDryRun, "response-dry-run", Notice, "What would have been done about a finding; nothing was.", ""},

	{Verdict, "sandbox-verdict", Error, "A sandbox has judged an object. The level is error for malicious, warning for suspicious, info for clean; the data hold who judged, by what and why.", "What was done about it comes in events of its own; what is on other computers is found with the indicators of sandbox-indicators-derived."},
	{NoVerdict, "sandbox-no-verdict", Warning, "No sandbox could judge an object: it is too large for them, of a kind that they do not know, or they failed. It is not asked about again until it is accessed again.", "See to the cause in the message."},
	{AccessRefused, "access-refused", Error, "Somebody started or opened what a sandbox has judged malicious, and was refused. Told once a minute for one content.", "The content is still on this computer: the data say where, and tyto quarantine add takes it away."},
	{ObjectQueued, "sandbox-object-queued", Info, "An object that nobody has judged recently waits for a sandbox; access to it was allowed.", ""},
	{SandboxQueueFull, "sandbox-queue-full", Error, "The queue for the sandboxes holds as much as it may. Nothing is added until objects have gone; what is accessed meanwhile is not asked about. Told once until the queue is below nine tenths again.", "See why servers take so little: tyto sandbox status; or raise sandbox.queue.limit."},
	{QueuedExpired, "sandbox-object-expired", Warning, "An object waited for a verdict longer than the policy allows and was given up.", "See why no server has answered: tyto sandbox status."},
	{QueuedDamaged, "sandbox-object-damaged", Warning, "An object in the queue cannot be read and was set aside.", "Look for a failing disk, or for somebody who changes the data folder."},
	{SandboxQueueFailed, "sandbox-queue-failed", Error, "The queue for the sandboxes cannot be written. Objects are not asked about meanwhile. Told once until it works again.", "See to the disk that holds the data folder: the message has the cause."},
	{SandboxLost, "sandbox-lost", Warning, "A sandbox server cannot be used; the message says why. It rests and is tried again; meanwhile the others are asked, and objects wait in the queue.", "See to the cause in the message; tyto sandbox status shows all servers."},
	{SandboxBack, "sandbox-back", Notice, "A sandbox server that could not be used works again.", ""},
	{SandboxInsecure, "sandbox-insecure", Warning, "A sandbox server is asked without TLS, as the policy says: who listens reads every object, and who speaks decides what is malicious.", "Use https and a pinned certificate."},
	{SandboxTrouble, "sandbox-trouble", Warning, "A sandbox server has lost the task of an object, has not judged it in time, or gave a verdict without its report; the message says which. The object is sent again, to this server or to another.", "If it comes again, see to the server; sandbox.verdict_by is the time that it has."},
	{IndicatorsDerived, "sandbox-indicators-derived", Notice, "Indicators were made from a sandbox's report; the data name the files, and how much was left out because clean computers have it too.", "Take the files to other computers: tyto scan --ioc."},
	{SandboxTaskMade, "sandbox-task-made", Notice, "A task was made that looks for what a sandbox's report tells of. It is deleted after the time that the policy says.", "If the policy says manual: tyto task run."},
	{KnownElsewhere, "sandbox-known-elsewhere", Error, "The inventory knows files with a hash from a sandbox's verdict or report; the data name them.", "tyto hunt shows all of them and looks whether they are still there."},
	{InterceptIncomplete, "intercept-incomplete", Warning, "Accesses cannot be noticed, or not everywhere; the message says where and why.", "Do what the message says, or name what shall be watched under sandbox.intercept."},
	{AccessesMissed, "accesses-missed", Warning, "Accesses came faster than they could be looked at, and some were not; the data say how many. Refusing is not affected.", "Name what causes them under sandbox.intercept.exclude_programs, if you trust it."},
	{AccessesLate, "accesses-late", Warning, "Accesses were allowed because their content could not be compared in time with what is known to be malicious: large files, or a slow disk. They were looked at afterwards. Told once a minute at most.", "Raise sandbox.intercept.wait if that is worth the waiting."},
}
