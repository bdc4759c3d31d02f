//go:build !unix

package scanner

// specials has nothing to make here.
func (h *hostile) specials() {}
