#!/bin/sh
# What this program would print goes to the standard input of the app `echo`, line by line.
produce() {
    number=0
    while :; do
        number=$((number + 1))
        echo "reading $number"
        sleep 5
    done
}
produce | while IFS= read -r line; do
    printf '%s\n' "$line" | berth connect echo > /dev/null && echo "fed: $line"
done
