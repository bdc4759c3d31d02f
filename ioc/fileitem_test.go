package ioc

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc/stringlist"
)

// texts returns the values of a term as texts, those that are lenient with a "~" in front.
func texts(t *testing.T, item Item, term string) []string {
	t.Helper()
	values, known := item.AppendValues(nil, term)
	if !known {
		return []string{"unknown"}
	}
	all := []string{}
	for _, v := range values {
		s := v.String()
		if v.lenient {
			s = "~" + s
		}
		all = append(all, s)
	}
	return all
}

func TestFileItemPaths(t *testing.T) {
	tests := []struct {
		name   string
		object finding.Object
		want   map[string][]string
	}{
		{"unix", finding.Object{Path: "/usr/bin/a.tar.GZ"}, map[string][]string{
			"FullPath": {"/usr/bin/a.tar.GZ"}, "FileName": {"a.tar.GZ"}, "FileExtension": {"GZ", ".GZ"}, "Drive": {},
			"FilePath": {"~/usr/bin/a.tar.GZ", "/usr/bin/", "/usr/bin", "usr/bin/", "usr/bin"},
		}},
		{"windows", finding.Object{Path: `C:\WINDOWS\system32\x`}, map[string][]string{
			"FullPath": {`C:\WINDOWS\system32\x`}, "FileName": {"x"}, "FileExtension": {""}, "Drive": {"C", "C:"},
			"FilePath": {`~C:\WINDOWS\system32\x`, `C:\WINDOWS\system32\`, `C:\WINDOWS\system32`, `\WINDOWS\system32\`, `\WINDOWS\system32`, `WINDOWS\system32\`, `WINDOWS\system32`},
		}},
		{"mounted", finding.Object{Path: "/mnt/e/Windows/a.exe", OriginalPath: `C:\Windows\a.exe`}, map[string][]string{
			"FullPath": {"/mnt/e/Windows/a.exe", `C:\Windows\a.exe`}, "FileName": {"a.exe", "a.exe"}, "Drive": {"C", "C:"},
		}},
		{"member", finding.Object{Kind: finding.Member, Path: "/d/outer.zip!/dir/inner.exe"}, map[string][]string{
			"FullPath": {"/d/outer.zip!/dir/inner.exe"}, "FileName": {"inner.exe"}, "FileExtension": {"exe", ".exe"},
			"FilePath": {"~/d/outer.zip!/dir/inner.exe", "/d/outer.zip!/dir/", "/d/outer.zip!/dir", "d/outer.zip!/dir/", "d/outer.zip!/dir", "/dir/", "/dir", "dir/", "dir"},
		}},
		{"backslash in a unix name", finding.Object{Path: `/tmp/dir\evil.exe`}, map[string][]string{
			"FileName": {"evil.exe", `dir\evil.exe`},
		}},
		{"name ending in a backslash", finding.Object{Path: `/tmp/evil.exe\`}, map[string][]string{"FileName": {`evil.exe\`}}},
		{"root", finding.Object{Path: "/x"}, map[string][]string{"FilePath": {"~/x", "/"}}},
		{"bare name", finding.Object{Path: "x"}, map[string][]string{"FilePath": {"~x", ""}, "FileName": {"x"}}},
		{"long windows path", finding.Object{Path: `\\?\C:\a\b`}, map[string][]string{"Drive": {"C", "C:"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for term, want := range test.want {
				if diff := cmp.Diff(want, texts(t, FileItem(&test.object, nil, false), "FileItem/"+term)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", term, diff)
				}
			}
		})
	}
}

func TestFileItemFacts(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	full := finding.Object{
		Size: 7, Mode: 0o755, Owner: "root", Group: "10", Inode: 9, Created: at, Modified: at, Accessed: at, Changed: at,
		Attributes: []string{"Hidden", "System"}, Hashes: finding.Hashes{MD5: "m", SHA1: "1", SHA256: "256"},
	}
	want := map[string][2][]string{ // of the full object, of the empty one
		"SizeInBytes": {{"7"}, {"0"}}, "Username": {{"root"}, {"unknown"}}, "Group": {{"10"}, {"unknown"}},
		"GroupID": {{"10"}, {"unknown"}}, "Permissions": {{"493", "~755"}, {"unknown"}}, "INode": {{"9"}, {"unknown"}},
		"FileAttributes": {{"Hidden", "System", "Hidden System"}, {"unknown"}},
		"Md5sum":         {{"m"}, {"unknown"}}, "Sha1sum": {{"1"}, {"unknown"}}, "Sha256sum": {{"256"}, {"unknown"}},
		"SecurityID": {{"unknown"}, {"unknown"}}, "DevicePath": {{"unknown"}, {"unknown"}},
	}
	for _, term := range []string{"Created", "Modified", "Accessed", "Changed"} {
		want[term] = [2][]string{{"2020-01-02T03:04:05.000000006Z"}, {"unknown"}}
	}
	for term, both := range want {
		for i, object := range []finding.Object{full, {}} {
			if diff := cmp.Diff(both[i], texts(t, FileItem(&object, nil, false), "FileItem/"+term)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", term, diff)
			}
		}
	}
}

// TestFileTermsAreGiven holds the list of terms against what the item answers.
func TestFileTermsAreGiven(t *testing.T) {
	at := time.Now()
	object := finding.Object{Path: `C:\x`, Owner: "a", Group: "1", Inode: 1, Created: at, Modified: at, Accessed: at, Changed: at,
		Attributes: []string{"Hidden"}, Hashes: finding.Hashes{MD5: "m", SHA1: "1", SHA256: "2"}}
	item := FileItem(&object, nil, true)
	for path := range vocabulary() {
		known, _ := lookupTerm(path)
		_, gives := item.AppendValues(nil, known.path)
		if stringListTerms[known.path] {
			_, gives = item.(StringItem).StringHits()
			gives = gives && item.Document() == (&Term{Path: known.path}).Document()
		}
		if listed := slices.Contains(FileTerms(), known.path); listed != gives {
			t.Errorf("%s: listed %v, given %v", known.path, listed, gives)
		}
	}
}

// TestFileIndicators are conditions as published indicators write them.
func TestFileIndicators(t *testing.T) {
	windows := finding.Object{Path: `C:\WINDOWS\system32\svchost.exe`, Size: 21297}
	mounted := finding.Object{Path: "/mnt/e/WINNT/Temp/svchost.exe", OriginalPath: `C:\WINNT\Temp\svchost.exe`}
	linux := finding.Object{Path: "/users/public/doc.exe"}
	member := finding.Object{Kind: finding.Member, Path: "/x/a.zip!/Temp/horr2.jpg"}
	c := func(condition Condition, term, value string) Node {
		return Leaf(Term{Path: "FileItem/" + term, Condition: condition, Value: value})
	}
	tests := []struct {
		name    string
		pattern Node
		object  finding.Object
		want    bool
	}{
		{"path contains folder", c(Contains, "FilePath", `WINDOWS\system32`), windows, true},
		{"path starts without drive", c(StartsWith, "FilePath", "windows"), windows, true},
		{"path ends with folder", c(EndsWith, "FilePath", "temp"), mounted, true},
		{"path is, as a scanner of windows gives it", c(Is, "FilePath", `WINDOWS\system32`), windows, true},
		{"path is, with the name", c(Is, "FilePath", `C:\WINDOWS\system32\svchost.exe`), windows, true},
		{"not in the folder", allOf(c(Contains, "FileName", "svchost.exe"), not(c(Contains, "FilePath", "windows"))), windows, false},
		{"really not in the folder", allOf(c(Contains, "FileName", "svchost.exe"), not(c(Contains, "FilePath", "windows"))), mounted, true},
		{"a name does not excuse", allOf(c(Contains, "FileName", "svchost.exe"), not(c(Contains, "FilePath", "windows"))),
			finding.Object{Path: "/tmp/windows.svchost.exe"}, true},
		{"full path of the original", c(Is, "FullPath", `C:\WINNT\Temp\svchost.exe`), mounted, true},
		{"full path contains", c(Contains, "FullPath", `WINNT\Temp\svchost.exe`), mounted, true},
		{"full path without drive", c(Is, "FullPath", `C:\Users\Public\doc.exe`), linux, true},
		{"full path of another drive", c(Is, "FullPath", `D:\WINNT\Temp\svchost.exe`), mounted, false},
		{"member", c(Contains, "FullPath", `Temp\horr2.jpg`), member, true},
		{"member name", c(Is, "FileName", "HORR2.jpg"), member, true},
		{"member folder", c(Is, "FilePath", `\Temp`), member, true},
		{"extension", c(Is, "FileExtension", "EXE"), windows, true},
		{"extension with dot", c(Is, "FileExtension", ".exe"), windows, true},
		{"extension not", allOf(c(Contains, "FileName", "svc"), not(c(Contains, "FileExtension", "exe"))), windows, false},
		{"drive", allOf(c(Is, "Drive", "c"), c(Is, "SizeInBytes", "21297")), windows, true},
		{"expression for windows", Leaf(Term{Path: "FileItem/FullPath", Condition: Matches, Value: `\\horr\d\.jpg$`}), member, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := setOf(Options{}, test.pattern).NewRun()
			if got := len(run.Examine(FileItem(&test.object, nil, false))) > 0; got != test.want {
				t.Errorf("match is %v, want %v", got, test.want)
			}
		})
	}
}

func TestStrings(t *testing.T) {
	s := setOf(Options{},
		Leaf(Term{Path: "FileItem/StringList/string", Condition: Contains, Value: `Visual Studio 2010\Projects`}),
		allOf(is("FileItem/FileName", "a.exe"), not(is("FileItem/StringList/string", "harmless"))))
	m, err := stringlist.New(s.Needs().Strings)
	if err != nil {
		t.Fatal(err)
	}
	object := finding.Object{Path: "/a.exe"}
	ids := func(content string, searched bool) (ids []string) {
		for _, match := range s.NewRun().Examine(FileItem(&object, m.Find([]byte(content)), searched)) {
			ids = append(ids, match.ID)
		}
		return ids
	}
	const pdb = "\x00\x00c:\\visual studio 2010\\projects\\x.pdb\x00"
	for _, test := range []struct {
		content  string
		searched bool
		want     []string
	}{
		{pdb, true, []string{"0", "1"}},
		{"\x00harmless\x00", true, nil},
		{"other", true, []string{"1"}},
		{"", false, nil},            // not searched: the negative condition is unknown
		{pdb, false, []string{"0"}}, // searched in part: what was found is there
	} {
		if diff := cmp.Diff(test.want, ids(test.content, test.searched)); diff != "" {
			t.Errorf("%q, searched %v (-want +got):\n%s", test.content, test.searched, diff)
		}
	}
	match := s.NewRun().Examine(FileItem(&object, m.Find([]byte(pdb)), true))[0]
	if e := match.Evidence[0]; e.Offset != 2 || string(e.Data) != `c:\visual studio 2010\projects\x.pdb` {
		t.Errorf("evidence: %+v", e)
	}
}
