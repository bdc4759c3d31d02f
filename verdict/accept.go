package verdict

import "net/netip"

// accept reports whether an entry of a report's list can be kept, and shortens what people read in it.
func accept(entry any) bool {
	switch e := entry.(type) {
	case *string:
		return fits(*e) && *e != ""
	case *Engine:
		sublist(&e.Blind)
		shorten(&e.Saw)
		shorten(&e.Failed)
		if !e.Level.Known() {
			e.Level = Error
		}
		return fits(e.Name, e.Version)
	case *Behaviour:
		sublist(&e.Evidence)
		shorten(&e.Detail)
		e.Score = min(max(e.Score, 0), 100)
		return fits(e.ID, e.Engine)
	case *Dropped:
		return IsSHA256(e.SHA256) && e.Size >= 0 && fits(e.Path, e.Type) &&
			(e.MD5 == "" || isHex(e.MD5, 32)) && (e.SHA1 == "" || isHex(e.SHA1, 40))
	case *FileAct:
		return e.Path != "" && e.Size >= 0 && fits(e.Path, e.To) && known(e.Act)
	case *Process:
		sublist(&e.Arguments)
		return fits(e.Path)
	case *Registry:
		shorten(&e.Data)
		return e.Key != "" && fits(e.Key, e.Value) && known(e.Act)
	case *Service:
		return e.Name != "" && fits(e.Name, e.Path)
	case *Connection:
		_, err := netip.ParseAddr(e.Address)
		return err == nil && e.Port >= 0 && e.Port <= 65535 && fits(e.Protocol, e.Domain)
	}
	return false
}

func fits(texts ...string) bool {
	for _, text := range texts {
		if length(text) > MaxText {
			return false
		}
	}
	return true
}

func known(a Act) bool {
	switch a {
	case Created, Written, Deleted, Moved, Read, Touched:
		return true
	}
	return false
}
