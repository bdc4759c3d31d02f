package policy

import "io/fs"

// inode is not known without opening the file; size and time have to do.
func inode(fs.FileInfo) any { return nil }
