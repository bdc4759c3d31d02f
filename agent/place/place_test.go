package place

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDefaultTakesTheEnvironmentFirst(t *testing.T) {
	env := map[string]string{"ProgramData": `D:\State`}
	getenv := func(name string) string { return env[name] }
	plain := Default(getenv)
	if plain.Policy == "" || plain.Data == "" || plain.Control == "" {
		t.Fatalf("a place is missing: %+v", plain)
	}
	env[DataVariable] = "/srv/tyto"
	got := Default(getenv)
	want := plain
	want.Data = "/srv/tyto"
	if got != want {
		t.Errorf("with %s: %+v, want %+v", DataVariable, got, want)
	}
	if got := (Places{Policy: "mine.yaml"}).Or(plain); got != (Places{"mine.yaml", plain.Data, plain.Control}) {
		t.Errorf("a flag for the policy gave %+v", got)
	}
}

func TestMakeDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "tyto")
	for _, time := range []string{"new", "again"} {
		if err := MakeDir(dir); err != nil {
			t.Fatalf("%s: %v", time, err)
		}
	}
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckFile(file); err != nil {
		t.Errorf("a file in the agent's own folder: %v", err)
	}
	if err := MakeDir(file); err == nil {
		t.Error("a file was taken for a folder")
	}
	if err := CheckFile(dir); err == nil {
		t.Error("a folder was taken for a file")
	}
	if err := CheckDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was found safe")
	}
	if err := MakeDir(""); err == nil {
		t.Error("a folder without a name was made")
	}
}
