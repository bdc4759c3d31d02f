// Pictures that carry code: the file begins as a JPEG, PNG or GIF, so that an upload filter or a
// person takes it for a picture, and holds a script or a program further on.

rule Tyto_Picture_PhpCode
{
    meta:
        author = "Tyto project"
        description = "Picture that contains PHP code, as planted by uploads past an image filter"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "91477597-4ba8-4a98-843a-b250cff02811"
    strings:
        $php = /<\?php[ \t\r\n]/ nocase
    condition:
        (uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint32be(0) >> 8 == 0xFFD8FF)
        and $php
}

rule Tyto_Picture_ServerPage
{
    meta:
        author = "Tyto project"
        description = "Picture that contains ASP, ASP.NET or JSP page code"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2026-11-21"
        score = 80
        id = "2e46b230-f8f1-4cdb-9d2a-b432fd62ace3"
    strings:
        $page    = /<%@ {0,2}(page|import|webhandler|webservice) /  nocase
        $classic = /<% {0,2}(eval|execute|executeglobal) {0,2}\(? {0,2}request/ nocase
        $jsp     = /<jsp:(root|scriptlet|directive)/
    condition:
        (uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint32be(0) >> 8 == 0xFFD8FF)
        and any of them
}

rule Tyto_Picture_Html
{
    meta:
        author = "Tyto project"
        description = "Picture that contains an HTML script element, as in polyglots that browsers run"
        reference = "https://attack.mitre.org/techniques/T1027/009/"
        date = "2026-11-21"
        score = 65
        id = "243237f9-7202-474b-8e5b-a25d332acd6c"
    strings:
        $script = /<script[ >][^<]{0,100}(eval|atob|document\.|location|src=|ActiveXObject|fromCharCode)/ nocase
    condition:
        (uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint32be(0) >> 8 == 0xFFD8FF)
        and $script
}

rule Tyto_Picture_Shell
{
    meta:
        author = "Tyto project"
        description = "Picture that contains a PowerShell or Unix shell script"
        reference = "https://attack.mitre.org/techniques/T1027/003/"
        date = "2026-11-21"
        score = 80
        id = "40b6c15f-d208-4985-8ded-dc0cf7a94520"
    strings:
        $powershell = /powershell(\.exe)? {1,4}-[a-z]/ nocase
        $download   = ".DownloadString(" nocase
        $decode     = "[Convert]::FromBase64String(" nocase
        $shebang    = /\n#!\/(usr\/)?bin\/(env )?(ba|da|z)?sh\n/
    condition:
        (uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint32be(0) >> 8 == 0xFFD8FF)
        and any of them
}

rule Tyto_Picture_Program
{
    meta:
        author = "Tyto project"
        description = "Picture with a Windows or Linux program behind or inside it"
        reference = "https://attack.mitre.org/techniques/T1027/009/"
        date = "2026-11-21"
        score = 80
        id = "bc3aa03b-9f06-41d6-87a2-209495bd5080"
    strings:
        $dos = "!This program cannot be run in DOS mode."
        $dos2 = "!This program must be run under Win32"
        // The last chunk of a PNG, then an ELF header.
        $elf = { 49 45 4E 44 AE 42 60 82 7F 45 4C 46 }
    condition:
        (uint32be(0) == 0x89504E47 or uint32be(0) == 0x47494638 or uint32be(0) >> 8 == 0xFFD8FF)
        and any of them
}
