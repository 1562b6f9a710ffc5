#!/bin/sh
echo "echo is listening"
while IFS= read -r line; do
    printf '\033[1;36mgot\033[0m %s\n' "$line"
done
