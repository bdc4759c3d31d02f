package idle

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDischarging(t *testing.T) {
	type supply map[string]string
	tests := []struct {
		name     string
		supplies map[string]supply
		want     bool
	}{
		{"a desktop computer", nil, false},
		{"mains", map[string]supply{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Charging"}}, false},
		{"battery", map[string]supply{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, true},
		{"battery full on mains", map[string]supply{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Full"}}, false},
		{"one battery drains on mains", map[string]supply{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, false},
		{"a mouse", map[string]supply{"hid-mouse": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, false},
		{"power failure", map[string]supply{"ups": {"type": "UPS", "status": "Discharging"}}, true},
		{"USB-C charger", map[string]supply{"BAT0": {"type": "Battery", "status": "Discharging"}, "ucsi": {"type": "USB", "online": "1"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, files := range test.supplies {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
				for file, content := range files {
					if err := os.WriteFile(filepath.Join(dir, name, file), []byte(content+"\n"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := dischargingAt(dir); got != test.want {
				t.Errorf("on battery: %v, want %v", got, test.want)
			}
		})
	}
}
