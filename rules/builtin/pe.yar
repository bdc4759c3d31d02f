// Windows programs: odd structure. These facts are rare in clean programs, but commercial protectors
// share them, hence the moderate scores.
import "pe"
import "math"

rule Tyto_Pe_UpxRenamed
{
    meta:
        author = "Tyto project"
        description = "Windows program packed with UPX whose section names were changed"
        reference = "https://attack.mitre.org/techniques/T1027/002/"
        date = "2026-11-21"
        score = 70
        id = "c1312d1e-384d-4af4-9c3c-113406ce3524"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550
        // The code of UPX: pushad; mov esi, …; lea edi, [esi+…]   or   push rbx, rsi, rdi, rbp; lea rsi, …
        and ((uint16be(pe.entry_point) == 0x60BE and uint16be(pe.entry_point + 6) == 0x8DBE)
             or (uint32be(pe.entry_point) == 0x53565755 and uint16be(pe.entry_point + 4) == 0x488D
                 and uint8(pe.entry_point + 6) == 0x35))
        // The first section is empty in the file: the program unpacks into it.
        and pe.sections[0].raw_data_size == 0 and pe.sections[0].virtual_size >= 0x1000
        and not pe.sections[0].name startswith "UPX"
}

rule Tyto_Pe_WritableEncryptedCode
{
    meta:
        author = "Tyto project"
        description = "Windows program that starts in a writable section of random-looking bytes: packed or encrypted"
        reference = "https://attack.mitre.org/techniques/T1027/002/"
        date = "2026-11-21"
        score = 50
        id = "c709a940-3236-4b2e-b488-25e655a002d0"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550 and filesize < 50MB
        and for any s in pe.sections : (
            s.characteristics & 0xA0000000 == 0xA0000000 // execute and write
            and s.raw_data_size > 8192 and s.raw_data_size < 20MB
            and pe.entry_point >= s.raw_data_offset
            and pe.entry_point < s.raw_data_offset + s.raw_data_size
            and not s.name startswith "UPX"
            and math.entropy(s.raw_data_offset, s.raw_data_size) > 7.2
        )
}

rule Tyto_Pe_EntryInLastSection
{
    meta:
        author = "Tyto project"
        description = "Windows program that starts in its last, writable section, as infected programs do"
        reference = "https://attack.mitre.org/techniques/T1027/009/"
        date = "2026-11-21"
        score = 55
        id = "106648de-59d2-4eb3-b550-edbed11f3072"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550
        and pe.number_of_sections >= 3
        and pe.sections[pe.number_of_sections - 1].characteristics & 0xA0000000 == 0xA0000000
        and pe.sections[pe.number_of_sections - 1].raw_data_size > 0
        and pe.entry_point >= pe.sections[pe.number_of_sections - 1].raw_data_offset
        and not pe.sections[pe.number_of_sections - 1].name startswith "UPX"
}

rule Tyto_Pe_OverlayScript
{
    meta:
        author = "Tyto project"
        description = "Windows program with a shell, PHP or batch script right behind it"
        reference = "https://attack.mitre.org/techniques/T1027/009/"
        date = "2026-11-21"
        score = 65
        id = "dfcd95f7-6423-45f5-844c-a3a052b17b0a"
    condition:
        uint16(0) == 0x5A4D and uint32(uint32(0x3C)) == 0x00004550
        and pe.overlay.size > 16
        and (
            uint32be(pe.overlay.offset) == 0x23212F62                 // #!/b(in/sh)
            or uint32be(pe.overlay.offset) | 0x20202020 == 0x3C3F7068 // <?ph(p)
            or uint32be(pe.overlay.offset) | 0x20202020 == 0x3C736372 // <scr(ipt)
            or uint32be(pe.overlay.offset) | 0x20202020 == 0x60656368 // @ech(o)
        )
}
