package wire

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCheckTask(t *testing.T) {
	for _, id := range []string{"0123456789abcdef0123456789abcdef", "7", "7,8,9", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "a..b", strings.Repeat("x", 256)} {
		if err := CheckTask(id); err != nil {
			t.Errorf("CheckTask(%q) = %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "../../etc/passwd", "a/b", `a\b`, "a?b", "a#b", "a%2fb", "a b", "a\nb", "a\r\nHost: x", "ä", "a\x00", strings.Repeat("x", 257)} {
		var bad *Error
		if err := CheckTask(id); !errors.As(err, &bad) || bad.Kind != Garbage {
			t.Errorf("CheckTask(%q) = %v; want an error of kind garbage", id, err)
		}
	}
}

func TestUnexpectedStatus(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		header http.Header
		want   Kind
		retry  time.Duration
	}{
		{status: 204, want: Garbage},
		{status: 302, want: Config},
		{status: 400, want: Config},
		{status: 400, body: "<html><h1>400 Bad Request</h1>No required SSL certificate was sent", want: Config},
		{status: 422, want: Refused},
		{status: 400, body: "Client sent an HTTP request to an HTTPS server.\n", want: Config},
		{status: 401, want: Config},
		{status: 403, want: Config},
		{status: 404, want: Config},
		{status: 408, want: Down},
		{status: 413, want: Refused},
		{status: 415, want: Refused},
		{status: 429, header: http.Header{"Retry-After": {"42"}}, want: Busy, retry: 42 * time.Second},
		{status: 500, want: Down},
		{status: 502, want: Down},
		{status: 503, header: http.Header{"Retry-After": {"-3"}}, want: Busy},
		{status: 503, header: http.Header{"Retry-After": {"Sat, 21 Nov 2026 12:01:00 GMT"}, "Date": {"Sat, 21 Nov 2026 12:00:00 GMT"}}, want: Busy, retry: time.Minute},
		{status: 503, header: http.Header{"Retry-After": {"soon"}}, want: Busy},
		{status: 504, want: Down},
		{status: 999, want: Down},
	} {
		var got *Error
		err := Reply{Status: test.status, Header: test.header, Body: []byte(test.body)}.Unexpected()
		if !errors.As(err, &got) || got.Kind != test.want || got.Retry != test.retry || got.Reason == "" {
			t.Errorf("%d %q: %+v; want %s, retry %v", test.status, test.body, got, test.want, test.retry)
		}
	}
}

func TestForeignTextIsMadePrintable(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{" request queue\r\n\tfull ", "request queue full"},
		{"\x1b[2Jgone\x00", ".[2Jgone."},
		{"a\u202eb", "a.b"},
		{"\xff", "?"},
		{strings.Repeat("x", 300), strings.Repeat("x", 200) + "…"},
	} {
		if got := (Reply{Body: []byte(test.in)}).Text(); got != test.want {
			t.Errorf("Text of %q = %q; want %q", test.in, got, test.want)
		}
	}
}
