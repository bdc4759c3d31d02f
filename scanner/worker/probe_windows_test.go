package worker

import (
	"context"
	"strings"
	"testing"
	"time"
)

// On Windows the probe reports; what is refused can be shown only on a real one. Wine must at
// least start the worker, confine it as far as it can, and let it try.
func TestProbeReports(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, err := RunProbe(ctx, testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) < 10 {
		t.Errorf("only %d attempts", len(results))
	}
	for _, r := range results {
		t.Logf("%-45s refused %-5v %v", r.Action, r.Refused, r.Detail)
	}
}

func TestConfinement(t *testing.T) {
	config := testConfig(t)
	config.LowPriority = true
	p := startPool(t, config)
	lines := p.Confinement()
	t.Log("\n" + strings.Join(lines, "\n"))
	if len(lines) < 5 {
		t.Error("measures are missing")
	}
}
