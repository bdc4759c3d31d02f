// Web shells: pages that let a visitor run commands or code on the server. Each rule asks for a page's
// extension or for the page's opening tag at the beginning of the file.

rule Tyto_WebShell_Php_EvalRequest
{
    meta:
        author = "Tyto project"
        description = "PHP page that evaluates or executes what the visitor sends"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 85
        id = "6554f8ce-7890-4697-a305-a9c3a555555d"
    strings:
        $call = /\b(eval|assert|system|passthru|shell_exec|exec|popen|proc_open|create_function)\s{0,4}\(\s{0,4}@?(\w{3,20}\s{0,2}\(\s{0,2}){0,3}(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE|\$_SERVER\[['"]HTTP_)/
        $tick = /`\s{0,2}(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE)/
    condition:
        filesize < 1MB
        and (extension matches /^\.(php[3-8s]?|pht|phtml|phar|inc)$/i or uint32be(0) == 0x3C3F7068)
        and any of them
}

rule Tyto_WebShell_Php_RequestCallsRequest
{
    meta:
        author = "Tyto project"
        description = "PHP page in which the visitor names the function to call and its arguments"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 90
        id = "e759bab2-874f-4b4c-8bb9-24842698dd47"
    strings:
        $call = /(\$_GET|\$_POST|\$_REQUEST|\$_COOKIE)\s{0,4}[\[{][^\]}\r\n]{1,40}[\]}]\s{0,4}\(\s{0,4}@?(\w{3,20}\s{0,2}\(\s{0,2}){0,2}\$_(GET|POST|REQUEST|COOKIE)/
    condition:
        filesize < 1MB
        and (extension matches /^\.(php[3-8s]?|pht|phtml|phar|inc)$/i or uint32be(0) == 0x3C3F7068)
        and $call
}

rule Tyto_WebShell_Php_EncodedEval
{
    meta:
        author = "Tyto project"
        description = "PHP page that evaluates code unpacked from an encoded string"
        reference = "https://attack.mitre.org/techniques/T1027/010/"
        date = "2026-11-21"
        score = 70
        id = "7025cf7a-1945-44ec-8437-e876c846e824"
    strings:
        $eval    = /\b(eval|assert)\s{0,4}\(\s{0,4}@?(gzinflate|gzuncompress|gzdecode|str_rot13|base64_decode|convert_uudecode|hex2bin|strrev)\s{0,4}\(\s{0,4}([a-z0-9_]{3,20}\s{0,4}\(\s{0,4}){0,4}["'][A-Za-z0-9+\/=\\]{60}/ nocase
        $replace = /preg_replace\s{0,4}\(\s{0,4}["'].{1,20}\/[imsux]{0,4}e[imsux]{0,4}["']\s{0,4},\s{0,4}["'](eval|assert|\\x65\\x76\\x61\\x6c|\$_)/ nocase
    condition:
        filesize < 2MB
        and (extension matches /^\.(php[3-8s]?|pht|phtml|phar|inc)$/i or uint32be(0) == 0x3C3F7068)
        and any of them
}

rule Tyto_WebShell_Php_Toolbox
{
    meta:
        author = "Tyto project"
        description = "PHP page with a web shell's whole tool box: commands, files, uploads, host facts"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 75
        id = "4bf705e8-8b35-4195-9d5c-b03f0977c5af"
    strings:
        $run1 = "shell_exec("
        $run2 = "passthru("
        $run3 = "proc_open("
        $run4 = "popen("
        $fact1 = "php_uname("
        $fact2 = "posix_getpwuid("
        $fact3 = "disable_functions"
        $fact4 = "safe_mode"
        $fact5 = "disk_free_space("
        $file1 = "move_uploaded_file("
        $file2 = "fileperms("
        $file3 = "chmod("
        $input = /\$_(POST|REQUEST|GET)\[['"](cmd|command|exec|c|act|p1)['"]\]/
    condition:
        filesize < 500KB
        and (extension matches /^\.(php[3-8s]?|pht|phtml|phar|inc)$/i or uint32be(0) == 0x3C3F7068)
        and $input and 2 of ($run*) and 2 of ($fact*) and 2 of ($file*)
}

rule Tyto_WebShell_Htaccess
{
    meta:
        author = "Tyto project"
        description = "Web server settings that run pictures or temporary files as PHP"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "3be916bc-1f1b-476e-9fcb-a11bd424809e"
    strings:
        $handler = /(AddType|AddHandler|SetHandler|ForceType)[ \t]{1,8}["']?(application\/x-httpd-php|x-httpd-php|php[578]?-script)[^\r\n]{0,60}\.(jpe?g|png|gif|ico|txt|css|bmp|svg|log)\b/ nocase
        $prepend = /auto_(prepend|append)_file[ =\t"']{1,6}[^\r\n]{0,120}(\.jpe?g|\.png|\.gif|\.ico|\/tmp\/|\/dev\/shm\/|php:\/\/input|data:)/ nocase
    condition:
        filesize < 256KB
        and filename matches /^(\.htaccess|\.user\.ini|php\.ini)$/i
        and any of them
}

rule Tyto_WebShell_Jsp_Exec
{
    meta:
        author = "Tyto project"
        description = "JSP page that executes what the visitor sends"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "9e3d0083-f61e-4094-bfa5-1e78bf89ff46"
    strings:
        $exec  = /getRuntime\s{0,2}\(\s{0,2}\)\s{0,2}\.\s{0,2}exec\s{0,2}\(|new ProcessBuilder\s{0,2}\(/
        $input = /request\s{0,2}\.\s{0,2}get(Parameter|Header|InputStream|Reader)\s{0,2}\(/
    condition:
        filesize < 256KB
        and (extension matches /^\.jsp[xf]?$/i or uint32be(0) >> 8 == 0x3C2540)
        and all of them
}

rule Tyto_WebShell_Jsp_ClassLoader
{
    meta:
        author = "Tyto project"
        description = "JSP page that loads and runs Java classes sent by the visitor"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 90
        id = "9d71f73d-2d2f-4d55-939b-9a10b0f002e4"
    strings:
        $loader = /extends\s{1,4}ClassLoader/
        $define = /defineClass\s{0,2}\(/
        $input  = /request\s{0,2}\.\s{0,2}get(Parameter|Header|InputStream|Reader)\s{0,2}\(/
    condition:
        filesize < 256KB
        and (extension matches /^\.jsp[xf]?$/i or uint32be(0) >> 8 == 0x3C2540)
        and all of them
}

rule Tyto_WebShell_Asp_EvalRequest
{
    meta:
        author = "Tyto project"
        description = "ASP or ASP.NET page that evaluates what the visitor sends"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 90
        id = "ae140e2e-cab4-421e-9e75-810af7b49aad"
    strings:
        $eval = /\b(eval|execute|executeglobal)\s{0,4}\(?\s{0,4}request\s{0,4}[(.\[]/ nocase
    condition:
        filesize < 256KB
        and (extension matches /^\.(asp|aspx|ashx|asmx|ascx|asa|cer|cdx|soap)$/i or uint32be(0) >> 8 == 0x3C2540 or uint16be(0) == 0x3C25)
        and $eval
}

rule Tyto_WebShell_Asp_Command
{
    meta:
        author = "Tyto project"
        description = "Classic ASP page that runs commands through WScript.Shell"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "b8fddbeb-064a-410a-8499-429e81e627e9"
    strings:
        $shell = /CreateObject\s{0,2}\(\s{0,2}"(WScript\.Shell|Shell\.Application)/ nocase
        $input = /\brequest\s{0,2}(\.form|\.querystring|\.item)?\s{0,2}\(\s{0,2}"/ nocase
        $cmd   = /cmd(\.exe)?\s{1,2}\/c|\.StdOut/ nocase
    condition:
        filesize < 256KB
        and (extension matches /^\.(asp|asa|cer|cdx)$/i or uint16be(0) == 0x3C25)
        and all of them
}

rule Tyto_WebShell_Aspx_Command
{
    meta:
        author = "Tyto project"
        description = "ASP.NET page that runs commands and shows their output"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "15b4fb67-c120-402f-88b1-8131ebf82b33"
    strings:
        $start  = /ProcessStartInfo|Process\.Start\s{0,2}\(/
        $output = "RedirectStandardOutput"
        $shell  = /\bcmd(\.exe)?"|powershell/ nocase
        $input  = /Request\s{0,2}[.\[(]|\.Text\b/
    condition:
        filesize < 256KB
        and (extension matches /^\.(aspx|ashx|asmx|ascx|soap)$/i or uint32be(0) >> 8 == 0x3C2540)
        and all of them
}

rule Tyto_WebShell_Aspx_AssemblyLoad
{
    meta:
        author = "Tyto project"
        description = "ASP.NET page that loads and runs a .NET assembly sent by the visitor"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 90
        id = "e93aac59-2bf6-412f-b791-2c204ca74a1f"
    strings:
        $load   = /Assembly\s{0,2}\.\s{0,2}Load\s{0,2}\(|"Load"/
        $decode = /FromBase64String|RijndaelManaged|AesManaged|CreateDecryptor/
        $input  = /Request\s{0,2}(\.BinaryRead|\.InputStream|\.Form|\.Item|\.Headers|\[)/
        $run    = /\.CreateInstance\s{0,2}\(|\.Invoke\s{0,2}\(/
    condition:
        filesize < 256KB
        and (extension matches /^\.(aspx|ashx|asmx|ascx|soap)$/i or uint32be(0) >> 8 == 0x3C2540)
        and all of them
}
