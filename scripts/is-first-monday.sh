#!/bin/sh
# Says by its exit code whether a day (today, unless given as YYYY-MM-DD) is the first Monday of its month, in UTC.
set -eu

day=${1:-$(date -u +%F)}
[ "$(date -u -d "$day" +%u)" = 1 ] && [ "$(date -u -d "$day" +%-d)" -le 7 ]
