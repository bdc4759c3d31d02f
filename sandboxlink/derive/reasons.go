package derive

import (
	"regexp"
	"slices"
	"strings"

	"tyto/verdict"
)

// A program drops much that says nothing of it: libraries that it brings, documents that it copies, tools that
// anybody has. A hash of that would accuse clean computers. So the hash of a dropped file needs a reason: the object
// ran it, has it started by the system, or made a program of it.

// uses is what a report says of the use of files, by their paths in lower case.
type uses struct {
	ran, started map[string]bool
}

// interpreters are programs that run, or load, the files in their arguments.
var interpreters = regexp.MustCompile(`(?i)(?:^|[\\/])(?:(?:ba|da|k|z|c|a)?sh|busybox|python[0-9.]*|pythonw|perl[0-9.]*|php[0-9.]*|ruby|lua[0-9.]*|node|javaw?|ld-linux[^\\/]*|` +
	`nohup|setsid|env|sudo|timeout|xargs|rundll32|regsvr32|wscript|cscript|mshta|powershell|pwsh|cmd|msiexec|forfiles|autoit3|autohotkey)(?:\.exe)?$`)

// usesOf gathers what is run and what is started by the system.
func usesOf(r *verdict.Report) uses {
	u := uses{ran: map[string]bool{}, started: map[string]bool{}}
	for _, p := range r.Processes {
		u.ran[sameFile(p.Path)] = true
		if !interpreters.MatchString(p.Path) && (len(p.Arguments) == 0 || !interpreters.MatchString(p.Arguments[0])) {
			continue
		}
		for _, argument := range p.Arguments {
			mention(u.ran, argument)
		}
	}
	for _, s := range r.Services {
		mention(u.started, s.Path)
	}
	for _, v := range r.Registry {
		path := v.Key
		if v.Value != "" {
			path += separator + v.Value
		}
		if (v.Act == verdict.Created || v.Act == verdict.Written) &&
			(autostarts.MatchString(parentOf(path)) || hijacks.MatchString(path) || serviceKey.MatchString(path) || loaders.MatchString(v.Key)) {
			mention(u.started, v.Data)
		}
	}
	for _, b := range r.Behaviours {
		if b.ID == "persists-dropped-program" { // our jail's: "/etc/cron.d/x starts /tmp/y"
			for _, e := range b.Evidence {
				mention(u.started, e)
			}
		}
	}
	delete(u.ran, "")
	delete(u.started, "")
	return u
}

// mention notes each part of a command line that may be a path. What is none does no harm: it is compared with
// those of dropped files.
func mention(paths map[string]bool, text string) {
	text = text[:min(len(text), maxValue)]
	paths[sameFile(text)] = true
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\"' \t\n,;|&<>()=", r) }) {
		paths[sameFile(part)] = true
	}
	for _, found := range commandPath.FindAllStringSubmatch(text, 10) {
		paths[sameFile(found[1]+found[2]+found[3])] = true
	}
}

// sameFile returns a path such that the ways to write it are the same.
func sameFile(path string) string {
	path = strings.Trim(path, "\"' ")
	if strings.HasPrefix(path, "/") {
		return path
	}
	return asciiLower(strings.TrimPrefix(strings.TrimPrefix(path, `\\?\`), `\??\`))
}

var (
	// startFiles are files that are run by themselves, and those that say what is.
	startFiles = regexp.MustCompile(`(?i)^/etc/(?:cron|anacrontab|init\.d/|rc[0-9S.]|profile|ld\.so\.preload|ld\.so\.conf\.d/|update-motd\.d/|udev/rules\.d/|pam\.d/|sudoers)|` +
		`^/var/spool/(?:cron|at)/|/systemd/(?:system|user)/|/autostart/|/\.ssh/(?:authorized_keys2?|rc)$|/\.(?:bashrc|profile|bash_profile|bash_login|zshrc|xprofile|xinitrc)$|` +
		`\\start menu\\programs\\startup\\|\\windows\\(?:system32\\|syswow64\\)?tasks\\|\\(?:powershell|windowspowershell)\\.*profile\.ps1$`)
	// ofPackages are folders into which package managers put the same contents everywhere, and those which frozen
	// Python programs unpack.
	ofPackages = regexp.MustCompile(`(?i)[\\/](?:node_modules|site-packages|dist-packages|bower_components|_mei[0-9]+|onefile_[0-9_]+|__pycache__|\.nuget[\\/]packages|\.cargo[\\/]registry|\.m2[\\/]repository)[\\/]`)
	// dataFiles are names of what is no program.
	dataFiles = regexp.MustCompile(`(?i)\.(?:docx?|xlsx?|pptx?|pdf|rtf|od[tsp]|txt|md|csv|tsv|log|ini|cfg|conf|config|json|xml|ya?ml|toml|html?|mht|css|map|` +
		`png|jpe?g|gif|bmp|ico|svg|webp|tiff?|cur|ani|mp[34]|wav|avi|mkv|ogg|flac|ttf|otf|woff2?|eot|` +
		`pem|crt|cer|der|p7b|crl|cat|inf|mui|nls|manifest|resources|rc|db|sqlite3?|ldb|lock|pf|job|lnk|url|theme|search-ms|automaticdestinations-ms)$`)
	// shortcuts hold traits of the computer on which they were made, and are nowhere the same.
	shortcuts = regexp.MustCompile(`(?i)\.(?:lnk|url|job|pf)$`)
	// documents are written by people, and what is found of them in a sandbox was put there for the sample to find.
	documents = regexp.MustCompile(`(?i)\.(?:docx?|xlsx?|pptx?|pdf|rtf|od[tsp]|png|jpe?g|gif|bmp|mp[34]|wav|avi)$`)
	// dataTypes are words of the types that sandboxes give, if they do not speak of programs.
	dataTypes    = regexp.MustCompile(`(?i)\b(?:image|text|certificate|document|font|audio|video|bitmap|icon|shortcut|database|JSON|XML|HTML|PDF|PNG|JPEG|GIF)\b`)
	programTypes = regexp.MustCompile(`(?i)\b(?:script|executable|PE32|ELF|DLL|macro)`)
	// programNames are names of what is run, whatever the sandbox says of it.
	programNames = regexp.MustCompile(`(?i)\.(?:exe|dll|scr|com|pif|sys|drv|ocx|cpl|bat|cmd|ps1|psm1|vbs|vbe|jse|wsf|wsh|hta|jar|msi|so|ko|elf|xll|chm)$`)
)

// weigh says how sure the hash of a dropped file tells of the object, and why. 0 is not at all.
func (u uses) weigh(d verdict.Dropped) (confidence int, why string) {
	path := sameFile(d.Path)
	name := d.Path[strings.LastIndexAny(d.Path, `\/`)+1:]
	at, located := locate(d.Path)
	stem, _ := splitExtension(name)
	chosenName := judge(stem, located && at.place.class == temporary).worth >= chosen
	ofMaker := located && at.ofMaker()
	executable := d.Executable || programNames.MatchString(name)
	used := u.ran[path] || u.started[path]
	product := known().vendors[asciiLower(stem)]
	switch {
	case startFiles.MatchString(d.Path) && !shortcuts.MatchString(name):
		return 85, "hash of a file that it dropped where the system runs or reads it by itself"
	case known().manyHave(name):
		return 0, "bears the name of a library or tool that very many programs bring with them"
	case ofPackages.MatchString(d.Path) && !used:
		return 0, "lies in a folder that holds the same contents on many computers"
	case ofMaker && !chosenName && used && !at.programFiles():
		return 55, "hash of a file that it dropped and used, in a folder of a well-known maker"
	case ofMaker && !(chosenName && (used || !at.programFiles())):
		return 0, "lies in a folder of a well-known maker, whose programs may be the same everywhere"
	case product && used:
		return 55, "hash of a file that it dropped and used, with the name of a well-known program"
	case product:
		return 0, "bears the name of a well-known program"
	case u.ran[path]:
		return 90, "hash of a file that it dropped and ran"
	case u.started[path]:
		return 85, "hash of a file that it dropped and has started by the system"
	case dataFiles.MatchString(name) && !d.Executable, dataTypes.MatchString(d.Type) && !programTypes.MatchString(d.Type) && !executable:
		return 0, "is data, which it may have copied: nothing says that it was run"
	case executable && located && at.place.class == systemwide && !chosenName:
		return 0, "is a program in a folder of the system, under a name that clean ones have"
	case executable && chosenName:
		return 80, "hash of a program that it dropped"
	case executable:
		return 70, "hash of a program that it dropped, under a common name"
	case located && (at.place.class == systemwide || at.programFiles()), !located:
		return 0, "nothing says what it is for"
	}
	return 55, "hash of a file that it dropped; nothing says what it is for"
}

// programFiles reports whether the path leads below the folders into which installers put programs.
func (l located) programFiles() bool {
	return strings.Contains(l.place.pattern, `\\Program Files`) || slices.ContainsFunc(l.parts[:len(l.parts)-1], func(part string) bool {
		return strings.EqualFold(part, "Programs")
	})
}
