package derive

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tyto/verdict"
)

const (
	termPath = "FileItem/FullPath"
	termName = "FileItem/FileName"
)

// Sizes, in bytes, from which on a size that is exactly the same is unlikely to be chance: beside a name that
// somebody chose, and beside one that is on any computer.
const (
	tellingSize = tiny
	largeSize   = 1024
)

// made is a file that the object made or wrote to.
type made struct {
	path string
	size int64 // 0 if unknown
}

// folder gathers the files below one folder that somebody chose the name of.
type folder struct {
	files []made
	at    located
	depth int // parts of at that make up the folder
}

// files makes indicators of the names of files.
func (c *collector) files() {
	files, folders := c.madeFiles(), map[string]*folder{}
	var order []string
	for _, f := range files {
		if reason := c.commonFile(f.path); reason != "" {
			c.leaveOut(File, f.path, reason)
			continue
		}
		at, ok := locate(f.path)
		if !ok {
			c.leaveOut(File, f.path, "is a pipe, a device, a share or a folder")
			continue
		}
		if c.identifiedFolder(f, at) {
			continue
		}
		named := c.identifiedName(f, at)
		reason := noise(f.path)
		if reason == "" {
			reason = at.ofProduct(f.path)
		}
		if reason != "" {
			if !named {
				c.leaveOut(File, f.path, reason)
			}
			continue
		}
		if depth := at.chosenFolder(); depth > 0 && at.place.class == ordinary {
			key := at.pattern(depth)
			if folders[key] == nil {
				folders[key] = &folder{at: at, depth: depth}
				order = append(order, key)
			}
			folders[key].files = append(folders[key].files, f)
			continue
		}
		if !named {
			c.file(f, at)
		}
	}
	for _, key := range order {
		c.folder(folders[key])
	}
}

// madeFiles returns the files that the object made and left, each once, and notes the others as left out.
func (c *collector) madeFiles() []made {
	r := c.derived.report
	deleted, sizes, parents := map[string]int{}, map[string]int64{}, map[string]bool{}
	for i, f := range r.Files {
		switch f.Act {
		case verdict.Deleted, verdict.Moved:
			deleted[f.Path] = i
		}
	}
	old := oldFiles(r)
	var paths []string
	add := func(path string, size int64) {
		if _, ok := sizes[path]; !ok {
			paths = append(paths, path)
		}
		sizes[path] = max(sizes[path], size)
		for i := 0; i < len(path); i++ {
			if path[i] == '\\' || path[i] == '/' {
				parents[path[:i]] = true
			}
		}
	}
	for i, f := range r.Files {
		last, gone := deleted[f.Path]
		switch {
		case f.Act == verdict.Moved:
			add(f.To, f.Size)
		case f.Act == verdict.Deleted:
		case f.Act != verdict.Created && f.Act != verdict.Written:
			c.together(File, f.Path, "was only read or looked for")
		case old[f.Path]:
			c.leaveOut(File, f.Path, "was there before: it only wrote to it")
		case gone && last > i:
			c.leaveOut(File, f.Path, "it took away again")
		default:
			add(f.Path, f.Size)
		}
	}
	for _, d := range r.Dropped {
		if _, gone := deleted[d.Path]; d.Path != "" && !d.Deleted && !gone && !old[d.Path] {
			add(d.Path, d.Size)
		}
	}
	var files []made
	for _, path := range paths {
		if !parents[path] { // a folder
			files = append(files, made{path, sizes[path]})
		}
	}
	return files
}

// oldFiles returns the files that were there before the object wrote to them, and that other computers have as
// well. Our own jail tells them from new ones; sandboxes for Windows call both written.
func oldFiles(r *verdict.Report) map[string]bool {
	old := map[string]bool{}
	for _, f := range r.Files {
		if f.Act == verdict.Written && strings.HasPrefix(f.Path, "/") {
			old[f.Path] = true
		}
	}
	for _, f := range r.Files {
		if f.Act == verdict.Created {
			delete(old, f.Path)
		}
	}
	return old
}

// commonFile says why a file is on clean computers whatever its name looks like, or "".
func (c *collector) commonFile(path string) string {
	switch {
	case c.options.Widespread != nil && c.options.Widespread(File, path):
		return "the inventory has seen it widely before"
	case strings.EqualFold(path, c.derived.report.Object.Name):
		return "is the object itself"
	}
	return unwritable(path)
}

// identifiedFolder makes an indicator of a folder whose name is nowhere by chance, and reports whether there is
// one.
func (c *collector) identifiedFolder(f made, at located) bool {
	for _, part := range at.parts[:len(at.parts)-1] {
		j := judge(part, at.place.class == temporary)
		if j.worth != unique || !at.tells(j) || !j.stable && noise(f.path) != "" {
			continue
		}
		i := Indicator{
			Kind: File, Confidence: 80, Why: "a folder with an identifier that it brings, whatever lies in it", Evidence: []string{f.path},
			Tests: []Test{{termPath, "contains", "string", at.separator() + part + at.separator()}},
			stix:  "file:parent_directory_ref.path MATCHES " + stixText(`(?i)[\\/]`+regexp.QuoteMeta(part)+`(?:[\\/]|$)`),
		}
		if !j.stable {
			i.Confidence, i.Why = 60, "a folder with a name that nobody has by chance; another run may choose another"
		}
		c.add(i)
		return true
	}
	return false
}

// tells reports whether a unique name says something where it is. Folders of the system have many that are made
// of contents or drawn by lot, on any computer of the same version alike.
func (l located) tells(j judged) bool {
	switch {
	case l.place.class == systemwide:
		return j.stable && l.windows
	case l.place.class == starting:
		return !l.ofMaker()
	}
	return true
}

// identifiedName does the same for the file's own name. If a program made it up, and no folder tells more, the
// make of the name is an indicator together with the size.
func (c *collector) identifiedName(f made, at located) bool {
	name, j := at.name()
	if j.worth != unique || !at.tells(j) || !j.stable && noise(f.path) != "" {
		return false
	}
	i := Indicator{
		Kind: File, Confidence: 75, Why: "a file with an identifier for its name", Evidence: []string{f.path},
		Tests: []Test{{termName, "is", "string", name}},
		stix:  "file:name = " + stixText(name),
	}
	if !j.stable {
		i.Confidence, i.Why = 60, "a file with a name that nobody has by chance; another run may choose another"
	}
	c.add(i)
	if j.random && f.size >= largeSize && runs(name) && at.chosenFolder() == 0 {
		c.path(f, at, true, 55, "a program of this size with a name of this make, in this folder")
	}
	return true
}

// folder makes an indicator of a folder: of it as a whole if several files are in it, else of the file.
func (c *collector) folder(f *folder) {
	if len(f.files) == 1 {
		file := f.files[0]
		at, _ := locate(file.path)
		c.path(file, at, false, 60, "a file in a folder whose name somebody chose")
		return
	}
	for _, file := range f.files {
		c.add(Indicator{
			Kind: File, Confidence: 65, Why: "a folder that it made for itself, whatever lies in it", Evidence: []string{file.path},
			Tests: []Test{{termPath, "matches", "string", f.at.pattern(f.depth)}},
			stix:  "file:parent_directory_ref.path MATCHES " + stixText(`(?i)`+strings.TrimSuffix(f.at.pattern(f.depth), f.at.quotedSeparator())+`(?:[\\/]|$)`),
		})
	}
}

// file makes an indicator of a file whose folders say nothing, or leaves it out.
func (c *collector) file(f made, at located) {
	name, j := at.name()
	class, program := at.place.class, runs(name)
	sized := f.size >= tellingSize
	common := known().manyHave(name)
	if at.chosenFolder() > 0 && j.worth == plain && !common {
		j.worth = chosen // the folder makes up for it; it is a temporary one or the system's
	}
	switch {
	case common:
		c.leaveOut(File, f.path, "many computers have a file of this name")
	case documents.MatchString(name) && !j.random:
		c.leaveOut(File, f.path, "is a document or a picture, which it may have copied")
	case j.worth == plain && at.ofMaker() && class == ordinary && !known().programs[asciiLower(name)]:
		c.leaveOut(File, f.path, "lies in a folder of a well-known maker, under a name that clean programs use")
	case known().programs[asciiLower(name)] && class != systemwide:
		c.path(f, at, false, 70, "bears the name of a program of the system, in a folder where the system has none")
	case class == systemwide && j.worth >= chosen && sized && program:
		c.path(f, at, true, 55, "a program of this name and size in a folder of the system")
	case class == systemwide:
		c.leaveOut(File, f.path, "lies in a folder of the system, where packages put files of any name")
	case class == starting && at.ofMaker():
		c.leaveOut(File, f.path, "lies in a folder of a well-known maker")
	case class == starting && j.worth >= chosen:
		c.path(f, at, false, 65, "a file in a folder whose contents are started by themselves")
	case class == temporary && j.worth >= chosen && program && sized:
		c.path(f, at, true, 55, "a program of this name and size in a folder for temporary files")
	case class == temporary && j.worth >= chosen && program:
		c.path(f, at, false, 50, "a program of this name in a folder for temporary files")
	case class == temporary:
		c.leaveOut(File, f.path, "its name says too little for a folder of temporary files")
	case j.worth >= chosen && program:
		c.path(f, at, false, 60, "a program with a name that somebody chose")
	case j.worth >= chosen && sized:
		c.path(f, at, true, 55, "a file of this name and size")
	case program && f.size >= largeSize && !shortcuts.MatchString(name):
		c.path(f, at, true, 50, "a program of this name and size; the name alone says nothing")
	default:
		c.leaveOut(File, f.path, "its name is one that clean programs use")
	}
}

// path makes an indicator of a generalised path, with or without the size.
func (c *collector) path(f made, at located, sized bool, confidence int, why string) {
	name := at.namePattern()
	folders := at.pattern(len(at.parts) - 1)
	i := Indicator{
		Kind: File, Confidence: confidence, Why: why, Evidence: []string{f.path},
		Tests: []Test{{termPath, "matches", "string", folders + name + "$"}},
		stix: "file:name MATCHES " + stixText("(?i)^"+name+"$") + " AND file:parent_directory_ref.path MATCHES " +
			stixText("(?i)"+strings.TrimSuffix(folders, at.quotedSeparator())+"$"),
	}
	if sized {
		size := strconv.FormatInt(f.size, 10)
		i.Tests = append(i.Tests, Test{termSize, "is", "int", size})
		i.stix += " AND file:size = " + size
	}
	c.add(i)
}

func (l located) separator() string {
	if l.windows {
		return `\`
	}
	return "/"
}

// quotedSeparator is the separator in a regular expression.
func (l located) quotedSeparator() string { return regexp.QuoteMeta(l.separator()) }

// pattern returns a regular expression for the place and the first parts below it, with a separator behind.
func (l located) pattern(parts int) string {
	var b strings.Builder
	b.WriteString(l.place.pattern)
	for _, part := range l.parts[:parts] {
		b.WriteString(judge(part, l.place.class == temporary).pattern)
		b.WriteString(l.quotedSeparator())
	}
	return b.String()
}

// ofMaker reports whether the path leads through a folder of a maker of clean programs.
func (l located) ofMaker() bool {
	return slices.ContainsFunc(l.parts[:len(l.parts)-1], func(part string) bool { return known().vendors[asciiLower(part)] })
}

// chosenFolder returns how many parts lead to the first folder whose name somebody chose, 0 if there is none.
// What lies below the folder of a maker of clean programs was chosen by that maker.
func (l located) chosenFolder() int {
	for i, part := range l.parts[:len(l.parts)-1] {
		if known().vendors[asciiLower(part)] {
			return 0
		}
		if judge(part, l.place.class == temporary).worth >= chosen {
			return i + 1
		}
	}
	return 0
}

// name returns the file's name and what it is.
func (l located) name() (string, judged) {
	name := l.parts[len(l.parts)-1]
	if known().manyHave(name) {
		return name, judged{pattern: regexp.QuoteMeta(name)}
	}
	if j := judge(name, false); j.stable {
		return name, j // the extension is part of it
	}
	stem, _ := splitExtension(name)
	return name, judge(stem, l.place.class == temporary)
}

// namePattern returns a regular expression for the name. Made-up names stand for others of the same make.
func (l located) namePattern() string {
	name, j := l.name()
	stem, extension := splitExtension(name)
	if j.random {
		return judge(stem, l.place.class == temporary).pattern + regexp.QuoteMeta(extension)
	}
	return regexp.QuoteMeta(name)
}

// splitExtension splits a name before its last dot, unless that is the first character.
func splitExtension(name string) (stem, extension string) {
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		return name[:dot], name[dot:]
	}
	return name, ""
}

// runs reports whether a file of that name can be run, loaded or interpreted. Programs of Unix have no extension.
func runs(name string) bool {
	_, extension := splitExtension(name)
	switch strings.ToLower(strings.TrimPrefix(extension, ".")) {
	case "", "exe", "dll", "scr", "com", "pif", "sys", "drv", "ocx", "cpl", "bat", "cmd", "ps1", "psm1", "vbs", "vbe", "js", "jse", "wsf", "wsh",
		"hta", "jar", "msi", "lnk", "py", "pl", "sh", "so", "ko", "elf", "bin", "run", "desktop", "service", "timer", "xpi", "crx", "tlb":
		return true
	}
	return false
}
