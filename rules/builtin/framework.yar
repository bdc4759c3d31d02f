// Post-exploitation frameworks, by facts that are public and stable. Rules on raw code have no header
// test: the code stands in programs, documents, scripts and memory alike.

rule Tyto_Framework_CobaltStrike_Config
{
    meta:
        author = "Tyto project"
        description = "Configuration block of a Cobalt Strike beacon under its default XOR keys"
        reference = "https://attack.mitre.org/software/S0154/"
        date = "2026-11-21"
        score = 95
        id = "b0c08873-6106-40e2-8173-92f5e4bff9c4"
    strings:
        // Settings 1 (short, 2 bytes: type), 2 (short, 2 bytes: port), 3 (int, 4 bytes: sleep time).
        $v3 = { 69 68 69 68 69 6B ?? ?? 69 6B 69 68 69 6B ?? ?? 69 6A 69 6B 69 6D }
        $v4 = { 2E 2F 2E 2F 2E 2C ?? ?? 2E 2C 2E 2F 2E 2C ?? ?? 2E 2D 2E 2C 2E 2A }
    condition:
        any of them
}

rule Tyto_Framework_CobaltStrike_Beacon
{
    meta:
        author = "Tyto project"
        description = "Messages of a Cobalt Strike beacon"
        reference = "https://attack.mitre.org/software/S0154/"
        date = "2026-11-21"
        score = 90
        id = "ebf4b16e-0927-4640-868e-f0d61c0fbea8"
    strings:
        $m1 = "%s as %s\\%s: %d"
        $m2 = "Could not connect to pipe (%s): %d"
        $m3 = "ReflectiveLoader@4"
        $m4 = "beacon.x64.dll"
        $m5 = "could not write to process memory: %d"
        $m6 = "could not spawn %s (token): %d"
        $m7 = "Failed to impersonate token from %d (%u)"
        $m8 = "%d is an x64 process (can't inject x86 content)"
        $m9 = "IEX (New-Object Net.Webclient).DownloadString('http://127.0.0.1:%u/')"
    condition:
        uint16(0) == 0x5A4D and filesize < 20MB and 4 of them
}

rule Tyto_Framework_Metasploit_Shellcode
{
    meta:
        author = "Tyto project"
        description = "Windows shellcode that starts as Metasploit's block_api does"
        reference = "https://attack.mitre.org/techniques/T1055/"
        date = "2026-11-21"
        score = 85
        id = "c5e3f0cd-9dac-4c64-87ea-b2898c729a62"
    strings:
        $x86a = { FC E8 8? 00 00 00 60 89 E5 31 ?? 64 8B ?? 30 8B ?? 0C }
        $x86b = { FC E8 8? 00 00 00 60 31 D2 89 E5 64 8B 52 30 8B 52 0C }
        $x64a = { FC 48 83 E4 F0 E8 C? 00 00 00 41 51 41 50 52 }
    condition:
        filesize < 50MB and any of them
}

rule Tyto_Framework_Metasploit_ShellcodeText
{
    meta:
        author = "Tyto project"
        description = "Script or source that carries Metasploit's Windows shellcode as text"
        reference = "https://attack.mitre.org/techniques/T1027/013/"
        date = "2026-11-21"
        score = 80
        id = "b93f337c-b96f-4fec-be7e-ef1465d1df2d"
    strings:
        $c86  = /\\xfc\\xe8[^A-Za-z]{0,6}\\x8[29f]\\x00\\x00\\x00\\x60/ nocase
        $c64  = /\\xfc\\x48\\x83\\xe4\\xf0\\xe8[^A-Za-z]{0,6}\\xc[0c]/ nocase
        $l86  = /0xfc, ?0xe8, ?0x8[29f], ?0x0{1,2}, ?0x0{1,2}, ?0x0{1,2}, ?0x60/ nocase
        $l64  = /0xfc, ?0x48, ?0x83, ?0xe4, ?0xf0, ?0xe8, ?0xc[0c]/ nocase
        $vba  = /Array\(-4, ?-24, ?-1(26|19|13), ?0, ?0, ?0, ?96,|Array\(252, ?232, ?1(30|37|43), ?0, ?0, ?0, ?96,/
        $b86  = "\xfc\xe8\x82\x00\x00\x00\x60\x89\xe5\x31" base64
        $b86b = "\xfc\xe8\x8f\x00\x00\x00\x60\x31\xd2\x89" base64
        $b64  = "\xfc\x48\x83\xe4\xf0\xe8\xc0\x00\x00\x00\x41\x51" base64
    condition:
        filesize < 10MB and any of them
        and extension matches /^(\.(ps1|psm1|py|pyw|c|h|cc|cpp|cs|vb|vba|bas|vbs|js|hta|wsf|rs|nim|go|rb|pl|php|jsp|aspx?|ashx|xml|csproj|txt))?$/i
}

rule Tyto_Framework_Metasploit_Elf
{
    meta:
        author = "Tyto project"
        description = "Tiny Linux program of one segment that is readable, writable and executable, as msfvenom makes"
        reference = "https://attack.mitre.org/techniques/T1587/001/"
        date = "2026-11-21"
        score = 85
        id = "ed3e8969-bb6a-4de9-af6b-2071493a917c"
    condition:
        filesize < 8KB and uint32be(0) == 0x7F454C46 and uint8(5) == 1 and uint16(16) == 2
        and (
            // No section table, one program header, its flags are RWX.
            (uint8(4) == 2 and uint32(0x28) == 0 and uint16(0x38) == 1 and uint32(0x44) == 7)
            or (uint8(4) == 1 and uint32(0x20) == 0 and uint16(0x2C) == 1 and uint32(0x4C) == 7)
        )
}

rule Tyto_Framework_Sliver
{
    meta:
        author = "Tyto project"
        description = "Implant or tool of the Sliver framework"
        reference = "https://attack.mitre.org/software/S0633/"
        date = "2026-11-21"
        score = 85
        id = "8e72816c-dae5-44d3-8859-8cf617bf092e"
    strings:
        $module = "github.com/bishopfox/sliver/"
        $proto  = "sliverpb."
    condition:
        (uint16(0) == 0x5A4D or uint32be(0) == 0x7F454C46 or uint32be(0) == 0xCFFAEDFE)
        and all of them
}
