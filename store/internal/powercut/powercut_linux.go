package powercut

/*
int powercut_register(void);
void powercut_arm(long long after, unsigned long long seed);
long long powercut_disarm(void);
int powercut_is_off(void);
*/
import "C"

import "errors"

// VFS is the name of the file system for SQLite.
const VFS = "powercut"

// Register makes the file system known to SQLite.
func Register() error {
	if C.powercut_register() != 0 {
		return errors.New("powercut: SQLite does not take the file system; is it linked?")
	}
	return nil
}

// Arm switches the power on and lets it fail at the after-th write, sync or truncation from now on; 0 is
// never. No file may be open. The seed decides what is lost.
func Arm(after int64, seed uint64) { C.powercut_arm(C.longlong(after), C.ulonglong(seed)) }

// Disarm lets the power stay as it is and returns how many writes, syncs and truncations there were since
// Arm.
func Disarm() int64 { return int64(C.powercut_disarm()) }

// IsOff reports whether the power was cut.
func IsOff() bool { return C.powercut_is_off() != 0 }
