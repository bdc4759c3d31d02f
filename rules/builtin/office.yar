// Office documents: macros, remote templates, embedded objects. Modern documents are ZIP archives;
// the rules on XML look at their members.

rule Tyto_Office_MacroDropper
{
    meta:
        author = "Tyto project"
        description = "Office macro that starts by itself and reaches for a shell or a download"
        reference = "https://attack.mitre.org/techniques/T1137/001/"
        date = "2026-11-21"
        score = 75
        id = "c0f7057f-c0e7-470c-9d63-92bd0bb6ec59"
    strings:
        $vba  = "_VBA_PROJECT" wide
        // Macro source is compressed in the file; runs of literals survive.
        $auto = /Auto_?(Open|Exec|Close)|Document_(Open|Close)|Workbook_(Open|Activate|BeforeClose)/ nocase
        $run1 = "WScript.Shell" nocase
        $run2 = "powershell" nocase
        $run3 = "cmd.exe" nocase
        $run4 = "Shell.Application" nocase
        $run5 = /winmgmts|Win32_Process/ nocase
        $net1 = "URLDownloadToFile" nocase
        $net2 = "XMLHTTP" nocase
        $net3 = "ADODB.Stream" nocase
        $net4 = "WinHttpRequest" nocase
        $net5 = /DownloadFile|DownloadString/ nocase
    condition:
        uint32be(0) == 0xD0CF11E0 and filesize < 20MB
        and $vba and $auto and any of ($run*) and any of ($net*)
}

rule Tyto_Office_RemoteTemplate
{
    meta:
        author = "Tyto project"
        description = "Office document whose template is loaded from a web server"
        reference = "https://attack.mitre.org/techniques/T1221/"
        date = "2026-11-21"
        score = 60
        id = "1d70e738-c850-457f-95c8-528b5999bf87"
    strings:
        $rels = "<Relationship"
        $a = /\/attachedTemplate"[^>]{1,40}Target="https?:\/\// nocase
        $b = /Target="https?:\/\/[^>]{1,120}\/attachedTemplate"/ nocase
    condition:
        filesize < 256KB and extension == ".rels" and $rels and any of ($a, $b)
}

rule Tyto_Office_RemoteObject
{
    meta:
        author = "Tyto project"
        description = "Office document with an OLE object, frame or HTML part that is loaded from a web server"
        reference = "https://msrc.microsoft.com/update-guide/vulnerability/CVE-2021-40444"
        date = "2026-11-21"
        score = 80
        id = "4a218608-3aff-439f-a718-fd91ab079168"
    strings:
        $a = /\/(oleObject|frame|aFChunk|subDocument)"[^>]{1,40}Target="(mhtml:|x-usc:)?https?:\/\// nocase
        $b = /Target="(mhtml:|x-usc:)?https?:\/\/[^>]{1,120}\/(oleObject|frame|aFChunk|subDocument)"/ nocase
        $c = /Target="(mhtml:https?|x-usc:https?|https?:\/\/[^">]{1,160}!")/ nocase
    condition:
        filesize < 256KB and extension == ".rels" and any of them
}

rule Tyto_Office_MsdtUrl
{
    meta:
        author = "Tyto project"
        description = "Page that starts the Windows diagnostic tool with commands (Follina)"
        reference = "https://msrc.microsoft.com/update-guide/vulnerability/CVE-2022-30190"
        date = "2026-11-21"
        score = 90
        id = "7a36d517-2d69-43d1-9991-527e4c665156"
    strings:
        $url    = /(location|href|src)[^\r\n]{0,20}["']ms-msdt:/ ascii wide nocase
        $browse = /IT_BrowseForFile|IT_RebrowseForFile|IT_LaunchMethod/ ascii wide nocase
    condition:
        filesize < 1MB and all of them
        and (uint8(0) == 0x3C or extension matches /^(\.(x?html?|hta|js|php|aspx?|xml|rtf|docx?|txt|png|jpe?g))?$/i)
}

rule Tyto_Office_DdeCommand
{
    meta:
        author = "Tyto project"
        description = "Office document with a DDE field that starts a command"
        reference = "https://attack.mitre.org/techniques/T1559/002/"
        date = "2026-11-21"
        score = 80
        id = "3b426c8c-d391-42e5-8478-86c64823fd76"
    strings:
        $field = /<w:(instrText|fldSimple)[^<]{1,40}DDE(AUTO)?\b/
        $run   = /cmd(\.exe)?|powershell|mshta|rundll32|regsvr32|certutil/ nocase
    condition:
        filesize < 5MB and uint32be(0) == 0x3C3F786D and all of them
}

rule Tyto_Office_Excel4Macro
{
    meta:
        author = "Tyto project"
        description = "Excel 4 macro sheet that calls into Windows or starts a command"
        reference = "https://attack.mitre.org/techniques/T1059/005/"
        date = "2026-11-21"
        score = 75
        id = "11cebb1a-f16d-46de-81da-efb0a0c0b742"
    strings:
        $sheet = "<xm:macrosheet"
        $call  = /<f[^>]{0,40}>=?(EXEC|CALL|REGISTER)\(/ nocase
        $what  = /urlmon|shell32|kernel32|https?:\/\/|rundll32|regsvr32|powershell|cmd(\.exe)? \/c/ nocase
    condition:
        filesize < 5MB and all of them
}

rule Tyto_Office_RtfEquation
{
    meta:
        author = "Tyto project"
        description = "RTF document with an Equation Editor object that is updated when the document opens"
        reference = "https://nvd.nist.gov/vuln/detail/CVE-2017-11882"
        date = "2026-11-21"
        score = 80
        id = "f0b1fa37-d892-4d86-b39e-a17b1d3e34f9"
    strings:
        $update = /\\objupdate|\\objautlink/
        $data   = "\\objdata"
        // The class id of Equation Editor 3.0, and its name, as hexadecimal digits.
        $clsid  = "02ce020000000000c000000000000046" nocase
        $name   = "4571756174696f6e2e33" nocase
    condition:
        uint32be(0) == 0x7B5C7274 and $update and $data and any of ($clsid, $name)
}

rule Tyto_Office_RtfRemoteTemplate
{
    meta:
        author = "Tyto project"
        description = "RTF document whose template is loaded from a web server"
        reference = "https://attack.mitre.org/techniques/T1221/"
        date = "2026-11-21"
        score = 80
        id = "fddde8d1-d871-4f57-87ee-6cc14c003945"
    strings:
        $template = /\\\*\\template {1,4}https?:\/\// nocase
    condition:
        uint32be(0) == 0x7B5C7274 and $template
}

rule Tyto_Office_OneNotePayload
{
    meta:
        author = "Tyto project"
        description = "OneNote document with an embedded program, link or script"
        reference = "https://attack.mitre.org/techniques/T1204/002/"
        date = "2026-11-21"
        score = 85
        id = "ac487c6b-57b9-418b-9fa5-222f5c2a8bef"
    strings:
        // FileDataStoreObject: GUID, length, 12 reserved bytes, then the embedded file.
        $exe    = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC [20] 4D 5A }
        $lnk    = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC [20] 4C 00 00 00 01 14 02 00 }
        $file   = { E7 16 E3 BD 65 26 11 45 A4 C4 8D 4D 0B 7A 9E AC [20] (3C | 40 | 53 | 73 | 4F | 6F | 44 | 64) }
        $hta    = "<hta:application" nocase
        $wsh    = "WScript.Shell" nocase
        $batch  = "@echo off" nocase
        $power  = /powershell(\.exe)? {1,4}-/ nocase
    condition:
        uint32be(0) == 0xE4525C7B
        and ($exe or $lnk or ($file and any of ($hta, $wsh, $batch, $power)))
}
