// Credential theft: tools, command lines and scripts.

rule Tyto_Credential_Mimikatz
{
    meta:
        author = "Tyto project"
        description = "Mimikatz, or a program with its modules built in"
        reference = "https://attack.mitre.org/software/S0002/"
        date = "2026-11-21"
        score = 95
        id = "b69674e0-64cf-4621-8ccc-d97148f94892"
    strings:
        $s1 = "gentilkiwi" ascii wide
        $s2 = "mimikatz" ascii wide nocase
        $s3 = "sekurlsa" ascii wide
        $s4 = "kuhl_m_" ascii wide
        $s5 = "logonpasswords" ascii wide nocase
        $s6 = "lsadump" ascii wide
        $s7 = "Benjamin DELPY" ascii wide nocase
        $s8 = "wdigest.dll" ascii wide nocase
    condition:
        uint16(0) == 0x5A4D and filesize < 20MB and 5 of them
}

rule Tyto_Credential_MimikatzCommands
{
    meta:
        author = "Tyto project"
        description = "Script, history or output with commands of Mimikatz"
        reference = "https://attack.mitre.org/techniques/T1003/001/"
        date = "2026-11-21"
        score = 75
        id = "e50749a6-7f2f-465c-91ca-692645c06138"
    strings:
        $s1 = "sekurlsa::" ascii wide nocase
        $s2 = "lsadump::" ascii wide nocase
        $s3 = "privilege::debug" ascii wide nocase
        $s4 = "kerberos::golden" ascii wide nocase
        $s5 = "token::elevate" ascii wide nocase
        $s6 = "kerberos::ptt" ascii wide nocase
        $s7 = /Invoke-Mimi(katz|dogz|kittenz)/ ascii wide nocase
    condition:
        filesize < 10MB and 2 of them
        and (extension matches /^(\.(bat|cmd|ps1|psm1|vbs|js|hta|log|bash_history|zsh_history))?$/i or filename iequals "ConsoleHost_history.txt")
}

rule Tyto_Credential_LsassDump
{
    meta:
        author = "Tyto project"
        description = "Script that writes the memory of lsass to a file"
        reference = "https://attack.mitre.org/techniques/T1003/001/"
        date = "2026-11-21"
        score = 85
        id = "792fa3eb-3d3a-4414-a83a-17e1fadd9ad7"
    strings:
        $comsvcs  = /comsvcs(\.dll)?[ ,"']{1,4}(MiniDump|#\+?0{0,6}24)/ ascii wide nocase
        $procdump = /procdump(64|64a)?(\.exe)?["']? [^\r\n]{0,60}-ma [^\r\n]{0,20}lsass/ ascii wide nocase
        $lsass    = "lsass" ascii wide nocase
    condition:
        filesize < 1MB and ($procdump or ($comsvcs and $lsass))
        and (extension matches /^(\.(bat|cmd|ps1|psm1|vbs|js|hta|xml|reg))?$/i or filename iequals "ConsoleHost_history.txt")
}

rule Tyto_Credential_RegistryHives
{
    meta:
        author = "Tyto project"
        description = "Script that saves the registry hives or the directory database with password hashes"
        reference = "https://attack.mitre.org/techniques/T1003/002/"
        date = "2026-11-21"
        score = 80
        id = "41328c2c-5a9a-4303-8d88-250b815206fb"
    strings:
        $sam    = /reg(\.exe)?["']? {1,2}(save|export) {1,2}["']?(hklm|hkey_local_machine)\\(sam|security)\b/ ascii wide nocase
        $system = /reg(\.exe)?["']? {1,2}(save|export) {1,2}["']?(hklm|hkey_local_machine)\\system\b/ ascii wide nocase
        $ntds   = /ntdsutil(\.exe)?["']? [^\r\n]{0,80}(ifm|create full)/ ascii wide nocase
        $shadow = /HarddiskVolumeShadowCopy\d{1,3}\\Windows\\(NTDS\\ntds\.dit|System32\\config\\(sam|system|security))/ ascii wide nocase
    condition:
        filesize < 1MB and (($sam and $system) or $ntds or $shadow)
        and (extension matches /^(\.(bat|cmd|ps1|psm1|vbs|js|hta|xml))?$/i or filename iequals "ConsoleHost_history.txt")
}

rule Tyto_Credential_BrowserGrabber
{
    meta:
        author = "Tyto project"
        description = "Script that decrypts a browser's stored passwords and sends them away"
        reference = "https://attack.mitre.org/techniques/T1555/003/"
        date = "2026-11-21"
        score = 80
        id = "d27c13a8-c610-403d-9744-40d541110bdc"
    strings:
        $data  = "Login Data"
        $state = "Local State"
        $key   = /os_crypt|encrypted_key/
        $dpapi = /CryptUnprotectData|ProtectedData\]::Unprotect/
        $send1 = /discord(app)?\.com\/api\/webhooks/
        $send2 = "api.telegram.org/bot"
        $send3 = /requests\.post\(|Invoke-RestMethod|smtplib|\.UploadFile\(|gofile\.io|file\.io\//
    condition:
        filesize < 5MB and $data and $state and $key and $dpapi and any of ($send*)
        and extension matches /^(\.(py|pyw|ps1|psm1|js|vbs|txt))?$/i
}

rule Tyto_Credential_Keylogger
{
    meta:
        author = "Tyto project"
        description = "Script that records keys and sends them away"
        reference = "https://attack.mitre.org/techniques/T1056/001/"
        date = "2026-11-21"
        score = 70
        id = "b0c12bef-c68c-4ecf-84d1-f3d2fc39de6d"
    strings:
        $key1 = /pynput(\.keyboard|[^\r\n]{0,20} import [^\r\n]{0,20}keyboard)/
        $key2 = /GetAsyncKeyState/
        $key3 = /keyboard\.(on_release|on_press|hook)\(/
        $send1 = "smtplib"
        $send2 = /discord(app)?\.com\/api\/webhooks/
        $send3 = "api.telegram.org/bot"
        $send4 = "Send-MailMessage" nocase
        $send5 = "System.Net.Mail" nocase
    condition:
        filesize < 256KB and any of ($key*) and any of ($send*)
        and extension matches /^(\.(py|pyw|ps1|psm1|vbs))?$/i
}

rule Tyto_Credential_FileGrabber
{
    meta:
        author = "Tyto project"
        description = "Script that collects key and credential files and sends them away"
        reference = "https://attack.mitre.org/techniques/T1552/001/"
        date = "2026-11-21"
        score = 75
        id = "73160a5f-c3c7-4ed3-ad10-4a54e48b095a"
    strings:
        $f1 = /\.ssh\/(id_rsa|id_ed25519|id_\*|config)/
        $f2 = ".aws/credentials"
        $f3 = ".docker/config.json"
        $f4 = ".kube/config"
        $f5 = ".git-credentials"
        $f6 = ".netrc"
        $f7 = "/etc/shadow"
        $f8 = /wallet\.dat|\.electrum|Exodus\/exodus\.wallet/
        $f9 = ".bash_history"
        $send1 = /\bcurl [^\r\n]{0,120}(-F |--form |-T |--upload-file |-d ?["']?@|--data(-binary|-raw)? ["']?@)/
        $send2 = /wget [^\r\n]{0,120}--post-(file|data)/
        $send3 = /discord(app)?\.com\/api\/webhooks/
        $send4 = "api.telegram.org/bot"
        $send5 = /requests\.post\( {0,2}["'fu]{0,2}https?:/
        $send6 = /> ?\/dev\/tcp\//
    condition:
        filesize < 512KB and 4 of ($f*) and any of ($send*)
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|py|pyw|js|mjs|cjs|pl|rb))?$/i)
}
