package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind says whose fault an [Error] is, and so what is to be done.
type Kind string

// The kinds.
const (
	// Down means that the server does not answer, or answers that it is broken: another one is asked, and this
	// one rested.
	Down Kind = "down"
	// Busy means that the server is well and has too much to do: another one is asked, this one rested.
	Busy Kind = "busy"
	// Config means that a person has to change something, here or there: certificate, token, licence, address.
	// The server is rested all the same, because that may have been done.
	Config Kind = "config"
	// Garbage means that the answer is none. The server is rested.
	Garbage Kind = "garbage"
	// Refused means that the server is well and cannot or does not want to judge this object. Other
	// servers may; this one is not asked again about it.
	Refused Kind = "refused"
)

// Error is what went wrong between us and a server. Test with errors.As.
type Error struct {
	Kind Kind
	// Reason is a sentence for people, without the server's name.
	Reason string
	// Retry is how long the server asks to be left alone; 0 if it does not say.
	Retry time.Duration
	// Answered reports that the server has answered in HTTP, so that name, network and TLS are in order.
	Answered bool
	// Err is the cause; it may be nil.
	Err error
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrContent is wrapped by errors of reading the object that is being uploaded: no server is to blame. Test
// with errors.Is.
var ErrContent = errors.New("reading the object")

// Bad returns an error of kind [Garbage].
func Bad(format string, args ...any) error {
	return &Error{Kind: Garbage, Answered: true, Reason: fmt.Sprintf(format, args...)}
}

// Unexpected returns what an answer with a status means that the back end has no better word for. It never
// returns nil.
func (r Reply) Unexpected() error {
	e := &Error{Kind: Garbage, Answered: true, Retry: r.retryAfter()}
	said := ""
	if text := r.Text(); text != "" {
		said = ": " + text
	}
	switch status := r.Status; {
	case status >= 300 && status < 400:
		e.Kind, e.Reason = Config, fmt.Sprintf("the server sends us elsewhere (HTTP %d), and redirects are not followed: enter the address that it names as the server's", status)
		return e
	case r.AboutTLS():
		e.Kind, e.Reason = Config, "the server wants TLS, or our certificate: leave out http:// in its address, or set client_certificate"+said
		return e
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, status == http.StatusInsufficientStorage:
		e.Kind = Busy
	case status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		e.Kind = Refused
	case status >= 500, status == http.StatusRequestTimeout:
		e.Kind = Down
	case status >= 400:
		// We ask as the documentation says, so this is another kind of server, or something in front of it. To give the
		// object up instead would empty the queue.
		e.Kind = Config
	}
	e.Reason = fmt.Sprintf("the server answers HTTP %d%s", r.Status, said)
	return e
}

// AboutTLS reports whether a server complains about plain HTTP on a port for TLS, or about a certificate that we
// should have shown, in the words of Go's server and of nginx.
func (r Reply) AboutTLS() bool {
	if r.Status != http.StatusBadRequest {
		return false
	}
	text := strings.ToLower(r.Text())
	for _, words := range []string{"http request to an https server", "plain http request was sent to https", "ssl certificate"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// retryAfter reads the header of that name in both its forms, RFC 9110 §10.2.3. Who asks bounds it.
func (r Reply) retryAfter() time.Duration {
	value := strings.TrimSpace(r.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// Between the server's own times, because its clock may be wrong.
	from, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(at.Sub(from), 0)
}

// fault says what an error of an exchange means. The caller's own cancellation is passed on as it is.
func (c *Client) fault(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return cause
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var operation *net.OpError
	var broken *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLong), errors.As(err, &broken):
		return &Error{Kind: Garbage, Answered: true, Reason: "the answer is longer than any that makes sense", Err: err}
	case isTimeout(err):
		return &Error{Kind: Down, Reason: "the server does not answer in time", Err: err}
	case errors.As(err, &operation) && operation.Op == "remote error":
		// With TLS 1.3 the server looks at our certificate when the handshake is over for us.
		return handshakeFault(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &operation) && (operation.Op == "read" || operation.Op == "write"):
		return &Error{Kind: Down, Reason: "the server closed the connection in the middle", Err: err}
	case errors.As(err, &operation):
		return &Error{Kind: Down, Reason: fmt.Sprintf("the connection broke: %v", operation.Err), Err: err}
	}
	return &Error{Kind: Garbage, Reason: fmt.Sprintf("the answer cannot be understood: %s", printable(err.Error(), 160)), Err: err}
}

// connectFault says what an error of reaching a server means.
func connectFault(err error, wait time.Duration) *Error {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return &Error{Kind: Down, Reason: fmt.Sprintf("no address is known for the name %q", name.Name), Err: err}
	case isTimeout(err):
		return &Error{Kind: Down, Reason: fmt.Sprintf("no connection within %v", wait), Err: err}
	case errors.As(err, &name):
		return &Error{Kind: Down, Reason: fmt.Sprintf("looking up the name %q: %s", name.Name, printable(name.Err, 100)), Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: Down, Reason: "the connection is refused: nothing listens there", Err: err}
	}
	return &Error{Kind: Down, Reason: fmt.Sprintf("no connection: %v", err), Err: err}
}

// handshakeFault says what an error of a TLS handshake means that was not cut short.
func handshakeFault(err error) *Error {
	var known *Error
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var operation *net.OpError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &certificate):
		return &Error{Kind: Config, Reason: fmt.Sprintf("the server's certificate is not trusted: %s", printable(certificate.Err.Error(), 200)), Err: err}
	case errors.As(err, &header):
		return &Error{Kind: Config, Reason: "the server does not speak TLS on this port", Err: err}
	case errors.As(err, &operation) && operation.Op == "remote error":
		return &Error{Kind: Config, Reason: fmt.Sprintf("the server refuses our side of TLS, perhaps our certificate: %v", operation.Err), Err: err}
	case errors.Is(err, io.EOF), errors.As(err, &operation) && (operation.Op == "read" || operation.Op == "write"):
		return &Error{Kind: Down, Reason: "the server closed the connection in the TLS handshake", Err: err}
	}
	return &Error{Kind: Config, Reason: fmt.Sprintf("TLS handshake: %s", printable(err.Error(), 200)), Err: err}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
