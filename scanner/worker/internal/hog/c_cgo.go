//go:build cgo

package hog

/*
#include <stdlib.h>
#include <string.h>

// As careless as much C code: it does not check what malloc returns.
static void hog(size_t grain) {
	for (;;) {
		char *p = malloc(grain);
		memset(p, 1, grain);
	}
}
*/
import "C"

// C takes memory from C's heap. It does not return.
func C() { C.hog(grain) }
