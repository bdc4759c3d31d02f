// Linux: hiding, staying and getting in.

rule Tyto_Linux_StrippedProgramInTemp
{
    meta:
        author = "Tyto project"
        description = "Linux program without section table in a temporary folder: packed or made by an attack tool"
        reference = "https://attack.mitre.org/techniques/T1027/002/"
        date = "2026-11-21"
        score = 75
        id = "1264722e-8700-4a94-b4cd-5071e2f80d1c"
    condition:
        uint32be(0) == 0x7F454C46
        // Executables and shared objects of little-endian machines; core dumps have no sections either.
        and uint8(5) == 1 and (uint16(16) == 2 or uint16(16) == 3)
        and ((uint8(4) == 2 and uint16(0x3C) == 0) or (uint8(4) == 1 and uint16(0x30) == 0))
        and filepath matches /^(\/tmp|\/var\/tmp|\/dev\/shm|\/run\/shm|\/dev\/mqueue)(\/|$)/
}

rule Tyto_Linux_ProgramInDev
{
    meta:
        author = "Tyto project"
        description = "Program or script in /dev, where only devices belong, or hidden in /dev/shm"
        reference = "https://attack.mitre.org/techniques/T1564/001/"
        date = "2026-11-21"
        score = 75
        id = "dc12ee35-6057-481f-a28c-d7ec58b55236"
    condition:
        (uint32be(0) == 0x7F454C46 or uint32be(0) == 0x23212F62 or uint32be(0) == 0x23212F75)
        and (
            filepath == "/dev"
            or (filepath startswith "/dev/" and not filepath startswith "/dev/shm")
            or filepath matches /^\/dev\/shm\/(.{1,200}\/)?\./
            or (filepath startswith "/dev/shm" and filename startswith ".")
        )
}

rule Tyto_Linux_UpxTampered
{
    meta:
        author = "Tyto project"
        description = "Linux program packed with UPX whose marks were removed so that upx -d fails"
        reference = "https://attack.mitre.org/techniques/T1027/002/"
        date = "2026-11-21"
        score = 80
        id = "c10984ff-10c3-4e43-b060-9eefb90c3162"
    strings:
        $info = "$Info: This file is packed with the"
        $prot = "PROT_EXEC|PROT_WRITE failed."
        $mark = "UPX!"
    condition:
        uint32be(0) == 0x7F454C46 and uint8(5) == 1
        and ((uint8(4) == 2 and uint16(0x3C) == 0) or (uint8(4) == 1 and uint16(0x30) == 0))
        and any of ($info, $prot) and #mark < 2
}

rule Tyto_Linux_PreloadRootkit
{
    meta:
        author = "Tyto project"
        description = "Shared library that replaces readdir and knows ld.so.preload: a user-mode rootkit"
        reference = "https://attack.mitre.org/techniques/T1574/006/"
        date = "2026-11-21"
        score = 85
        id = "f0db7e2d-f696-4b86-9170-5c46be47b6f9"
    strings:
        $preload  = "ld.so.preload"
        $readdir  = "\x00readdir\x00"
        $readdir6 = "\x00readdir64\x00"
        $dlsym    = "\x00dlsym\x00"
        $hide1 = "\x00fopen64\x00"
        $hide2 = "\x00__lxstat64\x00"
        $hide3 = "\x00unlinkat\x00"
        $hide4 = "\x00execve\x00"
        $hide5 = "/proc/net/tcp"
        $hide6 = "\x00pam_authenticate\x00"
    condition:
        uint32be(0) == 0x7F454C46 and uint8(5) == 1 and uint16(16) == 3 and filesize < 1MB
        and $preload and any of ($readdir*) and $dlsym and 2 of ($hide*)
}

rule Tyto_Linux_PreloadFile
{
    meta:
        author = "Tyto project"
        description = "Preload list of the dynamic linker that names a library in a temporary, hidden or home folder"
        reference = "https://attack.mitre.org/techniques/T1574/006/"
        date = "2026-11-21"
        score = 85
        id = "dad63228-a0be-4190-938c-7a94924f9f21"
    strings:
        $path = /(^|\n)[ \t]{0,4}(\/tmp\/|\/var\/tmp\/|\/dev\/shm\/|\/home\/|\/root\/|\/[^ \n]{0,100}\/\.[^.\/\n])/
    condition:
        filename == "ld.so.preload" and filesize < 4KB and $path
}

rule Tyto_Linux_KernelRootkit
{
    meta:
        author = "Tyto project"
        description = "Linux kernel module that hooks the system calls behind directory listings and kill"
        reference = "https://attack.mitre.org/techniques/T1014/"
        date = "2026-11-21"
        score = 85
        id = "420f5257-832b-49b5-91e7-98e7a32310f3"
    strings:
        $module  = "vermagic="
        $lookup1 = "kallsyms_lookup_name"
        $lookup2 = "sys_call_table"
        $dents   = /(__x64_sys_|hook_|hooked_|hacked_|orig_|fake_)(getdents64|getdents)/
        $kill    = /(__x64_sys_|hook_|hooked_|hacked_|orig_|fake_)(kill|tcp4_seq_show)\b/
    condition:
        uint32be(0) == 0x7F454C46 and uint8(5) == 1 and uint16(16) == 1 and filesize < 5MB
        and $module and any of ($lookup*) and $dents and $kill
}

rule Tyto_Linux_StartupDownload
{
    meta:
        author = "Tyto project"
        description = "Cron, start-up or login file that runs a script from the network or an encoded one"
        reference = "https://attack.mitre.org/techniques/T1053/003/"
        date = "2026-11-21"
        score = 80
        id = "6e469f18-9160-420c-b657-8f1db2fde3d4"
    strings:
        $pipe   = /\b(curl|wget)\b[^\r\n|#]{1,160}\|\s{0,4}(sudo )?([\/a-z]{1,12}\/)?(ba|da|z|k)?sh\b/
        $decode = /base64 {1,2}(-d|--decode|-D)[^\r\n|]{0,60}\| {0,2}([\/a-z]{1,12}\/)?(ba|da|z|k)?sh\b/
        $tcp    = /(>|<>) {0,2}&? {0,2}(\/dev\/tcp\/|\/dev\/udp\/)/
    condition:
        filesize < 256KB and any of them
        and (
            filepath matches /\/(cron(\.(d|hourly|daily|weekly|monthly))?|crontabs|init\.d|rc\.local\.d|profile\.d|update-motd\.d|autostart|udev\/rules\.d)(\/|$)/
            or filename matches /^(crontab|rc\.local|profile|bash\.bashrc|\.(bashrc|bash_profile|bash_login|profile|zshrc|zprofile|xprofile|xinitrc))$/
        )
}

rule Tyto_Linux_SystemdUnit
{
    meta:
        author = "Tyto project"
        description = "Unit of systemd that starts a download, an encoded script or a program in a temporary folder"
        reference = "https://attack.mitre.org/techniques/T1543/002/"
        date = "2026-11-21"
        score = 75
        id = "9ab4bb81-21aa-4e6b-ab69-b68728f63807"
    strings:
        $network = /Exec(Start|StartPre|StartPost|Stop|Reload) {0,2}= {0,2}[^\r\n]{0,100}(curl|wget) [^\r\n|]{1,160}\| {0,4}(sudo )?([\/a-z]{1,12}\/)?(ba|da|z)?sh\b/
        $decode  = /Exec(Start|StartPre|StartPost|Stop|Reload) {0,2}= {0,2}[^\r\n]{0,140}base64 {1,2}(-d|--decode)[^\r\n]{0,60}\|/
        $temp    = /Exec(Start|StartPre|StartPost|Stop|Reload) {0,2}= {0,2}[-+!@:]{0,2}(\/tmp\/|\/var\/tmp\/|\/dev\/shm\/|\/[^ \r\n]{0,80}\/\.\.\.)/
        $tcp     = /Exec(Start|StartPre|StartPost|Stop|Reload) {0,2}= {0,2}[^\r\n]{0,140}(\/dev\/tcp\/|\/dev\/udp\/)/
    condition:
        filesize < 64KB and extension matches /^\.(service|timer|socket|conf)$/
        and any of them
}

rule Tyto_Linux_AuthorizedKeysCommand
{
    meta:
        author = "Tyto project"
        description = "SSH authorized_keys entry whose forced command downloads or opens a shell"
        reference = "https://attack.mitre.org/techniques/T1098/004/"
        date = "2026-11-21"
        score = 80
        id = "55d324c2-1674-46d1-8c26-30ec7ae8a66b"
    strings:
        $command = /command="[^\r\n]{0,140}(curl |wget |base64 |\/dev\/tcp\/|\/dev\/shm\/|\/tmp\/|mkfifo|sh -i)/
    condition:
        filename matches /^authorized_keys2?$/ and filesize < 1MB and $command
}

rule Tyto_Linux_SecondRoot
{
    meta:
        author = "Tyto project"
        description = "List of accounts (passwd) with a second account of user id 0"
        reference = "https://attack.mitre.org/techniques/T1136/001/"
        date = "2026-11-21"
        score = 65
        id = "18b68304-0690-494d-9e09-db15fac48908"
    strings:
        $root  = "root:"
        // BSD systems ship "toor".
        $other = /\n[a-su-z_][^:\r\n]{0,31}:[^:\r\n]{0,128}:0:\d{1,5}:/
    condition:
        filename == "passwd" and filepath endswith "etc" and filesize < 256KB
        and $root at 0 and $other
}

rule Tyto_Linux_SudoersDropper
{
    meta:
        author = "Tyto project"
        description = "Script that grants itself sudo without password and makes the change hard to undo"
        reference = "https://attack.mitre.org/techniques/T1548/003/"
        date = "2026-11-21"
        score = 70
        id = "ca4ba77a-1ea9-4083-835e-45f57344e9cb"
    strings:
        $sudo  = /NOPASSWD: ?ALL[^\r\n]{0,20}["']? {0,2}(>>?|\| {0,2}(sudo )?tee)[^\r\n]{0,20}\/etc\/sudoers/
        $hide1 = /useradd [^\r\n]{0,60}-o [^\r\n]{0,20}-u {0,1}0\b/
        $hide2 = /chattr {1,2}\+[ai]{1,2} /
        $hide3 = "/etc/ld.so.preload"
        $hide4 = /base64 {1,2}(-d|--decode)[^\r\n|]{0,60}\| {0,2}(ba)?sh\b/
    condition:
        filesize < 256KB and $sudo and any of ($hide*)
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash|py|pl))?$/)
}

rule Tyto_Linux_BotDropper
{
    meta:
        author = "Tyto project"
        description = "Shell script that tries folder after folder to download and start a bot for many processors"
        reference = "https://attack.mitre.org/techniques/T1059/004/"
        date = "2026-11-21"
        score = 90
        id = "55a13291-aa02-4d7e-81fe-3d34a1dd4d0b"
    strings:
        $folders = /cd \/tmp {0,2}(\|\||;|&&) {0,2}cd \/(var|mnt|root|run|dev)/
        $fetch   = /\b(wget|curl|tftp|ftpget)\b [^\r\n]{0,80}\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/
        $run     = /chmod (777|\+x|0777|a\+x) /
    condition:
        filesize < 64KB and all of them and #fetch > 1
        and (uint16be(0) == 0x2321 or extension matches /^(\.(sh|bash))?$/)
}

rule Tyto_Linux_EmbeddedProgram
{
    meta:
        author = "Tyto project"
        description = "Shell or Python script that carries a Linux program in base64, writes and starts it"
        reference = "https://attack.mitre.org/techniques/T1140/"
        date = "2026-11-21"
        score = 65
        id = "835d456d-79d2-4810-8a5f-524b781a9a6c"
    strings:
        // base64 of an ELF header: 64 and 32 bit, little-endian.
        $elf    = /f0VMRg(IBAQ|EBAQ)[A-Za-z0-9+\/]{40}/
        $decode = /base64 {1,2}(-d|--decode|-D)|b64decode\(|openssl (base64|enc)/
        $run    = /chmod|memfd_create|\/dev\/shm|os\.exec/
    condition:
        filesize < 50MB and all of them and uint16be(0) == 0x2321
}
