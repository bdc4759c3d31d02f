// Files that pretend to be something else: what the name says and what the content is disagree.
// These rules need the external variables filename, filepath and extension.

rule Tyto_Disguise_DoubleExtension_Program
{
    meta:
        author = "Tyto project"
        description = "Windows program with a document's extension before its own, such as invoice.pdf.exe"
        reference = "https://attack.mitre.org/techniques/T1036/007/"
        date = "2026-11-21"
        score = 85
        id = "839d289d-e3c3-4eb5-870f-3a0e86e681e9"
    condition:
        uint16(0) == 0x5A4D
        and extension matches /^\.(exe|scr|pif|com|cpl)$/i
        and filename matches /\.(pdf|docx?|xlsx?|pptx?|rtf|txt|csv|jpe?g|png|gif|bmp|mp[34]|avi|mkv|mov|html?)[ _]{0,200}\.(exe|scr|pif|com|cpl)$/i
}

rule Tyto_Disguise_DoubleExtension_Script
{
    meta:
        author = "Tyto project"
        description = "Windows script with a document's extension before its own, such as invoice.pdf.vbs"
        reference = "https://attack.mitre.org/techniques/T1036/007/"
        date = "2026-11-21"
        score = 70
        id = "60f82ce4-9582-4f8b-83cf-457e440cbc2a"
    condition:
        filesize > 0
        and extension matches /^\.(vbs|vbe|jse|wsf|wsh|hta|bat|cmd|ps1|scr|pif)$/i
        and uint16(0) != 0x5A4D
        and filename matches /\.(pdf|docx?|xlsx?|pptx?|rtf|jpe?g|png|gif|mp[34])[ _]{0,200}\.(vbs|vbe|jse|wsf|wsh|hta|bat|cmd|ps1|scr|pif)$/i
}

rule Tyto_Disguise_WindowsProgramAsDocument
{
    meta:
        author = "Tyto project"
        description = "Windows program under the extension of a document, picture or text"
        reference = "https://attack.mitre.org/techniques/T1036/008/"
        date = "2026-11-21"
        score = 80
        id = "f6633de3-b619-4d38-bf7a-d3d500164fc2"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550
        and extension matches /^\.(pdf|docx?|xlsx?|pptx?|rtf|od[tsp]|txt|csv|log|json|xml|html?|css|jpe?g|png|gif|bmp|ico|tiff?|webp|mp[34]|avi|mkv|mov|zip|rar|7z)$/i
}

rule Tyto_Disguise_LinuxProgramAsDocument
{
    meta:
        author = "Tyto project"
        description = "Linux program under the extension of a document, picture or text"
        reference = "https://attack.mitre.org/techniques/T1036/008/"
        date = "2026-11-21"
        score = 80
        id = "39f50e94-3759-4f36-9a00-2c1feeb61ae1"
    condition:
        uint32be(0) == 0x7F454C46 and uint8(6) == 1
        and extension matches /^\.(pdf|docx?|xlsx?|pptx?|rtf|od[tsp]|txt|csv|log|json|xml|html?|css|jpe?g|png|gif|bmp|ico|tiff?|webp|mp[34]|avi|mkv|mov|zip|gz|rar|7z)$/i
}

rule Tyto_Disguise_ScriptAsPicture
{
    meta:
        author = "Tyto project"
        description = "Script from its first byte on, under the extension of a picture or a film"
        reference = "https://attack.mitre.org/techniques/T1036/008/"
        date = "2026-11-21"
        score = 70
        id = "8b86aee7-b4f4-43e9-b155-0968e8e5cf3b"
    condition:
        extension matches /^\.(jpe?g|png|gif|bmp|ico|tiff?|webp|mp[34]|avi|mkv|mov)$/i
        and (
            uint32be(0) == 0x23212F62    // #!/b
            or uint32be(0) == 0x23212F75 // #!/u
            or uint32be(0) == 0x3C3F7068 // <?ph
            or uint32be(0) >> 8 == 0x3C2540 // <%@
            or uint32be(0) | 0x20202020 == 0x60656368 // @ech(o)
        )
}

rule Tyto_Disguise_RightToLeftOverride
{
    meta:
        author = "Tyto project"
        description = "File name with a right-to-left override, which shows its end reversed (gpj.exe as exe.jpg)"
        reference = "https://attack.mitre.org/techniques/T1036/002/"
        date = "2026-11-21"
        score = 80
        id = "77656e45-3d87-468c-84ba-1085dfdae56b"
    condition:
        filename contains "\xE2\x80\xAE" // U+202E in UTF-8
}

rule Tyto_Disguise_WindowsSystemName
{
    meta:
        author = "Tyto project"
        description = "Program named as a core process of Windows outside the folders of Windows"
        reference = "https://attack.mitre.org/techniques/T1036/005/"
        date = "2026-11-21"
        score = 70
        id = "4148a5cc-87cc-4330-86d2-88db3cf0b7a9"
    condition:
        uint16(0) == 0x5A4D
        and filename matches /^(svchost|lsass|lsaiso|csrss|smss|services|winlogon|wininit|spoolsv|taskhostw|dllhost)\.exe$/i
        and not (
            filepath icontains "system32" or filepath icontains "syswow64"
            or filepath icontains "sysarm32" or filepath icontains "sychpe32"
            or filepath icontains "winsxs" or filepath icontains "dllcache"
            or filepath icontains "servicing" or filepath icontains "softwaredistribution"
            or filepath icontains "microsoft-windows-" or filepath icontains "windows.~bt"
            or filepath icontains "wine" or filepath icontains "reactos"
        )
}

rule Tyto_Disguise_KernelThreadName
{
    meta:
        author = "Tyto project"
        description = "Linux program named as a kernel thread to hide in the process list"
        reference = "https://attack.mitre.org/techniques/T1036/004/"
        date = "2026-11-21"
        score = 80
        id = "0c8956e5-c499-4d87-b72a-8045efc9fcc3"
    condition:
        uint32be(0) == 0x7F454C46
        and filename matches /^\[?(kworker|kthreadd|ksoftirqd|kswapd|kdevtmpfs|khugepaged|rcu_sched|kauditd|kblockd|kintegrityd)[a-z0-9:_\-]{0,20}\]?$/
}

rule Tyto_Disguise_ArchivedDoubleExtension
{
    meta:
        author = "Tyto project"
        description = "ZIP archive that lists a program or script with a document's extension before its own"
        reference = "https://attack.mitre.org/techniques/T1036/007/"
        date = "2026-11-21"
        score = 65
        id = "62a2314b-4161-40a9-bfa5-b746e823fa5b"
    strings:
        // Names stand in clear in the archive's directory even when its content is encrypted.
        $name = /\.(pdf|docx?|xlsx?|pptx?|rtf|jpe?g|png)[ _]{0,200}\.(exe|scr|pif|hta|vbs|vbe|jse|wsf|lnk)PK\x01\x02|\.(pdf|docx?|xlsx?|pptx?|rtf|jpe?g|png)[ _]{0,200}\.(exe|scr|pif|hta|vbs|vbe|jse|wsf|lnk)PK\x05\x06/ nocase
    condition:
        uint32be(0) == 0x504B0304 and $name
}
