//go:build unix

package events

import (
	"fmt"
	"net"
	"time"
)

// sendTime is how long a log may leave a message waiting. One that is stopped would hold up the output
// for ever.
const sendTime = 2 * time.Second

// socket is a connection to a log of this computer, which is made when it is needed.
type socket struct {
	conn net.Conn
}

// send writes one message. The connection is given up after an error: the log may have been restarted.
func (s *socket) send(path string, networks []string, message []byte) error {
	if s.conn == nil {
		if err := s.connect(path, networks); err != nil {
			return err
		}
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(sendTime))
	if err == nil {
		_, err = s.conn.Write(message)
	}
	if err != nil {
		s.close()
		return fmt.Errorf("send an event to %q: %w", path, err)
	}
	return nil
}

func (s *socket) connect(path string, networks []string) (err error) {
	for _, network := range networks {
		s.conn, err = net.DialTimeout(network, path, sendTime)
		if err == nil {
			return nil
		}
	}
	s.conn = nil
	return fmt.Errorf("reach the system's log: %w", err)
}

func (s *socket) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing is held back
		s.conn = nil
	}
}
