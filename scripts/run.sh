#!/usr/bin/env bash
# Runs the program given as argument as the bridge with virtual devices, and says what to type in
# another terminal. Called by `make run`; ends when the bridge does.
set -euo pipefail
hharome=$1

cat <<EOF

The bridge starts, with virtual devices. Type in another terminal, in $PWD:

  $hharome call getIDCardInfo &
  $hharome simulate id_card put

The first asks for an ID card and waits 15 s for one, the second puts it on the reader. A card is
read once: put it on again for the next time. With a scanned code, and for as long as you like:

  $hharome listen initQRListener &
  $hharome simulate qr_scanner scan 6901234567892

Or open http://127.0.0.1:17802/ in a browser: the panel shows and works everything.

Ctrl-C ends the bridge. Its log:

EOF
exec env -u HHAROME_CONFIG "$hharome" serve --simulate
