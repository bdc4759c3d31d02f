package decide

import (
	"strings"

	"tyto/sandboxlink/decide/inspect"
)

// extension is what a file of that name is taken for.
type extension struct {
	kind   Kind
	script string // the language, of those that an interpreter reads whatever they look like
	shown  bool   // a person takes it for something to look at, not to run
}

// extensions, in lower case. They never make an object less risky, and never decide what it is.
var extensions = map[string]extension{
	"exe": {kind: inspect.PE}, "scr": {kind: inspect.PE}, "com": {kind: inspect.PE}, "pif": {kind: inspect.PE}, "dll": {kind: inspect.PE},
	"cpl": {kind: inspect.PE}, "sys": {kind: inspect.PE}, "ocx": {kind: inspect.PE}, "so": {kind: inspect.ELF}, "ko": {kind: inspect.ELF},
	"js": {kind: inspect.Script, script: inspect.JavaScript}, "jse": {kind: inspect.Script, script: inspect.JavaScript},
	"vbs": {kind: inspect.Script, script: "VBS"}, "vbe": {kind: inspect.Script, script: "VBS"}, "wsf": {kind: inspect.Script, script: inspect.ScriptXML},
	"sct": {kind: inspect.Script, script: inspect.ScriptXML}, "ps1": {kind: inspect.Script, script: "PowerShell Script"},
	"psm1": {kind: inspect.Script, script: "PowerShell Script"}, "bat": {kind: inspect.Script, script: "BATCH"}, "cmd": {kind: inspect.Script, script: "BATCH"},
	"py": {kind: inspect.Script, script: "Python"}, "pyw": {kind: inspect.Script, script: "Python"}, "pl": {kind: inspect.Script, script: inspect.Perl},
	"sh": {kind: inspect.Script, script: "UNIX SCRIPT"}, "bash": {kind: inspect.Script, script: "UNIX SCRIPT"},
	"php": {kind: inspect.Script}, "hta": {kind: inspect.HTA}, "lnk": {kind: inspect.Shortcut}, "url": {kind: inspect.Shortcut},
	"desktop": {kind: inspect.Shortcut}, "jar": {kind: inspect.Java}, "class": {kind: inspect.Java}, "msi": {kind: inspect.Installer},
	"deb": {kind: inspect.Installer}, "rpm": {kind: inspect.Installer}, "chm": {kind: inspect.Help}, "apk": {kind: inspect.Android},
	"iso": {kind: inspect.Disk}, "img": {kind: inspect.Disk}, "vhd": {kind: inspect.Disk}, "vhdx": {kind: inspect.Disk},

	"doc": {kind: inspect.Office, shown: true}, "docx": {kind: inspect.Office, shown: true}, "docm": {kind: inspect.Office, shown: true},
	"xls": {kind: inspect.Office, shown: true}, "xlsx": {kind: inspect.Office, shown: true}, "xlsm": {kind: inspect.Office, shown: true},
	"ppt": {kind: inspect.Office, shown: true}, "pptx": {kind: inspect.Office, shown: true}, "odt": {kind: inspect.Office, shown: true},
	"rtf": {kind: inspect.RTF, shown: true}, "pdf": {kind: inspect.PDF, shown: true}, "one": {kind: inspect.OneNote, shown: true},
	"zip": {kind: inspect.Archive, shown: true}, "rar": {kind: inspect.Archive, shown: true}, "7z": {kind: inspect.Archive, shown: true},
	"jpg": {shown: true}, "jpeg": {shown: true}, "png": {shown: true}, "gif": {shown: true}, "bmp": {shown: true}, "webp": {shown: true},
	"mp3": {shown: true}, "mp4": {shown: true}, "avi": {shown: true}, "mkv": {shown: true}, "wav": {shown: true}, "csv": {shown: true},
	"txt": {shown: true}, "log": {shown: true}, "htm": {shown: true}, "html": {shown: true}, "xml": {shown: true}, "json": {shown: true},
}

// scriptName returns the language of a name whose files are run by an interpreter whatever they look like.
func scriptName(path string) string {
	_, ext, _ := cutName(path)
	return extensions[ext].script
}

// cutName returns the last two extensions of a path's name, in lower case, without the dots.
func cutName(path string) (before, last string, name string) {
	name = path[strings.LastIndexAny(path, `/\`)+1:]
	trimmed := strings.TrimRight(strings.ToLower(name), " .") // Windows ignores them
	rest, last, ok := cutLast(trimmed)
	if !ok {
		return "", "", name
	}
	_, before, _ = cutLast(strings.TrimRight(rest, " ."))
	return before, last, name
}

func cutLast(name string) (rest, ext string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// deceiving are characters by which a name shows other than it is: they turn the direction of writing.
const deceiving = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"

// names adds what the name tells of who gave it.
func (l *look) names() {
	before, last, name := cutName(l.request.Path)
	kind := l.decision.Kind
	if e, ok := extensions[last]; ok && e.shown && e.kind != kind && !mayBeCalled(kind, last) {
		l.add("wrong-extension", "it is called .%s, and is %s", last, sentences[kind])
	}
	if e, ok := extensions[last]; ok && !e.shown && extensions[before].shown {
		l.add("double-extension", "it is called .%s.%s: what it shows is not what it is", before, last)
	}
	if strings.ContainsAny(name, deceiving) {
		l.add("direction-mark", "its name holds characters that turn the direction of writing")
	}
	if strings.Contains(name, "        ") {
		l.add("padded-name", "its name holds many spaces, which move its end out of sight")
	}
}

// mayBeCalled reports whether honest files of a kind have such names.
func mayBeCalled(kind Kind, ext string) bool {
	switch kind {
	case inspect.Script:
		return extensions[ext].kind == inspect.None // texts of any name hold examples
	case inspect.RTF:
		return ext == "doc"
	case inspect.Archive:
		return extensions[ext].kind == inspect.Office && ext != "doc" && ext != "xls" // made by other programs
	case inspect.Office:
		return ext == "xml"
	case inspect.Java, inspect.Android:
		return ext == "zip"
	}
	return false
}
