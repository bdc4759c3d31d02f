// Crypto miners. Mining is not malice: scores say "look", unless it is installed by force.

rule Tyto_Miner_Config
{
    meta:
        author = "Tyto project"
        description = "Configuration of a Monero miner with a wallet filled in"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
        date = "2026-11-21"
        score = 60
        id = "c1ff1964-e388-4a0f-a909-dd6529ec570f"
    strings:
        $wallet = /"user" {0,2}: {0,2}"[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}/
        $level  = /"donate-level" {0,2}:/
        $pools  = /"(pools|url)" {0,2}:/
    condition:
        filesize < 64KB and all of them
}

rule Tyto_Miner_Start
{
    meta:
        author = "Tyto project"
        description = "Script that starts a miner in the background"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
        date = "2026-11-21"
        score = 70
        id = "3701c15f-b1b0-48eb-82b2-84db4f728381"
    strings:
        $pool  = /(-o|--url)[ =]["']?(stratum\+tcp|stratum\+ssl|stratum2\+tcp):\/\// ascii wide
        $hide1 = "nohup " ascii wide
        $hide2 = "--donate-level" ascii wide
        $hide3 = "--background" ascii wide
        $hide4 = /> ?\/dev\/null/
        $hide5 = "--cpu-max-threads-hint" ascii wide
        $hide6 = /-w[a-z]{0,10} hidden/ ascii wide nocase
    condition:
        filesize < 256KB and $pool and any of ($hide*)
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|bat|cmd|ps1|vbs|service|py|pl|bash_history))?$/i)
}

rule Tyto_Miner_Program
{
    meta:
        author = "Tyto project"
        description = "Miner program of the XMRig family"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
        date = "2026-11-21"
        score = 60
        id = "3d9c9fdb-4999-4c1e-9b4f-4c98b47ab59b"
    strings:
        $name   = "xmrig" nocase
        $level  = "donate-level"
        $pool   = /stratum\+(tcp|ssl):\/\//
        $algo1  = "cryptonight" nocase
        $algo2  = "randomx" nocase
        $huge   = "huge-pages"
    condition:
        (uint16(0) == 0x5A4D or uint32be(0) == 0x7F454C46 or uint32be(0) == 0xCFFAEDFE)
        and $level and $pool and $name and $huge and any of ($algo*)
}

rule Tyto_Miner_Installer
{
    meta:
        author = "Tyto project"
        description = "Shell script that removes rival miners and defences before it installs its own"
        reference = "https://attack.mitre.org/techniques/T1496/001/"
        date = "2026-11-21"
        score = 85
        id = "3d8eeeca-2d1c-4776-a4cd-9253c098cb8e"
    strings:
        $rival1 = /(pkill|killall|kill) [^\r\n]{0,40}(xmrig|kdevtmpfsi|kinsing|minerd|cryptonight)/
        $rival2 = /ps [^\r\n]{1,60}grep [^\r\n]{0,60}(xmrig|kdevtmpfsi|kinsing|minerd|stratum)[^\r\n]{1,120}kill/
        $off1 = "setenforce 0"
        $off2 = "ufw disable"
        $off3 = /iptables -F\b/
        $off4 = /chattr -[ia]{1,3} [^\r\n]{0,20}\/(etc\/ld\.so\.preload|etc\/crontab|var\/spool\/cron|tmp\/)/
        $off5 = "/etc/ld.so.preload"
        $off6 = "aliyun-service"
        $off7 = "echo 0 >/proc/sys/kernel/nmi_watchdog"
    condition:
        filesize < 256KB and any of ($rival*) and 2 of ($off*)
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash))?$/)
}
