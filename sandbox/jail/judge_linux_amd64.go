package jail

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"tyto/sandbox"
	"tyto/sandbox/jail/trace"
	"tyto/scanner/filetype"
	"tyto/verdict"
)

// maxEvidence bounds the evidence of one behaviour.
const maxEvidence = 20

// judge says in a report's words what a sample did, and what that means. The scores are chosen so that what a
// harmless program may do alone stays below suspicious (40), that one thing which only an attacker has a reason for
// is suspicious, and that a dropper (a program written to a hidden place, started, and started again by cron, which
// calls out) is malicious (80). The numbers are combined as finding.Score does.
func judge(o order, a answer) *sandbox.Seen {
	j := &hearing{order: o, answer: a, seen: &sandbox.Seen{Platform: "linux", Users: []string{user}, Computer: computer}}
	j.lists()
	j.persistence()
	j.programs()
	j.reads()
	j.documents()
	j.network()
	j.deeds()
	return j.seen
}

type hearing struct {
	order
	answer
	seen *sandbox.Seen
}

// behaves adds a behaviour, or more evidence to one that is there.
func (j *hearing) behaves(id string, score int, detail string, evidence ...string) {
	for i := range j.seen.Behaviours {
		b := &j.seen.Behaviours[i]
		if b.ID == id {
			b.Score = max(b.Score, score)
			for _, e := range evidence {
				if len(b.Evidence) < maxEvidence && !slices.Contains(b.Evidence, e) {
					b.Evidence = append(b.Evidence, e)
				}
			}
			return
		}
	}
	b := verdict.Behaviour{ID: id, Score: score, Detail: detail}
	if len(evidence) > 0 {
		b.Evidence = evidence[:min(len(evidence), maxEvidence)]
	}
	j.seen.Behaviours = append(j.seen.Behaviours, b)
}

// lists translates what was seen into the report's lists.
func (j *hearing) lists() {
	r := j.Record
	j.seen.Processes = r.Processes
	j.seen.Connections = r.Connections
	j.seen.Domains = r.Domains
	for _, f := range r.Files {
		if f.Refused != "" || f.Act == verdict.Read && !startsWithAny(f.Path, secrets) || strings.HasPrefix(f.Path, "/dev/") && !strings.HasPrefix(f.Path, "/dev/shm/") {
			continue
		}
		j.seen.Files = append(j.seen.Files, verdict.FileAct{Path: f.Path, Act: f.Act, To: f.To})
	}
	for _, f := range j.Layer.Files {
		if f.Link != "" || f.Decoy && startPlace(f.Path) == nil {
			continue
		}
		j.seen.Dropped = append(j.seen.Dropped, verdict.Dropped{Path: f.Path, Size: f.Size, MD5: f.MD5, SHA1: f.SHA1, SHA256: f.SHA256,
			Type: filetype.Detect(f.Head), Executable: f.Executable || isProgram(f.Head)})
	}
	for _, d := range r.Departures {
		if d.SHA256 == j.SHA256 || slices.ContainsFunc(j.seen.Dropped, func(o verdict.Dropped) bool { return o.SHA256 == d.SHA256 && o.Path == d.Path }) {
			continue
		}
		j.seen.Dropped = append(j.seen.Dropped, verdict.Dropped{Path: d.Path, Size: d.Size, MD5: d.MD5, SHA1: d.SHA1, SHA256: d.SHA256,
			Type: filetype.Detect(d.Head), Executable: d.Executable || isProgram(d.Head), Deleted: true})
	}
}

// isProgram reports whether a content can be executed as it is.
func isProgram(head []byte) bool {
	return strings.HasPrefix(string(head), "\x7fELF") || strings.HasPrefix(string(head), "#!")
}

// persistence looks at what is started again later.
func (j *hearing) persistence() {
	written := map[string]bool{}
	for _, f := range j.Layer.Files {
		if p := startPlace(f.Path); p != nil {
			written[f.Path] = true
			j.behaves(p.id, p.score, p.detail, f.Path)
			j.startsDropped(f)
		}
		j.unit(f)
	}
	// What was written and put back or deleted before the end, and what a link hides.
	for _, f := range j.Record.Files {
		name := f.Path
		if f.Act == verdict.Moved {
			name = f.To
		}
		if p := startPlace(name); p != nil && !written[name] && f.Act != verdict.Read && f.Act != verdict.Deleted && f.Refused == "" {
			j.behaves(p.id, p.score, p.detail, name)
		}
	}
}

// startsDropped adds weight where what is started later is a program that the sample itself has put there.
func (j *hearing) startsDropped(f leftFile) {
	for _, d := range j.seen.Dropped {
		if d.Executable && d.Path != f.Path && strings.Contains(f.Text, d.Path) {
			j.behaves("persists-dropped-program", 50, "What it has started again later is a program that it wrote itself.", f.Path+" starts "+d.Path)
		}
	}
	if f.Text != "" && strings.Contains(f.Text, j.samplePath()) {
		j.behaves("persists-itself", 50, "It has itself started again later.", f.Path)
	}
}

// unit lists systemd units as services.
func (j *hearing) unit(f leftFile) {
	if p := startPlace(f.Path); p == nil || p.id != unit.id {
		return
	}
	if ext := path.Ext(f.Path); ext != ".service" && ext != ".timer" && ext != ".socket" {
		return
	}
	s := verdict.Service{Name: path.Base(f.Path)}
	for line := range strings.Lines(f.Text) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecStart="); ok {
			s.Path, _, _ = strings.Cut(strings.TrimLeft(command, "-@:+!"), " ")
			break
		}
	}
	j.seen.Services = append(j.seen.Services, s)
}

// hidden reports whether a program lies where it is to be overlooked: it has a dot name, or lies in a folder with a dot
// name where everybody can write. Folders with dot names in a home are no hiding places, many programs are kept there.
func hidden(name string) bool {
	switch {
	case strings.HasPrefix(path.Base(name), "."), strings.HasPrefix(name, "/dev/shm/"):
		return true
	case strings.Contains(name, "/.git/"):
		return false
	}
	return startsWithAny(name, []string{"/tmp/", "/var/", "/run/"}) && strings.Contains(name, "/.")
}

// programs looks at programs that were written, and started.
func (j *hearing) programs() {
	dropped := map[string]bool{}
	for _, d := range j.seen.Dropped {
		if !d.Executable {
			continue
		}
		dropped[d.Path] = true
		if hidden(d.Path) {
			j.behaves("hides-program", 50, "It writes a program to a hidden place.", d.Path)
		} else {
			j.behaves("drops-program", 15, "It writes a program.", d.Path)
		}
	}
	for i, p := range j.Record.Processes {
		if i > 0 && dropped[p.Path] && p.Path != j.samplePath() {
			score := 20
			if hidden(p.Path) {
				score = 40
			}
			j.behaves("runs-dropped-program", score, "It starts a program that it wrote itself.", commandLine(p))
		}
		j.process(p)
	}
}

// schedulers and downloaders are programs that are started to have something started later, or to fetch it.
var (
	schedulers  = []string{"crontab", "at", "batch", "systemctl", "systemd-run", "update-rc.d", "chkconfig"}
	downloaders = []string{"curl", "wget", "ftpget", "tftp", "fetch", "aria2c", "axel", "lwp-download"}
	killers     = []string{"killall", "pkill"}
	webAddress  = regexp.MustCompile(`(?:https?|ftp)://[^\s"'<>|;&]{4,}`)
)

// maxURLs bounds the addresses taken from command lines.
const maxURLs = 200

func (j *hearing) process(p verdict.Process) {
	name := path.Base(p.Path)
	line := commandLine(p)
	switch {
	case slices.Contains(schedulers, name):
		j.behaves("asks-for-start", 35, "It asks the system to start something later.", line)
	case slices.Contains(downloaders, name):
		j.behaves("downloads", 20, "It starts a program that fetches files.", line)
	case slices.Contains(killers, name):
		j.behaves("ends-programs", 25, "It ends other programs by name.", line)
	}
	for _, arg := range p.Arguments {
		for _, u := range webAddress.FindAllString(arg, maxURLs) {
			if len(j.seen.URLs) < maxURLs && !slices.Contains(j.seen.URLs, u) {
				j.seen.URLs = append(j.seen.URLs, u)
			}
		}
	}
}

func commandLine(p verdict.Process) string {
	line := strings.Join(p.Arguments, " ")
	if line == "" {
		line = p.Path
	}
	const longest = 300
	return line[:min(len(line), longest)]
}

// reads looks at what was opened, also where it was refused: asking is what tells.
func (j *hearing) reads() {
	for _, f := range j.Record.Files {
		writes := f.Act != verdict.Read
		switch {
		case reachesOut(f.Path, writes):
			j.behaves("reaches-for-host", 60, "It reaches for the computer that it runs on, or for its kernel.", f.Path)
		case f.Act == verdict.Read && startsWithAny(f.Path, secrets) && f.Refused == "":
			j.behaves("reads-secrets", 45, "It reads keys or passwords.", f.Path)
		case f.Act == verdict.Read && startsWithAny(f.Path, privates) && f.Refused == "":
			j.behaves("reads-private-files", 15, "It reads histories and settings of a person.", f.Path)
		case f.Act == verdict.Read && looksForJail(f.Path):
			j.behaves("looks-for-sandbox", 25, "It finds out whether it runs in a virtual machine or a container.", f.Path)
		case f.Act == verdict.Deleted && f.Refused == "" && (strings.HasPrefix(f.Path, "/var/log/") || f.Path == home+"/.bash_history"):
			j.behaves("removes-traces", 60, "It removes logs or the shell's history.", f.Path)
		}
	}
}

// manyDocuments is how many of the decoy documents a program must spoil for it to be no accident.
const manyDocuments = 5

// documents looks at what became of a person's documents.
func (j *hearing) documents() {
	spoilt := map[string]bool{}
	for _, f := range j.Layer.Files {
		if f.Decoy && slices.Contains(documents, f.Path) {
			spoilt[f.Path] = true
		}
	}
	for _, f := range j.Record.Files {
		if (f.Act == verdict.Deleted || f.Act == verdict.Moved) && f.Refused == "" && slices.Contains(documents, f.Path) {
			spoilt[f.Path] = true
		}
	}
	var names []string
	for _, d := range documents {
		if spoilt[d] {
			names = append(names, d)
		}
	}
	if len(names) >= manyDocuments {
		j.behaves("destroys-documents", 85, fmt.Sprintf("It overwrites, renames or deletes documents, %d of %d.", len(names), len(documents)), names...)
	}
}

// network looks at whom the sample tried to reach. Asking its own computer is no sign.
func (j *hearing) network() {
	for _, c := range j.Record.Connections {
		if strings.HasPrefix(c.Address, "127.") || c.Address == "::1" || c.Address == "0.0.0.0" || c.Address == "::" {
			continue
		}
		j.behaves("connects-out", 35, "It connects to other computers.", fmt.Sprintf("%s %s port %d", c.Protocol, c.Address, c.Port))
	}
	for _, name := range j.Record.Domains {
		j.behaves("asks-for-name", 15, "It asks for the address of another computer.", name)
	}
}

// deed is what a kind of deed means.
type meaning struct {
	id     string
	score  int
	detail string
}

var meanings = map[trace.Kind]meaning{
	trace.ForeignCalls:     {"hides-calls", 40, "It makes system calls by another interface than its own, past whoever watches."},
	trace.WriteExecute:     {"writes-code", 20, "It has memory that it can write to and run."},
	trace.AnonymousExecute: {"makes-code", 10, "It has memory that it can run and that comes from no file."},
	trace.MemoryFile:       {"file-in-memory", 10, "It makes a file that exists in memory only."},
	trace.MemoryProgram:    {"runs-from-memory", 75, "It runs a program that exists in memory only."},
	trace.TraceMe:          {"detects-tracing", 40, "It finds out whether somebody traces it."},
	trace.TraceOther:       {"reaches-into-processes", 55, "It reaches into another process."},
	trace.KillOther:        {"kills-processes", 25, "It sends signals to processes that are not its own."},
	trace.KillAll:          {"kills-all", 45, "It sends a signal to all processes."},
	trace.BecomeRoot:       {"wants-root", 30, "It tries to become root."},
	trace.MakeSetuid:       {"makes-setuid", 55, "It gives a file the right to run as its owner."},
	trace.DeleteSelf:       {"deletes-itself", 45, "It deletes its own file."},
	trace.Listen:           {"listens", 25, "It waits for connections."},
	trace.SocketShell:      {"remote-shell", 80, "It starts a program with a network connection as its input."},
	trace.RawSocket:        {"raw-socket", 35, "It wants to send or see raw packets."},
	trace.Sleep:            {"waits-long", 10, "It waits for a minute or longer before it goes on."},
}

// forbiddenCalls are weights of calls that the jail refuses; others get defaultForbidden.
var forbiddenCalls = map[string]int{
	"ptrace": 55, "process_vm_writev": 60, "process_vm_readv": 50, "pidfd_getfd": 50,
	"init_module": 75, "finit_module": 75, "delete_module": 70, "kexec_load": 70, "kexec_file_load": 70, "bpf": 60,
	"ioctl TIOCSTI": 70, "ioctl TIOCLINUX": 60, "open_by_handle_at": 60, "setns": 55, "unshare": 40, "clone": 40,
	"mount": 40, "pivot_root": 45, "userfaultfd": 45, "reboot": 60, "mknod": 45, "iopl": 50, "ioperm": 50, "keyctl": 30,
	"add_key": 30, "request_key": 15, "socket": 20, "syslog": 10, "sethostname": 15, "memfd_create": 10, "memfd_secret": 10,
	"perf_event_open": 25, "modify_ldt": 20, "kcmp": 10, "chroot": 20, "vhangup": 15, "process_madvise": 0, "move_pages": 5, "migrate_pages": 5,
}

const defaultForbidden = 30

// deeds looks at the rest.
func (j *hearing) deeds() {
	for _, d := range j.Record.Deeds {
		if m, ok := meanings[d.Kind]; ok {
			j.behaves(m.id, m.score, m.detail, d.What)
			continue
		}
		switch d.Kind {
		case trace.Forbidden:
			j.forbidden(d)
		case trace.UnixSocket:
			if reachesOut(d.What, true) {
				j.behaves("reaches-for-host", 60, "It reaches for the computer that it runs on, or for its kernel.", d.What)
			}
		}
	}
	if j.Record.Cut > 0 && len(j.Record.Processes) >= manyProcesses {
		j.behaves("floods-processes", 45, "It starts more processes than any task needs.", fmt.Sprintf("%d and more", manyProcesses))
	}
	if j.Exhausted {
		j.behaves("exhausts-memory", 30, "It uses more memory than it was given.")
	}
}

// manyProcesses is the number of started programs from which on they are a flood.
const manyProcesses = 400

func (j *hearing) forbidden(d trace.Deed) {
	name := d.What
	if _, ok := forbiddenCalls[name]; !ok {
		name, _, _ = strings.Cut(name, " ")
	}
	score, ok := forbiddenCalls[name]
	if !ok {
		score = defaultForbidden
	}
	if score > 0 {
		j.behaves("forbidden-call", score, "It asks the kernel for what only parts of the system do.", d.What)
	}
}
