// .NET programs that load or inject code. Names of types and functions stand in clear in them.

rule Tyto_DotNet_Injector
{
    meta:
        author = "Tyto project"
        description = "Small .NET program that decodes data and writes code into another process"
        reference = "https://attack.mitre.org/techniques/T1055/012/"
        date = "2026-11-21"
        score = 75
        id = "04d870fd-1419-40ae-abce-40f6b0605e2a"
    strings:
        $net    = "_CorExeMain"
        $decode = /FromBase64String|GZipStream|DeflateStream|CreateDecryptor/
        $p1 = "WriteProcessMemory"
        $p2 = "VirtualAllocEx"
        $p3 = "CreateRemoteThread"
        $p4 = /(Nt|Zw)UnmapViewOfSection/
        $p5 = /SetThreadContext/
        $p6 = "ResumeThread"
        $p7 = "QueueUserAPC"
    condition:
        uint16(0) == 0x5A4D and filesize < 2MB and $net and $decode and 3 of ($p*)
}

rule Tyto_DotNet_ShellcodeRunner
{
    meta:
        author = "Tyto project"
        description = "Small .NET program that decodes data and runs it as machine code"
        reference = "https://attack.mitre.org/techniques/T1620/"
        date = "2026-11-21"
        score = 70
        id = "e498baeb-4d80-445d-8981-98694427797b"
    strings:
        $net    = "_CorExeMain"
        $decode = /FromBase64String|CreateDecryptor/
        $alloc  = /VirtualAlloc\x00|VirtualProtect\x00|NtAllocateVirtualMemory\x00/
        $run    = /CreateThread\x00|GetDelegateForFunctionPointer|EnumSystemLocalesA\x00/
        $copy   = "Marshal\x00"
    condition:
        uint16(0) == 0x5A4D and filesize < 1MB and all of them
}

rule Tyto_DotNet_MemoryLoader
{
    meta:
        author = "Tyto project"
        description = "Small .NET program that decrypts another program and starts it from memory"
        reference = "https://attack.mitre.org/techniques/T1620/"
        date = "2026-11-21"
        score = 55
        id = "5c11a2d4-81c0-46c0-aa44-1b645c111a09"
    strings:
        $net    = "_CorExeMain"
        $entry  = "get_EntryPoint\x00"
        $invoke = "Invoke\x00"
        $load   = "Load\x00"
        $unpack = /GZipStream\x00|DeflateStream\x00|FromBase64String\x00/
        $crypt  = /CreateDecryptor\x00|RijndaelManaged\x00|TripleDESCryptoServiceProvider\x00/
    condition:
        uint16(0) == 0x5A4D and filesize < 1MB and all of them
}

rule Tyto_DotNet_AmsiPatch
{
    meta:
        author = "Tyto project"
        description = ".NET program that patches the Antimalware Scan Interface in memory"
        reference = "https://attack.mitre.org/techniques/T1562/001/"
        date = "2026-11-21"
        score = 85
        id = "f1761c7a-c81d-4bf5-b294-a3df7046c255"
    strings:
        $scan  = "AmsiScanBuffer" ascii wide
        // mov eax, E_INVALIDARG; ret   (64 and 32 bit)
        $patch = { B8 57 00 07 80 (C3 | C2 18 00) }
        $prot  = "VirtualProtect" ascii wide
        $net   = /_CorExeMain|_CorDllMain/
    condition:
        uint16(0) == 0x5A4D and filesize < 5MB and all of them
}
