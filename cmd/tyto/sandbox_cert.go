package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tyto/agent/policy"
	"tyto/sandbox/cert"
)

// certFlags are the flags of `tyto sandbox cert`.
type certFlags struct {
	out    string
	names  []string
	client string
	renew  bool
}

// newSandboxCert returns the command that makes certificates for a sandbox server and for those who ask it.
func newSandboxCert() *cobra.Command {
	var f certFlags
	cmd := &cobra.Command{
		Use:   "cert --out DIR",
		Short: "Make certificates for a sandbox server and its clients",
		Long: `Makes a private certification authority and a certificate for a sandbox server, and says what to
put into the agents' policy.

  ca.pem, ca-key.pem           the authority; its key signs further certificates and goes nowhere else
  server.pem, server-key.pem   for "tyto sandbox serve --cert … --key …"

With --client NAME it makes NAME.pem and NAME-key.pem, by which agents show the server who they are if it
runs with --client-ca. The authority that is in the folder already is used. Certificates are good for 825 days,
the authority for ten years; --renew replaces the server's.`,
		Example: `  tyto sandbox cert --out tls --name sandbox.example.org --name 192.0.2.7
  tyto sandbox cert --out tls --client agents
  tyto sandbox cert --out tls --renew`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout(), time.Now()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "folder for the certificates and keys")
	flags.StringArrayVar(&f.names, "name", nil, "host name or IP address by which the server is reached; default is this computer's names")
	flags.StringVar(&f.client, "client", "", "make a client certificate of this `NAME`")
	flags.BoolVar(&f.renew, "renew", false, "make a new server certificate in the place of the old one")
	return cmd
}

func (f *certFlags) run(out io.Writer, now time.Time) error {
	switch {
	case f.out == "":
		return usagef("tyto sandbox cert --out DIR", "no folder is named")
	case f.client != "" && (f.renew || len(f.names) > 0):
		return usagef("make the client certificate in a second step", "--client stands alone")
	}
	authority, made, err := cert.OpenOrCreate(f.out, now)
	if err != nil {
		return usageError{err: err}
	}
	if made {
		fmt.Fprintf(out, "Made a certification authority:   %s\n", authority.File())
	}
	if f.client != "" {
		return f.makeClient(out, authority, now)
	}
	names := f.names
	if len(names) == 0 && f.renew {
		names = namesOf(filepath.Join(f.out, cert.ServerFile))
	}
	if len(names) == 0 {
		names = ownNames("")
	}
	makePair := authority.Server
	if f.renew {
		makePair = authority.Renew
	}
	pair, err := makePair(names, now)
	if err != nil {
		return certError(err, "keep it, or replace it with --renew; agents that pinned it then need the new pin")
	}
	fmt.Fprintf(out, "Made a server certificate:        %s, good until %s\n", pair.Certificate, pair.Leaf.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(out, "Names:                            %s\n", strings.Join(cert.Names(pair.Leaf), ", "))
	fmt.Fprintf(out, "\nStart the server with\n\n  tyto sandbox serve --cert %s --key %s\n", shellWord(pair.Certificate), shellWord(pair.Key))
	printPolicy(out, net.JoinHostPort(names[0], "8443"), authority.File(), cert.Pin(pair.Leaf))
	return nil
}

func (f *certFlags) makeClient(out io.Writer, authority *cert.Authority, now time.Time) error {
	pair, err := authority.Client(f.client, now)
	if err != nil {
		return certError(err, "choose another name, or remove the old files")
	}
	fmt.Fprintf(out, "Made a client certificate:        %s, good until %s\n", pair.Certificate, pair.Leaf.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(out, "\nLet the server ask for it:\n\n  tyto sandbox serve --client-ca %s …\n", shellWord(authority.File()))
	fmt.Fprintf(out, "\nCopy both files to each agent, and name them in its policy:\n\n%s", policySnippet(policy.SandboxServer{
		Address: "…", ClientCertificate: absolute(pair.Certificate), ClientKey: absolute(pair.Key),
	}))
	return nil
}

// certError says what to do about a certificate that is there already.
func certError(err error, exists string) error {
	if errors.Is(err, cert.ErrExists) {
		return usageError{err: err, hint: exists}
	}
	return usageError{err: err}
}

// printPolicy says what agents have to know of a server. The authority's file may be unknown.
func printPolicy(out io.Writer, address, authority, pin string) {
	server := policy.SandboxServer{Address: address, Pin: pin}
	choice := "pin knows this certificate, and no other"
	if authority != "" {
		server.CA = absolute(authority)
		choice = "Either of ca and pin is enough; for ca, copy the file to them"
	}
	fmt.Fprintf(out, "\nAgents ask it if their policy says so. %s.\n\n%s", choice, policySnippet(server))
}

// policySnippet writes a server as it stands in a policy, with quotes where a value would mean something else in YAML
// without: "[::1]:8443" would be a list.
func policySnippet(server policy.SandboxServer) string {
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// Strings in a buffer: neither can fail.
	_ = e.Encode(map[string]any{"sandbox": map[string]any{"servers": []policy.SandboxServer{server}}})
	_ = e.Close()
	return b.String()
}

// ownNames returns the names and addresses by which this computer is reached, as far as it knows.
func ownNames(listen string) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if ip := net.ParseIP(listen); ip != nil && !ip.IsUnspecified() || ip == nil && listen != "localhost" {
		add(listen)
	}
	if host, err := os.Hostname(); err == nil {
		add(host)
	}
	add("localhost")
	add("127.0.0.1")
	add("::1")
	return names
}

// namesOf returns the names of a certificate; none if there is none.
func namesOf(path string) []string {
	c, err := cert.Read(path)
	if err != nil {
		return nil
	}
	return cert.Names(c)
}

// absolute returns a path as a policy should name it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// shellWord writes a path such that it can be pasted into a shell, without quotes where it needs none.
func shellWord(path string) string {
	for _, r := range path {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '/' || r == '.' || r == '-' || r == '_'
		if !plain {
			return fmt.Sprintf("%q", path)
		}
	}
	return path
}
