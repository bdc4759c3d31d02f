// Droppers: links, pages, scripts and disk images that bring a payload to a Windows computer.

rule Tyto_Dropper_LinkCommand
{
    meta:
        author = "Tyto project"
        description = "Windows shortcut that starts a hidden, encoded or downloading command"
        reference = "https://attack.mitre.org/techniques/T1204/002/"
        date = "2026-11-21"
        score = 85
        id = "209d6142-eba2-484f-a4f8-7690ebae8f5b"
    strings:
        $shell = /powershell|pwsh|mshta|cmd\.exe|wscript|cscript|rundll32|regsvr32|certutil|curl\.exe|msiexec/ ascii wide nocase
        // A shortcut keeps its arguments as UTF-16.
        $arg1  = / -w[a-z]{0,10} {1,4}(hidden|hid|h|1) / wide nocase
        $arg2  = /( -e | -ec | -en | -enc | -encodedcommand ) {0,3}[A-Za-z0-9+\/]{20}/ wide nocase
        $arg3  = /\b(iex|Invoke-Expression|DownloadString|DownloadFile|FromBase64String|Invoke-WebRequest)\b/ wide nocase
        $arg4  = /(\/c|&&?) {0,2}(start|copy|xcopy|findstr) [^\r\n]{1,120}\.(js|vbs|dll|exe|bat|hta|dat)/ wide nocase
        $arg5  = "https://" wide nocase
        $arg6  = "http://" wide nocase
        $arg7  = "\\DavWWWRoot\\" wide nocase
    condition:
        uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200
        and $shell and any of ($arg*)
}

rule Tyto_Dropper_LinkPadding
{
    meta:
        author = "Tyto project"
        description = "Windows shortcut whose arguments are pushed out of sight by white space"
        reference = "https://attack.mitre.org/techniques/T1027/012/"
        date = "2026-11-21"
        score = 85
        id = "f124b26d-de74-427a-91c5-70f827463cad"
    condition:
        uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200
        // 512 bytes of blanks, tabs or line ends in UTF-16, at even or odd offsets, cover one
        // block of 256 bytes at a multiple of 256.
        and for any block in (0..63) : (
            for any pad in (0x00200020, 0x20002000, 0x00090009, 0x09000900, 0x000A000A, 0x0A000A00,
                            0x000A000D, 0x0A000D00, 0x000D000A, 0x0D000A00) : (
                uint32(block * 256) == pad and uint32(block * 256 + 64) == pad
                and uint32(block * 256 + 128) == pad and uint32(block * 256 + 192) == pad
            )
        )
}

rule Tyto_Dropper_LinkPayload
{
    meta:
        author = "Tyto project"
        description = "Windows shortcut far larger than a shortcut: a payload is appended"
        reference = "https://attack.mitre.org/techniques/T1027/012/"
        date = "2026-11-21"
        score = 70
        id = "e05bce9e-f334-4d15-8646-0eefbda5980e"
    condition:
        uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200 and filesize > 128KB
}

rule Tyto_Dropper_UrlRemote
{
    meta:
        author = "Tyto project"
        description = "Internet shortcut that starts a program or script on a distant file share"
        reference = "https://attack.mitre.org/techniques/T1204/001/"
        date = "2026-11-21"
        score = 80
        id = "34390380-2b3f-4242-b4cf-3f76cab7aede"
    strings:
        $head = "[InternetShortcut]" nocase
        $file = /\nURL {0,2}= {0,2}(file:\/\/|\\\\)[^\/\r\n][^\r\n]{3,250}\.(exe|lnk|hta|vbs|vbe|js|jse|wsf|cpl|msi|bat|cmd|scr|jar|zip|url)\s/ nocase
    condition:
        filesize < 8KB and $head in (0..256) and $file
}

rule Tyto_Dropper_Hta
{
    meta:
        author = "Tyto project"
        description = "HTML application that starts a shell with a hidden window or an encoded command"
        reference = "https://attack.mitre.org/techniques/T1218/005/"
        date = "2026-11-21"
        score = 75
        id = "e79b6618-9ce3-4257-aa6a-3efd81f4c375"
    strings:
        $app    = "<hta:application" nocase
        $script = "<script" nocase
        $shell  = /WScript\.Shell|Shell\.Application|Win32_Process/ nocase
        $what   = /powershell|certutil|bitsadmin|regsvr32|rundll32|FromBase64|curl /  nocase
        $hide   = /\.Run[ (][^\r\n]{1,120}, ?(0|false)\b|hidden| -(enc|encodedcommand) |SW_HIDE|resizeTo\(|moveTo\(/ nocase
    condition:
        filesize < 2MB and (extension == ".hta" or (uint8(0) == 0x3C and $app in (0..4096)))
        and $script and $shell and $what and $hide
}

rule Tyto_Dropper_ScriptHost
{
    meta:
        author = "Tyto project"
        description = "Windows script that downloads a file, saves it and starts it"
        reference = "https://attack.mitre.org/techniques/T1059/007/"
        date = "2026-11-21"
        score = 80
        id = "13b38e23-b604-46ee-8d72-7b2f13e4b2b6"
    strings:
        $shell = /WScript\.Shell|Shell\.Application/ ascii wide nocase
        $http  = /MSXML2\.(Server)?XMLHTTP|Microsoft\.XMLHTTP|WinHttp\.WinHttpRequest/ ascii wide nocase
        $save  = "SaveToFile" ascii wide nocase
    condition:
        filesize < 2MB and all of them
        and extension matches /^\.(js|jse|vbs|vbe|wsf|wsc|sct|hta|bas|txt)$/i
}

rule Tyto_Dropper_VbsChr
{
    meta:
        author = "Tyto project"
        description = "Visual Basic script that executes code assembled from character numbers"
        reference = "https://attack.mitre.org/techniques/T1027/010/"
        date = "2026-11-21"
        score = 65
        id = "f38a71cf-facc-47eb-b906-0c9be6b2e998"
    strings:
        $chr     = /Chr[WB]?\( ?(&H)?[0-9A-F]{1,4}(\^|&|%)? ?\) ?[&+]/ ascii wide nocase
        $execute = /\bExecute(Global)?[ (]/ ascii wide nocase
    condition:
        filesize < 2MB and $execute and #chr > 100
        and extension matches /^\.(vbs|vbe|wsf|hta|bas|asp)$/i
}

rule Tyto_Dropper_EncodedScript
{
    meta:
        author = "Tyto project"
        description = "Script in Microsoft's encoded form, which hides its text"
        reference = "https://attack.mitre.org/techniques/T1027/010/"
        date = "2026-11-21"
        score = 55
        id = "500b738e-61e3-48a8-9eb5-fb32ac4a5aea"
    strings:
        $begin = "#@~^"
        $end   = "==^#~@"
    condition:
        filesize < 2MB and $begin in (0..256) and $end
}

rule Tyto_Dropper_HtmlSmuggling
{
    meta:
        author = "Tyto project"
        description = "HTML page that builds a program, archive or disk image in the browser and offers it"
        reference = "https://attack.mitre.org/techniques/T1027/006/"
        date = "2026-11-21"
        score = 75
        id = "6bb0410a-5101-4204-bb04-b4cef332ade2"
    strings:
        // base64 of the beginnings of a program, a ZIP, a 7z and a RAR archive.
        $data = /["'`](TVqQAAM|TVpQAAI|UEsDB[AB][oQU]|N3q8ryc|UmFyIRo)[A-Za-z0-9+\/]{100}/
        $blob = /msSaveOrOpenBlob|msSaveBlob|createObjectURL/
        $atob = /\batob\(|fromCharCode|charCodeAt/
        $save = /\.download\b|\.click\(/
    condition:
        filesize < 50MB and all of them
        and (extension matches /^\.(x?html?|shtml|svg|eml|mht)$/i or uint32be(0) | 0x20202020 == 0x3C68746D)
}

rule Tyto_Dropper_DiskImage
{
    meta:
        author = "Tyto project"
        description = "Small CD image with a Windows shortcut that starts a command"
        reference = "https://attack.mitre.org/techniques/T1553/005/"
        date = "2026-11-21"
        score = 75
        id = "5931534c-072f-4ad3-a90a-6d524aa6ed11"
    strings:
        $link  = { 4C 00 00 00 01 14 02 00 00 00 00 00 C0 00 00 00 00 00 00 46 }
        $shell = /cmd\.exe|rundll32|regsvr32|powershell|wscript|mshta/ wide nocase
    condition:
        filesize > 0x8800 and filesize < 64MB
        and uint32be(0x8001) == 0x43443030 and $link and $shell
}

rule Tyto_Dropper_Autorun
{
    meta:
        author = "Tyto project"
        description = "Autorun file that starts a script or a program from a hidden or recycler folder"
        reference = "https://attack.mitre.org/techniques/T1091/"
        date = "2026-11-21"
        score = 75
        id = "0ba4bd8e-2b68-454e-9828-e2a46259441c"
    strings:
        $head = "[autorun" ascii wide nocase
        $run  = /(open|shellexecute|shell\\[a-z]{1,20}\\command) {0,2}= {0,2}[^\r\n]{0,100}(recycle[rd]?|\$recycle\.bin|system volume information|\.vbs|\.js|\.scr|\.pif|\.cmd|\.lnk|wscript|powershell|rundll32)/ ascii wide nocase
    condition:
        filename iequals "autorun.inf" and filesize < 256KB and all of them
}
