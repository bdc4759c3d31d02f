package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tyto/finding"
)

// Progress says how far a scan is. It is cheap to make, several times a second.
type Progress struct {
	Objects int64 // examined, members of archives included
	Files   int64 // examined files
	Bytes   int64 // content read
	// RecalledBytes is the size of those of Files that need not be read, as they are unchanged since an
	// earlier scan.
	RecalledBytes int64
	// TotalFiles and TotalBytes are what there is to examine; 0 as long as that is unknown.
	TotalFiles, TotalBytes int64
	Findings               map[finding.Level]int64
	Current                string        // the path of the object in work
	Paused                 string        // why the scan waits; empty if it runs
	Elapsed                time.Duration // since the start
	// Active is Elapsed without pauses. If it is 0, there were none.
	Active time.Duration
}

func (p *Progress) active() time.Duration {
	if p.Active > 0 {
		return p.Active
	}
	return p.Elapsed
}

// Left says how much of the scan is left, as far as that can be said honestly: "counting…"
// until the total is known, then a share, and a time once enough is done to tell.
//
// The share is the smaller one of files and bytes: many small files at the end take as long as
// few large ones, and a scan that ends sooner than promised annoys nobody.
func (p *Progress) Left() string {
	if p.TotalFiles <= 0 && p.TotalBytes <= 0 {
		return "counting..."
	}
	share := 1.0
	if p.TotalFiles > 0 {
		share = min(share, float64(p.Files)/float64(p.TotalFiles))
	}
	if p.TotalBytes > 0 {
		share = min(share, float64(p.Bytes+p.RecalledBytes)/float64(p.TotalBytes))
	}
	percent := fmt.Sprintf("%d%%", int(share*100))
	const tooEarly = 0.01 // of the whole: before, the estimate jumps
	if share < tooEarly || p.active() < 3*time.Second {
		return percent
	}
	return percent + ", " + remaining(time.Duration(float64(p.active())*(1-share)/share))
}

// remaining returns a duration as coarsely as it is known.
func remaining(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than 1 min left"
	case d < 90*time.Minute:
		return fmt.Sprintf("about %d min left", int(d.Round(time.Minute)/time.Minute))
	case d < 36*time.Hour:
		return fmt.Sprintf("about %d h left", int(d.Round(time.Hour)/time.Hour))
	}
	return fmt.Sprintf("about %d days left", int(d.Round(24*time.Hour)/(24*time.Hour)))
}

// line returns the progress in at most width columns. The path gets what the rest leaves; on a
// narrow terminal, what matters least is left out.
func (p *Progress) line(width int) string {
	left := p.Left()
	if p.Paused != "" {
		left = "paused: " + Safe(p.Paused)
	}
	objects, read, found := plural(p.Objects, "object"), Bytes(p.Bytes), levelCounts(p.Findings)
	var line string
	for _, parts := range [][]string{
		{objects, read, rate(p.Bytes, p.active()), found, clock(p.Elapsed), left},
		{objects, read, found, clock(p.Elapsed), left},
		{objects, found, left},
		{found, left},
	} {
		line = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
		if columns(line) <= width {
			break
		}
	}
	const shortestPath = 12
	if room := width - columns(line) - 2; room >= shortestPath && p.Current != "" {
		return line + "  " + shorten(Safe(p.Current), room)
	}
	return prefix(line, width)
}

// clock returns d as 1:02 or 1:02:03.
func clock(d time.Duration) string {
	s := int64(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s%3600/60, s%60)
}
