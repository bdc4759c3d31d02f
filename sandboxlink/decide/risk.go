package decide

import (
	"crypto/sha256"
	"os"
	"strings"
	"time"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/inspect"
)

// sentences say what a kind is.
var sentences = map[Kind]string{
	inspect.PE: "a program for Windows", inspect.ELF: "a program for Linux", inspect.MachO: "a program for macOS",
	inspect.Script: "a script", inspect.Java: "Java code", inspect.Android: "an Android app", inspect.Installer: "an installer",
	inspect.Shortcut: "a shortcut", inspect.HTA: "an HTML application", inspect.Help: "compiled HTML help",
	inspect.Office: "an Office document", inspect.RTF: "an RTF document", inspect.PDF: "a PDF document",
	inspect.OneNote: "a OneNote notebook", inspect.Disk: "a disk image", inspect.Archive: "an archive",
}

// baseRisk is what a kind is worth alone. A document that can do nothing needs something else to be asked about; a
// program does not.
var baseRisk = map[Kind]int{
	inspect.PE: 30, inspect.ELF: 30, inspect.MachO: 25, inspect.Script: 15, inspect.Java: 30, inspect.Android: 25, inspect.Installer: 30,
	inspect.Shortcut: 25, inspect.HTA: 50, inspect.Help: 40, inspect.Office: 15, inspect.RTF: 20, inspect.PDF: 15,
	inspect.OneNote: 20, inspect.Disk: 25, inspect.Archive: 5,
}

// startedRisk is what it adds that an object was started and not only opened.
const startedRisk = 25

// points are what reasons add to the risk, traits of package inspect among them. The same weights stand in
// docs/sandbox-decide.md; a test holds them together.
var points = map[string]int{
	"changing":        10,
	"package-changed": 30,
	"new":             5,
	"hostile":         30,
	"not-inspected":   10,

	"unsigned": 5, "signature-tampered": 30, "signature-malformed": 15, "signature-weak": 5, "signature-untrusted": 5, "signature-valid": -10,

	"web": 20, "downloads": 15, "temporary": 15, "removable": 15, "autostart": 20, "risky-path": 20, "others-can-write": 10, "hidden": 10,
	"no-path": 20, "setuid": 10,
	"wrong-extension": 25, "double-extension": 25, "direction-mark": 30, "padded-name": 15,

	string(inspect.Macros): 35, string(inspect.Embedded): 20, string(inspect.RemoteContent): 30, string(inspect.DDE): 35,
	string(inspect.ActiveX): 20, string(inspect.Encrypted): 15, string(inspect.JavaScriptPDF): 25,
	string(inspect.LaunchPDF): 40, string(inspect.ActionPDF): 10, string(inspect.EmbeddedPDF): 20, string(inspect.FormPDF): 10,
	string(inspect.Packed): 15, string(inspect.OddProgram): 10, string(inspect.Library): -5, string(inspect.KernelCode): 15, string(inspect.Dotnet): 0,
	string(inspect.Overlay): 5, string(inspect.Interpreter): 35, string(inspect.LongCommand): 20, string(inspect.Obfuscated): 20,
	string(inspect.DownloadsCode): 25, string(inspect.Damaged): 10, string(inspect.Cut): 20,
}

// holdsRisk is what it adds that an archive, an image or a document holds something of a kind: what it would add by
// itself, for that is what is asked about.
func holdsRisk(kind Kind) int { return max(baseRisk[kind], 15) }

// add leaves a reason with the points of its code.
func (l *look) add(code, format string, args ...any) {
	l.reason(code, points[code] > 0, points[code], format, args...)
}

// judge adds up the risk and decides.
func (l *look) judge() {
	d := &l.decision
	l.reason("base", true, baseRisk[d.Kind], "what %s is worth by itself", sentences[d.Kind])
	if l.request.Exec {
		l.reason("started", true, startedRisk, "it was started, not only opened")
	}
	l.traits()
	l.location()
	l.origin()
	l.names()
	sum := 0
	for _, r := range d.Reasons {
		sum += r.Points
	}
	d.Risk = min(max(sum, 0), 100)
	d.Ask = d.Risk >= l.options.Policy.AskFrom && !l.emptyArchive()
	switch {
	case d.Ask:
		l.reason("ask", true, 0, "the risk is %d; from %d objects are asked about", d.Risk, l.options.Policy.AskFrom)
	case l.emptyArchive():
		l.reason("nothing-inside", false, 0, "nothing that can carry code is inside")
	default:
		l.reason("low-risk", false, 0, "the risk is %d; from %d objects are asked about", d.Risk, l.options.Policy.AskFrom)
	}
}

// emptyArchive reports whether an archive was looked through and holds nothing that is asked about.
func (l *look) emptyArchive() bool {
	if l.decision.Kind != inspect.Archive || l.facts == nil {
		return false
	}
	for _, t := range l.facts.Traits {
		switch t.Code {
		case inspect.Encrypted, inspect.Cut, inspect.Damaged:
			return false
		}
		if kind, ok := strings.CutPrefix(string(t.Code), string(inspect.Holds)); ok && l.policy.kinds[Kind(kind)] {
			return false
		}
	}
	return true
}

// traits takes over what the worker saw. It counts what is known here: a worker in a hostile file's hands could say
// anything, but no more than that.
func (l *look) traits() {
	if l.facts == nil {
		return
	}
	for _, t := range l.facts.Traits {
		code := string(t.Code)
		if kind, ok := strings.CutPrefix(code, string(inspect.Holds)); ok && sentences[Kind(kind)] != "" {
			l.reason(code, true, holdsRisk(Kind(kind)), "%s", t.Detail)
		} else if _, ok := points[code]; ok {
			l.add(code, "%s", t.Detail)
		}
	}
}

// signed looks at a program's signature: the system's opinion where it has one, else that of the worker. Installers are
// left out: to read their signatures the system would parse whole documents in this process, which hostile ones can
// make endless (they did under Wine).
func (l *look) signed() (bool, error) {
	if l.decision.Kind != inspect.PE {
		return false, nil
	}
	var s *authenticode.Signature
	if l.facts != nil {
		s = l.facts.Signature
	}
	// Something that hides in a signature keeps it from being trusted, whatever Windows says.
	if len(l.policy.roots) == 0 && (s == nil || s.State != authenticode.Malformed) {
		if system := l.systemSignature(); system != nil {
			s = system
		}
	}
	switch {
	case s == nil:
		l.add("unsigned", "it has no signature")
	case s.State != authenticode.Valid:
		if code := "signature-" + string(s.State); points[code] != 0 {
			l.add(code, "its signature is not to be trusted: %s", s.Detail)
		}
	default:
		for _, allowed := range l.policy.signers {
			if allowed.signs(s) {
				return l.trust("signature", "it is validly signed by %q, whom the policy trusts", s.Name)
			}
		}
		l.add("signature-valid", "it is validly signed by %q, of whom the policy says nothing", s.Name)
	}
	return false, nil
}

// systemTime bounds how long the system may take to say whether a program is signed.
const systemTime = 10 * time.Second

// askSystem asks the system, one question at a time. The system cannot be told to stop, and hostile programs may keep it
// busy: then there is no answer, to this question and to others until it is done, and nothing is trusted.
func (d *Decider) askSystem(f *os.File, path string) (s *authenticode.Signature, answered bool) {
	late := time.NewTimer(systemTime)
	defer late.Stop()
	select {
	case d.asking <- struct{}{}:
	case <-late.C:
		return nil, false
	}
	own, err := duplicate(f) // which stays open as long as the system reads it
	if err != nil {
		<-d.asking
		return nil, false
	}
	answer := make(chan *authenticode.Signature, 1)
	go func() {
		defer func() { <-d.asking }()
		answer <- systemSignature(own, path)
		_ = own.Close() // it was only read
	}()
	select {
	case s = <-answer:
		return s, true
	case <-late.C:
		d.options.Log.Warn("the system does not say whether a program is signed", "file", path)
		return nil, false
	}
}

// systemSignature asks the system once for each content.
func (l *look) systemSignature() *authenticode.Signature {
	sum := [sha256.Size]byte(l.sums["sha256"])
	s, ok := l.signatures.Get(sum)
	if !ok {
		var answered bool
		if s, answered = l.askSystem(l.request.File, l.place); !answered {
			return nil
		}
		if again, _, err := identify(l.request.File); err != nil || again != l.identity {
			return nil // it may be about another content
		}
		l.signatures.Put(sum, s)
	}
	return s
}
