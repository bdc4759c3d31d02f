// Packages and projects that run code when they are installed, imported or opened.

rule Tyto_Package_PythonExecEncoded
{
    meta:
        author = "Tyto project"
        description = "Python code that executes code unpacked from an encoded string"
        reference = "https://attack.mitre.org/techniques/T1195/001/"
        date = "2026-11-21"
        score = 70
        id = "f4090190-416f-4a82-adca-3b77554a5aa7"
    strings:
        $exec = /\b(exec|eval) {0,2}\( {0,2}(compile {0,2}\( {0,2})?(__import__\( {0,2}['"](base64|zlib|marshal|codecs|binascii)['"] {0,2}\) {0,2}\.\w{3,20}|base64\.[a-z0-9]{3,20}|zlib\.decompress|marshal\.loads|bytes\.fromhex|codecs\.decode) {0,2}\( {0,2}(([\w.]{3,30}|__import__\(['"]\w{3,20}['"]\)\.\w{3,20}) {0,2}\( {0,2}){0,3}[bru]{0,2}["']{1,3}[A-Za-z0-9+\/=_\\-]{60}/
    condition:
        filesize < 5MB and extension matches /^\.(py|pyw)$/ and $exec
}

rule Tyto_Package_PythonSetup
{
    meta:
        author = "Tyto project"
        description = "Python setup script that downloads or decodes and runs a command while it installs"
        reference = "https://attack.mitre.org/techniques/T1195/001/"
        date = "2026-11-21"
        score = 75
        id = "43d1b97d-4552-4f29-863e-663b720241e9"
    strings:
        $setup = /\bsetup\s{0,2}\(/
        $run   = /(os\.system|os\.popen|subprocess\.(Popen|call|run|check_call|check_output))\( {0,2}f?["'\[(][^\r\n]{0,100}(powershell|curl |wget |base64 |\/dev\/tcp|mshta|certutil|bash -c|python3? -c)/
        $exec  = /\bexec\( {0,2}(requests\.get|urllib\.request\.urlopen|urlopen)\(/
    condition:
        filename == "setup.py" and filesize < 1MB and $setup and any of ($run, $exec)
}

rule Tyto_Package_PythonPth
{
    meta:
        author = "Tyto project"
        description = "Python path file that decodes, downloads or starts something at every start of Python"
        reference = "https://attack.mitre.org/techniques/T1546/018/"
        date = "2026-11-21"
        score = 85
        id = "b1d6b806-0825-48aa-9458-fe71756ab38b"
    strings:
        // Python executes the lines that begin with "import"; the others are folders.
        $code = /base64\.b|subprocess\.|urllib\.request|urlopen\(|requests\.(get|post)|os\.(system|popen)\(|marshal\.loads|__import__\( {0,2}['"](base64|subprocess|socket|urllib)/
    condition:
        extension == ".pth" and filesize < 256KB and $code
}

rule Tyto_Package_NodeInstallScript
{
    meta:
        author = "Tyto project"
        description = "Node package that downloads or decodes and runs a command while it installs"
        reference = "https://attack.mitre.org/techniques/T1195/001/"
        date = "2026-11-21"
        score = 70
        id = "ec5a9601-4af8-4e59-9730-cb234fa4b1c0"
    strings:
        $script = /"(pre|post)?install"\s{0,2}:\s{0,2}"[^\r\n]{0,140}(curl [^\r\n]{1,120}https?:|wget [^\r\n]{1,120}https?:|powershell|base64 -|\/dev\/tcp|certutil|mshta|nslookup |\.onion|eval\(|Buffer\.from\()/
    condition:
        filename == "package.json" and filesize < 256KB and $script
}

rule Tyto_Package_NodeExecEncoded
{
    meta:
        author = "Tyto project"
        description = "JavaScript for Node that evaluates or starts what it decodes from a string"
        reference = "https://attack.mitre.org/techniques/T1059/007/"
        date = "2026-11-21"
        score = 70
        id = "fbc2549c-9a13-4870-b7df-282d60922139"
    strings:
        $eval = /\b(eval|new Function|execSync|exec|spawnSync|spawn)\s{0,2}\(\s{0,2}(Buffer\.from|new Buffer|atob)\s{0,2}\(\s{0,2}["'`][A-Za-z0-9+\/=]{40}/
    condition:
        filesize < 5MB and extension matches /^\.(js|mjs|cjs|ts)$/ and $eval
}

rule Tyto_Package_EditorTask
{
    meta:
        author = "Tyto project"
        description = "Editor task that downloads and runs something as soon as the folder is opened"
        reference = "https://attack.mitre.org/techniques/T1204/002/"
        date = "2026-11-21"
        score = 80
        id = "d09604c1-ed68-4e9a-9401-96703630cfda"
    strings:
        $open = /"runOn"\s{0,2}:\s{0,2}"folderOpen"/
        $run  = /"(command|args)"\s{0,2}:[^}]{0,140}(curl [^\r\n]{0,100}https?:|wget [^\r\n]{0,100}https?:|powershell|mshta|base64 -|node -e)/
    condition:
        filename == "tasks.json" and filesize < 256KB and all of them
}
