package service

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestCarryEndsAtTheFirstFailure(t *testing.T) {
	var done []string
	step := func(name string, err error) Step {
		return Step{name, func(context.Context) error { done = append(done, name); return err }}
	}
	var told []string
	err := Carry(t.Context(), []Step{step("a", nil), step("b", errors.New("no")), step("c", nil)}, func(what string) { told = append(told, what) })
	if err == nil || err.Error() != "b: no" {
		t.Errorf("error %v", err)
	}
	if got := strings.Join(done, " ") + "|" + strings.Join(told, " "); got != "a b|a b" {
		t.Errorf("done and told: %s", got)
	}
}
