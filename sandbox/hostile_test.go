package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandbox/cert"
)

// What clients send wrongly gets an answer that says what is wrong, and leaves nothing behind.
func TestWrongUploads(t *testing.T) {
	s := start(t, Options{Limits: Limits{Sample: 1000}})
	head := func(extra string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"sample\"; filename=\"x\"\r\n" + extra + "\r\n"
	}
	const kind = "multipart/form-data; boundary=b"
	many := &bytes.Buffer{}
	for range 1000 {
		many.WriteString("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n")
	}
	many.WriteString(head("") + "content\r\n--b--\r\n")
	tests := []struct {
		name, kind, body string
		status           int
		text             string
	}{
		{"not a form", "application/json", "{}", 400, "multipart/form-data"},
		{"no boundary", "multipart/form-data", "x", 400, "boundary"},
		{"boundary too long", "multipart/form-data; boundary=" + strings.Repeat("b", 200), "x", 400, "boundary"},
		{"nothing", kind, "", 400, "sample"},
		{"no parts", kind, "--b--\r\n", 400, "sample"},
		{"no sample", kind, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--\r\n", 400, "sample"},
		{"empty sample", kind, head("") + "\r\n--b--\r\n", 400, "empty"},
		{"two samples", kind, head("") + "one\r\n" + head("") + "two\r\n--b--\r\n", 400, "more than one"},
		{"cut off in the sample", kind, head("") + "content", 400, "form"},
		{"a thousand parts", kind, many.String(), 400, "parts"},
		{"large other part", kind, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("y", maxFields+10) + "\r\n" + head("") + "c\r\n--b--\r\n", 400, "other parts"},
		{"large head", kind, head("X: "+strings.Repeat("y", 2*maxFraming)+"\r\n") + "c\r\n--b--\r\n", 400, "head is too long"},
		{"large preamble", kind, strings.Repeat("y", 4*maxFraming) + "\r\n" + head("") + "c\r\n--b--\r\n", 400, "form"},
		{"just too large", kind, head("") + strings.Repeat("y", 1001) + "\r\n--b--\r\n", 500, "too large"},
		{"far too large", kind, head("") + strings.Repeat("y", 2<<20) + "\r\n--b--\r\n", 500, "too large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := s.post(test.kind, strings.NewReader(test.body))
			if got.Status != test.status || !strings.Contains(got.Body, test.text) || strings.Contains(got.Body, "\n") {
				t.Errorf("answered with %d %q, want %d with %q", got.Status, got.Body, test.status, test.text)
			}
		})
	}
	for _, dir := range []string{incomingDir, samplesDir, tasksDir} {
		if left := s.files(dir); left != nil {
			t.Errorf("%s holds %v", dir, left)
		}
	}
	if used := s.disk.used.Load(); used != 0 {
		t.Errorf("%d bytes of disk are counted for nothing", used)
	}
	if got := s.send("x", strings.Repeat("y", 1000)); got.Status != 201 {
		t.Errorf("the largest sample is answered with %d %q", got.Status, got.Body)
	}
}

// Names are for showing. None becomes a path, whatever it looks like.
func TestNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "box")
	s := start(t, Options{Dir: dir})
	for i, test := range []struct{ sent, want string }{
		{"../../etc/cron.d/evil", "evil"},
		{`C:\Users\a\evil.exe`, "evil.exe"},
		{"..", ""},
		{"", ""},
		{"/", ""},
		{"a\x1b[2Jb", "a[2Jb"},
		{"ev\u202Eexe.txt", "evexe.txt"},
		{"\xff\xfe", "\uFFFD"},
		{strings.Repeat("ä", 400), strings.Repeat("ä", 127)},
	} {
		if got := cleanName(test.sent); got != test.want {
			t.Errorf("%q becomes %q, want %q", test.sent, got, test.want)
		}
		if strings.Contains(test.sent, "\x1b") {
			continue // no form can hold it
		}
		id := s.send(test.sent, fmt.Sprint("good ", i)).Body
		if got := s.judged(id); got != "200 Not found" {
			t.Errorf("%q (%s): %s", test.sent, id, got)
			continue
		}
		if r := s.reportOf(id); strings.ContainsAny(r.Object.Name, "/\\\x1b") {
			t.Errorf("%q is reported as %q", test.sent, r.Object.Name)
		}
	}
	beside, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(beside) != 1 {
		t.Errorf("beside the folder there is %v (%v)", beside, err)
	}
}

// dial connects without a word.
func (s *server) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// A client that drips is let go; one that keeps the pace is not.
func TestPace(t *testing.T) {
	conn, far := net.Pipe()
	defer conn.Close()
	defer far.Close()
	w := &deadlines{}
	p := pace{control: http.NewResponseController(w), rate: 1000, begun: time.Unix(1000, 0)}
	p.next()
	p.bytes = 500
	p.next() // not worth a change
	p.bytes = 60_000
	p.next()
	want := []time.Time{time.Unix(1030, 0), time.Unix(1090, 0)}
	if diff := cmp.Diff(want, w.set); diff != "" {
		t.Errorf("deadlines (-want +got):\n%s", diff)
	}
}

type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.set = append(d.set, t); return nil }

// An upload that is too slow ends with 504, and its file is gone.
func TestSlowUpload(t *testing.T) {
	s := start(t, Options{})
	in := &body{r: stalled{}, pace: pace{control: http.NewResponseController(&deadlines{}), rate: 1, begun: time.Now()}, quota: unlimited}
	_, err := io.Copy(io.Discard, in)
	if p := asProblem(s.uploadError(err)); p.status != http.StatusGatewayTimeout {
		t.Errorf("a deadline is answered with %d %q", p.status, p.text)
	}
}

type stalled struct{}

func (stalled) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A client that goes away in the middle leaves nothing.
func TestAbandonedUpload(t *testing.T) {
	s := start(t, Options{})
	conn := s.dial()
	fmt.Fprintf(conn, "POST /sandbox/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"sample\"; filename=\"x\"\r\n\r\n%s", strings.Repeat("y", 100_000))
	eventually(t, "the upload begins", func() bool { return len(s.files(incomingDir)) == 1 })
	conn.Close()
	eventually(t, "the upload is gone", func() bool { return len(s.files(incomingDir)) == 0 && s.disk.used.Load() == 0 })
}

// Uploads of one client are bounded, and told so.
func TestUploadsAreBounded(t *testing.T) {
	s := start(t, Options{Limits: Limits{ClientUploads: 1}})
	conn := s.dial()
	fmt.Fprint(conn, "POST /sandbox/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"sample\"; filename=\"x\"\r\n\r\nyyyy")
	eventually(t, "the upload begins", func() bool { return len(s.files(incomingDir)) == 1 })
	if got := s.send("x", "good"); got.Status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("the second upload is answered with %d %q, want 503", got.Status, got.Body)
	}
	conn.Close()
	eventually(t, "another upload is taken", func() bool { return s.send("x", "good").Status != 503 })
}

// Connections of one client are bounded; those beyond are closed, and places come back.
func TestConnectionsAreBounded(t *testing.T) {
	s := start(t, Options{Limits: Limits{ClientConnections: 2}})
	http.DefaultClient.CloseIdleConnections()
	one, two := s.dial(), s.dial()
	for _, conn := range []net.Conn{one, two} {
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("a connection within the limit gets %q (%v)", line, err)
		}
	}
	three := s.dial()
	_ = three.SetDeadline(time.Now().Add(time.Minute))
	if n, err := three.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a connection too many gets %d bytes", n)
	}
	one.Close()
	eventually(t, "a place comes back", func() bool {
		conn := s.dial()
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && strings.Contains(line, "200")
	})
}

func TestClientOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[2001:db8::1]:443": "2001:db8::/64",
		"[2001:db8::2]:443": "2001:db8::/64", "[fe80::1%eth0]:1": "fe80::/64", "[::1]:2": "::1/128", "@": "invalid Prefix",
	} {
		if got := clientOf(address).String(); got != want {
			t.Errorf("%s is the client %s, want %s", address, got, want)
		}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("within a minute it does not come true that %s", what)
}

// Over TLS, with and without client certificates, as the commands set it up.
func TestTLS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	authority, err := cert.Create(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server([]string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := authority.Client("agent", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	load := func(p *cert.Pair) tls.Certificate {
		c, err := cert.Load(p.Certificate, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	pool, err := cert.ReadPool(authority.File())
	if err != nil {
		t.Fatal(err)
	}
	box, err := Open(Options{Dir: filepath.Join(t.TempDir(), "box"), Engines: []Engine{&stub{}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- box.Serve(ctx, l, &tls.Config{Certificates: []tls.Certificate{load(pair)}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	ask := func(c *tls.Config) string {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + l.Addr().String() + "/healthz")
		if err != nil {
			return "refused"
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.Proto + " " + string(body)
	}
	tests := []struct {
		name   string
		client *tls.Config
		want   string
	}{
		{"agent", &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{load(agent)}}, "HTTP/1.1 ok"},
		{"agent with tls 1.2", &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{load(agent)}, MaxVersion: tls.VersionTLS12}, "HTTP/1.1 ok"},
		{"without a certificate", &tls.Config{RootCAs: pool}, "refused"},
		{"with the certificate of a server", &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{load(pair)}}, "refused"},
		{"with old tls", &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{load(agent)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "refused"},
		{"that trusts another", &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{load(agent)}}, "refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := ask(test.client); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// Whatever comes as a form, the server answers, and nothing is left of what is refused.
func FuzzUpload(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"sample\"; filename=\"x\"\r\n\r\nevil\r\n--b--\r\n"))
	f.Add("multipart/form-data; boundary=b", []byte("--b\nContent-Disposition: form-data; name=sample\n\nx\n--b--"))
	f.Add("multipart/form-data; boundary=\"\"", []byte("----"))
	box, err := Open(Options{Dir: f.TempDir(), Engines: []Engine{&stub{}}, Limits: Limits{Sample: 1 << 16, Waiting: 10}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, content []byte) {
		r, err := http.NewRequest("POST", "/sandbox/v1/tasks", bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		u, err := box.receive(discarded{}, r)
		if err == nil && (u.size == 0 || !isHex(u.sha256, 64) || u.name != cleanName(u.name)) {
			t.Errorf("%+v", u)
		}
		u.discard()
		if left, _ := os.ReadDir(box.folder.at(incomingDir)); len(left) != 0 || box.disk.used.Load() != 0 {
			t.Errorf("%d files and %d bytes are left", len(left), box.disk.used.Load())
		}
	})
}

type discarded struct{ http.ResponseWriter }

func (discarded) Header() http.Header { return http.Header{} }
