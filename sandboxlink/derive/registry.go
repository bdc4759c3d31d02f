package derive

import (
	"regexp"
	"strings"

	"tyto/verdict"
)

const (
	termKey   = "RegistryItem/Path"
	termData  = "RegistryItem/Text"
	separator = `\`
)

// autostarts are keys below which values name what Windows starts or loads. Each is for the end of a key.
var autostarts = regexp.MustCompile(`(?i)\\(?:CurrentVersion\\(?:Run|RunOnce|RunOnceEx|RunServices|RunServicesOnce|Policies\\Explorer\\Run)|` +
	`CurrentVersion\\Explorer\\(?:ShellExecuteHooks|SharedTaskScheduler)|Control\\SafeBoot\\(?:Minimal|Network)\\[^\\]+|` +
	`Control\\Session Manager\\AppCertDLLs|Active Setup\\Installed Components\\[^\\]+)$`)

// hijacks are values with a meaning of their own, whose data are what tells.
var hijacks = regexp.MustCompile(`(?i)\\(?:Winlogon\\(?:Shell|Userinit|Taskman|System|VmApplet|Notify\\[^\\]+\\DLLName)|` +
	`Windows\\(?:AppInit_DLLs|Load|Run)|Image File Execution Options\\[^\\]+\\(?:Debugger|VerifierDlls)|` +
	`Control\\Lsa\\(?:Authentication|Notification|Security) Packages|Control\\Print\\Monitors\\[^\\]+\\Driver|` +
	`Command Processor\\AutoRun|Environment\\UserInitMprLogonScript|Session Manager\\(?:BootExecute|SetupExecute)|` +
	`shell\\open\\command|InprocServer32|LocalServer32|Explorer\\(?:User )?Shell Folders\\(?:Common )?Startup)$`)

var (
	serviceKey = regexp.MustCompile(`(?i)\\System\\(?:CurrentControlSet|ControlSet[0-9]{3})\\Services\\([^\\]+)`)
	vendorKey  = regexp.MustCompile(`(?i)^HKEY_[A-Z_]+\\(?:S-1-[0-9-]+(?:_Classes)?\\)?Software\\(?:Wow6432Node\\)?([^\\]+)`)
	webAddress = regexp.MustCompile(`(?i)^https?://`)
)

// registry makes indicators of keys and values that were made or written.
func (c *collector) registry() {
	classes := c.classes()
	for _, r := range c.derived.report.Registry {
		path := r.Key
		if r.Value != "" {
			path += separator + r.Value
		}
		switch {
		case r.Act == verdict.Deleted:
			c.together(Registry, path, "was deleted: there is nothing to find")
			continue
		case r.Act != verdict.Created && r.Act != verdict.Written:
			c.together(Registry, path, "was only read or looked for")
			continue
		}
		if reason := unwritable(path); reason != "" {
			c.leaveOut(Registry, path, reason)
			continue
		}
		c.registryPath(r, path, classes)
		if r.Act == verdict.Written && webAddress.MatchString(r.Data) {
			c.url(r.Data, 50, "an address that it wrote into the registry")
		}
	}
}

func (c *collector) registryPath(r verdict.Registry, path string, classes map[string]*classUse) {
	switch {
	case c.identifiedKey(path, classes):
	case c.serviceOf(path):
	case autostarts.MatchString(parentOf(path)):
		c.autostart(r, path)
	case hijacks.MatchString(path):
		c.hijack(r, path)
	case c.vendor(path):
	default:
		c.together(Registry, path, "lies in a part of the registry that Windows and clean programs write to, and is no place known for persistence")
	}
}

// loaders are the keys of a class in whose default value its program stands.
var loaders = regexp.MustCompile(`(?i)\\(?:InprocServer32|LocalServer32|InprocHandler32)$`)

// classUse is what a report says of one identifier.
type classUse struct {
	elsewhere bool   // it stands in other places than among classes
	data      string // a regular expression for the program that it loads
}

// classes gathers what the report says of identifiers.
func (c *collector) classes() map[string]*classUse {
	classes := map[string]*classUse{}
	for _, r := range c.derived.report.Registry {
		if r.Act != verdict.Created && r.Act != verdict.Written {
			continue
		}
		parts := strings.Split(r.Key+separator+r.Value, separator)
		for i, part := range parts {
			if !guid.MatchString(part) {
				continue
			}
			id := strings.ToLower(part)
			if classes[id] == nil {
				classes[id] = &classUse{}
			}
			if i == 0 || !strings.EqualFold(parts[i-1], "CLSID") || strings.Contains(strings.ToLower(r.Key), `\ext\clsid`) {
				classes[id].elsewhere = true
			}
			if data, ok := dataPattern(r.Data); ok && loaders.MatchString(r.Key) {
				classes[id].data = data
			}
			break
		}
	}
	return classes
}

// identifiedKey makes an indicator of an identifier in a key or in a value's name. One that stands among
// classes only may be the system's: programs take such classes over. Then what it loads has to be the
// object's own.
func (c *collector) identifiedKey(path string, classes map[string]*classUse) bool {
	parts := strings.Split(path, separator)
	for i, part := range parts {
		if i == 0 || !guid.MatchString(part) && !chromeID.MatchString(part) && !isFirefoxID(part) {
			continue
		}
		if judge(part, false).worth != unique || strings.EqualFold(parts[i-1], "MountPoints2") || strings.EqualFold(parts[i-1], "Volume") {
			continue
		}
		of := classes[strings.ToLower(part)]
		switch {
		case of == nil || of.elsewhere:
			c.key(separator+part, 70, "an identifier that it registers", path)
		case of.data != "":
			c.add(Indicator{
				Kind: Registry, Confidence: 75, Why: "a class that loads its program", Evidence: []string{path},
				Tests: []Test{{termKey, "contains", "string", `\CLSID\` + part}, {termData, "matches", "string", of.data}},
				stix: "windows-registry-key:key MATCHES " + stixText(`(?i)\\CLSID\\`+regexp.QuoteMeta(part)+`(?:\\|$)`) +
					" AND windows-registry-key:values[*].data MATCHES " + stixText("(?i)"+of.data),
			})
		default:
			c.together(Registry, path, "is a class that may be the system's own, and loads nothing of the object's")
		}
		return true
	}
	return false
}

// key makes an indicator of a part of a key that says enough.
func (c *collector) key(part string, confidence int, why, evidence string) {
	c.add(Indicator{
		Kind: Registry, Confidence: confidence, Why: why, Evidence: []string{evidence},
		Tests: []Test{{termKey, "contains", "string", part}},
		stix:  "windows-registry-key:key MATCHES " + stixText(`(?i)`+regexp.QuoteMeta(part)+`(?:\\|$)`),
	})
}

// serviceOf makes indicators of a service that was set up by writing to the registry.
func (c *collector) serviceOf(path string) bool {
	m := serviceKey.FindStringSubmatch(path)
	if m == nil {
		return false
	}
	if !c.service(m[1], path) {
		return true // and was left out
	}
	c.key(`\Services\`+m[1], 65, "a service that it set up", path)
	return true
}

// autostart makes an indicator of a value that Windows starts a program by: of its name if somebody chose that,
// else of its name together with the program.
func (c *collector) autostart(r verdict.Registry, path string) {
	key, name := parentOf(path), path[len(parentOf(path))+1:]
	tail := strings.TrimPrefix(autostarts.FindString(key), separator)
	value := separator + tail + separator + name
	if judge(name, false).worth >= chosen {
		c.value(Test{termKey, "ends-with", "string", value}, "", 70, "starts it when somebody logs on", key, name, path)
		return
	}
	data, ok := dataPattern(r.Data)
	if !ok {
		c.leaveOut(Registry, path, "neither the value's name nor the program that it starts says enough")
		return
	}
	c.value(Test{termKey, "ends-with", "string", value}, data, 70, "starts it when somebody logs on", key, name, path)
}

// hijack makes an indicator of a value that any computer has, if its data name a program of the object's own.
func (c *collector) hijack(r verdict.Registry, path string) {
	data, ok := dataPattern(r.Data)
	if !ok {
		c.leaveOut(Registry, path, "any computer has this value, and its data say too little")
		return
	}
	tail := hijacks.FindString(path)
	c.value(Test{termKey, "ends-with", "string", tail}, data, 70, "has its program loaded in place of another", parentOf(path), path[len(parentOf(path))+1:], path)
}

// value makes an indicator of a value, with data unless data is empty.
func (c *collector) value(path Test, data string, confidence int, why, key, name, evidence string) {
	i := Indicator{
		Kind: Registry, Confidence: confidence, Why: why, Evidence: []string{evidence}, Tests: []Test{path},
		stix: "windows-registry-key:key MATCHES " + stixText(`(?i)`+regexp.QuoteMeta(tailOf(key))+`$`) +
			" AND windows-registry-key:values[*].name = " + stixText(name),
	}
	if data != "" {
		i.Tests = append(i.Tests, Test{termData, "matches", "string", data})
		i.stix += " AND windows-registry-key:values[*].data MATCHES " + stixText("(?i)"+data)
	}
	c.add(i)
}

// vendor makes an indicator of a key below Software that no maker of clean programs has.
func (c *collector) vendor(path string) bool {
	m := vendorKey.FindStringSubmatch(path)
	if m == nil || strings.EqualFold(m[1], "Classes") {
		return false
	}
	if known().vendors[strings.ToLower(m[1])] || judge(m[1], false).worth < chosen {
		return false
	}
	c.add(Indicator{
		Kind: Registry, Confidence: 60, Why: "a key of its own below Software", Evidence: []string{path},
		Tests: []Test{{termKey, "matches", "string", `\\Software\\(?:Wow6432Node\\)?` + regexp.QuoteMeta(m[1]) + `(?:\\|$)`}},
		stix:  "windows-registry-key:key MATCHES " + stixText(`(?i)\\Software\\(?:Wow6432Node\\)?`+regexp.QuoteMeta(m[1])+`(?:\\|$)`),
	})
	return true
}

// commandPath finds the path of a program in a command line: in quotation marks, or up to an extension.
var commandPath = regexp.MustCompile(`(?i)"([a-z%][^"]{2,500}?\\[^"\\]{1,200})"|([a-z]:\\[^"<>|*?]{1,500}?\.(?:exe|dll|scr|com|bat|cmd|ps1|vbs|js|hta|jar|pif|sys|ocx|lnk))|(%[a-z()0-9]+%\\[^"<>|*?]{1,500}?\.(?:exe|dll|scr|com|bat|cmd|ps1|vbs|js|hta|jar|pif|sys|ocx|lnk))`)

// dataPattern returns a regular expression for data that name a program which is not one that any computer
// has at that place. The last such path counts: rundll32 and the like stand before what they are to run.
func dataPattern(data string) (string, bool) {
	for _, found := range commandPath.FindAllStringSubmatch(data[:min(len(data), maxValue)], 10) {
		at, ok := locate(found[1] + found[2] + found[3])
		if !ok || at.place.class == systemwide {
			continue
		}
		name, j := at.name()
		if j.worth == plain && at.chosenFolder() == 0 && !known().programs[asciiLower(name)] {
			continue
		}
		return at.pattern(len(at.parts)-1) + at.namePattern(), true
	}
	return "", false
}

// parentOf returns what stands before the last separator.
func parentOf(path string) string {
	if n := strings.LastIndex(path, separator); n > 0 {
		return path[:n]
	}
	return path
}

// tailOf returns a key without its hive, and without the user in it.
func tailOf(key string) string {
	parts := strings.Split(key, separator)
	for len(parts) > 1 && (strings.HasPrefix(strings.ToUpper(parts[0]), "HKEY_") || sid.MatchString(parts[0])) {
		parts = parts[1:]
	}
	return separator + strings.Join(parts, separator)
}
