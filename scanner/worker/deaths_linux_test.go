package worker

import (
	"encoding/hex"
)

// deathsOS are further rows of TestDeaths.
var deathsOS = []struct{ name, request, reason, detail string }{
	{"killed by somebody else", "signal SIGKILL", "crashed", "signal: killed"},
	{"uncaught signal", "signal SIGTERM", "crashed", "signal: terminated"},
	{"signal caught by the runtime", "signal SIGSEGV", "crashed", "signal: segmentation fault"},
	{"closed connection", "hang-up", "crashed", "signal: killed"},
	{"garbage", "raw ffffffffffffffffffffffffffffffff", "crashed",
		"protocol violation: frame of 4294967295 bytes, the limit is 16777216"},
	{"answer for another job", "raw " + hex.EncodeToString(appendFrame(nil, frame{kind: kindEnd, id: 1 << 40})),
		"crashed", "protocol violation: frame of kind 20 for job 1099511627776, whose turn it is not"},
}

// nullPointer is how the system calls the use of one.
const nullPointer = "signal: segmentation fault"
