// Package wire speaks to one sandbox server: it finds it, trusts it or not, asks one question and reads the
// answer within limits. What the questions are is the business of the back ends, which server to ask that
// of package submit.
//
// # The server is hostile
//
// A sandbox eats malware for a living, so its answers are taken as an attacker's. Each wait has a deadline
// and each answer a longest length, both counted here, in one place:
//
//	connection   name, TCP and TLS together      [Limits].Connect   the next server is asked after it
//	question     look-up, state of a task        [Limits].Answer    64 KiB
//	report                                       [Limits].Report    16 MiB, or what the back end streams
//	upload       the whole of it                 [Limits].Upload    64 KiB
//	head         of any answer                                      64 KiB
//
// Nothing is decompressed, so there are no bombs. No redirect is followed, no cookie kept, no proxy taken
// from the environment, no HTTP/2 spoken. What goes wrong becomes an [Error] that says whose fault it is:
// that decides whether the server is rested, or this one object given up.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Longest answers, in bytes.
const (
	MaxAnswer = 64 << 10
	MaxReport = 16 << 20
	maxHead   = 64 << 10
)

// firstByte is how long a server may think between the last byte of an upload and the first of its
// answer. A server hashes the object in this time; a minute of silence is none.
const firstByte = 30 * time.Second

// Server says where a server is and how it is trusted.
type Server struct {
	// Address is a name, an IPv4 address or an IPv6 address in brackets, with an optional port:
	// "sandbox.example:8443", "192.0.2.7", "[2001:db8::7]:443". "https://" is implied; "http://" asks for a
	// connection without protection.
	Address string
	// Kind is the protocol: "tyto", "kaspersky" or "cape".
	Kind string
	// CA is a file of PEM certificates that may vouch for the server, instead of the system's.
	CA string
	// Pin is the server's own certificate: the SHA-256 of its DER form in hexadecimal, or a PEM or DER file.
	// The server must show this certificate, and it must be valid today; without CA nothing else is asked
	// of it, so a self-signed certificate will do.
	Pin string
	// ClientCertificate and ClientKey are PEM files by which we show who we are; both or none.
	ClientCertificate, ClientKey string
	// Token is sent with each request, as the back end prescribes; empty for none.
	Token string
}

// Limits bound the waits. A field that is zero means its default.
type Limits struct {
	// Connect is the time for finding, reaching and trusting a server; default 500 ms.
	Connect time.Duration
	// Answer is the time for a small question and its answer, connection included; default 10 s.
	Answer time.Duration
	// Report is the time for fetching a report; default 1 min.
	Report time.Duration
	// Upload is the time for an upload and its answer; default 5 min. Where Bandwidth is set, the time that the
	// object takes at that many bytes per second is added.
	Upload    time.Duration
	Bandwidth int64
}

// WithDefaults returns the limits with defaults for what is zero.
func (l Limits) WithDefaults() Limits {
	for _, limit := range []struct {
		value   *time.Duration
		meaning time.Duration
	}{
		{&l.Connect, 500 * time.Millisecond},
		{&l.Answer, 10 * time.Second},
		{&l.Report, time.Minute},
		{&l.Upload, 5 * time.Minute},
	} {
		if *limit.value <= 0 {
			*limit.value = limit.meaning
		}
	}
	return l
}

// Client asks one server. It may be used by several goroutines.
type Client struct {
	address Address
	limits  Limits
	auth    string // the Authorization header, or ""

	// questions keep their connection for the next one. Uploads get their own each: a kept connection may
	// have been closed by the server meanwhile, and an upload that has begun cannot be repeated.
	questions, uploads *http.Transport
}

// NewClient returns a client of the server. It reads the files that s names and touches no network. scheme is
// the word before the token in the Authorization header: "Bearer", "Token".
func NewClient(s Server, limits Limits, scheme string) (*Client, error) {
	address, err := ParseAddress(s.Address)
	if err != nil {
		return nil, err
	}
	trust, err := s.trust(address)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", s.Address, err)
	}
	auth := ""
	if s.Token != "" {
		if strings.ContainsFunc(s.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("server %q: the token has a character that no token has: check for spaces and line ends", s.Address)
		}
		auth = scheme + " " + s.Token
	}
	limits = limits.WithDefaults()
	d := newDialer(limits.Connect, trust)
	transport := func() *http.Transport {
		return &http.Transport{
			// Without Proxy the environment's is not used; without h2 in the handshake there is no HTTP/2.
			DialContext:            d.plain,
			DialTLSContext:         d.tls,
			DisableCompression:     true,
			MaxIdleConns:           2,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			ResponseHeaderTimeout:  firstByte,
			MaxResponseHeaderBytes: maxHead,
			Protocols:              onlyHTTP1(),
		}
	}
	c := &Client{address: address, limits: limits, auth: auth, questions: transport(), uploads: transport()}
	c.uploads.DisableKeepAlives = true
	return c, nil
}

// onlyHTTP1 is the set of protocols that a sandbox needs.
func onlyHTTP1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// Close closes the connections that are kept. The client may be used again.
func (c *Client) Close() {
	c.questions.CloseIdleConnections()
	c.uploads.CloseIdleConnections()
}

// Reply is a complete answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Text is the body as one trimmed line of at most 200 characters, for messages. It is made printable,
// because it goes to logs and terminals.
func (r Reply) Text() string { return printable(string(r.Body), 200) }

// Ask gets a small answer.
func (c *Client) Ask(ctx context.Context, path string) (Reply, error) {
	return c.get(ctx, path, c.limits.Answer, MaxAnswer)
}

// Fetch gets a report of at most [MaxReport] bytes.
func (c *Client) Fetch(ctx context.Context, path string) (Reply, error) {
	return c.get(ctx, path, c.limits.Report, MaxReport)
}

// Stream gets an answer that is too large to be kept and hands it to read, which must bound what it keeps. At
// most limit bytes are read; more is an error of kind Garbage, and so is an error of read. The bodies of
// answers with a status other than 200 are returned in the reply, as by Ask.
func (c *Client) Stream(ctx context.Context, path string, limit int64, read func(io.Reader) error) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Report)
	defer cancel()
	response, err := c.send(ctx, c.questions, http.MethodGet, path, nil)
	if err != nil {
		return Reply{}, c.fault(ctx, err)
	}
	defer closeBody(response)
	if response.StatusCode != http.StatusOK {
		return c.read(ctx, response, MaxAnswer)
	}
	body := &bounded{r: response.Body, left: limit}
	if err := read(body); err != nil {
		if body.err != nil {
			err = body.err
		}
		return Reply{}, c.fault(ctx, err)
	}
	return Reply{Status: response.StatusCode, Header: response.Header}, nil
}

// Upload posts a form with one file and gets a small answer. An error of reading content is an [ErrContent].
func (c *Client) Upload(ctx context.Context, path string, form Form, content io.Reader) (Reply, error) {
	wait := c.limits.Upload
	if c.limits.Bandwidth > 0 {
		wait += time.Duration(float64(form.Size) / float64(c.limits.Bandwidth) * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	body := form.body(content)
	// The transport may still read when it has given up; after Close it does not, and the caller may close
	// what is below.
	defer body.Close()
	// Before the body is closed its reads must end, also those that wait for bandwidth.
	defer cancel()
	response, err := c.send(ctx, c.uploads, http.MethodPost, path, body)
	if err != nil {
		if own := body.failed(); own != nil {
			return Reply{}, fmt.Errorf("%w: %w", ErrContent, own)
		}
		return Reply{}, c.fault(ctx, err)
	}
	defer closeBody(response)
	return c.read(ctx, response, MaxAnswer)
}

func (c *Client) get(ctx context.Context, path string, wait time.Duration, limit int64) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	response, err := c.send(ctx, c.questions, http.MethodGet, path, nil)
	if err != nil {
		return Reply{}, c.fault(ctx, err)
	}
	defer closeBody(response)
	if response.StatusCode != http.StatusOK {
		limit = MaxAnswer // what is wrong can be said in short
	}
	return c.read(ctx, response, limit)
}

// send makes one exchange. There is no http.Client around the transport: that would follow redirects.
func (c *Client) send(ctx context.Context, transport *http.Transport, method, path string, body *formBody) (*http.Response, error) {
	target, err := url.Parse(c.address.URL() + path)
	if err != nil {
		return nil, fmt.Errorf("making a request of %q: %w", path, err)
	}
	request := (&http.Request{
		Method: method,
		URL:    target,
		Host:   target.Host,
		Header: http.Header{"User-Agent": {"Tyto"}, "Accept": {"*/*"}},
	}).WithContext(ctx)
	if c.auth != "" {
		request.Header.Set("Authorization", c.auth)
	}
	if body != nil {
		request.Body, request.ContentLength = body, body.size
		request.Header.Set("Content-Type", body.contentType)
	}
	return transport.RoundTrip(request)
}

// read takes the whole body.
func (c *Client) read(ctx context.Context, response *http.Response, limit int64) (Reply, error) {
	if coding := response.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return Reply{}, &Error{Kind: Garbage, Answered: true, Reason: fmt.Sprintf("the answer is encoded as %q, which was not asked for", printable(coding, 40))}
	}
	body, err := io.ReadAll(&bounded{r: response.Body, left: limit})
	if err != nil {
		return Reply{}, c.fault(ctx, err)
	}
	return Reply{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// closeBody does not read the rest, which may be endless; the connection is closed if there is one.
func closeBody(response *http.Response) {
	// Nothing was written, so there is nothing that closing could lose.
	_ = response.Body.Close()
}

// errTooLong is the error of [bounded].
var errTooLong = errors.New("the answer is too long")

// bounded reads up to left bytes and fails at the next one.
type bounded struct {
	r    io.Reader
	left int64
	err  error // what was wrong with the stream, if anything
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), errTooLong
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// printable makes a foreign text one line of at most n characters without anything that a terminal obeys.
func printable(s string, n int) string {
	if len(s) > 4*n+64 {
		s = s[:4*n+64]
	}
	var b strings.Builder
	count, space := 0, false
	for _, r := range strings.TrimSpace(strings.ToValidUTF8(s, "?")) {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' {
			space = true
			continue
		}
		if count >= n {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
			count++
		}
		if !isPrint(r) {
			r = '.'
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
