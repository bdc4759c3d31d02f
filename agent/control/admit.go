package control

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// admitted is a connection of somebody who may command the agent.
type admitted struct {
	net.Conn
	peer  string // who, for people
	pid   int    // the process; 0 is not known
	slots chan struct{}
	once  sync.Once
}

// Close closes the connection and gives its slot back.
func (a *admitted) Close() error {
	err := a.Conn.Close()
	a.once.Do(func() {
		if a.slots != nil {
			<-a.slots
		}
	})
	return err
}

// refuse tells a client why it is not answered, and closes the connection. What is written fits into the
// socket's buffer, so a client that does not read holds up nobody; the deadline is for the unexpected.
func refuse(conn net.Conn, p *Error) {
	defer conn.Close()
	body, err := json.Marshal(p)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		p.Status, http.StatusText(p.Status), len(body), body)
}
