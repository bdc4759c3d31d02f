// Reverse shells: scripts that connect a shell's input and output to a distant machine. Shell
// histories and cron files have no extension, so these rules look there too; texts about reverse
// shells (.md, .html, …) are not looked at.

rule Tyto_ReverseShell_Bash
{
    meta:
        author = "Tyto project"
        description = "Script or shell history with a shell connected to a TCP or UDP address by bash"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
        date = "2026-11-21"
        score = 85
        id = "8f20c7e0-b95f-4f03-85d1-8daacac53315"
    strings:
        $interactive = /sh -i[^\r\n]{0,24}(\/dev\/tcp\/|\/dev\/udp\/)/
        $redirected  = /(0<&\d{2,3}-?;|0<&196|exec \d{1,3}<>)[^\r\n]{0,4}(\/dev\/tcp\/|\/dev\/udp\/)[^\r\n]{1,80};[^\r\n]{0,20}sh <&/
    condition:
        filesize < 1MB and any of them
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|zsh|cron|service|php|py|pl|rb|js|jsp|bash_history|bashrc|bash_profile|profile|zshrc))?$/i
             or filename matches /history$|^\.(bash|z|pro)/)
}

rule Tyto_ReverseShell_Base64
{
    meta:
        author = "Tyto project"
        description = "Base64-encoded reverse shell of bash"
        reference = "https://attack.mitre.org/techniques/T1027/010/"
        date = "2026-11-21"
        score = 85
        id = "94ca7ba8-84d5-47d8-9aa3-d807a7d22b64"
    strings:
        $tcp   = "sh -i >& /dev/tcp/" base64 base64wide
        $udp   = "sh -i >& /dev/udp/" base64 base64wide
        $exec  = "0<&196;exec 196<>/dev/tcp/" base64 base64wide
    condition:
        filesize < 5MB and any of them
        and not extension matches /^\.(md|rst|adoc|html?|tex|ya?ml|yara?)$/i
}

rule Tyto_ReverseShell_Python
{
    meta:
        author = "Tyto project"
        description = "Python code that connects a shell to a distant machine"
        reference = "https://attack.mitre.org/techniques/T1059/006/"
        date = "2026-11-21"
        score = 85
        id = "e777fea1-f1e3-445d-84e5-49f873496b9e"
    strings:
        $connect = /\.connect\(\( {0,2}["'\w]/
        $dup     = /os\.dup2\( {0,2}\w{1,10}\.fileno\(\) {0,2}, {0,2}[012] {0,2}\)/
        $shell   = /pty\.spawn\(|subprocess\.(call|run|Popen)\( {0,2}\[? {0,2}["'](\/bin\/)?(ba|da|z)?sh\b|os\.system\( {0,2}["']\/bin\/(ba)?sh/
    condition:
        filesize < 256KB and $connect and #dup >= 2 and $shell
        and (uint16be(0) == 0x2321 or extension matches /^(\.(py|pyw|sh|bash|cron|bash_history|zsh_history))?$/i)
}

rule Tyto_ReverseShell_Perl
{
    meta:
        author = "Tyto project"
        description = "Perl code that connects a shell to a distant machine"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
        date = "2026-11-21"
        score = 85
        id = "c25138a5-e0f6-433a-9ff1-ec19bb5e6ebd"
    strings:
        $std  = /open\(? {0,2}STD(IN|OUT|ERR) {0,2}, {0,2}["'][<>]{1,2}&/
        $exec = /exec[ ({]{1,3}["']\/bin\/(ba)?sh -i/
        $conn = /\bconnect\( {0,2}\w|IO::Socket::INET/
    condition:
        filesize < 256KB and #std >= 2 and $exec and $conn
        and (uint16be(0) == 0x2321 or extension matches /^(\.(pl|cgi|pm|sh|bash|bash_history|zsh_history))?$/i)
}

rule Tyto_ReverseShell_Netcat
{
    meta:
        author = "Tyto project"
        description = "Script or shell history that gives a shell away with netcat"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
        date = "2026-11-21"
        score = 75
        id = "e2c03af0-1b22-41c6-aa25-d3071e57e4b4"
    strings:
        $exec = /\b(nc|ncat|netcat)(\.traditional|\.openbsd|\.exe)? [^\r\n;|&]{0,80}-[a-z]{0,4}[ec] {1,2}["']?(\/bin\/sh|\/bin\/bash|\/bin\/dash|\/bin\/zsh|cmd\.exe|powershell)/
        $fifo = /(mkfifo|mknod) [^\r\n]{1,120}sh( -i)?[^\r\n]{0,20}\| {0,2}(nc|ncat|netcat|telnet|openssl s_client) /
    condition:
        filesize < 1MB and any of them
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|zsh|cron|service|php|py|pl|rb|bat|cmd|ps1|bash_history|zsh_history))?$/i)
}

rule Tyto_ReverseShell_Descriptors
{
    meta:
        author = "Tyto project"
        description = "Script that starts an interactive shell on an open socket's descriptor"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
        date = "2026-11-21"
        score = 80
        id = "459b819a-9ace-4992-bb79-475ed3c2fed5"
    strings:
        $sh     = /sh -i {0,2}<&\d{1,2} {0,2}>&\d{1,2} {0,2}2>&\d/
        $format = "sh -i <&%d >&%d 2>&%d"
    condition:
        filesize < 256KB and any of them
        and (uint16be(0) == 0x2321 or extension matches /^(\.(php[3-8]?|phtml|rb|pl|py|lua|js|jsp|sh|bash|awk|bash_history|zsh_history))?$/i)
}

rule Tyto_ReverseShell_Php
{
    meta:
        author = "Tyto project"
        description = "PHP page that connects a shell to a distant machine"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 85
        id = "03d97112-cc43-4584-b2eb-0e8f30ea13bb"
    strings:
        $socket = /\b(fsockopen|stream_socket_client|socket_connect)\s{0,2}\(/
        $open   = /\bproc_open\s{0,2}\(|\bpopen\s{0,2}\(/
        $shell  = /\/bin\/(ba)?sh -i|['"]cmd\.exe['"]/
    condition:
        filesize < 256KB
        and (extension matches /^\.(php[3-8s]?|pht|phtml|phar|inc)$/i or uint32be(0) == 0x3C3F7068)
        and all of them
}

rule Tyto_ReverseShell_Pty
{
    meta:
        author = "Tyto project"
        description = "Script or shell history with a full terminal given away by socat"
        reference = "https://gtfobins.github.io/gtfobins/socat/"
        date = "2026-11-21"
        score = 75
        id = "4fa42982-b276-4b35-9156-8ec8ce57baa0"
    strings:
        $socat = /socat [^\r\n]{0,80}(exec|system):[^\r\n]{1,60}(pty,stderr|stderr,pty)[^\r\n]{0,60}tcp|socat [^\r\n]{0,10}tcp[^\r\n]{1,60}(exec|system):[^\r\n]{1,40}(pty,stderr|stderr,pty)/ nocase
    condition:
        filesize < 1MB and $socat
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|zsh|cron|service|php|py|bash_history|zsh_history))?$/i)
}
