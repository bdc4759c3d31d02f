//go:build unix

package control_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/agent/control/controltest"
)

func connect(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestHostileRequests(t *testing.T) {
	at := serve(t, controltest.New(), control.Access{})
	post := func(path, kind, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, kind, len(body), body)
	}
	const isJSON = "application/json"
	for _, test := range []struct{ name, request, want string }{
		{"garbage", "\x00\x01\x02 garbage\r\n\r\n", "400 Bad Request"},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 Bad Request"},
		{"endless head", "GET /v1/status HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20), "431 Request Header Fields Too Large"},
		{"huge body", post("/v1/tasks", isJSON, `{"id":"`+strings.Repeat("x", control.MaxBody)+`"}`), "413 Request Entity Too Large"},
		{"huge chunked body", "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n200000\r\n" + strings.Repeat(" ", 0x200000) + "\r\n0\r\n\r\n", "413 Request Entity Too Large"},
		{"deep body", post("/v1/tasks", isJSON, strings.Repeat(`[`, 500_000)), "400 Bad Request"},
		{"unknown field", post("/v1/quarantine", isJSON, `{"path":"/x","force":true}`), `unknown field \"force\"`},
		{"two values", post("/v1/quarantine", isJSON, `{"path":"/x"}{}`), "something follows the end"},
		{"a form", post("/v1/quarantine", "application/x-www-form-urlencoded", "path=/x"), "415 Unsupported Media Type"},
		{"unknown path", "GET /etc/passwd HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "404 Not Found"},
		{"unknown method", "BREW /v1/status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "404 Not Found"},
		{"a number that is none", "GET /v1/runs/99999999999999999999 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "404 Not Found"},
		{"limit beyond all", "GET /v1/runs?limit=1000000 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "400 Bad Request"},
		{"time that is none", "GET /v1/events?since=yesterday HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "is no time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := raw(t, connect(t, at), test.request); !strings.Contains(got, test.want) {
				t.Errorf("answer %.300q, want one with %q", got, test.want)
			}
		})
	}
	if _, err := client(t, at).Status(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Those who connect and say nothing, or a letter now and then, take their places until their time is up;
// those beyond the limit are told so at once, and afterwards all is as before.
func TestSlowClients(t *testing.T) {
	at := serve(t, controltest.New(), control.Access{})
	var slow []net.Conn
	for range 64 {
		conn := connect(t, at)
		if _, err := conn.Write([]byte("GET /v1/st")); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	if got := raw(t, connect(t, at), "GET /v1/status HTTP/1.1\r\nHost: t\r\n\r\n"); !strings.Contains(got, "503 Service Unavailable") {
		t.Errorf("one beyond the limit got %.200q", got)
	}
	var ends sync.WaitGroup
	for _, conn := range slow {
		ends.Go(func() { raw(t, conn, "") }) // returns when the server has hung up
	}
	ends.Wait()
	if _, err := client(t, at).Status(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestHelperConnect is no test: it is started under another uid by those below.
func TestHelperConnect(t *testing.T) {
	at := os.Getenv("TYTO_TEST_CONNECT")
	if at == "" {
		t.Skip("run by other tests")
	}
	conn, err := net.Dial("unix", at)
	if err != nil {
		fmt.Println("ANSWER", err)
		return
	}
	fmt.Println("ANSWER", raw(t, conn, "GET /v1/status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"))
}

// as connects under a uid with groups and returns the answer.
func as(t *testing.T, at string, uid, gid uint32, groups ...uint32) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test's own program stands where only its user can go.
	program := filepath.Join(filepath.Dir(at), "connect")
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestHelperConnect$")
	cmd.Env = append(os.Environ(), "TYTO_TEST_CONNECT="+at, "GOCOVERDIR="+os.TempDir())
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("connect as uid %d: %v\n%s", uid, err, out)
	}
	return string(out)
}

func TestOnlyTheAdministrator(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become others")
	}
	const stranger = 65533
	group, err := user.LookupGroup("daemon")
	if err != nil {
		t.Skip(err)
	}
	var member uint32
	if _, err := fmt.Sscan(group.Gid, &member); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var refused []string
	at := serve(t, controltest.New(), control.Access{Group: "daemon", Refused: func(who string) {
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, who)
	}})
	for dir := filepath.Dir(at); dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := as(t, at, stranger, stranger); !strings.Contains(got, "permission denied") {
		t.Errorf("the socket itself let a stranger in: %s", got)
	}
	if got := as(t, at, stranger, stranger, member); !strings.Contains(got, "200 OK") {
		t.Errorf("a member of the group got %s", got)
	}
	if got := as(t, at, stranger, member); !strings.Contains(got, "200 OK") {
		t.Errorf("one whose first group it is got %s", got)
	}
	// Even if the socket were open to all.
	if err := os.Chmod(at, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := as(t, at, stranger, stranger); !strings.Contains(got, "403 Forbidden") || !strings.Contains(got, "may not command the agent") {
		t.Errorf("a stranger got %s", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(refused) != 1 || !strings.Contains(refused[0], "65533") {
		t.Errorf("refused: %q", refused)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, at, group, want string }{
		{"a file in the way", file, "", "is no socket"},
		{"a folder that others can change", filepath.Join(open, "sock"), "", "chmod go-w"},
		{"an unknown group", filepath.Join(dir, "sock"), "no-such-group", "control.group"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := control.Listen(test.at, control.Access{Group: test.group})
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Error("the file in the way is gone")
	}
}

// An agent that was killed leaves its socket, which the next one replaces.
func TestStaleSocket(t *testing.T) {
	at := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	fresh, err := control.Listen(at, control.Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
}

// Who poses as the agent is not talked to.
func TestClientTrustsNobodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become others")
	}
	dir := t.TempDir()
	at := filepath.Join(dir, "agent.sock")
	for d := dir; d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o777|os.ModeSticky)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "pose")
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestHelperPose$")
	cmd.Env = append(os.Environ(), "TYTO_TEST_POSE="+at, "GOCOVERDIR="+os.TempDir())
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for range 3000 {
		if _, err := os.Stat(at); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := client(t, at).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "no agent to be trusted") {
		t.Errorf("got %v", err)
	}
}

// TestHelperPose is no test: it listens where an agent would, under another uid.
func TestHelperPose(t *testing.T) {
	at := os.Getenv("TYTO_TEST_POSE")
	if at == "" {
		t.Skip("run by another test")
	}
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		conn.Close()
	}
}

// raw sends bytes and returns what comes back until the other end closes.
func raw(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = conn.Write([]byte(request)) // the server may have hung up already
	var b strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			return b.String()
		}
	}
}
