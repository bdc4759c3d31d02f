package derive

import (
	"regexp"
	"strings"
)

// class says how much a folder tells of what is put into it.
type class int

const (
	// ordinary folders belong to users and programs.
	ordinary class = iota
	// temporary folders are full of names that nobody chose.
	temporary
	// starting folders hold what is run when a user logs on. Those of the whole computer are systemwide:
	// packages fill them.
	starting
	// systemwide folders are filled by the operating system and its packages with files of any name.
	systemwide
)

// place is a folder that each computer has, if under another name.
type place struct {
	found *regexp.Regexp // at the beginning of a path, separator included
	// pattern is a regular expression for it, whatever the user, the drive, and the version of the system;
	// it begins and ends with a separator.
	pattern string
	class   class
}

// user is the folder of a user, in paths of Windows: not one that all users share.
const user = `^[a-z]:\\(?:users|documents and settings)\\[^\\]+\\`

// userPattern is the same for any computer.
const userPattern = `\\(?:Users|Documents and Settings)\\[^\\]+\\`

// windowsPlaces are looked through in order: the first that fits counts. Paths are in lower case, and without
// short names.
var windowsPlaces = places([]struct {
	found, pattern string
	class          class
}{
	{`^[a-z]:\\(?:.*\\)?start menu\\programs\\startup\\`, `\\Start Menu\\Programs\\Startup\\`, starting},
	{`^[a-z]:\\(?:programdata\\microsoft\\windows|(?:users|documents and settings)\\[^\\]+(?:\\appdata\\roaming\\microsoft\\windows)?)\\start menu\\programs\\`,
		`\\Start Menu\\Programs\\`, ordinary},
	{user + `(?:appdata\\local|local settings)\\temp\\`, `\\Temp\\`, temporary},
	{`^[a-z]:\\(?:windows\\)?te?mp\\`, `\\Temp\\`, temporary},
	{`^[a-z]:\\(?:documents and settings\\all users\\application data|users\\all users|programdata)\\`,
		`\\(?:ProgramData|All Users\\Application Data)\\`, ordinary},
	{user + `(?:appdata\\roaming|application data)\\`, `\\(?:AppData\\Roaming|Application Data)\\`, ordinary},
	{user + `appdata\\locallow\\`, `\\AppData\\LocalLow\\`, ordinary},
	{user + `(?:appdata\\local|local settings\\application data)\\`, `\\(?:AppData\\Local|Local Settings\\Application Data)\\`, ordinary},
	{`^[a-z]:\\users\\public\\`, `\\Users\\Public\\`, ordinary},
	{`^[a-z]:\\documents and settings\\all users\\`, `\\All Users\\`, ordinary},
	{user + `(?:my )?documents\\`, userPattern + `(?:My )?Documents\\`, ordinary},
	{user + `desktop\\`, userPattern + `Desktop\\`, ordinary},
	{user + `downloads\\`, userPattern + `Downloads\\`, ordinary},
	{user, userPattern, ordinary},
	{`^[a-z]:\\windows\\(?:system32|syswow64|sysnative)\\tasks\\`, `\\Windows\\(?:System32|SysWOW64)\\Tasks\\`, starting},
	{`^[a-z]:\\windows\\(?:system32|syswow64|sysnative)\\`, `\\Windows\\(?:System32|SysWOW64|Sysnative)\\`, systemwide},
	{`^[a-z]:\\windows\\`, `\\Windows\\`, systemwide},
	{`^[a-z]:\\program files(?: \(x86\))?\\common files\\`, `\\Program Files(?: \(x86\))?\\Common Files\\`, ordinary},
	{`^[a-z]:\\program files(?: \(x86\))?\\`, `\\Program Files(?: \(x86\))?\\`, ordinary},
	{`^[a-z]:\\(?:\$recycle\.bin|recycler)\\s-[0-9-]+\\`, `\\(?:\$Recycle\.Bin|RECYCLER)\\[^\\]+\\`, ordinary},
	{`^[a-z]:\\`, `(?:^|:)\\`, ordinary},
})

var unixPlaces = places([]struct {
	found, pattern string
	class          class
}{
	{`^/(?:home/[^/]+|root)/\.config/autostart/`, `/\.config/autostart/`, starting},
	{`^/(?:home/[^/]+|root)/\.config/systemd/user/`, `/\.config/systemd/user/`, starting},
	{`^/(?:home/[^/]+|root)/`, `/(?:home/[^/]+|root)/`, ordinary},
	{`^/(?:tmp|var/tmp|dev/shm|run/user/[0-9]+)/`, `/(?:tmp|var/tmp|dev/shm|run/user/[0-9]+)/`, temporary},
	{`^/etc/cron\.[a-z]+/`, `/etc/cron\.[a-z]+/`, systemwide},
	{`^/var/spool/cron/crontabs/`, `/var/spool/cron/crontabs/`, systemwide},
	{`^/(?:etc|(?:usr/)?lib|run)/systemd/system/`, `/(?:etc|lib|run)/systemd/system/`, systemwide},
	{`^/etc/(?:init\.d|rc[0-9s]\.d|profile\.d|xdg/autostart|ld\.so\.conf\.d|update-motd\.d)/`, `/etc/(?:init\.d|rc[0-9S]\.d|profile\.d|xdg/autostart|ld\.so\.conf\.d|update-motd\.d)/`, systemwide},
	{`^/(?:opt|usr/local|srv)/`, `/(?:opt|usr/local|srv)/`, ordinary},
	{`^/(?:usr/)?s?bin/`, `/s?bin/`, systemwide},
	{`^/(?:usr/)?lib(?:32|64|x32|exec)?/`, `/lib(?:32|64|x32|exec)?/`, systemwide},
	{`^/(?:usr|etc|var|boot|run)/`, `/(?:usr|etc|var|boot|run)/`, systemwide},
	{`^/`, `^/`, ordinary},
})

func places(list []struct {
	found, pattern string
	class          class
}) []place {
	made := make([]place, len(list))
	for i, l := range list {
		made[i] = place{regexp.MustCompile(l.found), l.pattern, l.class}
	}
	return made
}

// shortNames are the short names (8.3) that Windows gives to its own folders.
var shortNames = map[string]string{
	"docume~1": "Documents and Settings", "locals~1": "Local Settings", "applic~1": "Application Data", "startm~1": "Start Menu",
	"progra~1": "Program Files", "progra~2": "Program Files (x86)", "progra~3": "ProgramData", "common~1": "Common Files",
	"alluse~1": "All Users", "mydocu~1": "My Documents", "appdat~1": "AppData", "tempor~1": "Temporary Internet Files",
}

// variables are how some reports write folders.
var variables = []struct{ name, path string }{
	{"%temp%", `C:\Users\user\AppData\Local\Temp`}, {"%tmp%", `C:\Users\user\AppData\Local\Temp`},
	{"%localappdata%", `C:\Users\user\AppData\Local`}, {"%appdata%", `C:\Users\user\AppData\Roaming`},
	{"%userprofile%", `C:\Users\user`}, {"%public%", `C:\Users\Public`}, {"%programdata%", `C:\ProgramData`},
	{"%allusersprofile%", `C:\ProgramData`}, {"%programfiles%", `C:\Program Files`}, {"%programfiles(x86)%", `C:\Program Files (x86)`},
	{"%windir%", `C:\Windows`}, {"%systemroot%", `C:\Windows`}, {"%systemdrive%", `C:`},
}

// located is a path taken apart.
type located struct {
	windows bool
	place   place
	parts   []string // below the place, the name last
}

// locate takes a path apart. It fails for what is no path of a file: devices, pipes, shares, relative names,
// and folders, which end in a separator.
func locate(path string) (located, bool) {
	if strings.HasPrefix(path, "/") {
		return within(unixPlaces, path, path, "/", false)
	}
	for _, prefix := range []string{`\\?\`, `\??\`, `\\.\`} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && len(rest) > 2 && rest[1] == ':' {
			path = rest
		}
	}
	for _, v := range variables {
		if len(path) > len(v.name) && strings.EqualFold(path[:len(v.name)], v.name) {
			path = v.path + path[len(v.name):]
			break
		}
	}
	parts := strings.Split(strings.ReplaceAll(path, "/", `\`), `\`)
	if len(parts) < 2 || len(parts[0]) != 2 || parts[0][1] != ':' {
		return located{}, false
	}
	for i, part := range parts {
		if long, ok := shortNames[strings.ToLower(part)]; ok {
			parts[i] = long
		}
	}
	path = strings.Join(parts, `\`)
	return within(windowsPlaces, path, asciiLower(path), `\`, true)
}

// within finds the place of a path. Lower is the path for comparison, as long as the path.
func within(places []place, path, lower, separator string, windows bool) (located, bool) {
	for _, p := range places {
		at := p.found.FindStringIndex(lower)
		if at == nil {
			continue
		}
		var parts []string
		for _, part := range strings.Split(path[at[1]:], separator) {
			switch part {
			case "", ".":
			case "..":
				return located{}, false // nobody knows where that leads
			default:
				parts = append(parts, part)
			}
		}
		if len(parts) == 0 || strings.HasSuffix(path, separator) {
			return located{}, false
		}
		return located{windows, p, parts}, true
	}
	return located{}, false
}

// asciiLower returns s with the letters A to Z in lower case. Unlike [strings.ToLower] it keeps the length.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
