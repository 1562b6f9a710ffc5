#!/bin/sh
# Runs a program as the user nobody. Exit code 77: this cannot be done here.
[ "$(id -u)" = 0 ] || { echo "not root, so the tests ran as an ordinary user already"; exit 77; }
run="setpriv --reuid=65534 --regid=65534 --clear-groups --"
$run test -x "$1" 2>/dev/null || { echo "the user nobody cannot run $1"; exit 77; }
exec $run env HOME=/ "$@"
