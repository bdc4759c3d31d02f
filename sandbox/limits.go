package sandbox

import (
	"cmp"
	"runtime"
	"time"
)

// Limits bound what clients and samples can take. The zero value of a field means its default.
type Limits struct {
	// Sample is the largest sample in bytes; default 60 MiB, as Kaspersky's sandbox takes.
	Sample int64
	// Waiting is how many tasks may wait for an engine; default 100. Further ones are refused with "request
	// queue full".
	Waiting int
	// Disk is how many bytes samples may take together, those that are being received included; default
	// 2 GiB.
	Disk int64
	// Results, ResultBytes and ResultAge bound what is remembered: the number of reports, the bytes that
	// they take on disk, and how old they get. Defaults are 10,000, 1 GiB and 30 days. The oldest go first.
	Results     int
	ResultBytes int64
	ResultAge   time.Duration
	// Connections is how many there may be at a time, ClientConnections how many from one address; defaults
	// are 256 and 32.
	Connections, ClientConnections int
	// Uploads is how many samples are received at a time, ClientUploads from one address; defaults are 16 and 4.
	// Further ones are answered with 503.
	Uploads, ClientUploads int
	// UploadRate is the slowest average in bytes per second at which a request's body may come, after a
	// grace of half a minute; default 16 KiB/s.
	UploadRate int64
	// Parallel is how many samples are looked at at a time; default is one for two processors, at least one.
	Parallel int
	// SampleTime is how long all engines together may look at one sample; default 10 minutes.
	SampleTime time.Duration
}

// MaxSample is the default of [Limits.Sample], in bytes.
const MaxSample = 60 << 20

func (l Limits) withDefaults() Limits {
	l.Sample = cmp.Or(l.Sample, MaxSample)
	l.Waiting = cmp.Or(l.Waiting, 100)
	l.Disk = cmp.Or(l.Disk, 2<<30)
	l.Results = cmp.Or(l.Results, 10_000)
	l.ResultBytes = cmp.Or(l.ResultBytes, 1<<30)
	l.ResultAge = cmp.Or(l.ResultAge, 30*24*time.Hour)
	l.Connections = cmp.Or(l.Connections, 256)
	l.ClientConnections = cmp.Or(l.ClientConnections, 32)
	l.Uploads = cmp.Or(l.Uploads, 16)
	l.ClientUploads = cmp.Or(l.ClientUploads, 4)
	l.UploadRate = cmp.Or(l.UploadRate, 16<<10)
	l.Parallel = cmp.Or(l.Parallel, max(1, runtime.NumCPU()/2))
	l.SampleTime = cmp.Or(l.SampleTime, 10*time.Minute)
	return l
}

// Limits of requests that nobody needs to change.
const (
	maxHeader  = 16 << 10         // bytes of a request's head
	maxParts   = 16               // of a multipart body
	maxFields  = 64 << 10         // bytes of all parts that are no sample
	maxFraming = 16 << 10         // bytes of the boundary and the head of one part
	maxName    = 255              // bytes of a sample's name
	headerTime = 10 * time.Second // for a request's head, and for the TLS handshake, to arrive
	bodyGrace  = 30 * time.Second // before Limits.UploadRate counts
	answerTime = 60 * time.Second // for an answer to be taken
	idleTime   = 60 * time.Second // of a connection between requests
	stopTime   = 3 * time.Second  // that answers under way may take when the server stops
)
