package events

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Hub passes events to sinks, each at its own pace. It is safe for concurrent use.
type Hub struct {
	options Options

	changing sync.Mutex // held while outputs begin or end
	mu       sync.Mutex // guards what follows
	outputs  []*output
	running  bool
	work     sync.WaitGroup
}

// Options say what a hub passes on.
type Options struct {
	// Least is the least level that is passed on; findings always are.
	Least Level
	// Queue is how many events are kept for a sink that fails; 0 is 1000.
	Queue int
	// Retry is how long a sink that failed is left alone; it doubles up to 64 times as much. 0 is 1 s.
	Retry time.Duration
	// Drain is how long the end may take for what is still queued; 0 is 2 s.
	Drain time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log is told what sinks are up to; nil discards it.
	Log *slog.Logger
}

// Output is a sink under a name for status and messages.
type Output struct {
	Name string
	Sink Sink
}

// Status says how an output is doing.
type Status struct {
	Name    string
	Error   error // why it fails; nil if it works
	Waiting int   // events that are kept for it
	Dropped int64 // events that it never got
}

// NewHub returns a hub without outputs. Events that are sent before [Hub.Run] wait for it.
func NewHub(o Options) *Hub {
	if o.Queue <= 0 {
		o.Queue = 1000
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	if o.Drain <= 0 {
		o.Drain = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Hub{options: o}
}

// Send passes on an event of a kind with the kind's level. It never waits.
func (h *Hub) Send(id ID, message string, data Data) {
	h.Pass(Event{ID: id, Message: message, Data: data, Level: KindOf(id).Level})
}

// Pass passes on an event as it is; without a time it has happened now. It never waits.
func (h *Hub) Pass(e Event) {
	if e.Time.IsZero() {
		e.Time = h.options.Now()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Level < h.options.Least && e.ID != Finding {
		return
	}
	for _, o := range h.outputs {
		o.add(e)
	}
}

// SetLeast changes the least level that is passed on.
func (h *Hub) SetLeast(least Level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.options.Least = least
}

// SetOutputs replaces the outputs. The sinks that are no longer there are closed; one that takes the place of
// another of the same name gets what that one still had to write. It waits for a write that is going on.
func (h *Hub) SetOutputs(outputs ...Output) {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.mu.Lock()
	old := h.outputs
	h.outputs = nil
	var fresh []*output
	for _, o := range outputs {
		fresh = append(fresh, newOutput(h, o))
	}
	h.outputs = fresh
	running := h.running
	h.mu.Unlock()

	// The new ones take events already, but write only after what the old ones leave.
	for _, o := range old {
		left, dropped := o.stop(0)
		for _, f := range fresh {
			if f.Name == o.Name {
				f.inherit(left, dropped)
			}
		}
	}
	if running {
		for _, o := range fresh {
			h.start(o)
		}
	}
}

// Run writes events until ctx ends, then what is queued as far as that works, and closes all sinks.
// It must be called once.
func (h *Hub) Run(ctx context.Context) {
	h.changing.Lock()
	h.mu.Lock()
	h.running = true
	for _, o := range h.outputs {
		h.start(o)
	}
	h.mu.Unlock()
	h.changing.Unlock()
	<-ctx.Done()
	h.changing.Lock()
	defer h.changing.Unlock()
	h.mu.Lock()
	h.running = false
	outputs := h.outputs
	h.mu.Unlock()
	for _, o := range outputs {
		o.stop(h.options.Drain)
	}
	h.work.Wait()
}

func (h *Hub) start(o *output) {
	h.work.Add(1)
	o.started = true
	go func() { defer h.work.Done(); o.run() }()
}

// Status returns how the outputs are doing.
func (h *Hub) Status() (all []Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.outputs {
		o.mu.Lock()
		all = append(all, Status{Name: o.Name, Error: o.err, Waiting: len(o.queue), Dropped: o.total})
		o.mu.Unlock()
	}
	return all
}

// output feeds one sink.
type output struct {
	Output
	hub     *Hub
	started bool
	wake    chan struct{} // holds one token when there may be something to do
	stopped chan struct{} // closed when it must end
	done    chan struct{} // closed when it has ended

	mu      sync.Mutex // guards what follows
	queue   []Event
	dropped int64 // since the last time that it was told
	since   time.Time
	total   int64
	err     error
	drain   time.Duration
}

func newOutput(h *Hub, o Output) *output {
	return &output{
		Output: o, hub: h,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), done: make(chan struct{}),
	}
}

// add queues an event, or counts it where there is no room.
func (o *output) add(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) >= o.hub.options.Queue {
		if o.dropped == 0 {
			o.since = e.Time
		}
		o.dropped++
		o.total++
		return
	}
	o.tellDropped()
	o.queue = append(o.queue, e)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// tellDropped puts the count of what is missing where it is missing.
func (o *output) tellDropped() {
	if o.dropped == 0 {
		return
	}
	o.queue = append(o.queue, Event{
		Time: o.hub.options.Now(), ID: EventsDropped, Level: KindOf(EventsDropped).Level,
		Message: fmt.Sprintf("missing here: %d since %s, as %s could not be written for too long", o.dropped, o.since.UTC().Format(time.RFC3339), o.Name),
		Data:    Data{"tyto.dropped": o.dropped, "tyto.sink": o.Name},
	})
	o.dropped = 0
}

// inherit takes over what another output could not write, before its own.
func (o *output) inherit(queue []Event, dropped int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(queue, o.queue...)
	o.dropped += dropped
	if dropped > 0 {
		o.since = o.hub.options.Now()
	}
}

// next returns the oldest event without removing it.
func (o *output) next() (Event, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.tellDropped()
	}
	if len(o.queue) == 0 {
		return Event{}, false
	}
	return o.queue[0], true
}

// written removes the oldest event, which has been written.
func (o *output) written() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue[0] = Event{}
	o.queue = o.queue[1:]
}

// run writes until it is stopped.
func (o *output) run() {
	defer close(o.done)
	retry := o.hub.options.Retry
	for {
		e, any := o.next()
		if !any {
			select {
			case <-o.wake:
			case <-o.stopped:
				return
			}
			continue
		}
		if err := o.Sink.Write(e); err != nil {
			o.failed(err)
			if !o.pause(retry) {
				return
			}
			retry = min(2*retry, 64*o.hub.options.Retry)
			continue
		}
		o.written()
		o.works()
		retry = o.hub.options.Retry
		select {
		case <-o.stopped:
			if o.out() {
				return
			}
		default:
		}
	}
}

// out reports whether the time to write what is queued is over. It is 0 when another output takes over.
func (o *output) out() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.drain == 0
}

// pause waits before the next attempt, and reports whether there is to be one.
func (o *output) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.stopped:
		return false
	}
}

// failed notes a failure and tells the others, once until the sink works again.
func (o *output) failed(err error) {
	o.mu.Lock()
	first := o.err == nil
	o.err = err
	o.mu.Unlock()
	if first {
		o.hub.options.Log.Warn("an output of events fails", "output", o.Name, "error", err)
		o.hub.Send(SinkFailed, fmt.Sprintf("events cannot be written to %s: %v", o.Name, err), Data{"tyto.sink": o.Name, "error.message": err.Error()})
	}
}

func (o *output) works() {
	o.mu.Lock()
	was := o.err
	o.err = nil
	o.mu.Unlock()
	if was != nil {
		o.hub.options.Log.Info("an output of events works again", "output", o.Name)
		o.hub.Send(SinkBack, fmt.Sprintf("events are written to %s again", o.Name), Data{"tyto.sink": o.Name})
	}
}

// stop ends the output and closes its sink. It has this long to write what is queued, and returns what
// it could not.
func (o *output) stop(drain time.Duration) ([]Event, int64) {
	o.mu.Lock()
	o.drain = drain
	o.mu.Unlock()
	close(o.stopped)
	if o.started {
		if drain > 0 {
			timer := time.AfterFunc(drain, func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.drain = 0
			})
			defer timer.Stop()
		}
		<-o.done
	}
	if err := o.Sink.Close(); err != nil {
		o.hub.options.Log.Warn("an output of events cannot be closed", "output", o.Name, "error", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queue, o.dropped
}
