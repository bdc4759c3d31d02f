package derive_test

import (
	"fmt"
	"strings"
	"testing"

	"tyto/sandboxlink/derive"
	"tyto/verdict"
)

// The hash of a dropped file becomes an indicator for a reason only: it was run, is started by the system, or is a
// program of nobody else.
func TestReasonsOfContents(t *testing.T) {
	const roaming = `C:\Users\ada\AppData\Roaming\`
	ran := func(path string, arguments ...string) func(*verdict.Report) {
		return func(r *verdict.Report) { r.Processes = []verdict.Process{{Path: path, Arguments: arguments}} }
	}
	run := func(data string) func(*verdict.Report) {
		return func(r *verdict.Report) {
			r.Registry = []verdict.Registry{{Key: `HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Run`, Value: "Update", Data: data, Act: verdict.Written}}
		}
	}
	tests := []struct {
		name string
		file verdict.Dropped
		add  func(*verdict.Report)
		want int // confidence, or 0 and
		left string
	}{
		{"was run", verdict.Dropped{Path: "/tmp/.x/data.bin"}, ran("/tmp/.x/data.bin"), 90, ""},
		{"was run on windows", verdict.Dropped{Path: roaming + `update.tmp`}, ran(`c:\users\ADA\appdata\roaming\update.tmp`), 90, ""},
		{"was run by a shell", verdict.Dropped{Path: "/tmp/stage2"}, ran("/bin/sh", "sh", "/tmp/stage2"), 90, ""},
		{"was loaded", verdict.Dropped{Path: roaming + `x.dat`}, ran(`C:\Windows\System32\rundll32.exe`, `rundll32.exe "`+roaming+`x.dat",Start`), 90, ""},
		{"was copied only", verdict.Dropped{Path: "/tmp/list.txt"}, ran("/bin/cp", "cp", "/home/user/list.txt", "/tmp/list.txt"), 0, "is data"},
		{"is started at logon", verdict.Dropped{Path: roaming + `My Things\x.dat`}, run(`rundll32.exe "` + roaming + `My Things\x.dat",Start`), 85, ""},
		{"is a service", verdict.Dropped{Path: "/opt/x.dat"}, func(r *verdict.Report) { r.Services = []verdict.Service{{Name: "x", Path: "/opt/x.dat -d"}} }, 85, ""},
		{"is started by cron", verdict.Dropped{Path: "/home/user/.cache/t.dat"}, func(r *verdict.Report) {
			r.Behaviours = []verdict.Behaviour{{ID: "persists-dropped-program", Evidence: []string{"/etc/cron.d/zz starts /home/user/.cache/t.dat"}}}
		}, 85, ""},
		{"is a job of cron", verdict.Dropped{Path: "/etc/cron.d/zz"}, nil, 85, ""},
		{"is a key for logging in", verdict.Dropped{Path: "/root/.ssh/authorized_keys"}, nil, 85, ""},
		{"is a program", verdict.Dropped{Path: "/tmp/kdaemonx", Executable: true}, nil, 80, ""},
		{"is a program by its name", verdict.Dropped{Path: roaming + "wintasker.dll"}, nil, 80, ""},
		{"is a program with a common name", verdict.Dropped{Path: roaming + "update.exe", Executable: true}, nil, 70, ""},
		{"is of unknown use", verdict.Dropped{Path: "/tmp/k3"}, nil, 55, ""},
		{"is of unknown use, elsewhere", verdict.Dropped{Path: "/var/lib/k3"}, nil, 0, "nothing says"},
		{"is a copy of the system's", verdict.Dropped{Path: "/tmp/kdaemonx", Executable: true, System: true}, ran("/tmp/kdaemonx"), 0, "sandbox's own system"},
		{"was there before", verdict.Dropped{Path: "/etc/crontab"}, func(r *verdict.Report) { r.Files = []verdict.FileAct{{Path: "/etc/crontab", Act: verdict.Written}} }, 0, "was there before"},
		{"is a document", verdict.Dropped{Path: `C:\Users\ada\Documents\Q3.xlsx`}, nil, 0, "is data"},
		{"is a picture by its type", verdict.Dropped{Path: roaming + "x1", Type: "PNG image data, 32 x 32"}, nil, 0, "is data"},
		{"is a certificate", verdict.Dropped{Path: roaming + "evil.pem"}, nil, 0, "is data"},
		{"is a shortcut", verdict.Dropped{Path: roaming + `Microsoft\Windows\Start Menu\Programs\Startup\wintasker.lnk`}, nil, 0, "is data"},
		{"is a runtime", verdict.Dropped{Path: `C:\Users\ada\AppData\Local\Temp\_MEI42\vcruntime140.dll`, Executable: true}, nil, 0, "library or tool"},
		{"is python", verdict.Dropped{Path: roaming + "python311.dll", Executable: true}, nil, 0, "library or tool"},
		{"is a module of python", verdict.Dropped{Path: roaming + "_ssl.pyd", Executable: true}, nil, 0, "library or tool"},
		{"is openssl", verdict.Dropped{Path: roaming + "libcrypto-1_1-x64.dll", Executable: true}, nil, 0, "library or tool"},
		{"is a tool, and was run", verdict.Dropped{Path: roaming + "rclone.exe", Executable: true}, ran(roaming + "rclone.exe"), 0, "library or tool"},
		{"is of a package", verdict.Dropped{Path: roaming + `npm\node_modules\evilish\evilish.exe`, Executable: true}, nil, 0, "same contents on many"},
		{"is of a package and was run", verdict.Dropped{Path: `C:\Users\ada\AppData\Local\Temp\_MEI42\wintasker.exe`, Executable: true},
			ran(`C:\Users\ada\AppData\Local\Temp\_MEI42\wintasker.exe`), 90, ""},
		{"is in a program folder", verdict.Dropped{Path: `C:\Program Files\Mozilla Firefox\wintasker.dll`, Executable: true}, nil, 0, "well-known maker"},
		{"is of a maker", verdict.Dropped{Path: roaming + `Slack\app-4.29\helper.exe`, Executable: true}, nil, 0, "well-known maker"},
		{"is in a maker's folder", verdict.Dropped{Path: roaming + `Microsoft\wintasker.exe`, Executable: true}, nil, 80, ""},
		{"was run from a maker's folder", verdict.Dropped{Path: roaming + `Microsoft\update.exe`, Executable: true}, ran(roaming + `Microsoft\update.exe`), 55, ""},
		{"bears a maker's name", verdict.Dropped{Path: roaming + `x\spotify.exe`, Executable: true}, ran(roaming + `x\spotify.exe`), 55, ""},
		{"is among the system's", verdict.Dropped{Path: `C:\Windows\System32\update.dll`, Executable: true}, nil, 0, "folder of the system"},
		{"has no path", verdict.Dropped{Executable: true, Type: "PE32 executable"}, nil, 70, ""},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, ",", ""), func(t *testing.T) {
			test.file.Size, test.file.SHA256 = 9000, strings.Repeat("ab", 32)
			d := derive.Derive(on(func(r *verdict.Report) {
				if r.Dropped = []verdict.Dropped{test.file}; test.add != nil {
					test.add(r)
				}
			}), derive.Options{Now: now})
			got, left := 0, ""
			for _, i := range d.Indicators {
				if i.Tests[0].Value == test.file.SHA256 {
					got = i.Confidence
				}
			}
			for _, l := range d.LeftOut {
				if l.Kind == derive.Content {
					left = l.Reason
				}
			}
			if got != test.want || !strings.Contains(left, test.left) || test.want == 0 && left == "" {
				t.Errorf("confidence %d, left out because it %q; want %d, %q", got, left, test.want, test.left)
			}
		})
	}
}

// The surest contents come first, and their number is bounded, however many a report names.
func TestContentsAreBounded(t *testing.T) {
	d := derive.Derive(on(func(r *verdict.Report) {
		for i := range 1000 {
			r.Dropped = append(r.Dropped, verdict.Dropped{Path: fmt.Sprintf("/tmp/k%d", i), Size: 9000, SHA256: sha256Of(fmt.Sprint("content ", i)), Executable: i == 999})
		}
	}), derive.Options{Now: now})
	hashes := d.Hashes()
	if len(hashes) != 201 || hashes[1] != sha256Of("content 999") {
		t.Errorf("%d hashes, the second is %.8s; want the object's and 200, the program's first", len(hashes), hashes[1])
	}
	for _, l := range d.LeftOut {
		if l.Kind == derive.Content && l.Count != 800 {
			t.Errorf("left out %v, %d of them, want 800 contents together", l, l.Count)
		}
	}
}
