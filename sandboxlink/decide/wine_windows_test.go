package decide_test

import "golang.org/x/sys/windows"

// underWine: Wine's WinVerifyTrust takes any root for a trusted one.
func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
