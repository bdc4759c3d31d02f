// Windows: ways to stay and to run without a program of one's own.

rule Tyto_Windows_ScheduledTask
{
    meta:
        author = "Tyto project"
        description = "Scheduled task that starts an encoded, hidden or downloading command"
        reference = "https://attack.mitre.org/techniques/T1053/005/"
        date = "2026-11-21"
        score = 80
        id = "af46c218-e136-4c26-b2d3-124f82461779"
    strings:
        $task    = "schemas.microsoft.com/windows/2004/02/mit/task" ascii wide
        $command = /<Command>[^<]{0,120}(powershell|pwsh|mshta|regsvr32|rundll32|wscript|cscript|certutil|cmd)/ ascii wide nocase
        $arg1 = /<Arguments>[^<]{0,200}[ >][-\/]e(n|nc|nco|ncodedcommand)? {1,4}[A-Za-z0-9+\/]{20}/ ascii wide nocase
        $arg2 = /<Arguments>[^<]{0,300}(DownloadString|DownloadFile|Invoke-WebRequest|FromBase64String|Net\.WebClient|\biex\b)/ ascii wide nocase
        $arg3 = /<Arguments>[^<]{0,200}(https?:\/\/|javascript:|vbscript:|scrobj)/ ascii wide nocase
    condition:
        filesize < 256KB and $task and $command and any of ($arg*)
}

rule Tyto_Windows_WmiConsumer
{
    meta:
        author = "Tyto project"
        description = "WMI event subscription, as source, that starts a shell or a script"
        reference = "https://attack.mitre.org/techniques/T1546/003/"
        date = "2026-11-21"
        score = 75
        id = "4444ae13-5d97-4bfb-a3ff-ad131d2a19be"
    strings:
        $consumer = /CommandLineEventConsumer|ActiveScriptEventConsumer/ ascii wide nocase
        $filter   = "__EventFilter" ascii wide nocase
        $binding  = "__FilterToConsumerBinding" ascii wide nocase
        $run      = /powershell|cmd(\.exe)? \/c|wscript|mshta|rundll32|WScript\.Shell/ ascii wide nocase
    condition:
        filesize < 256KB and all of them
        and extension matches /^(\.(mof|ps1|psm1|vbs|js|bat|cmd))?$/i
}

rule Tyto_Windows_MsbuildTask
{
    meta:
        author = "Tyto project"
        description = "MSBuild project whose inline code calls native memory functions"
        reference = "https://attack.mitre.org/techniques/T1127/001/"
        date = "2026-11-21"
        score = 85
        id = "20a3a8d4-e216-4903-95dc-2532751cca20"
    strings:
        $factory = /CodeTaskFactory|RoslynCodeTaskFactory/
        $alloc   = /VirtualAlloc|VirtualProtect|NtAllocateVirtualMemory/
        $run     = /CreateThread|GetDelegateForFunctionPointer|QueueUserAPC|EnumSystemLocales/
    condition:
        filesize < 5MB and all of them
        and extension matches /^(\.(xml|csproj|vbproj|proj|targets|props|sln|txt))?$/i
}

rule Tyto_Windows_Scriptlet
{
    meta:
        author = "Tyto project"
        description = "COM scriptlet that starts commands"
        reference = "https://attack.mitre.org/techniques/T1218/010/"
        date = "2026-11-21"
        score = 80
        id = "c242f3ef-29b2-4805-9e3d-924371d95ba0"
    strings:
        $scriptlet = /<(scriptlet|component|package)>/ nocase
        $register  = "<registration" nocase
        $shell     = /WScript\.Shell|Shell\.Application|Win32_Process/ nocase
    condition:
        filesize < 1MB and $scriptlet in (0..1024) and all of them
}

rule Tyto_Windows_RegistryRun
{
    meta:
        author = "Tyto project"
        description = "Registry file that adds a script or download command to the programs started at logon"
        reference = "https://attack.mitre.org/techniques/T1547/001/"
        date = "2026-11-21"
        score = 75
        id = "f429f4e4-0c43-424f-b92b-5d35aaec9d8b"
    strings:
        $key  = /\\CurrentVersion\\(Run|RunOnce|Policies\\Explorer\\Run)\]/ ascii wide nocase
        $run  = /"=(")[^\r\n]{0,100}(powershell[^\r\n]{0,100} -(w|e|enc|nop)|mshta[^\r\n]{1,20}(https?|javascript|vbscript)|regsvr32[^\r\n]{1,40}\/i:|wscript[^\r\n]{1,100}(temp|appdata|public))/ ascii wide nocase
    condition:
        filesize < 1MB and all of them
        // "REGEDIT4" or "Windows Registry Editor", the latter also as UTF-16.
        and (uint32be(0) == 0x52454745 or uint32be(0) == 0x57696E64 or uint32be(0) == 0xFFFE5700)
}
