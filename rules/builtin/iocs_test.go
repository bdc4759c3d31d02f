package builtin

import (
	"bufio"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// name is one row of the list of file names.
type name struct {
	line          int
	row           string
	pattern       *regexp.Regexp
	falsePositive *regexp.Regexp // nil without one
}

// matches holds the pattern against a path as scanners do: \\ stands for either separator.
func (n name) matches(path string) bool {
	path = strings.ReplaceAll(path, "/", `\`)
	return n.pattern.MatchString(path) && (n.falsePositive == nil || !n.falsePositive.MatchString(path))
}

// names reads the shipped list, independently of the package that Tyto reads it with.
func names(t *testing.T) (list []name) {
	t.Helper()
	comment := ""
	scanner := bufio.NewScanner(strings.NewReader(shipped(t)["iocs/filename-iocs.txt"]))
	for line := 1; scanner.Scan(); line++ {
		row := scanner.Text()
		switch {
		case row == "":
			comment = ""
			continue
		case row[0] == '#':
			comment = row
			continue
		case comment == "":
			t.Errorf("line %d: no comment above says what %q is", line, row)
		}
		fields := strings.Split(row, ";")
		if len(fields) < 2 || len(fields) > 3 {
			t.Fatalf("line %d: %q has %d fields, wanted 2 or 3", line, row, len(fields))
		}
		if score, err := strconv.Atoi(fields[1]); err != nil || score < 40 || score > 100 {
			t.Errorf("line %d: score %q, wanted 40 to 100", line, fields[1])
		}
		n := name{line: line, row: row, pattern: regexp.MustCompile(fields[0])}
		if len(fields) == 3 {
			n.falsePositive = regexp.MustCompile(fields[2])
		}
		list = append(list, n)
	}
	return list
}

// nameExamples are paths, one group for each row in the order of the list: the first ones match that row
// and no other, the last ones, behind "", match no row.
var nameExamples = [][]string{
	{`C:\x\mimi·katz.exe`, `D:\MIMI·DRV.SYS`, "", `C:\x\mimi·katz.txt`},
	{`C:\Temp\lsa·ss.dmp`, `C:\a\lsa·ss_0623.DMP`, "", `C:\Windows\System32\lsass.exe`, `C:\a\w3wp.dmp`},
	{`C:\Temp\nt·ds.dit`, `C:\ProgramData\x\sa·m.save`, "", `C:\Windows\NTDS\ntds.dit`, `C:\Windows\System32\config\SAM`},
	{`C:\Users\ann\Sharp·Hound.exe`, `/opt/Rub·eus.exe`, "", "/opt/bloodhound.py", "/usr/lib/python3/lazagne.txt"},
	{`C:\a\Juicy·PotatoNG.exe`, `C:\a\win·PEASx64.exe`, "", `C:\a\potato.exe`},
	{`C:\a\Power·View.ps1`, "", `C:\a\PowerUp.exe`, `C:\a\PowerViewer.ps1`},
	{`/tmp/lin·peas.sh`, `/root/lin·peas_fat`, "", "/usr/share/doc/linpeas.html"},
	{`/tmp/ps·py64`, "", "/usr/bin/pspy"},
	{`C:\a\202601·02030405_BloodHound.zip`, "", `C:\a\20260102_backup.zip`},
	{`C:\Windows\scv·host.exe`, "", `C:\Windows\System32\svchost.exe`, `C:\Windows\System32\isaas.exe`},
	{`C:\$Recycle.Bin\·a.exe`, "", `C:\$Recycle.Bin\S-1-5-21-1-2-3-1001\$RABCDEF.exe`},
	{`C:\Windows\Fo·nts\a.exe`, "", `C:\Windows\Fonts\arial.ttf`, `C:\Windows\explorer.exe`},
	{`C:\Perf·Logs\a.dll`, "", `C:\PerfLogs\Admin\report.xml`},
	{`C:\System Volume Infor·mation\a.exe`, "", `C:\System Volume Information\tracking.log`},
	{`C:\Users\Pub·lic\a.exe`, "", `C:\Users\Public\Desktop\Tool.lnk`, `C:\Users\Public\Documents\setup.exe`},
	{`C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Start·up\a.vbe`, "", `C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Startup\Tool.lnk`},
	{`C:\a\b.exe ·`, "", `C:\a\b.exe`, `/home/ann/how to make an .exe today`},
	{`/var/tmp/.·../a`, `/tmp/.· /a`, "", "/tmp/.../", "/home/ann/...and so on/a", "/home/ann/..a/b"},
	{`/tmp/.x/ss·hd`, `/dev/shm/kwor·ker`, "", "/usr/sbin/sshd", "/tmp/sshd.log"},
	{`/dev/shm/.·x`, "", "/dev/shm/pulse-shm-1", "/dev/shm/.org.chromium.Chromium.aBcDeF", "/dev/shm/.com.google.Chrome.aBcDeF"},
	{`/opt/kdev·tmpfsi`, "", "/usr/bin/kdevelop"},
	{`/opt/xm·rig`, "", "/src/xmrig/README.md"},
	{`C:\Users\ann\HOW_TO_·DECRYPT_FILES.txt`, `/home/ann/!!!REST·ORE.html`, "", "/usr/share/doc/how-to-decrypt.md", "/usr/share/doc/READ_ME.txt"},
	{`C:\ProgramData\rcl·one.exe`, "", `C:\Program Files\rclone\rclone.exe`, "/usr/bin/rclone"},
}

func TestNameExamples(t *testing.T) {
	list := names(t)
	if len(list) != len(nameExamples) {
		t.Fatalf("%d rows, but %d groups of examples", len(list), len(nameExamples))
	}
	for i, group := range nameExamples {
		wanted := true
		for _, path := range group {
			if path == "" {
				wanted = false
				continue
			}
			for _, n := range list {
				want := wanted && n.line == list[i].line
				if got := n.matches(inert(path)); got != want {
					t.Errorf("line %d, %q: matches %q: %t, wanted %t", n.line, n.row, path, got, want)
				}
			}
		}
	}
}
