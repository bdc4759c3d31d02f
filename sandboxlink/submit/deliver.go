package submit

import (
	"context"
	"fmt"
	"time"

	"tyto/verdict"
)

// maxDeliveries is how often delivering is tried in a row.
const maxDeliveries = 5

// deliver hands a verdict on. It reports whether there is more to do now.
func (e *errand) deliver(ctx context.Context, sv *server, a Answer) bool {
	sv.mu.Lock()
	sv.verdicts++
	sv.mu.Unlock()
	e.s.database(ctx, sv, a.Verdict.Database)
	if a.NoReport != nil {
		e.s.events.event(Event{Kind: ReportMissing, Server: sv.name, Object: e.object.SHA256, Err: a.NoReport}, "")
	}
	e.handOn(ctx, Delivery{Object: e.object, Item: e.item, Answer: a, Refusals: e.state.Refusals, Server: sv.name})
	return false
}

// deliverError hands on that nobody can judge the object. It reports whether there is more to do now.
func (e *errand) deliverError(ctx context.Context) bool {
	v := &verdict.Verdict{SHA256: e.object.SHA256, Level: verdict.Error, Time: e.s.o.Now()}
	e.handOn(ctx, Delivery{Object: e.object, Item: e.item, Answer: Answer{Verdict: v}, Refusals: e.state.Refusals})
	return false
}

// handOn delivers, and takes the object out of the queue. An outcome that nobody takes is asked for again later.
func (e *errand) handOn(ctx context.Context, d Delivery) {
	wait := time.Second
	for try := 1; ; try++ {
		err := e.s.o.Deliver(ctx, d)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		e.s.events.event(Event{Kind: DeliveryFailed, Server: d.Server, Object: e.object.SHA256, Err: err}, "")
		if try == maxDeliveries {
			e.state.LastError = cut(fmt.Sprintf("handing on the verdict: %v", err))
			e.putBack(e.s.o.Now().Add(time.Minute))
			return
		}
		if sleep(ctx, wait) != nil {
			return
		}
		wait *= 2
	}
	if err := e.item.Remove(); err != nil {
		e.s.o.Log.Warn("an object stays in the queue although its outcome was delivered; it will be asked about again", "sha256", e.object.SHA256, "error", err)
		e.putBack(e.s.o.Now().Add(ownMax))
	}
}
