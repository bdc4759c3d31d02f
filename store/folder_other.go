//go:build !unix

package store

// secureModes says whether the bits of a mode keep other users out. Here the access list that a file
// inherits from its folder does; the agent sets that of its folder.
const secureModes = false

// syncDir has nothing to do: NTFS logs the names in a folder itself.
func syncDir(string) error { return nil }
