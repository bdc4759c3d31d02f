package cuckoo_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/testdata"
	"tyto/verdict"
	"tyto/verdict/cuckoo"
)

const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func parse(t *testing.T, report string) *verdict.Report {
	t.Helper()
	r, err := cuckoo.Parse([]byte(report))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Cuckoo 1 tells of calls as lists of names and values, and of success as a truth value.
func TestCuckoo1(t *testing.T) {
	r := parse(t, `{
 "info": {"version": "1.2", "started": "2015-03-01 10:00:00", "ended": "2015-03-01 10:02:00", "duration": 120, "score": 7.4,
  "machine": {"name": "xp1", "label": "xp1"}},
 "target": {"category": "file", "file": {"name": "invoice.exe", "size": 1234, "sha256": "`+strings.ToUpper(sum)+`", "md5": "0123456789abcdef0123456789abcdef", "type": "PE32"}},
 "behavior": {
  "summary": {"files": ["C:\\Users\\ada\\read.txt"], "keys": ["HKEY_CURRENT_USER\\\\Software\\Read"], "mutexes": ["(null)", "Evil.Lock"]},
  "processes": [{"process_name": "invoice.exe", "process_id": "508", "parent_id": 4, "calls": [
   {"api": "CreateFileW", "status": true, "return": "0x24", "arguments": [{"name": "lpFileName", "value": "C:\\Users\\ada\\evil.dll"}, {"name": "dwDesiredAccess", "value": "0x40000000"}]},
   {"api": "WriteFile", "status": true, "return": "1", "repeated": 2, "arguments": [{"name": "hFile", "value": "0x24"}, {"name": "nNumberOfBytesToWrite", "value": "100"}]},
   {"api": "CreateFileW", "status": false, "return": "0x25", "arguments": [{"name": "lpFileName", "value": "C:\\Users\\ada\\failed.dll"}, {"name": "dwDesiredAccess", "value": "GENERIC_WRITE"}]},
   {"api": "CopyFileA", "status": true, "arguments": [{"name": "lpExistingFileName", "value": "C:\\Users\\ada\\evil.dll"}, {"name": "lpNewFileName", "value": "C:\\copy.dll"}]},
   {"api": "MoveFileWithProgressW", "status": true, "arguments": [{"name": "ExistingFileName", "value": "C:\\copy.dll"}, {"name": "NewFileName", "value": "C:\\moved.dll"}]},
   {"api": "RegOpenKeyExA", "status": true, "return": "0x30", "arguments": [{"name": "hKey", "value": "HKEY_LOCAL_MACHINE"}, {"name": "lpSubKey", "value": "Software\\Microsoft\\Windows\\CurrentVersion\\Run"}]},
   {"api": "RegSetValueExA", "status": true, "arguments": [{"name": "hKey", "value": "0x30"}, {"name": "lpValueName", "value": "Evil"}, {"name": "lpData", "value": "C:\\evil.exe"}]},
   {"api": "RegSetValueExA", "status": true, "arguments": [{"name": "hKey", "value": "0x99"}, {"name": "lpValueName", "value": "Lost"}, {"name": "lpData", "value": "x"}]},
   {"api": "CreateServiceW", "status": true, "arguments": [{"name": "lpServiceName", "value": "evilsvc"}, {"name": "lpBinaryPathName", "value": "C:\\evil.exe"}]},
   {"api": "DeleteFileA", "status": true, "arguments": [{"name": "lpFileName", "value": "C:\\Users\\ada\\gone.tmp"}]}
  ]}]},
 "network": {"hosts": ["192.0.2.1"], "domains": [{"domain": "Evil.Example.", "ip": "192.0.2.7"}], "tcp": [{"dst": "192.0.2.7", "dport": 443, "src": "10.0.0.2", "sport": 1}],
  "http": [{"uri": "http://evil.example/gate.php", "host": "evil.example", "port": 80}]},
 "dropped": [{"name": "evil.dll", "size": 300, "sha256": "`+sum+`", "type": "PE32 executable"}],
 "signatures": [{"name": "persistence_autorun", "severity": 3, "description": "Installs itself for autorun", "families": ["Zbot"]}]
}`)
	want := &verdict.Report{
		Format: 1,
		Verdict: verdict.Verdict{SHA256: sum, Level: verdict.Malicious, Score: 74, Threats: []string{"Zbot"}, Sandbox: "Cuckoo 1.2",
			Time: time.Date(2015, 3, 1, 10, 2, 0, 0, time.UTC)},
		Object:     verdict.Object{Name: "invoice.exe", Size: 1234, MD5: "0123456789abcdef0123456789abcdef", SHA256: sum, Type: "PE32"},
		Engines:    []verdict.Engine{{Name: "Cuckoo 1.2", Level: verdict.Malicious, Score: 74, Seconds: 120, Saw: "it ran on a virtual computer"}},
		Platform:   "windows",
		Behaviours: []verdict.Behaviour{{ID: "persistence_autorun", Engine: "Cuckoo", Score: 60, Detail: "Installs itself for autorun (Zbot)"}},
		Dropped:    []verdict.Dropped{{Path: "evil.dll", Size: 300, SHA256: sum, Type: "PE32 executable", Executable: true}},
		Files: []verdict.FileAct{
			{Path: `C:\Users\ada\evil.dll`, Act: verdict.Created, Size: 300},
			{Path: `C:\copy.dll`, Act: verdict.Created, Size: 300},
			{Path: `C:\copy.dll`, Act: verdict.Moved, To: `C:\moved.dll`},
			{Path: `C:\Users\ada\gone.tmp`, Act: verdict.Deleted},
			{Path: `C:\Users\ada\read.txt`, Act: verdict.Touched},
		},
		Processes: []verdict.Process{{PID: 508, Parent: 4, Path: "invoice.exe"}},
		Registry: []verdict.Registry{
			{Key: `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run`, Act: verdict.Touched},
			{Key: `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run`, Value: "Evil", Data: `C:\evil.exe`, Act: verdict.Written},
			{Key: `HKEY_CURRENT_USER\Software\Read`, Act: verdict.Touched},
		},
		Services: []verdict.Service{{Name: "evilsvc", Path: `C:\evil.exe`}},
		Mutexes:  []string{"Evil.Lock"},
		Domains:  []string{"evil.example"},
		URLs:     []string{"http://evil.example/gate.php"},
		Connections: []verdict.Connection{
			{Protocol: "tcp", Address: "192.0.2.7", Port: 443, Domain: "evil.example"}, {Address: "192.0.2.1"},
		},
		Notes: []string{"1 registry keys are told relative to something that the report does not name, and were passed over"},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := r.Marshal(); err != nil {
		t.Errorf("it cannot be kept in Tyto's own form: %v", err)
	}
}

// Cuckoo 2 has arguments as objects, and a summary that says what was done.
func TestCuckoo2(t *testing.T) {
	r := parse(t, `{
 "info": {"version": "2.0.7", "started": 1425204000.5, "score": 2.0, "machine": {"platform": "windows"}},
 "target": {"category": "file", "file": {"name": "a.exe", "size": 1, "sha256": "`+sum+`"}},
 "behavior": {
  "generic": [{"process_path": "C:\\a.exe", "pid": 3, "summary": {"file_created": ["C:\\made.exe"], "regkey_written": ["HKCU\\Software\\Evil\\Value"], "mutex": ["M1"],
    "file_moved": [["C:\\from", "C:\\to"]], "command_line": ["cmd /c x"], "resolves_host": ["evil.example"]}}],
  "summary": {"file_written": ["C:\\made.exe"], "file_opened": ["C:\\made.exe", "C:\\opened"], "regkey_read": ["HKEY_LOCAL_MACHINE\\Software\\R"]},
  "processes": [{"process_path": "C:\\a.exe", "pid": 3, "ppid": 2, "command_line": "a.exe /s", "calls": [
   {"api": "NtCreateFile", "status": 1, "return_value": 0, "arguments": {"file_handle": "0x10", "filepath": "C:\\big.bin", "desired_access": "0x40100080"}},
   {"api": "NtWriteFile", "status": 1, "return_value": 0, "arguments": {"file_handle": "0x10", "length": 4096}},
   {"api": "RegSetValueExW", "status": 1, "arguments": {"regkey": "HKEY_CURRENT_USER\\Software\\Evil\\Name", "value": "data", "key_handle": "0x2"}},
   {"api": "NtCreateMutant", "status": 1, "arguments": {"mutant_name": "M2"}}
  ]}]}
}`)
	check(t, "files", r.Files, []verdict.FileAct{
		{Path: `C:\big.bin`, Act: verdict.Created, Size: 4096}, {Path: `C:\made.exe`, Act: verdict.Created}, {Path: `C:\opened`, Act: verdict.Touched},
		{Path: `C:\from`, Act: verdict.Moved, To: `C:\to`},
	})
	check(t, "registry", r.Registry, []verdict.Registry{
		{Key: `HKEY_CURRENT_USER\Software\Evil\Name`, Data: "data", Act: verdict.Written},
		{Key: `HKEY_LOCAL_MACHINE\Software\R`, Act: verdict.Read},
		{Key: `HKEY_CURRENT_USER\Software\Evil\Value`, Act: verdict.Written},
	})
	check(t, "mutexes", r.Mutexes, []string{"M2", "M1"})
	check(t, "domains", r.Domains, []string{"evil.example"})
	check(t, "processes", r.Processes, []verdict.Process{
		{PID: 3, Parent: 2, Path: `C:\a.exe`, Arguments: []string{"a.exe /s"}}, {Arguments: []string{"cmd /c x"}},
	})
	check(t, "level", r.Verdict.Level, verdict.Clean)
	check(t, "time", r.Verdict.Time, time.Unix(1425204000, 0).UTC())
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// CAPE tells files and keys by what was done, hosts as objects, and names the family.
func TestCAPE(t *testing.T) {
	r := parse(t, `{
 "info": {"version": "2.4-CAPE", "started": "2024-01-02 03:04:05", "ended": "2024-01-02 03:08:05", "machine": {"name": "w10", "platform": "windows"}, "package": "exe"},
 "target": {"category": "file", "file": {"name": ["sample.exe"], "size": 10, "sha256": "`+sum+`"}},
 "malscore": 3.2, "detections": [{"family": "Emotet", "details": [{"Yara": "x"}]}],
 "behavior": {"summary": {"files": ["C:\\a", "C:\\b"], "write_files": ["C:\\a"], "delete_files": ["C:\\b"], "read_files": [], "keys": ["HKEY_CURRENT_USER\\K\\V"],
   "write_keys": ["HKEY_CURRENT_USER\\K\\V"], "executed_commands": ["schtasks /create"], "created_services": ["evilsvc"], "mutexes": ["Local\\M"]},
  "processes": [{"process_id": 7, "process_name": "sample.exe", "parent_id": 1, "module_path": "C:\\sample.exe", "environ": {"UserName": "ada", "ComputerName": "W10", "CommandLine": "sample.exe"}, "calls": []}]},
 "network": {"hosts": [{"ip": "192.0.2.9", "country_name": "x"}], "dns": [{"request": "c2.example", "type": "A", "answers": [{"type": "A", "data": "192.0.2.9"}]}]},
 "CAPE": {"payloads": [{"name": "abc", "path": "/opt/cape/x", "guest_paths": ["C:\\payload.dll"], "size": 5, "sha256": "`+sum+`", "type": "PE32"}]},
 "dropped": []
}`)
	check(t, "verdict", r.Verdict, verdict.Verdict{
		SHA256: sum, Level: verdict.Malicious, Score: 80, Threats: []string{"Emotet"}, Sandbox: "CAPE 2.4-CAPE", Time: time.Date(2024, 1, 2, 3, 8, 5, 0, time.UTC),
	})
	check(t, "files", r.Files, []verdict.FileAct{{Path: `C:\a`, Act: verdict.Written}, {Path: `C:\b`, Act: verdict.Deleted}, {Path: `C:\b`, Act: verdict.Touched}})
	check(t, "registry", r.Registry, []verdict.Registry{{Key: `HKEY_CURRENT_USER\K\V`, Act: verdict.Written}})
	check(t, "dropped", r.Dropped, []verdict.Dropped{{Path: `C:\payload.dll`, Size: 5, SHA256: sum, Type: "PE32", Executable: true}})
	check(t, "users", r.Users, []string{"ada"})
	check(t, "computer", r.Computer, "W10")
	check(t, "connections", r.Connections, []verdict.Connection{{Address: "192.0.2.9", Domain: "c2.example"}})
	check(t, "services", r.Services, []verdict.Service{{Name: "evilsvc"}})
	check(t, "skipped", r.Skipped, 0)
}

// CAPE's call get/iocs gives less, in other places, and wrapped.
func TestCAPEIOCs(t *testing.T) {
	r := parse(t, `{"error": false, "data": {"detections": "Emotet", "malscore": 9.5, "info": {"id": 7, "version": "2.4"},
 "target": {"category": "file", "file": {"name": "x.exe", "size": 3, "sha256": "`+sum+`"}},
 "network": {"traffic": {"tcp_count": 1, "http": [{"host": "evil.example", "uri": "/gate.php"}]}, "hosts": ["192.0.2.1"], "domains": ["evil.example"]},
 "files": {"modified": ["C:\\a"], "deleted": [], "read": ["C:\\r"]}, "registry": {"modified": ["HKCU\\Run\\x"], "deleted": [], "read": []},
 "mutexes": ["m"], "executed_commands": ["cmd"], "dropped": [{"sha256": "`+sum+`", "guest_paths": ["C:\\d"], "type": "data"}],
 "process_tree": {"pid": 1, "name": "x.exe", "spawned_processes": [{"pid": 2, "name": "y.exe", "spawned_processes": []}]}}}`)
	check(t, "files", r.Files, []verdict.FileAct{{Path: `C:\a`, Act: verdict.Written}, {Path: `C:\r`, Act: verdict.Read}})
	check(t, "registry", r.Registry, []verdict.Registry{{Key: `HKEY_CURRENT_USER\Run\x`, Act: verdict.Written}})
	check(t, "urls", r.URLs, []string{"http://evil.example/gate.php"})
	check(t, "processes", r.Processes, []verdict.Process{{Arguments: []string{"cmd"}}, {PID: 1, Path: "x.exe"}, {PID: 2, Path: "y.exe"}})
	check(t, "threats", r.Verdict.Threats, []string{"Emotet"})
	check(t, "level", r.Verdict.Level, verdict.Malicious)
}

// Whatever has another type than it should costs only itself, and is counted.
func TestSloppy(t *testing.T) {
	r := parse(t, `{"info": [], "malscore": "high", "detections": false, "target": {"file": {"name": 7, "size": "12", "sha256": "no hash"}},
 "behavior": {"processes": [7, {"process_id": [], "process_name": "p", "calls": [{"api": 3}, "x", {"api": "CreateFileW", "arguments": "none"}]}], "summary": {"files": {"a": 1}, "mutexes": ["good", 5, null, {"name": "x"}]}},
 "network": {"tcp": [{"dst": "nowhere", "dport": 99999}], "hosts": "192.0.2.3"}, "dropped": [[]], "signatures": {}, "mutexes": true}`)
	check(t, "mutexes", r.Mutexes, []string{"good", "5"})
	check(t, "processes", r.Processes, []verdict.Process{{Path: "p"}})
	check(t, "size", r.Object.Size, 12)
	check(t, "level", r.Verdict.Level, verdict.Error)
	if r.Skipped < 8 || len(r.Notes) == 0 {
		t.Errorf("%d parts are counted as not understood, want at least 8; notes %q", r.Skipped, r.Notes)
	}
}

func TestRefused(t *testing.T) {
	for name, report := range map[string]string{
		"nothing": "", "no json": "<html>", "cut off": `{"info": {}, "behavior": {"summ`, "list": "[]", "another document": `{"a": 1, "info": {}}`,
		"our own form": `{"format": 1, "info": {}, "behavior": {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := cuckoo.Parse([]byte(report)); err == nil {
				t.Errorf("it was read: %+v", r)
			}
		})
	}
	if _, err := cuckoo.Parse([]byte(`{"a": 1}`)); !errors.Is(err, cuckoo.ErrNoReport) {
		t.Errorf("another document gives %v, want ErrNoReport", err)
	}
}

// The oldest reports name neither the object nor keys: the one is presumed, the others are followed by handle.
func TestCuckoo0(t *testing.T) {
	data, err := os.ReadFile(testdata.Shared(t, "sandbox-reports", "cuckoo", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := parse(t, string(data))
	if want := "000000a0c759e01208001eb1b8764a7a7c9464f477576aa6b6a7d2f3f5571c70"; r.Object.SHA256 != want || !r.Object.Presumed {
		t.Errorf("the object is %+v, want %s, presumed", r.Object, want)
	}
	for _, want := range []verdict.FileAct{
		{Path: `C:\DOCUME~1\JANETT~1\LOCALS~1\Temp\7zS1.tmp\51ff86477a8f8.exe`, Act: verdict.Created, Size: 72787},
		{Path: `C:\Documents and Settings\All Users\Application Data\DowwnLaowApp\51ff86477a92f.dll`, Act: verdict.Created, Size: 118784},
		{Path: `C:\Documents and Settings\All Users\Application Data\DowwnLaowApp\uninstall.exe`, Act: verdict.Created, Size: 49824},
		{Path: `C:\DOCUME~1\JANETT~1\LOCALS~1\Temp\nsq3.tmp\nsJSON.dll`, Act: verdict.Deleted},
	} {
		if !slices.Contains(r.Files, want) {
			t.Errorf("%+v is missing", want)
		}
	}
	want := verdict.Registry{Key: `HKEY_CLASSES_ROOT\TypeLib\{E2343056-CC08-46AC-B898-BFC7ACF4E755}\1.0`, Data: "IEPluginLib", Act: verdict.Written}
	if !slices.Contains(r.Registry, want) {
		t.Errorf("%+v is missing: the key is known by three handles after each other", want)
	}
	if r.Skipped != 0 || r.Cut != 0 {
		t.Errorf("%d parts were not understood and %d cut, want none", r.Skipped, r.Cut)
	}
}

// Whatever is valid JSON is read without harm, and what comes out can be kept in our own form if it names an
// object.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"info":{"version":"1"},"behavior":{"processes":[{"process_name":"` + sum + `","calls":[{"api":"CreateFileW","return":"0x1","arguments":[{"name":"lpFileName","value":"C:\\x"}]}]}]}}`))
	f.Add([]byte(`{"error":[],"data":{"malscore":1e400,"files":{"modified":["\ud800\u0000"]},"process_tree":{"spawned_processes":[{}]}}}`))
	f.Add([]byte(`{"network":{"hosts":[{"ip":"::1"}],"dns":[{"answers":[{"data":"1.1.1.1"}]}]},"target":{"file":{"sha256":"` + sum + `"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := cuckoo.Parse(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatal("what is no JSON was read")
		}
		if r.Object.SHA256 == "" {
			return
		}
		written, err := r.Marshal()
		if err != nil {
			t.Fatalf("it cannot be written: %v", err)
		}
		if _, err := verdict.Parse(written); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile(testdata.Shared(b, "sandbox-reports", "cuckoo", "report.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := cuckoo.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
