package walk

import "golang.org/x/sys/windows"

// maxNames bounds the cache of names; a file system can hold files of any number of users.
const maxNames = 10_000

// owners knows the names of accounts, each asked of the system once.
type owners struct {
	accounts map[string]string // by SID
}

func newOwners() *owners { return &owners{accounts: map[string]string{}} }

// user returns an account's name as DOMAIN\name, or the SID if there is none or if asked for.
func (o *owners) user(sid *windows.SID, number bool) string {
	if sid == nil {
		return ""
	}
	text := sid.String()
	if number {
		return text
	}
	if name, ok := o.accounts[text]; ok {
		return name
	}
	name := text
	if account, domain, _, err := sid.LookupAccount(""); err == nil {
		name = account
		if domain != "" {
			name = domain + `\` + account
		}
	}
	if len(o.accounts) >= maxNames {
		clear(o.accounts)
	}
	o.accounts[text] = name
	return name
}
