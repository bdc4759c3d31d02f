//go:build unix

package walk

import (
	"os/user"
	"strconv"
)

// maxNames bounds the cache of names; a file system can hold files of any number of users.
const maxNames = 10_000

// owners knows the names of users and groups, each asked of the system once.
type owners struct {
	users, groups map[uint32]string
}

func newOwners() *owners {
	return &owners{users: map[uint32]string{}, groups: map[uint32]string{}}
}

// user returns a user's name, or the number if there is none or if asked for.
func (o *owners) user(id uint32, number bool) string {
	return name(o.users, id, number, func(text string) (string, error) {
		u, err := user.LookupId(text)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

// group returns a group's name, or the number if there is none or if asked for.
func (o *owners) group(id uint32, number bool) string {
	return name(o.groups, id, number, func(text string) (string, error) {
		g, err := user.LookupGroupId(text)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

func name(cache map[uint32]string, id uint32, number bool, lookup func(string) (string, error)) string {
	if number {
		return strconv.FormatUint(uint64(id), 10)
	}
	if name, ok := cache[id]; ok {
		return name
	}
	text := strconv.FormatUint(uint64(id), 10)
	name, err := lookup(text)
	if err != nil || name == "" {
		name = text
	}
	if len(cache) >= maxNames {
		clear(cache)
	}
	cache[id] = name
	return name
}

// volume is the volume as users and other tools know it.
func (id FileID) volume() uint64 { return id.Device }
