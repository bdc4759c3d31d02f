package idle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lock(source string, says Presence) Claim { return Claim{Source: source, About: Lock, Says: says} }
func input(source string, says Presence) Claim {
	return Claim{Source: source, About: Input, Says: says}
}

func TestCombine(t *testing.T) {
	one := func(claims ...Claim) []named {
		return []named{{provider: "p", Report: Report{Sessions: []Session{{Name: "1", Claims: claims}}}}}
	}
	tests := []struct {
		name    string
		reports []named
		want    Presence
		reason  string
	}{
		{"no source at all", nil, Unknown, "there is no source of presence for this system"},
		{"nobody logged in", []named{{provider: "p"}}, Idle, "nobody is logged in"},
		{"not answered yet", []named{{provider: "p", pending: true}}, Unknown, "p: has not answered yet"},
		{"provider fails", []named{{provider: "p", Report: Report{Err: errors.New("gone")}}}, Unknown, "p: gone"},
		{"a session without claims", one(), Active, "session 1: no source says that it is locked or has its screensaver on"},
		{"not locked", one(lock("a", Silent)), Active, "session 1: no source says that it is locked or has its screensaver on"},
		{"locked", one(lock("a", Idle)), Idle, "session 1: a: idle"},
		{"locked a second source is silent", one(lock("b", Silent), lock("a", Idle)), Idle, "session 1: a: idle"},
		{"locked a second source disagrees", one(lock("a", Idle), lock("b", Active)), Active, "session 1: sources disagree: a: idle, but b: active"},
		{"locked a second source fails", one(lock("a", Idle), lock("b", Unknown)), Unknown, "session 1: b: unknown"},
		{"locked mouse moves", one(lock("a", Idle), input("x", Active)), Idle, "session 1: a: idle"},
		{"not locked no input", one(lock("a", Active), input("x", Idle)), Idle, "session 1: x: idle"},
		{"no input a second source saw some", one(input("x", Idle), input("y", Active)), Active, "session 1: sources disagree: x: idle, but y: active"},
		{"no input a second source fails", one(input("x", Idle), input("y", Unknown)), Unknown, "session 1: y: unknown"},
		{"lock unknown input seen", one(lock("a", Unknown), input("x", Active)), Active, "session 1: x: active"},
		{"two sessions one in use", []named{{provider: "p", Report: Report{Sessions: []Session{
			{Name: "1", Claims: []Claim{lock("a", Idle)}}, {Name: "2", Claims: []Claim{lock("a", Active)}},
		}}}}, Active, "session 2: a: active"},
		{"two sessions both locked", []named{{provider: "p", Report: Report{Sessions: []Session{
			{Name: "1", Claims: []Claim{lock("a", Idle)}}, {Name: "2", Claims: []Claim{lock("a", Idle)}},
		}}}}, Idle, "all 2 sessions are locked, have their screensaver on, or are without input"},
		{"an exempt session does not count", []named{{provider: "p", Report: Report{Sessions: []Session{
			{Name: "1", Exempt: "the login screen", Claims: []Claim{lock("a", Active)}},
		}}}}, Idle, "nobody is logged in"},
		{"one provider idle one fails", []named{{provider: "p"}, {provider: "q", Report: Report{Err: errors.New("gone")}}}, Unknown, "q: gone"},
		{"active is told before unknown", []named{
			{provider: "q", Report: Report{Err: errors.New("gone")}},
			{provider: "p", Report: Report{Sessions: []Session{{Name: "1"}}}},
		}, Active, "session 1: no source says that it is locked or has its screensaver on"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := combine(test.reports)
			if diff := cmp.Diff([]string{string(test.want), test.reason}, []string{string(got.Presence), got.Reason}); diff != "" {
				t.Errorf("combined (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is reported: Idle needs every provider to answer and every session that counts to have
// evidence of one kind that nothing of the kind contradicts; and saying one more careful thing never makes
// the computer idle.
func TestCombineIsCareful(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	says := []Presence{Idle, Idle, Idle, Silent, Active, Unknown}
	claims := func() (list []Claim) {
		for range random.IntN(4) {
			list = append(list, Claim{Source: "s", About: Evidence(random.IntN(2)), Says: says[random.IntN(len(says))]})
		}
		return list
	}
	idle := 0
	for range 20000 {
		var reports []named
		for range 1 + random.IntN(2) {
			r := named{provider: "p", pending: random.IntN(20) == 0}
			if random.IntN(20) == 0 {
				r.Err = errors.New("gone")
			}
			for range random.IntN(3) {
				r.Sessions = append(r.Sessions, Session{Name: "1", Claims: claims()})
			}
			reports = append(reports, r)
		}
		got := combine(reports)
		if want := mayBeIdle(reports); (got.Presence == Idle) != want {
			t.Fatalf("%s because of %q, idle expected: %v\n%+v", got.Presence, got.Reason, want, reports)
		}
		if got.Reason == "" {
			t.Fatalf("no reason for %s", got.Presence)
		}
		if got.Presence == Idle {
			idle++
			continue
		}
		reports[0].Sessions = append(reports[0].Sessions, Session{Claims: []Claim{lock("more", Active)}})
		if got := combine(reports); got.Presence == Idle {
			t.Fatalf("a session in use made the computer idle\n%+v", reports)
		}
	}
	if idle < 1000 {
		t.Errorf("only %d of 20000 cases were idle: the test shows little", idle)
	}
}

// mayBeIdle is the definition, written in another way.
func mayBeIdle(reports []named) bool {
	for _, r := range reports {
		if r.pending || r.Err != nil {
			return false
		}
		for _, s := range r.Sessions {
			seen := map[string]bool{}
			for _, c := range s.Claims {
				seen[fmt.Sprint(c.About, c.Says)] = true
			}
			sure := func(kind Evidence) bool {
				return seen[fmt.Sprint(kind, Idle)] && !seen[fmt.Sprint(kind, Active)] && !seen[fmt.Sprint(kind, Unknown)]
			}
			if !sure(Lock) && !sure(Input) {
				return false
			}
		}
	}
	return true
}
