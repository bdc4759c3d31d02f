package walk

// fileSystem is what a directory belongs to.
type fileSystem struct {
	name  string
	class class
}

// class says whether a file system is walked.
type class uint8

const (
	local   class = iota // its files are on this computer
	network              // another computer keeps the files
	pseudo               // it has no files of its own
)
