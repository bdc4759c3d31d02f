package wire_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tyto/sandboxlink/submit/wire"
	"tyto/sandboxlink/submit/wire/wiretest"
)

// limits are long enough for a busy machine; what must not depend on them is tested otherwise.
var limits = wire.Limits{Connect: 20 * time.Second, Answer: 30 * time.Second, Report: 30 * time.Second, Upload: 30 * time.Second}

// hello serves TLS with a configuration and returns the address.
func hello(t *testing.T, config *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTrust(t *testing.T) {
	wiretest.NoLeaks(t)
	own := wiretest.Make(t, nil, nil)
	other := wiretest.Make(t, nil, nil)
	ca := wiretest.Make(t, nil, nil)
	good := wiretest.Make(t, ca, nil)
	yesterday := func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(-24 * time.Hour)
		c.NotBefore = c.NotAfter.Add(-time.Hour)
	}
	tomorrow := func(c *x509.Certificate) {
		c.NotBefore = time.Now().Add(24 * time.Hour)
		c.NotAfter = c.NotBefore.Add(time.Hour)
	}
	expired, early := wiretest.Make(t, ca, yesterday), wiretest.Make(t, ca, tomorrow)
	elsewhere := wiretest.Make(t, ca, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"elsewhere.example"}, nil })
	client, stranger := wiretest.Make(t, ca, nil), wiretest.Make(t, nil, nil)
	caFile, _ := ca.Files(t)
	ownFile, _ := own.Files(t)
	derFile := write(t, "own.der", own.Leaf.Raw)
	clientFile, clientKey := client.Files(t)
	strangerFile, strangerKey := stranger.Files(t)
	clients := x509.NewCertPool()
	clients.AddCert(ca.Leaf)
	colons := func(pin string) string {
		var b strings.Builder
		for i := 0; i < len(pin); i += 2 {
			b.WriteString(strings.ToUpper(pin[i:i+2]) + ":")
		}
		return strings.TrimSuffix(b.String(), ":")
	}

	for _, test := range []struct {
		name   string
		shows  *wiretest.Certificate
		config *tls.Config
		server wire.Server
		want   string // part of the reason; "" if all is well
	}{
		{name: "pinned", shows: own, server: wire.Server{Pin: own.Pin()}},
		{name: "pinned with colons", shows: own, server: wire.Server{Pin: "SHA256:" + colons(own.Pin())}},
		{name: "pinned by a pem file", shows: own, server: wire.Server{Pin: ownFile}},
		{name: "pinned by a der file", shows: own, server: wire.Server{Pin: derFile}},
		{name: "another than the pinned one", shows: other, server: wire.Server{Pin: own.Pin()}, want: "another certificate than the pinned one: its SHA-256 is " + other.Pin()},
		{name: "pinned and expired", shows: expired, server: wire.Server{Pin: expired.Pin()}, want: "has expired"},
		{name: "pinned and not yet valid", shows: early, server: wire.Server{Pin: early.Pin()}, want: "valid only from"},
		{name: "pinned for another name", shows: elsewhere, server: wire.Server{Pin: elsewhere.Pin()}},
		{name: "private authority", shows: good, server: wire.Server{CA: caFile}},
		{name: "private authority and pin", shows: good, server: wire.Server{CA: caFile, Pin: good.Pin()}},
		{name: "private authority and another pin", shows: good, server: wire.Server{CA: caFile, Pin: own.Pin()}, want: "another certificate"},
		{name: "pin and another authority", shows: own, server: wire.Server{CA: caFile, Pin: own.Pin()}, want: "not trusted"},
		{name: "self signed", shows: own, want: "not trusted"},
		{name: "unknown authority", shows: good, want: "not trusted"},
		{name: "expired", shows: expired, server: wire.Server{CA: caFile}, want: "expired"},
		{name: "not yet valid", shows: early, server: wire.Server{CA: caFile}, want: "not yet valid"},
		{name: "wrong name", shows: elsewhere, server: wire.Server{CA: caFile}, want: "not trusted"},
		{name: "old tls", shows: own, config: &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, server: wire.Server{Pin: own.Pin()}, want: "protocol version"},
		{name: "tls 1 2", shows: own, config: &tls.Config{MaxVersion: tls.VersionTLS12}, server: wire.Server{Pin: own.Pin()}},
		{name: "client certificate", shows: good, config: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
			server: wire.Server{CA: caFile, ClientCertificate: clientFile, ClientKey: clientKey}},
		{name: "wrong client certificate", shows: good, config: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
			server: wire.Server{CA: caFile, ClientCertificate: strangerFile, ClientKey: strangerKey}, want: "refuses our side of TLS"},
		{name: "no client certificate", shows: good, config: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
			server: wire.Server{CA: caFile}, want: "refuses our side of TLS"},
		{name: "no client certificate with tls 1 2", shows: good, config: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MaxVersion: tls.VersionTLS12},
			server: wire.Server{CA: caFile}, want: "refuses our side of TLS"},
		{name: "insists on http 2", shows: own, config: &tls.Config{NextProtos: []string{"h2"}}, server: wire.Server{Pin: own.Pin()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{}
			if test.config != nil {
				config = test.config.Clone()
			}
			config.Certificates = []tls.Certificate{test.shows.TLS}
			test.server.Address = hello(t, config)
			c, err := wire.NewClient(test.server, limits, "Bearer")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			reply, err := c.Ask(t.Context(), "/")
			if test.want == "" {
				if err != nil || string(reply.Body) != "hello" {
					t.Errorf("Ask = %q, %v; want hello", reply.Body, err)
				}
				return
			}
			wantFault(t, err, wire.Config, test.want)
		})
	}
}

// wantFault checks the kind and the reason of an error.
func wantFault(t *testing.T, err error, kind wire.Kind, reason string) {
	t.Helper()
	var fault *wire.Error
	if !errors.As(err, &fault) || fault.Kind != kind || !strings.Contains(fault.Reason, reason) {
		t.Errorf("error = %v (%+v); want kind %s with %q", err, fault, kind, reason)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	certificate, key := wiretest.Make(t, nil, nil).Files(t)
	nothing := write(t, "nothing.pem", []byte("nothing\n"))
	garbage := write(t, "garbage.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	for _, test := range []struct {
		name   string
		server wire.Server
		want   string
	}{
		{"no file of authorities", wire.Server{CA: "missing.pem"}, "missing.pem"},
		{"no certificate in it", wire.Server{CA: nothing}, "no certificate in PEM form"},
		{"a folder", wire.Server{CA: t.TempDir()}, "no file of certificates"},
		{"a short pin", wire.Server{Pin: "abcdef"}, "neither the SHA-256"},
		{"no certificate to pin", wire.Server{Pin: garbage}, "no certificate in PEM or DER form"},
		{"certificate without key", wire.Server{ClientCertificate: certificate}, "belong together"},
		{"key without certificate", wire.Server{ClientKey: key}, "belong together"},
		{"not a key", wire.Server{ClientCertificate: certificate, ClientKey: nothing}, "reading our certificate"},
		{"plain with pin", wire.Server{Address: "http://sandbox.example", Pin: certificate}, "http:// uses no certificates"},
		{"token with a line end", wire.Server{Token: "secret\n"}, "no token has"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.server.Address == "" {
				test.server.Address = "sandbox.example"
			}
			_, err := wire.NewClient(test.server, limits, "Bearer")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewClient = %v; want an error with %q", err, test.want)
			}
		})
	}
}

// A token goes to the server, in the scheme's words, and the environment's proxy is not asked.
func TestTokenAndNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://"+wiretest.Dead)
	t.Setenv("HTTP_PROXY", "http://"+wiretest.Dead)
	heard := make(chan string, 1)
	server := wiretest.Serve(t, "", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header.Get("Authorization") }))
	server.Token = "secret"
	c, err := wire.NewClient(server, limits, "Token")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ask(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "Token secret" {
		t.Errorf("Authorization = %q; want the token", got)
	}
}

// The connection's timeout holds for what never shakes hands; the caller's own cancellation is no fault.
func TestSilentServers(t *testing.T) {
	wiretest.NoLeaks(t)
	silent := wiretest.Listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	short := limits
	short.Connect = 50 * time.Millisecond
	for _, test := range []struct{ name, address, want string }{
		{"never shakes hands", silent, "no connection within 50ms"},
		{"nothing listens", wiretest.Dead, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := wire.NewClient(wire.Server{Address: test.address}, short, "Bearer")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Ask(t.Context(), "/")
			wantFault(t, err, wire.Down, test.want)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		c, err := wire.NewClient(wire.Server{Address: silent}, limits, "Bearer")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err = c.Ask(ctx, "/"); !errors.Is(err, context.Canceled) {
			t.Errorf("Ask = %v; want the context's error", err)
		}
	})
}

// A server is found and its certificate holds by name, by IPv4 and by IPv6 address.
func TestFormsOfAddress(t *testing.T) {
	ca := wiretest.Make(t, nil, nil)
	leaf := wiretest.Make(t, ca, nil)
	file, _ := ca.Files(t)
	for host, listen := range map[string]string{"localhost": "127.0.0.1:0", "127.0.0.1": "127.0.0.1:0", "[::1]": "[::1]:0"} {
		t.Run(strings.Trim(host, "[]:"), func(t *testing.T) {
			if _, err := net.LookupHost(strings.Trim(host, "[]")); err != nil {
				t.Skipf("this computer does not know its own name: %v", err)
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				t.Skipf("this computer has no %s: %v", listen, err)
			}
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
			s.Listener.Close()
			s.Listener = l
			s.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.TLS}}
			s.StartTLS()
			defer s.Close()
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c, err := wire.NewClient(wire.Server{Address: host + ":" + port, CA: file}, limits, "Bearer")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			reply, err := c.Ask(t.Context(), "/")
			if err != nil || string(reply.Body) != host+":"+port {
				t.Errorf("Ask = %q, %v; want what was written as the address", reply.Body, err)
			}
		})
	}
}
