package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/report"
	"tyto/sandbox"
	"tyto/sandbox/cert"
)

// identity is how a server proves who it is.
type identity struct {
	tls       *tls.Config       // nil: plain HTTP
	leaf      *x509.Certificate // nil: plain HTTP
	authority string            // the file that agents trust; empty if it is not known
	name      string            // by which agents reach it, as --name says; may be empty
	made      bool
	clients   bool // must show certificates
}

// ownTLS is the folder below the data folder for what a server makes itself.
const ownTLS = "tls"

// identity loads the certificate, and makes one if there is none.
func (f *serveFlags) identity(now time.Time) (*identity, error) {
	id := &identity{}
	if f.insecureHTTP {
		return id, nil
	}
	certificate, key := f.cert, f.key
	if certificate == "" {
		var err error
		if id.made, err = f.makeOwn(now); err != nil {
			return nil, usageError{err: err}
		}
		certificate = filepath.Join(f.data, ownTLS, cert.ServerFile)
	}
	if key == "" {
		key = cert.KeyFile(certificate)
	}
	pair, err := cert.Load(certificate, key)
	if err != nil {
		return nil, usageError{err: err, hint: "tyto sandbox cert makes certificates"}
	}
	id.leaf = pair.Leaf
	id.authority = authorityOf(certificate, id.leaf)
	if now.After(id.leaf.NotAfter) {
		return nil, usagef("renew it: tyto sandbox cert --out "+shellWord(filepath.Dir(certificate))+" --renew",
			"the certificate %q has expired on %s", certificate, id.leaf.NotAfter.Format(time.DateOnly))
	}
	if err := f.checkNames(certificate, id); err != nil {
		return nil, err
	}
	if len(f.names) > 0 {
		id.name = f.names[0]
	}
	id.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if f.clientCA != "" {
		if id.tls.ClientCAs, err = cert.ReadPool(f.clientCA); err != nil {
			return nil, usageError{err: err}
		}
		id.tls.ClientAuth, id.clients = tls.RequireAndVerifyClientCert, true
	}
	return id, nil
}

// makeOwn makes an authority and a certificate in the data folder if they are not there; made tells.
func (f *serveFlags) makeOwn(now time.Time) (made bool, err error) {
	dir := filepath.Join(f.data, ownTLS)
	if _, err := os.Lstat(filepath.Join(dir, cert.ServerFile)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	authority, _, err := cert.OpenOrCreate(dir, now)
	if err != nil {
		return false, err
	}
	host, _, _ := net.SplitHostPort(f.listen) // check has split it
	_, err = authority.Server(append(slices.Clone(f.names), ownNames(host)...), now)
	return err == nil, err
}

// authorityOf returns the file of the authority beside a certificate, where tyto sandbox cert puts it; none if it is
// missing, or has not signed this certificate.
func authorityOf(certificate string, leaf *x509.Certificate) string {
	path := filepath.Join(filepath.Dir(certificate), cert.AuthorityFile)
	authority, err := cert.Read(path)
	if err != nil || leaf.CheckSignatureFrom(authority) != nil {
		return ""
	}
	return path
}

// checkNames refuses to serve with a certificate by which agents would not know the server: that of the first
// start does not learn the names of later ones.
func (f *serveFlags) checkNames(certificate string, id *identity) error {
	var missing []string
	for _, name := range f.names {
		if !cert.Covers(id.leaf, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	hint := "leave --name out, or serve with a certificate that holds all names"
	if id.authority != "" {
		renew := "tyto sandbox cert --out " + shellWord(filepath.Dir(certificate)) + " --renew"
		for _, name := range append(missing, cert.Names(id.leaf)...) {
			renew += " --name " + shellWord(name)
		}
		hint = "make a new one, and tell agents that pinned the old one; those with its ca alone need nothing:\n" + renew
	}
	return usagef(hint, "the certificate %q is for %s, not for %s", certificate,
		strings.Join(cert.Names(id.leaf), ", "), strings.Join(missing, ", "))
}

// renewBefore is how long before its end a certificate becomes a note.
const renewBefore = 30 * 24 * time.Hour

// notes are the lines on the status page.
func (id *identity) notes() []string {
	if id.leaf == nil {
		return []string{"plain HTTP: for this computer only"}
	}
	notes := []string{fmt.Sprintf("certificate for %s, good until %s, pin %s", strings.Join(cert.Names(id.leaf), ", "), id.leaf.NotAfter.Format(time.DateOnly), cert.Pin(id.leaf))}
	if time.Until(id.leaf.NotAfter) < renewBefore {
		notes = append(notes, "the certificate ends soon: tyto sandbox cert --renew, then tell the agents that pinned it")
	}
	if id.clients {
		return append(notes, "clients must show a certificate")
	}
	return append(notes, "whoever can reach this address can send samples: see --client-ca")
}

// announce tells who started the server how it is reached.
func (id *identity) announce(out io.Writer, address net.Addr, database string, engines []sandbox.Engine) {
	scheme := "https"
	if id.leaf == nil {
		scheme = "http"
	}
	names := make([]string, len(engines))
	for i, e := range engines {
		names[i] = e.Name()
	}
	fmt.Fprintf(out, "The sandbox listens at %s://%s/ (engines: %s; database %s).\n", scheme, address, strings.Join(names, ", "), database)
	if id.leaf == nil {
		fmt.Fprintln(out, "It speaks plain HTTP: for tests on this computer only.")
		return
	}
	if id.made {
		fmt.Fprintf(out, "It made a certificate for %s.\n", report.Safe(strings.Join(cert.Names(id.leaf), ", ")))
	}
	fmt.Fprintf(out, "Pin of its certificate: %s\n", cert.Pin(id.leaf))
	printPolicy(out, id.reachedAt(address), id.authority, cert.Pin(id.leaf))
}

// reachedAt returns what agents enter as the address: that at which it listens if it is one that the certificate
// holds, else a name.
func (id *identity) reachedAt(address net.Addr) string {
	host, port, _ := net.SplitHostPort(address.String())
	ip := net.ParseIP(host)
	switch names := cert.Names(id.leaf); {
	case ip != nil && ip.IsLoopback() && cert.Covers(id.leaf, host): // no name leads there
	case id.name != "":
		host = id.name
	case ip != nil && !ip.IsUnspecified() && cert.Covers(id.leaf, host):
	case len(names) > 0:
		host = names[0]
	default: // a certificate of others, by which no agent knows it without a pin
		host = ownNames("")[0]
	}
	return net.JoinHostPort(host, port)
}
