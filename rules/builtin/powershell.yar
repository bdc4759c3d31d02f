// PowerShell as attackers start it. Where a rule could match a text about such attacks, it asks for
// an extension under which the text would run, or for the command at the beginning of the file.

rule Tyto_PowerShell_EncodedCradle
{
    meta:
        author = "Tyto project"
        description = "PowerShell command line with a base64-encoded download or execution command"
        reference = "https://attack.mitre.org/techniques/T1059/001/"
        date = "2026-11-21"
        score = 80
        id = "c473ddd5-341c-4e7f-8e4b-69f872dace2e"
    strings:
        $option = /powershell(\.exe)?["']?[^\r\n]{0,100} [-\/]e(n|nc|nco|ncodedcommand|c)? {1,4}["']?[A-Za-z0-9+\/]{20}/ ascii wide nocase
        // -EncodedCommand takes base64 of UTF-16.
        $client   = "Net.WebClient"      wide base64 base64wide
        $string   = "DownloadString"     wide base64 base64wide
        $file     = "DownloadFile"       wide base64 base64wide
        $data     = "DownloadData"       wide base64 base64wide
        $request  = "Invoke-WebRequest"  wide base64 base64wide
        $invoke   = "Invoke-Expression"  wide base64 base64wide
        $decode   = "FromBase64String"   wide base64 base64wide
        $socket   = "Net.Sockets.TCPClient" wide base64 base64wide
    condition:
        filesize < 2MB and $option and any of ($client, $string, $file, $data, $request, $invoke, $decode, $socket)
        and not extension matches /^\.(md|rst|adoc|html?|tex|ya?ml|yara?)$/i
}

rule Tyto_PowerShell_HiddenDownload
{
    meta:
        author = "Tyto project"
        description = "PowerShell started with a hidden window to download and run something"
        reference = "https://attack.mitre.org/techniques/T1564/003/"
        date = "2026-11-21"
        score = 75
        id = "6e56341a-e355-4fce-9596-e2ea7c3bed87"
    strings:
        $hidden = /powershell(\.exe)?["']?[^\r\n]{0,100} -w[a-z]{0,10} {1,4}["']?(hidden|hid|h|1)["']?[ ;]/ ascii wide nocase
        $d1 = ".DownloadString("   ascii wide nocase
        $d2 = ".DownloadFile("     ascii wide nocase
        $d3 = ".DownloadData("     ascii wide nocase
        $d4 = "Invoke-WebRequest"  ascii wide nocase
        $d5 = "Invoke-RestMethod"  ascii wide nocase
        $d6 = "Start-BitsTransfer" ascii wide nocase
        $d7 = /\b(iwr|irm|curl) ["']?https?:/ ascii wide nocase
    condition:
        filesize < 256KB and $hidden and any of ($d*)
        and (
            extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|url|xml|bas))?$/i
            or $hidden at 0
        )
}

rule Tyto_PowerShell_DownloadExecute
{
    meta:
        author = "Tyto project"
        description = "Small script whose purpose is to run a PowerShell text straight from the network"
        reference = "https://attack.mitre.org/techniques/T1105/"
        date = "2026-11-21"
        score = 60
        id = "7269a1c1-7043-4f7d-8ea1-69b903f1dca1"
    strings:
        $bypass = /powershell(\.exe)?["']?[^\r\n]{0,100} -(nop|noprofile|noni|noninteractive|ep|ex|exec|executionpolicy)\b/ ascii wide nocase
        // A bare address instead of a name: installers of known projects have a name.
        $cradle = /DownloadString\( {0,2}['"]https?:\/\/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}[:\/]/ ascii wide nocase
        $iex    = /\b(iex|Invoke-Expression)\b/ ascii wide nocase
    condition:
        filesize < 16KB and $cradle and $iex and $bypass
        and extension matches /^(\.(bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|sct|reg|inf|xml|txt))?$/i
}

rule Tyto_PowerShell_AmsiBypass
{
    meta:
        author = "Tyto project"
        description = "Script that switches off the Antimalware Scan Interface of PowerShell"
        reference = "https://attack.mitre.org/techniques/T1562/001/"
        date = "2026-11-21"
        score = 85
        id = "c114642a-6d12-44be-b605-28bc626f7406"
    strings:
        $utils   = /Am['"] {0,2}\+ {0,2}['"]siUtils|AmsiUtils/ ascii wide nocase
        $failed  = /amsi['"] {0,2}\+ {0,2}['"]InitFailed|amsiInitFailed/ ascii wide nocase
        $set     = /\.SetValue\( {0,2}\$null/ ascii wide nocase
        $scan    = /Amsi['"] {0,2}\+ {0,2}['"]ScanBuffer|AmsiScanBuffer/ ascii wide nocase
        $protect = "VirtualProtect" ascii wide
        $copy    = /Marshal\]::(Copy|WriteByte|WriteInt32)/ ascii wide nocase
    condition:
        filesize < 2MB
        and extension matches /^(\.(ps1|psm1|psd1|bat|cmd|vbs|js|hta|wsf|xml|txt))?$/i
        and (($utils and $failed and $set) or ($scan and $protect and $copy))
}

rule Tyto_PowerShell_ShellcodeRunner
{
    meta:
        author = "Tyto project"
        description = "PowerShell script that allocates executable memory and calls into it"
        reference = "https://attack.mitre.org/techniques/T1620/"
        date = "2026-11-21"
        score = 80
        id = "f1242b1e-1555-4896-949f-6b66557ceb94"
    strings:
        $delegate = "GetDelegateForFunctionPointer" ascii wide nocase
        $alloc    = /Virtual(Alloc|Protect)/ ascii wide
        $copy     = "Marshal]::Copy(" ascii wide nocase
        $bytes    = /\[byte\[\]\]/ ascii wide nocase
        $run      = /\.Invoke\(|CreateThread/ ascii wide
    condition:
        filesize < 5MB and all of them
        and extension matches /^(\.(ps1|psm1|bat|cmd|txt|hta))?$/i
}

rule Tyto_PowerShell_AssemblyFromBase64
{
    meta:
        author = "Tyto project"
        description = "PowerShell script that decodes a .NET program and runs it from memory"
        reference = "https://attack.mitre.org/techniques/T1620/"
        date = "2026-11-21"
        score = 65
        id = "b35ea47e-f033-43ec-a02a-cf6d3792bf3e"
    strings:
        $load   = /Reflection\.Assembly\]::Load\(/ ascii wide nocase
        $decode = "FromBase64String(" ascii wide nocase
        $entry  = /\.EntryPoint\.Invoke\(|\.GetMethod\(.{1,60}\)\.Invoke\(/ ascii wide nocase
    condition:
        filesize < 10MB and all of them
        and extension matches /^(\.(ps1|psm1|bat|cmd|txt|vbs|js|hta))?$/i
}

rule Tyto_PowerShell_ReverseShell
{
    meta:
        author = "Tyto project"
        description = "PowerShell script that runs commands received over a TCP connection"
        reference = "https://attack.mitre.org/techniques/T1059/001/"
        date = "2026-11-21"
        score = 85
        id = "4e1b2fa1-de0b-4cc5-9511-3063ef464395"
    strings:
        $client = "Net.Sockets.TCPClient(" ascii wide nocase
        $stream = ".GetStream()" ascii wide nocase
        $run    = /\b(iex|Invoke-Expression)\b/ ascii wide nocase
        $back   = /\.GetBytes\(|\.WriteLine\(/ ascii wide nocase
        $read   = /\.Read\(|\.ReadLine\(/ ascii wide nocase
    condition:
        filesize < 64KB and all of them
        and extension matches /^(\.(ps1|psm1|bat|cmd|txt|vbs|js|hta))?$/i
}

rule Tyto_PowerShell_DefenderOff
{
    meta:
        author = "Tyto project"
        description = "Script that weakens Microsoft Defender and downloads something"
        reference = "https://attack.mitre.org/techniques/T1562/001/"
        date = "2026-11-21"
        score = 65
        id = "8ced466a-6c0b-464e-9a2f-cf836a15053f"
    strings:
        $exclude = /Add-MpPreference {1,4}-Exclusion(Path|Extension|Process)/ ascii wide nocase
        $disable = /Set-MpPreference {1,4}-Disable(RealtimeMonitoring|IOAVProtection|BehaviorMonitoring|ScriptScanning)/ ascii wide nocase
        $d1 = /\.Download(String|File|Data)\(/ ascii wide nocase
        $d2 = "Invoke-WebRequest" ascii wide nocase
        $d3 = "Start-BitsTransfer" ascii wide nocase
        $d4 = /\b(curl|iwr)(\.exe)? [^\r\n]{0,40}https?:/ ascii wide nocase
        $hide = /-w[a-z]{0,10} {1,4}hidden|attrib {1,4}\+[hs]/ ascii wide nocase
    condition:
        filesize < 256KB and any of ($exclude, $disable) and any of ($d*) and $hide
        and extension matches /^(\.(ps1|psm1|bat|cmd|vbs|js|hta|txt))?$/i
}
