package builtin

import "strings"

func testFileExamples() []example {
	const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EI·CAR-STAN·DARD-ANTI·VIRUS-TEST-FILE!$H+H*`
	return []example{{
		rule:  "Tyto_Test_Eicar",
		fires: []object{raw("/tmp/eicar.com", eicar), raw("/tmp/eicar.txt", eicar, "\r\n")},
		silent: []object{
			text("/tmp/mail.txt", "The file contains "+eicar), // not at the beginning
			raw("/tmp/long.txt", eicar, strings.Repeat(" ", 61)),
		},
	}}
}

func pictureExamples() []example {
	return []example{{
		rule: "Tyto_Picture_PhpCode",
		fires: []object{
			raw("/srv/www/uploads/a.gif", gif, "<?p·hp include 'x'; ?>"),
			raw("/srv/www/uploads/a.jpg", jpeg, noise(2000), "<?P·HP\n", "include 'x';"),
		},
		silent: []object{
			raw("/srv/www/uploads/b.jpg", jpeg, "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>"), // XMP
			text("/srv/www/index.php", "<?p·hp include 'x'; ?>"),
		},
	}, {
		rule: "Tyto_Picture_ServerPage",
		fires: []object{
			raw("/srv/a.png", png, `<%·@ Page Language="C#" %>`),
			raw("/srv/b.gif", gif, `<% ev·al request("a") %>`),
			raw("/srv/c.jpg", jpeg, `<jsp:·root version="2.0">`),
		},
		silent: []object{raw("/srv/d.png", png, "tEXtComment\x00<% of pixels @ page 3>")},
	}, {
		rule:   "Tyto_Picture_Html",
		fires:  []object{raw("/srv/a.gif", gif, "/*", zeros(9), "*/=1;<scr·ipt>ev·al(x)</scr·ipt>")},
		silent: []object{raw("/srv/b.png", png, "tEXtDescription\x00how to use <scr·ipt> in a page")},
	}, {
		rule: "Tyto_Picture_Shell",
		fires: []object{
			raw("/tmp/a.jpg", jpeg, noise(500), "powers·hell.exe -nop -c ls"),
			raw("/tmp/b.png", png, "\n#!/bin/s·h\necho 1\n"),
		},
		silent: []object{raw("/tmp/c.png", png, "tEXtTitle\x00Screenshot of PowerShell 7")},
	}, {
		rule: "Tyto_Picture_Program",
		fires: []object{
			raw("/tmp/a.jpg", jpeg, "MZ", noise(62), "!This program can·not be run in DOS mode.\r\r\n$"),
			raw("/tmp/b.png", png, "IEND\xaeB`\x82·", elf{kind: 2, sections: 3}.String()),
		},
		silent: []object{
			raw("/tmp/c.jpg", jpeg, noise(4000), "MZ", noise(4000)), // two letters mean nothing
			raw("/tmp/d.png", png, "IEND\xaeB`\x82", noise(50)),     // data behind a picture neither
		},
	}}
}

func disguiseExamples() []example {
	program, linux := plainPE(""), elf{kind: 2, sections: 20}.String()
	return []example{{
		rule: "Tyto_Disguise_DoubleExtension_Program",
		fires: []object{
			raw(`C:\Users\ann\Downloads\invoice.pdf.exe`, program),
			raw(`C:\Users\ann\Downloads\CV.DOCX          .SCR`, program),
		},
		silent: []object{
			raw(`C:\Users\ann\Downloads\pdf.exe`, program),
			raw(`C:\Program Files\x\html2pdf.exe`, program),
			raw(`C:\Program Files\x\node.v4.exe`, program),
			text("/srv/www.mp3.com", "a page, stored under its host's name"),
		},
	}, {
		rule: "Tyto_Disguise_DoubleExtension_Script",
		fires: []object{
			text(`C:\Users\ann\Downloads\scan.jpg.vbs`, "MsgBox 1"),
			text(`C:\Users\ann\Downloads\bill.pdf     .hta`, "<p>1</p>"),
		},
		silent: []object{
			text("/srv/node_modules/x/jquery.txt.js", "module.exports = 1"),
			text(`C:\tools\convert-pdf.bat`, "echo 1"),
			raw(`C:\Users\ann\AppData\Roaming\Microsoft\Windows\Recent\report.docx.lnk`, link), // Windows writes these
		},
	}, {
		rule:  "Tyto_Disguise_WindowsProgramAsDocument",
		fires: []object{raw("/home/ann/report.pdf", program), raw(`C:\Temp\a.JPG`, program)},
		silent: []object{
			raw("/home/ann/report.bin", program),
			text("/home/ann/mz.txt", "MZ is how such programs begin."+strings.Repeat(".", 99)),
		},
	}, {
		rule:   "Tyto_Disguise_LinuxProgramAsDocument",
		fires:  []object{raw("/home/ann/photo.jpg", linux)},
		silent: []object{raw("/home/ann/photo", linux), text("/home/ann/elf.txt", "ELF is a format")},
	}, {
		rule: "Tyto_Disguise_ScriptAsPicture",
		fires: []object{
			text("/srv/www/logo.png", "#!/bin/sh", "ls"),
			text("/srv/www/logo.gif", "<?p·hp phpinfo();"),
			text(`C:\Users\ann\photo.jpg`, "@ECHO OFF", "dir"),
		},
		silent: []object{
			text("/srv/www/lost.png", "<!DOCTYPE html><title>404</title>"), // a page saved by mistake
			raw("/srv/www/ok.png", png),
			text("/srv/www/run.sh", "#!/bin/sh", "ls"),
		},
	}, {
		rule:  "Tyto_Disguise_RightToLeftOverride",
		fires: []object{raw("C:\\Users\\ann\\photo\u202egpj.exe", program)},
		silent: []object{
			raw("/home/ann/\u05e9\u05dc\u05d5\u05dd.txt", "a Hebrew name"),
			raw("/home/ann/a\u200fb.txt", "a name with a right-to-left mark"),
		},
	}, {
		rule:  "Tyto_Disguise_WindowsSystemName",
		fires: []object{raw(`C:\Users\ann\AppData\Roaming\svchost.exe`, program), raw(`C:\Windows\Temp\LSASS.EXE`, program)},
		silent: []object{
			raw(`C:\Windows\System32\svchost.exe`, program),
			raw("/mnt/c/Windows/SysWOW64/svchost.exe", program),
			raw("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/services.exe", program),
			raw(`C:\Windows\WinSxS\amd64_microsoft-windows-lsa_31bf3856ad364e35_10.0.1_none\lsass.exe`, program),
			text("/home/ann/svchost.exe", "not a program"),
		},
	}, {
		rule:   "Tyto_Disguise_KernelThreadName",
		fires:  []object{raw("/opt/.x/kworker", linux), raw("/home/ann/[kworker:0-1]", linux), raw("/opt/kdevtmpfsi", linux)},
		silent: []object{raw("/usr/sbin/watchdog", linux), raw("/usr/bin/kwrite", linux)},
	}, {
		rule: "Tyto_Disguise_ArchivedDoubleExtension",
		fires: []object{
			raw("/home/ann/mail.zip", "PK\x03\x04", noise(300), "PK\x01\x02", noise(42), "bill.pdf·.exe", "PK\x05\x06", zeros(18)),
		},
		silent: []object{
			raw("/home/ann/src.zip", "PK\x03\x04", noise(300), "PK\x01\x02", noise(42), "bill.pdf", "PK\x01\x02", noise(42), "a.exe", "PK\x05\x06", zeros(18)),
			text("/home/ann/list.txt", "bill.pdf.exePK"),
		},
	}}
}
