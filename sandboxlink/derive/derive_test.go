package derive_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/derive"
	"tyto/verdict"
)

const sum = "7c1d3e5b9a8f60427c1d3e5b9a8f60427c1d3e5b9a8f60427c1d3e5b9a8f6042"

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// on returns a report on an object with some evidence.
func on(add func(*verdict.Report)) *verdict.Report {
	r := &verdict.Report{
		Format:  verdict.Format,
		Verdict: verdict.Verdict{SHA256: sum, Level: verdict.Malicious, Score: 95, Threats: []string{"Dropper.Evil"}, Sandbox: "Tyto 0.4", Database: "7", Time: now.Add(-time.Hour)},
		Object:  verdict.Object{Name: "run.exe", Size: 5000, SHA256: sum},
	}
	if add != nil {
		add(r)
	}
	return r
}

// of returns what is derived beside the hash of the object, as "confidence test AND test", and what was left
// out, as "value: reason".
func of(t *testing.T, r *verdict.Report, o derive.Options) (indicators, leftOut []string) {
	t.Helper()
	o.Now = now
	d := derive.Derive(r, o)
	for _, i := range d.Indicators {
		if i.Tests[0].Value != sum {
			indicators = append(indicators, i.String())
		}
	}
	for _, l := range d.LeftOut {
		leftOut = append(leftOut, l.String())
	}
	return indicators, leftOut
}

// Paths are generalised; those that say too little are left out.
func TestFiles(t *testing.T) {
	tests := []struct {
		name string
		path string
		size int64
		want string // the indicator, or "" and
		left string // a part of the reason
	}{
		{"a program in a user folder", `C:\Users\ada\AppData\Roaming\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\wintasker\.exe$"`, ""},
		{"the same on xp", `C:\Documents and Settings\ada\Application Data\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\wintasker\.exe$"`, ""},
		{"the same with short names", `C:\DOCUME~1\ADALOV~1\APPLIC~1\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\wintasker\.exe$"`, ""},
		{"the same with a variable", `%AppData%\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\wintasker\.exe$"`, ""},
		{"a long path of the kernel", `\??\D:\Users\ada\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:Users|Documents and Settings)\\[^\\]+\\wintasker\.exe$"`, ""},
		{"below the drive", `E:\wintasker.exe`, 0, `FileItem/FullPath matches "(?:^|:)\\wintasker\.exe$"`, ""},
		{"a common name with its size", `C:\Users\ada\AppData\Roaming\update.exe`, 73216,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\update\.exe$" AND FileItem/SizeInBytes is "73216"`, ""},
		{"a common name", `C:\Users\ada\AppData\Roaming\settings.ini`, 0, "", "one that clean programs use"},
		{"a system program out of place", `C:\Users\Public\svchost.exe`, 0, `FileItem/FullPath matches "\\Users\\Public\\svchost\.exe$"`, ""},
		{"a system program at its place", `C:\Windows\System32\svchost.exe`, 20000, "", "folder of the system"},
		{"a program in a system folder", `C:\Windows\System32\wintasker.dll`, 70000,
			`FileItem/FullPath matches "\\Windows\\(?:System32|SysWOW64|Sysnative)\\wintasker\.dll$" AND FileItem/SizeInBytes is "70000"`, ""},
		{"a program in a system folder without size", `C:\Windows\System32\wintasker.dll`, 0, "", "folder of the system"},
		{"in a folder of its own", `C:\ProgramData\WinTasker\update.exe`, 0,
			`FileItem/FullPath matches "\\(?:ProgramData|All Users\\Application Data)\\WinTasker\\update\.exe$"`, ""},
		{"in a folder of a clean maker", `C:\ProgramData\Mozilla\update.exe`, 0, "", "clean programs use"},
		{"at logon", `C:\Users\ada\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup\wintasker.lnk`, 0,
			`FileItem/FullPath matches "\\Start Menu\\Programs\\Startup\\wintasker\.lnk$"`, ""},
		{"a log of dotnet", `C:\Users\ada\AppData\Local\Microsoft\CLR_v4.0_32\UsageLogs\wintasker.exe.log`, 0, "", "clean programs use"},
		{"a program among those of a maker", `C:\Users\ada\AppData\Roaming\Microsoft\Oddly\wintasker.exe`, 0,
			`FileItem/FullPath matches "\\(?:AppData\\Roaming|Application Data)\\Microsoft\\Oddly\\wintasker\.exe$"`, ""},
		{"a scheduled task", `C:\Windows\System32\Tasks\Updates\xvQZkLpTwR`, 0, `FileItem/FileName is "xvQZkLpTwR"`, ""},
		{"a scheduled task of windows", `C:\Windows\System32\Tasks\Microsoft\Windows\xvQZkLpTwR`, 0, "", "well-known maker"},
		{"drawn by lot", `C:\Users\ada\AppData\Local\Temp\k3x9q2m7w5ab.exe`, 0, `FileItem/FileName is "k3x9q2m7w5ab.exe"`, ""},
		{"in a temporary folder", `C:\Users\ada\AppData\Local\Temp\setup.exe`, 5000, "", "temporary files"},
		{"in a folder of an unpacker", `C:\Users\ada\AppData\Local\Temp\is-4K2QF.tmp\wintasker.exe`, 70000,
			`FileItem/FullPath matches "\\Temp\\is-[^\\/]+\.tmp\\wintasker\.exe$" AND FileItem/SizeInBytes is "70000"`, ""},
		{"a plug-in of an installer", `C:\Users\ada\AppData\Local\Temp\nsk2B1F.tmp\wintasker.dll`, 7000, "", "NSIS"},
		{"an extension of chrome", `C:\Users\ada\AppData\Local\Google\Chrome\User Data\Default\Extensions\obaeaklppdgpcpjkeolcjfmeiecpgnnk\1.0\bg.js`, 0,
			`FileItem/FullPath contains "\obaeaklppdgpcpjkeolcjfmeiecpgnnk\"`, ""},
		{"one that chrome brings", `C:\Users\ada\AppData\Local\Google\Chrome\User Data\Default\Extensions\ghbmnnjooekpmoecnnnilnnbdlolhkhi\1.0\bg.js`, 0, "", "browser"},
		{"an extension of firefox", `C:\Users\ada\AppData\Roaming\Mozilla\Firefox\Profiles\a1b2c3d4.default\extensions\evil@adware.example.xpi`, 0,
			`FileItem/FileName is "evil@adware.example.xpi"`, ""},
		{"the profile of a browser", `C:\Users\ada\AppData\Local\Google\Chrome\User Data\Default\Preferences`, 0, "", "browser"},
		{"a prefetch file", `C:\Windows\Prefetch\WINTASKER.EXE-1A2B3C4D.pf`, 900, "", "Windows notes"},
		{"a pipe", `\\.\PIPE\wkssvc`, 0, "", "pipe"},
		{"a share", `\\server\share\wintasker.exe`, 0, "", "share"},
		{"a way up", `C:\Users\ada\..\..\wintasker.exe`, 0, "", "pipe, a device"},
		{"a volume", `C:\System Volume Information\x9k2l3m4n5o6.dat`, 0, "", "Windows writes"},
		{"a unit of systemd", "/etc/systemd/system/kdaemonx.service", 300,
			`FileItem/FullPath matches "/(?:etc|lib|run)/systemd/system/kdaemonx\.service$" AND FileItem/SizeInBytes is "300"`, ""},
		{"a job of cron without size", "/etc/cron.d/e2scrub_all", 0, "", "folder of the system"},
		{"autostart of a desktop", "/home/ada/.config/autostart/kdaemonx.desktop", 0, `FileItem/FullPath matches "/\.config/autostart/kdaemonx\.desktop$"`, ""},
		{"hidden in memory", "/dev/shm/.kdaemonx", 0, `FileItem/FullPath matches "/(?:tmp|var/tmp|dev/shm|run/user/[0-9]+)/\.kdaemonx$"`, ""},
		{"a kernel thread's name", "/tmp/kworker", 0, `FileItem/FullPath matches "/(?:tmp|var/tmp|dev/shm|run/user/[0-9]+)/kworker$"`, ""},
		{"a shell's file", "/home/ada/.bashrc", 3000, "", "many computers"},
		{"a key", "/root/.ssh/authorized_keys", 400, "", "many computers"},
		{"a program of the system", "/usr/bin/kdaemonx", 0, "", "folder of the system"},
		{"a process", "/proc/self/mem", 0, "", "no file on a disk"},
		{"a template unit", "/home/ada/getty@tty1.service", 0, `FileItem/FullPath matches "/(?:home/[^/]+|root)/getty@tty1\.service$"`, ""},
		{"a hash of the system's", "/usr/lib/debug/.build-id/00/32733b6513f9afeb0e3f78e638ea24dc374a4d.debug", 0, "", "folder of the system"},
		{"a line break", "/tmp/evil\nname", 0, "", "cannot hold"},
		{"a very long name", "/tmp/" + strings.Repeat("x", 2000), 0, "", "too long"},
		{"marks of expressions", `C:\ProgramData\a.b(c)+[d]wintasker\x1y2z3w4q5.exe`, 0, `FileItem/FileName is "x1y2z3w4q5.exe"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			indicators, left := of(t, on(func(r *verdict.Report) {
				r.Files = []verdict.FileAct{{Path: test.path, Act: verdict.Created, Size: test.size}}
			}), derive.Options{})
			if test.want != "" {
				if !slices.Contains(indicators, test.want) {
					t.Errorf("indicators are %q, want %q; left out %q", indicators, test.want, left)
				}
				return
			}
			if len(indicators) > 0 || len(left) != 1 || !strings.Contains(left[0], test.left) {
				t.Errorf("indicators are %q and left out %q, want none for the reason %q", indicators, left, test.left)
			}
		})
	}
}

// What was deleted, moved or only read is told apart from what stays.
func TestFilesThatStay(t *testing.T) {
	indicators, left := of(t, on(func(r *verdict.Report) {
		r.Files = []verdict.FileAct{
			{Path: `C:\ProgramData\wintasker1.exe`, Act: verdict.Created}, {Path: `C:\ProgramData\wintasker1.exe`, Act: verdict.Deleted},
			{Path: `C:\ProgramData\wintasker2.exe`, Act: verdict.Created}, {Path: `C:\ProgramData\wintasker2.exe`, Act: verdict.Moved, To: `C:\ProgramData\wintasker3.exe`},
			{Path: `C:\ProgramData\wintasker4.exe`, Act: verdict.Read},
			{Path: `C:\ProgramData\wintasker5`, Act: verdict.Created}, {Path: `C:\ProgramData\wintasker5\readme.txt`, Act: verdict.Created},
			{Path: `C:\ProgramData\wintasker5\data.bin`, Act: verdict.Created},
		}
	}), derive.Options{})
	want := []string{
		`FileItem/FullPath matches "\\(?:ProgramData|All Users\\Application Data)\\wintasker5\\"`,
		`FileItem/FullPath matches "\\(?:ProgramData|All Users\\Application Data)\\wintasker3\.exe$"`,
	}
	if diff := cmp.Diff(want, indicators); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantLeft := []string{
		`file C:\ProgramData\wintasker1.exe: it took away again`, `file C:\ProgramData\wintasker2.exe: it took away again`,
		`file C:\ProgramData\wintasker4.exe: was only read or looked for`,
	}
	if diff := cmp.Diff(wantLeft, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

func TestContents(t *testing.T) {
	other := strings.Repeat("ab", 32)
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	r := on(func(r *verdict.Report) {
		r.Dropped = []verdict.Dropped{
			{Path: "/tmp/p", Size: 9000, SHA256: other}, {Path: "/tmp/copy", Size: 5000, SHA256: sum}, {Path: "/tmp/empty", SHA256: empty},
			{Path: "/tmp/flag", Size: 3, SHA256: strings.Repeat("cd", 32)}, {Path: "/tmp/libc", Size: 9000, SHA256: strings.Repeat("ef", 32)},
			{Path: "/tmp/seen", Size: 9000, SHA256: strings.Repeat("12", 32)},
		}
	})
	d := derive.Derive(r, derive.Options{
		Now: now, OwnFile: func(sum string) bool { return sum == strings.Repeat("ef", 32) },
		Widespread: func(kind derive.Kind, value string) bool {
			return kind == derive.Content && value == strings.Repeat("12", 32)
		},
	})
	if diff := cmp.Diff([]string{sum, other}, d.Hashes()); diff != "" {
		t.Errorf("hashes (-want +got):\n%s", diff)
	}
	var left []string
	for _, l := range d.LeftOut {
		if l.Kind == derive.Content {
			left = append(left, l.String())
		}
	}
	want := []string{
		"content /tmp/empty: is a content that many harmless files have", "content /tmp/libc: is a file of the operating system",
		"content /tmp/flag: is so small that harmless files may have the same content", "content /tmp/seen: the inventory has seen it widely before",
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

func TestRegistry(t *testing.T) {
	const run = `HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Run`
	tests := []struct {
		name string
		acts []verdict.Registry
		want []string
		left string
	}{
		{"a value whose name somebody chose", []verdict.Registry{{Key: run, Value: "WinTasker", Data: `C:\x.exe`, Act: verdict.Written}},
			[]string{`RegistryItem/Path ends-with "\CurrentVersion\Run\WinTasker"`}, ""},
		{"key and value in one", []verdict.Registry{{Key: run + `\WinTasker`, Act: verdict.Written}},
			[]string{`RegistryItem/Path ends-with "\CurrentVersion\Run\WinTasker"`}, ""},
		{"a common name with a program of its own", []verdict.Registry{{Key: run, Value: "Update", Data: `"C:\Users\ada\AppData\Roaming\wintasker.exe" /s`, Act: verdict.Written}},
			[]string{`RegistryItem/Path ends-with "\CurrentVersion\Run\Update" AND RegistryItem/Text matches "\\(?:AppData\\Roaming|Application Data)\\wintasker\.exe"`}, ""},
		{"a common name with a common program", []verdict.Registry{{Key: run, Value: "Update", Data: `C:\Windows\System32\rundll32.exe`, Act: verdict.Written}}, nil, "says enough"},
		{"the shell at logon", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion\Winlogon`, Value: "Shell",
			Data: `explorer.exe, C:\ProgramData\wintasker.exe`, Act: verdict.Written}},
			[]string{`RegistryItem/Path ends-with "\Winlogon\Shell" AND RegistryItem/Text matches "\\(?:ProgramData|All Users\\Application Data)\\wintasker\.exe"`}, ""},
		{"the shell as it should be", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion\Winlogon`, Value: "Shell", Data: "explorer.exe", Act: verdict.Written}},
			nil, "any computer has this value"},
		{"a class of its own", []verdict.Registry{
			{Key: `HKEY_LOCAL_MACHINE\Software\Classes\CLSID\{FB216696-6B2A-3521-AF85-876CAE91A763}\InprocServer32`, Data: `C:\ProgramData\wintasker.dll`, Act: verdict.Written}},
			[]string{`RegistryItem/Path contains "\CLSID\{FB216696-6B2A-3521-AF85-876CAE91A763}" AND RegistryItem/Text matches "\\(?:ProgramData|All Users\\Application Data)\\wintasker\.dll"`}, ""},
		{"a class that may be the system's", []verdict.Registry{
			{Key: `HKEY_CURRENT_USER\Software\Classes\CLSID\{BCDE0395-E52F-467C-8E3D-C4579291692E}\InprocServer32`, Data: `C:\Windows\System32\mmdevapi.dll`, Act: verdict.Written}},
			nil, "may be the system's own"},
		{"a helper of the browser", []verdict.Registry{
			{Key: `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Explorer\Browser Helper Objects\{FB216696-6B2A-3521-AF85-876CAE91A763}`, Act: verdict.Created}},
			[]string{`RegistryItem/Path contains "\{FB216696-6B2A-3521-AF85-876CAE91A763}"`}, ""},
		{"an interface of ole", []verdict.Registry{{Key: `HKEY_CLASSES_ROOT\Interface\{00020424-0000-0000-C000-000000000046}`, Act: verdict.Created}}, nil, "clean programs write"},
		{"a volume of the sandbox", []verdict.Registry{
			{Key: `HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Explorer\MountPoints2\{a20cd692-8e41-11e1-9999-806d6172696f}`, Act: verdict.Created}}, nil, "clean programs write"},
		{"a key below software", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Wow6432Node\WinTaskerCorp\Settings`, Value: "x", Act: verdict.Written}},
			[]string{`RegistryItem/Path matches "\\Software\\(?:Wow6432Node\\)?WinTaskerCorp(?:\\|$)"`}, ""},
		{"a key of a clean maker", []verdict.Registry{{Key: `HKEY_CURRENT_USER\Software\Google\Chrome`, Value: "x", Act: verdict.Written}}, nil, "clean programs write"},
		{"a service", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\System\ControlSet001\Services\wintaskersvc`, Value: "ImagePath", Data: "x", Act: verdict.Written}},
			[]string{`RegistryItem/Path contains "\Services\wintaskersvc"`, `ServiceItem/name is "wintaskersvc"`}, ""},
		{"a service of the system", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\Tcpip\Parameters`, Value: "x", Act: verdict.Written}}, nil, "service of the system"},
		{"read", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\WinTaskerCorp`, Act: verdict.Read}}, nil, "only read"},
		{"deleted", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\WinTaskerCorp`, Act: verdict.Deleted}}, nil, "deleted"},
		{"an address in a value", []verdict.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Google\x`, Value: "About", Data: "http://wintasker.example/", Act: verdict.Written}},
			[]string{`DnsEntryItem/RecordName is "wintasker.example"`}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			indicators, left := of(t, on(func(r *verdict.Report) { r.Registry = test.acts }), derive.Options{})
			if diff := cmp.Diff(test.want, indicators); diff != "" {
				t.Errorf("(-want +got):\n%s\nleft out %q", diff, left)
			}
			if test.left != "" && (len(left) != 1 || !strings.Contains(left[0], test.left)) {
				t.Errorf("left out %q, want the reason %q", left, test.left)
			}
		})
	}
}

func TestMutexesAndServices(t *testing.T) {
	indicators, left := of(t, on(func(r *verdict.Report) {
		r.Users, r.Computer = []string{"janettedoe"}, "WIN7BOX"
		r.Mutexes = []string{`Global\{8F6F0AC4-B9A1-45FD-A8CF-72F04E6BDE8F}`, `\Sessions\1\BaseNamedObjects\AsyncMutexQasar7`, "ShimCacheMutex",
			"c:!users!ada!appdata!local!microsoft!windows!history!history.ie5!", "abc", "lock of janettedoe", "UpdateService"}
		r.Services = []verdict.Service{{Name: "kdaemonx.service"}, {Name: "sshd.service"}, {Name: "Update"}}
	}), derive.Options{})
	want := []string{
		`ServiceItem/name is "kdaemonx"`,
		`ProcessItem/HandleList/Handle/Name ends-with "\{8F6F0AC4-B9A1-45FD-A8CF-72F04E6BDE8F}" AND ProcessItem/HandleList/Handle/Type is "Mutant"`,
		`ProcessItem/HandleList/Handle/Name ends-with "\AsyncMutexQasar7" AND ProcessItem/HandleList/Handle/Type is "Mutant"`,
	}
	if diff := cmp.Diff(want, indicators); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(left) != 7 {
		t.Errorf("left out %q, want 7", left)
	}
}

func TestNetwork(t *testing.T) {
	indicators, left := of(t, on(func(r *verdict.Report) {
		r.Domains = []string{"C2.Evil.example", "www.google.com", "time.windows.com", "sandbox.local", "raw.githubusercontent.com", "not a domain", "évil"}
		r.URLs = []string{"http://c2.evil.example/gate.php?id=1", "https://raw.githubusercontent.com/u/r/main/stage2.ps1", "http://www.msftncsi.com/ncsi.txt",
			"http://198.51.100.7:8080/a.bin", "http://10.0.0.1/x", "ftp://evil.example/", "http://lonely.example/"}
		r.Connections = []verdict.Connection{
			{Protocol: "tcp", Address: "203.0.113.9", Port: 4444}, {Address: "203.0.113.10"}, {Protocol: "udp", Address: "203.0.113.11", Port: 123},
			{Protocol: "tcp", Address: "10.1.2.3", Port: 445}, {Protocol: "udp", Address: "239.255.255.250", Port: 1900}, {Protocol: "udp", Address: "8.8.8.8", Port: 53},
			{Protocol: "tcp", Address: "104.16.1.1", Port: 443}, {Protocol: "tcp", Address: "203.0.113.12", Port: 443, Domain: "www.google.com"},
			{Protocol: "tcp", Address: "2001:db8::7", Port: 8443}, {Protocol: "tcp", Address: "203.0.113.13", Port: 443},
			{Protocol: "tcp", Address: "203.0.113.14", Port: 80, Domain: "c2.evil.example"},
		}
	}), derive.Options{})
	want := []string{
		`DnsEntryItem/RecordName is "c2.evil.example"`, `DnsEntryItem/RecordName is "lonely.example"`,
		`UrlHistoryItem/URL contains "://c2.evil.example/gate.php"`, `UrlHistoryItem/URL contains "://raw.githubusercontent.com/u/r/main/stage2.ps1"`,
		`UrlHistoryItem/URL contains "://198.51.100.7:8080/a.bin"`,
		`PortItem/remoteIP is "198.51.100.7" AND PortItem/remotePort is "8080"`,
		`PortItem/remoteIP is "203.0.113.9" AND PortItem/remotePort is "4444"`,
		`PortItem/remoteIP is "2001:db8::7" AND PortItem/remotePort is "8443"`,
		`PortItem/remoteIP is "203.0.113.14" AND PortItem/remotePort is "80"`,
		`PortItem/remoteIP is "203.0.113.10"`,
	}
	if diff := cmp.Diff(want, indicators); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, reason := range []string{"www.google.com: is a well-known", "time.windows.com: is a well-known", "sandbox.local: is a name within", "raw.githubusercontent.com: is a site",
		"not a domain: is no name", "évil: is no name", "ncsi.txt: its host is a well-known", "http://10.0.0.1/x: its host is private", "ftp://evil.example/: is no address",
		"10.1.2.3: is private", "239.255.255.250: is no address of one", "203.0.113.12: belongs to a well-known", "203.0.113.11: is spoken to by the system",
		"203.0.113.13: is only known by a port of the web"} {
		if !slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, reason) }) {
			t.Errorf("%q is not among what was left out: %q", reason, left)
		}
	}
}

// None of what clean programs ask for and make by the way is an indicator.
func TestCleanPrograms(t *testing.T) {
	indicators, _ := of(t, on(func(r *verdict.Report) {
		r.Mutexes = []string{`Local\WERReportingForProcess1234`, "Spotify.SingleInstance.Mutex", "{5312EE61-79E3-4A24-BFE1-132B85B23C3A}", "com.slack.desktop.lock.9f8e7d",
			"PuTTYConnShare", "chrome_installer_prevent_second_instance", `Local\Microsoft_WMP_70_CheckForOtherInstanceMutex`}
		r.Services = []verdict.Service{{Name: "gupdate"}, {Name: "edgeupdatem"}, {Name: "MozillaMaintenance"}, {Name: "containerd.service"}}
		r.Domains = []string{"files.pythonhosted.org", "update.code.visualstudio.com", "repo.maven.apache.org", "sentry.io", "api.segment.io", "login.okta.com",
			"registry.npmjs.org", "github.com", "cdn.jsdelivr.net", "download.sysinternals.com", "x.akamaized.net"}
		for _, path := range []string{`AppData\Roaming\npm\node_modules\lodash\lodash.js`, `AppData\Roaming\npm\node_modules\lodash\extra.js`, `AppData\Roaming\rclone\rclone.exe`,
			`AppData\Roaming\Slack\app-4.29.149\slack.exe`, `AppData\Local\Microsoft\Teams\Update.exe`, `Desktop\Google Chrome.lnk`, `Downloads\invoice.docx`,
			`AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup\OneNote.lnk`} {
			r.Files = append(r.Files, verdict.FileAct{Path: `C:\Users\ada\` + path, Act: verdict.Created, Size: 45321})
		}
		for _, path := range []string{`C:\Program Files\Mozilla Firefox\updated\xul.dll`, `C:\Program Files\Notepad++\plugins\Config\nppPluginList.dll`, `C:\ProgramData\chocolatey\bin\jq.exe`} {
			r.Files = append(r.Files, verdict.FileAct{Path: path, Act: verdict.Created, Size: 45321})
		}
	}), derive.Options{})
	if len(indicators) > 0 {
		t.Errorf("indicators are %q, want none", indicators)
	}
}

// Deriving again replaces: names and ids depend on the object only.
func TestSameEachTime(t *testing.T) {
	r := on(func(r *verdict.Report) { r.Domains = []string{"c2.evil.example"} })
	a, b := derive.Derive(r, derive.Options{Now: now}), derive.Derive(r, derive.Options{Now: now.Add(time.Hour)})
	if a.ID != b.ID || a.FileName() != b.FileName() {
		t.Errorf("%s is %s an hour later, %s is %s", a.ID, b.ID, a.FileName(), b.FileName())
	}
	if want := now.Add(30 * 24 * time.Hour); !a.Until.Equal(want) {
		t.Errorf("valid until %v, want %v", a.Until, want)
	}
}

func TestFileName(t *testing.T) {
	for threat, want := range map[string]string{
		"Dropper.Evil": "Dropper_Evil-", "../../etc/passwd": "etc_passwd-", "CON": "CON-", "": "unnamed_7c1d3e5b9a8f-", "a\x00b\n/c": "a_b__c-",
		strings.Repeat("x", 500): strings.Repeat("x", 60) + "-", "…": "threat-", ".hidden": "hidden-",
	} {
		d := derive.Derive(on(func(r *verdict.Report) { r.Verdict.Threats = []string{threat} }), derive.Options{Now: now})
		if got := d.FileName(); got != want+d.ID[:8] {
			t.Errorf("threat %.40q gives the file name %q, want %q and a number", threat, got, want)
		}
	}
}

// A report may hold more than anybody can look at.
func TestBounded(t *testing.T) {
	d := derive.Derive(on(func(r *verdict.Report) {
		for i := range 2000 {
			r.Mutexes = append(r.Mutexes, "Qasar"+strings.Repeat("z", i%700)+string(rune('a'+i%26)), "m"+strings.Repeat("x", i%3))
			r.Domains = append(r.Domains, "x"+strings.Repeat("é", i%300))
		}
	}), derive.Options{Now: now})
	if len(d.Indicators) > 600 || len(d.LeftOut) > 1100 {
		t.Errorf("%d indicators and %d left out, want at most 600 and 1100", len(d.Indicators), len(d.LeftOut))
	}
	for _, write := range []func() ([]byte, error){d.OpenIOC, d.STIX} {
		if data, err := write(); err != nil || len(data) > 2<<20 {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	}
}
