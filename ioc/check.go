package ioc

// Check says what becomes of one indicator and each of its terms.
type Check struct {
	Indicator *Indicator
	// CanMatch is false if no item whatsoever can satisfy the indicator.
	CanMatch bool
	// Expired is true if the indicator's validity has ended.
	Expired bool
	// Detail says why the indicator as a whole is not evaluated; empty if it is.
	Detail string
	Terms  []TermCheck // in the order of the source
}

// TermCheck says what becomes of one term.
type TermCheck struct {
	Term   *Term
	Status Status
	Detail string // the reason in words if Status is not Evaluated
}

// Check explains the set indicator by indicator, in the order in which they were added.
func (s *Set) Check() []Check {
	checks := make([]Check, 0, len(s.indicators))
	for _, source := range s.indicators {
		c, err := compile(source, s.options.Available)
		check := Check{Indicator: source, CanMatch: err == nil && len(c.alternatives) > 0, Expired: s.expired(source)}
		switch {
		case check.Expired:
			check.CanMatch = false
			check.Detail = "its validity has ended"
		case err != nil:
			check.Detail = err.Error()
		case !check.CanMatch:
			check.Detail = "each way to satisfy it needs a term that is not evaluated"
		}
		for _, t := range c.terms {
			check.Terms = append(check.Terms, TermCheck{t.source, t.status, t.detail})
		}
		checks = append(checks, check)
	}
	return checks
}
