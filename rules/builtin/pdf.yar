// PDF documents that do something when they are opened.

rule Tyto_Pdf_LaunchCommand
{
    meta:
        author = "Tyto project"
        description = "PDF that starts a program"
        reference = "https://attack.mitre.org/techniques/T1204/002/"
        date = "2026-11-21"
        score = 85
        id = "10073ddc-74c7-414c-9ad3-897c7a32f7ac"
    strings:
        $launch = /\/S\s{0,4}\/Launch\b/
        $run    = /(cmd|powershell|\.exe|\.vbs|\.bat|\.hta|\/bin\/sh|\/bin\/bash)"? {0,2}\)/ nocase
    condition:
        uint32be(0) == 0x25504446 and all of them
}

rule Tyto_Pdf_ExploitScript
{
    meta:
        author = "Tyto project"
        description = "PDF that runs JavaScript on opening with calls known from exploits or droppers"
        reference = "https://attack.mitre.org/techniques/T1203/"
        date = "2026-11-21"
        score = 75
        id = "cbe5a730-3bfc-4c72-a18c-94f4a6cdb6cf"
    strings:
        $open1 = "/OpenAction"
        $open2 = "/AA <<"
        $open3 = "/AA<<"
        $js    = "/JavaScript"
        $call1 = /unescape\(\s{0,4}["'](%u[0-9a-f]{4}){3}/ nocase
        $call2 = "Collab.collectEmailInfo"
        $call3 = "media.newPlayer"
        $call4 = /util\.printf\(\s{0,4}["']%\d{4,6}f/
        $call5 = /exportDataObject\(\s{0,4}\{[^}]{1,80}nLaunch\s{0,2}:\s{0,2}[12]/
        $call6 = /app\.launchURL\(\s{0,4}["'](https?:\/\/[^"']{1,120}\.(exe|zip|iso|js|vbs|hta|lnk|msi)|file:)/
    condition:
        uint32be(0) == 0x25504446 and any of ($open*) and $js and any of ($call*)
}
