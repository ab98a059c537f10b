//! What the end of each command's help shows: the command as it is typed in the situations it is for.
//!
//! A line that begins with `#` says what the next one does. A test parses them all.

pub(super) const BACKUP: &str = "\
Examples:
  # Back production up; each secret is in a file
  SUPABASE_DB_URL_FILE=/run/secrets/db paycraft-dr backup
  # The same, for a program to read
  paycraft-dr backup --json
  # And restore it at once into a private server of this machine, to know that it can be restored
  paycraft-dr backup --prove
  # Before a migration: prune never takes this one
  paycraft-dr backup --pin --why before-the-billing-migration
  # A database without a password in its address
  paycraft-dr backup --source postgresql://backup@db.internal/product";

pub(super) const LIST: &str = "\
Examples:
  # Everything in the store, newest first
  paycraft-dr list
  # The backups of one day (UTC), for a program to read
  paycraft-dr list 2026/11/23 --json
  # Another bucket
  paycraft-dr list --bucket paycraft-backups-staging
  # A bucket of AWS's, with the keys of a profile
  AWS_PROFILE=backups paycraft-dr list --region eu-central-1 --bucket product-backups";

pub(super) const RESTORE: &str = "\
Examples:
  # The newest backup into TARGET_DB_URL, which must be empty
  paycraft-dr restore
  # The newest backup of a day (UTC)
  paycraft-dr restore 2026/11/23
  # One backup, by its key
  paycraft-dr restore 2026/11/23/backup-20261123-020004.dump.gz
  # Drop first what the backup contains
  paycraft-dr restore --clean
  # The same, where nothing shows that the target is not production: its database's name
  paycraft-dr restore --clean --target-is-not-production staging
  # Over four connections, into a database of plain PostgreSQL
  paycraft-dr restore --jobs 4 --profile plain --target postgresql://me@localhost/restored";

pub(super) const VERIFY: &str = "\
Examples:
  # Read the newest backup's stored bytes to the end; no database is needed
  paycraft-dr verify --object
  # Compare a restored database with the backup it came from
  paycraft-dr verify 2026/11/23 --target postgresql://me@localhost/restored
  # The same, and the five counts of the runbook with production's
  paycraft-dr verify --against";

pub(super) const EXTRACT: &str = "\
Examples:
  # All rows of a table as they were in the newest backup
  paycraft-dr extract public.users
  # The row that was deleted, as it was on a day (UTC), as INSERTs for psql
  paycraft-dr extract public.users 2026/11/20 --where id=4711 --format sql > rows.sql
  # Two columns of some rows as CSV
  paycraft-dr extract users --columns id,email --where plan=free --where 'id<1000' --format csv
  # A name with capitals, into a file
  paycraft-dr extract public.\"Users\" --format jsonl --output users.jsonl";

pub(super) const HISTORY: &str = "\
Examples:
  # Rows and content of a table on each day, and when they changed
  paycraft-dr history public.users
  # When did this row vanish, and what was it?
  paycraft-dr history public.users --where id=4711
  # The same for a program to read
  paycraft-dr history public.users --where id=4711 --json";

pub(super) const ATTEST: &str = "\
Example:
  # An object of the shell workflow, which wrote no manifest
  paycraft-dr attest 2026/11/22/backup-20261122-020004.dump.gz";

pub(super) const DIFF: &str = "\
Examples:
  # What changed since a day: rows, definitions, rights, settings
  paycraft-dr diff 2026/11/22
  # Between two backups, for a program to read
  paycraft-dr diff 2026/11/22 2026/11/23 --json
  # Fail where anything changed
  paycraft-dr diff 2026/11/22 2026/11/23 --exit-code";

pub(super) const PIN: &str = "\
Examples:
  # Keep the newest backup until a migration has proved itself
  paycraft-dr pin latest --why before-the-billing-migration --until 2026/12/31
  # Keep one backup until it is unpinned
  paycraft-dr pin 2026/11/23/backup-20261123-020004.dump.gz --why audit-of-2026";

pub(super) const UNPIN: &str = "\
Example:
  # Let a backup go when its time has come
  paycraft-dr unpin 2026/11/23/backup-20261123-020004.dump.gz";

pub(super) const CONFIRM: &str = "\
Example:
  # A backup under suspicion that holds less than the one before it, and should
  paycraft-dr confirm 2026/11/23/backup-20261123-020004.dump.gz --why events-were-emptied-on-purpose";

pub(super) const CONFIG: &str = "\
Examples:
  # Every setting, its value, and where it is set; of secrets only that they are
  paycraft-dr config show
  # The same for a program to read
  paycraft-dr config show --json";

pub(super) const INIT: &str = "\
Examples:
  # Look at the database in SOURCE_DB_URL, ask for the rest, and write paycraft-dr.toml
  paycraft-dr init
  # Without a question
  paycraft-dr init --yes --name shop --endpoint https://s3.eu-central-1.amazonaws.com --bucket shop-backups
  # These tables alone, in a file of one's own
  paycraft-dr init --yes --name shop --bucket shop-backups --table auth_user --table shop_order --output shop.toml";

pub(super) const CUTOVER: &str = "\
Examples:
  # What would be run, and which steps are done
  paycraft-dr --config paycraft-dr.toml cutover plan
  # Run what remains
  paycraft-dr --config paycraft-dr.toml cutover apply";

pub(super) const CUTOVER_PLAN: &str = "\
Examples:
  # What would be run, and which steps are done; changes nothing
  paycraft-dr --config paycraft-dr.toml cutover plan
  # As if nothing had been done
  paycraft-dr --config paycraft-dr.toml cutover plan --restart";

pub(super) const CUTOVER_APPLY: &str = "\
Examples:
  # Run what remains, stop at the first failure, go on there the next time
  paycraft-dr --config paycraft-dr.toml cutover apply
  # With a journal of its own
  paycraft-dr --config paycraft-dr.toml cutover apply --journal incident-7.jsonl";

pub(super) const RECOVER: &str = "\
Examples:
  # The newest backup, restored, verified and put into service; the clock runs from the declaration
  paycraft-dr --config paycraft-dr.toml recover --declared-at 2026-11-23T02:10:00Z
  # The backup of a day before the rows went wrong
  paycraft-dr --config paycraft-dr.toml recover 2026/11/22";

pub(super) const PRUNE: &str = "\
Examples:
  # What would go and what would stay, each with its reason
  paycraft-dr prune --dry-run
  # Remove it
  paycraft-dr prune
  # Keep twice as long
  paycraft-dr prune --days 60 --keep 14";

pub(super) const STATUS: &str = "\
Examples:
  # Age of the newest backup, storage used, last drill; exit code 3 where a promise is broken
  paycraft-dr status --log docs/drill-log.md
  # Without the drills, and with figures for Prometheus
  paycraft-dr status --no-drill --metrics /var/lib/node_exporter/paycraft-dr.prom";

pub(super) const DOCTOR: &str = "\
Examples:
  # Look at everything, change nothing
  paycraft-dr doctor
  # Also try whether the store may be written
  paycraft-dr doctor --write
  # Ask for a restore into a target that holds something
  paycraft-dr doctor --clean --target postgresql://me@localhost/restored";

#[cfg(feature = "drill")]
pub(super) const DRILL: &str = "\
Examples:
  # A whole backup and restore of synthetic data
  paycraft-dr drill
  # More data, and a row in the log
  paycraft-dr drill --scale 1GiB --log docs/drill-log.md
  # A fault, and the same one again
  paycraft-dr drill --scenario download-reset --seed 1
  # Every scenario; faults by chance
  paycraft-dr drill --scenario all
  paycraft-dr drill --scenario random --runs 20 --seed 1
  # The newest real backup on a private server; the store is only read
  paycraft-dr drill --from-store --log docs/drill-log.md
  # An older backup of the real store
  paycraft-dr drill --from-store --backup 2026/11/23";

#[cfg(feature = "drill")]
pub(super) const SCENARIOS: &str = "\
Examples:
  # What breaks, when, and what must happen then
  paycraft-dr scenarios -v
  # A scenario of one's own begins as one of these
  paycraft-dr scenarios download-reset > mine.toml";

#[cfg(feature = "drill")]
pub(super) const SERVE: &str = "\
Examples:
  # Prints what a shell needs to reach it, and runs until Ctrl-C
  paycraft-dr serve
  # At any port that is free, for a program to read; as strict as Cloudflare R2
  paycraft-dr serve --listen 127.0.0.1:0 --r2 --json";

pub(super) const COMPLETIONS: &str = "\
Examples:
  # For every user of this machine
  paycraft-dr completions bash > /etc/bash_completion.d/paycraft-dr
  # For oneself
  paycraft-dr completions zsh > ~/.zfunc/_paycraft-dr
  paycraft-dr completions fish > ~/.config/fish/completions/paycraft-dr.fish";

pub(super) const MAN: &str = "\
Examples:
  # For every user of this machine; then: man paycraft-dr-restore
  paycraft-dr man /usr/local/share/man/man1";

pub(super) const PROGRAM: &str = "\
Examples:
  # Back up, look, restore, prove
  paycraft-dr backup
  paycraft-dr list
  paycraft-dr restore
  paycraft-dr verify
  # What would stop a restore tonight?
  paycraft-dr doctor";
