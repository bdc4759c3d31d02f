package rules

// Externals are the variables beside the content that rules may ask for: all that Loki and THOR
// define, except THOR's "age". Rules that use another variable do not compile.
//
// What is not known stays empty. Strings end at their first zero byte.
type Externals struct {
	Filename  string // without folder: "cmd.exe"
	Filepath  string // the folder, without trailing separator: `C:\Windows`
	Extension string // in lower case with its dot: ".exe"
	Filetype  string // by magic bytes, in the words of package filetype: "EXE"
	Owner     string // user name
	MD5       string // of the content, in lower-case hexadecimal
	ID        string // free; Loki leaves it empty

	Group        string // group name
	Permissions  string // as "rwxr-xr-x"
	FileMode     int64  // file type and mode as in inode(7)
	UnpackParent string // the kind of archive that a member was in: "ZIP"
	UnpackSource string // the kinds of all archives around it, from the outermost: "EMAIL>ZIP"

	// Of the system; no scan finds them out yet, as no published rule asks for them.
	Timezone  string // "CET"
	Language  string
	OSVersion int64 // Windows build number, 0 elsewhere
}

// ExternalNames returns the names by which rules ask for texts and for numbers in [Externals].
func ExternalNames() (texts, numbers []string) {
	for _, x := range externals {
		if _, text := x.value(&Externals{}).(string); text {
			texts = append(texts, x.name)
		} else {
			numbers = append(numbers, x.name)
		}
	}
	return texts, numbers
}

// external is one variable: its name in rules and its place in Externals.
type external struct {
	name  string
	value func(*Externals) any // string or int64
}

var externals = []external{
	{"filename", func(e *Externals) any { return e.Filename }},
	{"filepath", func(e *Externals) any { return e.Filepath }},
	{"extension", func(e *Externals) any { return e.Extension }},
	{"filetype", func(e *Externals) any { return e.Filetype }},
	{"owner", func(e *Externals) any { return e.Owner }},
	{"md5", func(e *Externals) any { return e.MD5 }},
	{"id", func(e *Externals) any { return e.ID }},
	{"group", func(e *Externals) any { return e.Group }},
	{"permissions", func(e *Externals) any { return e.Permissions }},
	{"filemode", func(e *Externals) any { return e.FileMode }},
	{"unpack_parent", func(e *Externals) any { return e.UnpackParent }},
	{"unpack_source", func(e *Externals) any { return e.UnpackSource }},
	{"timezone", func(e *Externals) any { return e.Timezone }},
	{"language", func(e *Externals) any { return e.Language }},
	{"osversion", func(e *Externals) any { return e.OSVersion }},
}
