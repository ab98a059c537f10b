#!/bin/sh
# Proposes a drill log with a new row as a pull request. For GitHub's runners: git and gh, with GH_TOKEN set.
set -eu
cd "$(dirname "$0")/.."

[ $# = 2 ] || { echo "usage: scripts/propose-drill-row.sh LOG RUN" >&2; exit 2; }
log=$1 branch=drill-log/run-$2

cp "$log" docs/drill-log.md
if git diff --quiet -- docs/drill-log.md; then
    echo "propose-drill-row: the drill added no row; read its run" >&2
    exit 1
fi
git switch --quiet --create "$branch"
git -c user.name=paycraft-dr -c user.email=paycraft-dr@users.noreply.github.com \
    commit --quiet --message "Log the monthly drill" -- docs/drill-log.md
# gh hands its token to git; no argument and no file of the checkout holds it.
gh auth setup-git
git push --quiet --set-upstream origin "$branch"
gh pr create --title "Log the monthly drill" --head "$branch" \
    --body "The row that the monthly drill of run $2 added. Read its outcome, then merge: \`paycraft-dr status\` counts it from then on."
