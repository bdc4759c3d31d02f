// Ransomware: the notes that it leaves and the recovery that it destroys.

rule Tyto_Ransom_Note
{
    meta:
        author = "Tyto project"
        description = "Ransom note: tells of encrypted or stolen files, warns, and names a hidden way to pay"
        reference = "https://attack.mitre.org/techniques/T1486/"
        date = "2026-11-21"
        score = 80
        id = "d9cb72a3-f8dc-4e89-817f-6ad470983d74"
    strings:
        $done1 = /your [^.\r\n]{0,40}(files|data|documents|network|servers|computers|systems)[^.\r\n]{0,60} (encrypted|locked|stolen|exfiltrated|downloaded)/ ascii wide nocase
        $done2 = /(encrypted|locked|stolen|downloaded|exfiltrated) [^.\r\n]{0,30}your (files|data|documents|network)/ ascii wide nocase
        $warn1 = /do(n't| not) (try to )?(rename|modify|change|edit|move|delete) [^.\r\n]{0,30}files/ ascii wide nocase
        $warn2 = /(third[ -]party|recovery) (software|company|companies|tools)/ ascii wide nocase
        $warn3 = /(will be|shall be) (published|leaked|sold|destroyed|lost forever|doubled)/ ascii wide nocase
        $warn4 = /decrypt(ion)? (one|1|two|2|three|3|several|some|few|a) [^.\r\n]{0,20}files? (for )?(free|as proof)|free decryption|test decrypt/ ascii wide nocase
        $warn5 = /permanent(ly)? (data )?(loss|lost|damage|destroy)/ ascii wide nocase
        $pay1 = ".onion" ascii wide nocase
        $pay2 = "torproject.org" ascii wide nocase
        $pay3 = /bitcoins? (wallet|address|to)|\b(BTC|XMR) (wallet|address|to)/ ascii wide nocase
        $pay4 = /tox (id|chat|messenger)|telegram ?[:=]|session messenger/ ascii wide nocase
        $pay5 = /(personal|unique|your|victim|company) (id|key|identifier) ?[:=]/ ascii wide nocase
    condition:
        filesize < 64KB
        and extension matches /^(\.(txt|html?|hta|rtf|readme))?$/i
        and any of ($done*) and 2 of ($warn*) and 2 of ($pay*)
}

rule Tyto_Ransom_RecoveryDestroyed
{
    meta:
        author = "Tyto project"
        description = "Program or script that destroys shadow copies, backups and recovery of Windows"
        reference = "https://attack.mitre.org/techniques/T1490/"
        date = "2026-11-21"
        score = 80
        id = "d3cbed51-a34d-4a78-82be-b78c1d36e9a6"
    strings:
        $c1 = /vssadmin(\.exe)?["']? {1,2}delete {1,2}shadows/ ascii wide nocase
        $c2 = /wmic(\.exe)?["']? {1,2}shadowcopy {1,2}delete/ ascii wide nocase
        $c3 = /bcdedit(\.exe)?["']? {1,2}\/set [^\r\n]{0,20}recoveryenabled {1,2}no/ ascii wide nocase
        $c4 = /bcdedit(\.exe)?["']? {1,2}\/set [^\r\n]{0,20}bootstatuspolicy {1,2}ignoreallfailures/ ascii wide nocase
        $c5 = /wbadmin(\.exe)?["']? {1,2}delete {1,2}(catalog|systemstatebackup|backup)/ ascii wide nocase
        $c6 = /vssadmin(\.exe)?["']? {1,2}resize {1,2}shadowstorage/ ascii wide nocase
        $c7 = /wevtutil(\.exe)?["']? {1,2}(cl|clear-log) {1,2}["']?(security|system|application)/ ascii wide nocase
    condition:
        filesize < 10MB and 3 of them
        and (uint16(0) == 0x5A4D or extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|xml|reg))?$/i)
}
