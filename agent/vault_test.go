package agent

import (
	"log/slog"
	"path/filepath"
	"testing"

	"tyto/quarantine"
)

// A long examination of the quarantine keeps neither a new policy nor anybody else waiting.
func TestVaultIsReplacedWhileItIsUsed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	open := func() *quarantine.Vault {
		v, err := quarantine.Open(filepath.Join(t.TempDir(), "vault"), quarantine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var h vaultHolder
	first, second := open(), open()
	h.replace(first, nil, log)
	err := h.use(func(v *quarantine.Vault) error {
		h.replace(second, nil, log) // returns although the first is used
		return h.use(func(now *quarantine.Vault) error {
			if v != first || now != second {
				t.Error("who comes after the change does not get the new vault")
			}
			_, err := v.Used() // the old one is still open
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
	h.close(log)
	if err := h.use(func(*quarantine.Vault) error { return nil }); err == nil {
		t.Error("a closed vault is used")
	}
}
