package scanner

import (
	"testing"

	"tyto/scanner/worker"
)

func TestWindow(t *testing.T) {
	for _, test := range []struct{ files, workers, want int }{
		{1 << 20, 1, worker.DefaultWindow},
		{1024, 4, worker.DefaultWindow},
		{1024, 32, 11},
		{64, 1, 14},
		{64, 8, 1},
		{8, 2, 1},
	} {
		got := window(test.files, test.workers)
		if got != test.want {
			t.Errorf("window(%d, %d) = %d, want %d", test.files, test.workers, got, test.want)
		}
	}
}
