// Programs that come with Windows, used by scripts to download, decode and run ("living off the
// land"). Each rule asks for an extension under which the text would run.

rule Tyto_LolBin_CertutilDownload
{
    meta:
        author = "Tyto project"
        description = "Script that downloads with certutil"
        reference = "https://lolbas-project.github.io/lolbas/Binaries/Certutil/"
        date = "2026-11-21"
        score = 70
        id = "827e1217-6572-4b66-a6a7-1a84bf762d65"
    strings:
        $download = /certutil(\.exe)?["']? [^\r\n]{0,40}[-\/](urlcache|verifyctl)[^\r\n]{1,80}(https?|ftp):\/\// ascii wide nocase
    condition:
        filesize < 1MB and $download
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|bas|lnk|aspx?|php|jsp))?$/i
}

rule Tyto_LolBin_CertutilDecode
{
    meta:
        author = "Tyto project"
        description = "Script that carries a Windows program as a false certificate and decodes it with certutil"
        reference = "https://attack.mitre.org/techniques/T1140/"
        date = "2026-11-21"
        score = 80
        id = "50d18cf5-0788-4287-8667-a9ac93113d22"
    strings:
        $decode  = /certutil(\.exe)?["']? [^\r\n]{0,40}[-\/]decode/ ascii wide nocase
        $program = /(-----BEGIN CERTIFICATE-----|echo) {0,4}\r?\n?(TVqQAA|TVpQAA|TVoAAA|TVpBUl)/ ascii wide
    condition:
        filesize < 20MB and all of them
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|txt))?$/i
}

rule Tyto_LolBin_BitsadminDownload
{
    meta:
        author = "Tyto project"
        description = "Script that downloads a program with bitsadmin into a folder that any user can write"
        reference = "https://attack.mitre.org/techniques/T1197/"
        date = "2026-11-21"
        score = 65
        id = "c8f34b9b-b55a-4f9e-b3c2-8954b305840c"
    strings:
        $download = /bitsadmin(\.exe)?["']? {1,4}\/transfer[^\r\n]{1,120}https?:\/\/[^\r\n]{1,160}(%te?mp%|%appdata%|%localappdata%|%public%|%programdata%|\\users\\public|\\programdata|\\temp\\)[^\r\n]{1,80}\.(exe|dll|scr|ps1|vbs|js|bat|hta)/ ascii wide nocase
    condition:
        filesize < 1MB and $download
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|bas|lnk))?$/i
}

rule Tyto_LolBin_MshtaRemote
{
    meta:
        author = "Tyto project"
        description = "Script, link or registry file that runs remote or inline script with mshta"
        reference = "https://attack.mitre.org/techniques/T1218/005/"
        date = "2026-11-21"
        score = 75
        id = "2b39d453-2b8c-4cce-80dc-b5fc3b14bdbe"
    strings:
        $mshta = /mshta(\.exe)?["']{0,2} {1,4}["']{0,2}(https?:\/\/|javascript:|vbscript:)/ ascii wide nocase
    condition:
        filesize < 1MB and $mshta
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|bas|url|lnk))?$/i
}

rule Tyto_LolBin_Regsvr32Scriptlet
{
    meta:
        author = "Tyto project"
        description = "Script that runs a scriptlet with regsvr32"
        reference = "https://attack.mitre.org/techniques/T1218/010/"
        date = "2026-11-21"
        score = 80
        id = "2c8c09dc-c250-41a3-a240-c7398c2c52a5"
    strings:
        $scriptlet = /regsvr32(\.exe)?["']? [^\r\n]{0,60}\/i:[^\r\n]{1,160}scrobj/ ascii wide nocase
    condition:
        filesize < 1MB and $scriptlet
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|bas|lnk))?$/i
}

rule Tyto_LolBin_Rundll32Script
{
    meta:
        author = "Tyto project"
        description = "Script that runs JavaScript with rundll32"
        reference = "https://attack.mitre.org/techniques/T1218/011/"
        date = "2026-11-21"
        score = 85
        id = "59fca1a0-384f-49e0-8b00-675617f9ba1b"
    strings:
        $script = /rundll32(\.exe)?["']? {1,4}["']?(javascript|vbscript):[^\r\n]{0,80}(RunHTMLApplication|GetObject|ActiveXObject)/ ascii wide nocase
    condition:
        filesize < 1MB and $script
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|bas|lnk))?$/i
}
