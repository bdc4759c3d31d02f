package derive_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/load"
	"tyto/sandboxlink/derive"
	"tyto/scanner"
	"tyto/scanner/walk"
	"tyto/testdata"
	"tyto/verdict"
)

// realReport is what Cuckoo saw of an installer of adware.
func realReport(t testing.TB) *verdict.Report {
	t.Helper()
	data, err := os.ReadFile(testdata.Shared(t, "sandbox-reports", "cuckoo", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := derive.ReadReport(data)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loaded writes what was derived as OpenIOC and loads those files as a scan does. There must be no problem with
// them.
func loaded(t testing.TB, all ...*derive.Derived) *ioc.Set {
	t.Helper()
	var paths []string
	for _, d := range all {
		data, err := d.OpenIOC()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), d.FileName()+".ioc")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	result, err := load.Load(t.Context(), paths, load.Options{Set: ioc.Options{Now: now, Available: ioc.Only(ioc.FileTerms()...)}})
	if err != nil || len(result.Problems) > 0 {
		t.Fatalf("the files cannot be used: %v %v", result.Problems, err)
	}
	return result.Set
}

// sink keeps the paths of what was found, and how much it counts.
type sink struct {
	found  []string
	levels map[string]finding.Level // by the name of the file
	skips  int
}

func (s *sink) Finding(f *finding.Finding) {
	path := f.Object.OriginalPath
	if path == "" {
		path = f.Object.Path
	}
	s.found = append(s.found, path)
	s.levels[filepath.Base(path)] = f.Level
}
func (s *sink) Skip(finding.Skip) { s.skips++ }

// scan holds what lies below roots against the indicators.
func scan(t testing.TB, set *ioc.Set, o walk.Options) (found []string, summary *finding.Summary) {
	t.Helper()
	s, summary := look(t, set, o)
	return s.found, summary
}

func look(t testing.TB, set *ioc.Set, o walk.Options) (*sink, *finding.Summary) {
	t.Helper()
	s := &sink{levels: map[string]finding.Level{}}
	summary, err := scanner.New(scanner.Options{
		Walk: o, Indicators: set, InProcess: true, Workers: 1, MaxSize: 20 << 20,
		Examine: scanner.DefaultLimits(), Thresholds: finding.DefaultThresholds,
	}, s).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.found)
	return s, summary
}

// host makes a folder that stands for drive C: or for the root of another computer. Sizes are those of files
// full of zeros; contents win.
func host(t testing.TB, sizes map[string]int64, contents map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write := func(path, content string, size int64) {
		full := filepath.Join(root, filepath.FromSlash(strings.TrimPrefix(strings.ReplaceAll(path, `\`, "/"), "C:/")))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if size > 0 {
			if err := os.Truncate(full, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, size := range sizes {
		write(path, "", size)
	}
	for path, content := range contents {
		write(path, content, 0)
	}
	return root
}

// The artefacts of the report are found on a computer that has them, at the very paths of the report, short
// names included: each that was not left out.
func TestFindsTheReportsArtefacts(t *testing.T) {
	r := realReport(t)
	d := derive.Derive(r, derive.Options{Now: now})
	skipped := map[string]bool{}
	for _, l := range d.LeftOut {
		skipped[l.Value] = true
	}
	sizes := map[string]int64{}
	var folders []string
	for _, f := range r.Files {
		if f.Act == verdict.Created && strings.HasPrefix(f.Path, `C:\`) {
			sizes[f.Path] = f.Size
			folders = append(folders, f.Path[:strings.LastIndex(f.Path, `\`)])
		}
	}
	var want []string
	for path := range sizes {
		if slices.Contains(folders, path) {
			delete(sizes, path) // a folder
		} else if !skipped[path] {
			want = append(want, path)
		}
	}
	slices.Sort(want)
	root := host(t, sizes, nil)
	got, _ := scan(t, loaded(t, d), walk.Options{Roots: []string{root}, MapRoot: []walk.Mapping{{From: root, To: "C:"}}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if len(want) < 20 {
		t.Errorf("only %d artefacts are to be found", len(want))
	}
}

// They are found on another computer, too, with another version of Windows, other users and another drawing of
// lots, without anybody saying which drive it is, and nothing is found that clean computers have.
func TestFindsThemElsewhere(t *testing.T) {
	evil := map[string]int64{
		`Users\bob\AppData\Local\Temp\7zS4F2A.tmp\52ab0c1d2e3f4.exe`:                                                              72787, // another run
		`Users\bob\AppData\Local\Google\Chrome\User Data\Profile 2\Extensions\obaeaklppdgpcpjkeolcjfmeiecpgnnk\1\background.html`: 161,
		`Users\bob\AppData\Roaming\Mozilla\Firefox\Profiles\x1y2z3.default\extensions\yee9ey@u-o.net\bootstrap.js`:                2750,
		`ProgramData\DowwnLaowApp\uninstall.exe`:                                                                                  49824,
		`ProgramData\Microsoft\Windows\Start Menu\Programs\DowwnLaowApp\Uninstall.lnk`:                                            1157,
		`Windows\System32\51ff86477a92f.dll`:                                                                                      7,
	}
	clean := map[string]int64{
		`Users\bob\AppData\Local\Temp\7zS4F2A.tmp\settings.ini`:                                                                 7285,
		`Users\bob\AppData\Local\Temp\7zS4F2A.tmp\52ab0c1d2e3f4.exe.txt`:                                                        72787,
		`Users\bob\AppData\Local\Temp\nsq3.tmp\UserInfo.dll`:                                                                    4096,
		`Users\bob\AppData\Local\Google\Chrome\User Data\Default\Preferences`:                                                   547,
		`Users\bob\AppData\Local\Google\Chrome\User Data\Default\Extensions\ghbmnnjooekpmoecnnnilnnbdlolhkhi\1\background.html`: 161,
		`ProgramData\Mozilla\uninstall.exe`:                                                                                     49824,
		`Users\bob\AppData\Local\Temp\setup.exe`:                                                                                72787,
		`Windows\System32\svchost.exe`:                                                                                          20992,
	}
	all := map[string]int64{}
	var want []string
	root := ""
	for path, size := range evil {
		all[path] = size
	}
	for path, size := range clean {
		all[path] = size
	}
	root = host(t, all, nil)
	for path := range evil {
		want = append(want, filepath.Join(root, filepath.FromSlash(strings.ReplaceAll(path, `\`, "/"))))
	}
	slices.Sort(want)
	got, _ := scan(t, loaded(t, derive.Derive(realReport(t), derive.Options{Now: now})), walk.Options{Roots: []string{root}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// The object itself and what it dropped are found by content, under whatever name.
func TestFindsContents(t *testing.T) {
	object, dropped := strings.Repeat("the object ", 100), strings.Repeat("what it dropped ", 100)
	r := dropperReport(object, dropped)
	root := host(t, nil, map[string]string{"home/bob/holiday.txt": object, "srv/www/index.html": dropped, "home/bob/mine.txt": "clean"})
	got, _ := scan(t, loaded(t, derive.Derive(r, derive.Options{Now: now})), walk.Options{Roots: []string{root}})
	want := []string{filepath.Join(root, "home", "bob", "holiday.txt"), filepath.Join(root, "srv", "www", "index.html")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// A match counts as much as the evidence is worth: contents raise an alert, a name and size a notice.
func TestLevels(t *testing.T) {
	object := strings.Repeat("the object ", 100)
	r := dropperReport(object, "")
	r.Files = []verdict.FileAct{{Path: "/home/sandbox/kdaemonx.conf", Act: verdict.Created, Size: 200}, {Path: "/home/sandbox/.config/autostart/kdaemonx.desktop", Act: verdict.Created}}
	root := host(t, map[string]int64{"home/bob/kdaemonx.conf": 200, "home/bob/.config/autostart/kdaemonx.desktop": 100}, map[string]string{"srv/holiday": object})
	s, _ := look(t, loaded(t, derive.Derive(r, derive.Options{Now: now})), walk.Options{Roots: []string{root}})
	want := map[string]finding.Level{"holiday": finding.Alert, "kdaemonx.desktop": finding.Warning, "kdaemonx.conf": finding.Notice}
	if diff := cmp.Diff(want, s.levels); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// After their time the indicators find nothing any more.
func TestExpire(t *testing.T) {
	object := strings.Repeat("the object ", 100)
	d := derive.Derive(dropperReport(object, ""), derive.Options{Now: now})
	data, err := d.OpenIOC()
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.Load(t.Context(), nil, load.Options{
		Extra: []load.Extra{{Name: "a.ioc", Content: data}}, Set: ioc.Options{Now: d.Until.Add(1), Available: ioc.Only(ioc.FileTerms()...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	root := host(t, nil, map[string]string{"a": object})
	if got, _ := scan(t, result.Set, walk.Options{Roots: []string{root}}); len(got) > 0 {
		t.Errorf("found %q after they expired", got)
	}
}

// dropperReport is one of our own jail, on a program that installs itself on Linux.
func dropperReport(object, dropped string) *verdict.Report {
	return on(func(r *verdict.Report) {
		r.Object.SHA256, r.Object.Size = sha256Of(object), int64(len(object))
		r.Verdict.SHA256 = r.Object.SHA256
		r.Platform, r.Users = "linux", []string{"sandbox"}
		if dropped != "" {
			r.Dropped = []verdict.Dropped{{Path: "/usr/local/bin/kdaemonx", Size: int64(len(dropped)), SHA256: sha256Of(dropped), Executable: true}}
		}
		r.Files = []verdict.FileAct{
			{Path: "/home/sandbox/.config/autostart/kdaemonx.desktop", Act: verdict.Created, Size: 200}, {Path: "/home/sandbox/.bashrc", Act: verdict.Written, Size: 3526},
			{Path: "/etc/cron.d/kdaemonx", Act: verdict.Created, Size: 90}, {Path: "/etc/passwd", Act: verdict.Written, Size: 2000}, {Path: "/tmp/kworker", Act: verdict.Created},
			{Path: "/etc/systemd/system/kdaemonx.service", Act: verdict.Created, Size: 300}, {Path: "/usr/bin/ls", Act: verdict.Written},
			{Path: "/usr/lib/x86_64-linux-gnu/libc.so.6", Act: verdict.Written}, {Path: "/root/.ssh/authorized_keys", Act: verdict.Written, Size: 400},
			{Path: "/var/lib/dpkg/status", Act: verdict.Written}, {Path: "/dev/shm/.x9k2m4q7w1z8", Act: verdict.Created},
		}
	})
}

// None of the indicators matches this computer, which is clean.
func TestMatchesNothingHere(t *testing.T) {
	roots := []string{"/usr/bin", "/etc"}
	if !testing.Short() && runtime.GOOS != "windows" { // under Wine it is the same computer again, and slower
		roots = append(roots, "/usr/sbin", "/usr/lib/systemd", "/usr/lib/python3", "/usr/share/doc", "/var/lib")
	}
	roots = slices.DeleteFunc(roots, func(path string) bool { _, err := os.Stat(path); return err != nil })
	if len(roots) == 0 {
		t.Skip("this computer has none of the folders of a Linux system")
	}
	var all []*derive.Derived
	for _, r := range []*verdict.Report{realReport(t), dropperReport(strings.Repeat("x", 100), strings.Repeat("y", 100)), everything()} {
		all = append(all, derive.Derive(r, derive.Options{Now: now}))
	}
	found, summary := scan(t, loaded(t, all...), walk.Options{Roots: roots, OneFileSystem: true})
	if len(found) > 0 {
		t.Errorf("found %q on a clean computer", found)
	}
	if summary.Objects < 1000 {
		t.Errorf("only %d objects were looked at", summary.Objects)
	}
}

// A report that blames the system's own files makes no indicator of them, whatever they are called.
func TestSystemFilesCannotBeBlamed(t *testing.T) {
	r, most := on(nil), verdict.MaxList
	if testing.Short() {
		most = 3000
	}
	for _, root := range []string{"/usr/bin", "/usr/sbin", "/etc", "/usr/lib/systemd", "/var/lib/dpkg/info", "/usr/share/doc"} {
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error { // what cannot be read is not blamed
			if err == nil && e.Type().IsRegular() && len(r.Files) < most {
				r.Files = append(r.Files, verdict.FileAct{Path: path, Act: verdict.Created})
			}
			return nil
		})
	}
	if len(r.Files) < 100 {
		t.Skip("this computer has none of the folders of a Linux system")
	}
	for _, i := range derive.Derive(r, derive.Options{Now: now}).Indicators {
		if i.Kind == derive.File {
			t.Errorf("%s, for %q", i, i.Evidence)
		}
	}
}
