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

// judge says in a report's words what a sample did, and what that means.
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

// hearing is one judgement.
type hearing struct {
	order
	answer
	seen *sandbox.Seen
}

// behaves adds a behaviour, or more evidence to one that is there.
func (j *hearing) behaves(id string, evidence ...string) { j.weighs(id, 0, evidence...) }

// weighs is behaves with another score than the usual one; 0 is the usual one. The highest counts.
func (j *hearing) weighs(id string, score int, evidence ...string) {
	at := slices.IndexFunc(j.seen.Behaviours, func(b verdict.Behaviour) bool { return b.ID == id })
	m := meanings[slices.IndexFunc(meanings, func(m meaning) bool { return m.id == id })]
	if at < 0 {
		at = len(j.seen.Behaviours)
		j.seen.Behaviours = append(j.seen.Behaviours, verdict.Behaviour{ID: id, Detail: m.detail})
	}
	if score == 0 {
		score = m.score
	}
	b := &j.seen.Behaviours[at]
	b.Score = max(b.Score, score)
	for _, e := range evidence {
		if len(b.Evidence) < maxEvidence && !slices.Contains(b.Evidence, e) {
			b.Evidence = append(b.Evidence, e)
		}
	}
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
		if f.Link != "" || f.Decoy && startPlace(f.Path) == "" {
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
		if p := startPlace(f.Path); p != "" {
			written[f.Path] = true
			j.behaves(string(p), f.Path)
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
		if p := startPlace(name); p != "" && !written[name] && f.Act != verdict.Read && f.Act != verdict.Deleted && f.Refused == "" {
			j.behaves(string(p), name)
		}
	}
}

// startsDropped adds weight where what is started later is a program that the sample itself has put there.
func (j *hearing) startsDropped(f leftFile) {
	for _, d := range j.seen.Dropped {
		if d.Executable && d.Path != f.Path && strings.Contains(f.Text, d.Path) {
			j.behaves("persists-dropped-program", f.Path+" starts "+d.Path)
		}
	}
	if f.Text != "" && strings.Contains(f.Text, j.samplePath()) {
		j.behaves("persists-itself", f.Path)
	}
}

// unit lists systemd units as services.
func (j *hearing) unit(f leftFile) {
	if startPlace(f.Path) != unit {
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
			j.behaves("hides-program", d.Path)
		} else {
			j.behaves("drops-program", d.Path)
		}
	}
	for i, p := range j.Record.Processes {
		if i > 0 && dropped[p.Path] && p.Path != j.samplePath() {
			id := "runs-dropped-program"
			if hidden(p.Path) {
				id = "runs-hidden-program"
			}
			j.behaves(id, commandLine(p))
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
		j.behaves("asks-for-start", line)
	case slices.Contains(downloaders, name):
		j.behaves("downloads", line)
	case slices.Contains(killers, name):
		j.behaves("ends-programs", line)
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
			j.behaves("reaches-for-host", f.Path)
		case f.Act == verdict.Read && startsWithAny(f.Path, secrets) && f.Refused == "":
			j.behaves("reads-secrets", f.Path)
		case f.Act == verdict.Read && startsWithAny(f.Path, privates) && f.Refused == "":
			j.behaves("reads-private-files", f.Path)
		case f.Act == verdict.Read && looksForJail(f.Path):
			j.behaves("looks-for-sandbox", f.Path)
		case f.Act == verdict.Deleted && f.Refused == "" && (strings.HasPrefix(f.Path, "/var/log/") || f.Path == home+"/.bash_history"):
			j.behaves("removes-traces", f.Path)
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
		j.behaves("destroys-documents", names...)
	}
}

// network looks at whom the sample tried to reach. Asking its own computer is no sign.
func (j *hearing) network() {
	for _, c := range j.Record.Connections {
		if strings.HasPrefix(c.Address, "127.") || c.Address == "::1" || c.Address == "0.0.0.0" || c.Address == "::" {
			continue
		}
		j.behaves("connects-out", fmt.Sprintf("%s %s port %d", c.Protocol, c.Address, c.Port))
	}
	for _, name := range j.Record.Domains {
		j.behaves("asks-for-name", name)
	}
}

// deeds looks at the rest.
func (j *hearing) deeds() {
	for _, d := range j.Record.Deeds {
		if id, ok := ofDeed[d.Kind]; ok {
			j.behaves(id, d.What)
			continue
		}
		switch d.Kind {
		case trace.Forbidden:
			j.forbidden(d)
		case trace.UnixSocket:
			if reachesOut(d.What, true) {
				j.behaves("reaches-for-host", d.What)
			}
		}
	}
	// bubblewrap's own processes may count or not.
	if j.Record.Peak >= j.Processes-2 {
		j.behaves("floods-processes", fmt.Sprintf("%d at a time", j.Record.Peak))
	}
	if j.Exhausted {
		j.behaves("exhausts-memory")
	}
}

func (j *hearing) forbidden(d trace.Deed) {
	name := d.What
	if _, ok := forbiddenCalls[name]; !ok {
		name, _, _ = strings.Cut(name, " ")
	}
	score, ok := forbiddenCalls[name]
	if ok && score == 0 {
		return
	}
	j.weighs("forbidden-call", score, d.What)
}
