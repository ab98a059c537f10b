# services.paycraft-dr: a backup every night, prune behind it, a status every hour, a drill on the first Monday of each month.
#
# Secrets are files that only root can read: systemd hands them to the unit that needs them, and to no other. A drill is never
# given the address of production, so it cannot write there.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    optional
    types
    ;

  cfg = config.services.paycraft-dr;
  toml = pkgs.formats.toml { };
  configuration = toml.generate "paycraft-dr.toml" cfg.settings;
  home = "/var/lib/paycraft-dr";
  log = "${home}/drill-log.md";
  evidence = "${home}/drills";

  # Each secret under the name of its credential: the variable that is given its path, and the file it comes from.
  storeSecrets = files: {
    r2-access-key-id = {
      variable = "R2_ACCESS_KEY_ID_FILE";
      file = files.accessKeyIdFile;
    };
    r2-secret-access-key = {
      variable = "R2_SECRET_ACCESS_KEY_FILE";
      file = files.secretAccessKeyFile;
    };
  };
  sourceSecret.source-url = {
    variable = "SUPABASE_DB_URL_FILE";
    file = cfg.source.urlFile;
  };
  told = ping: {
    webhook-url = {
      variable = "PAYCRAFT_WEBHOOK_URL_FILE";
      file = cfg.webhookUrlFile;
    };
    ping-url = {
      variable = "PAYCRAFT_PING_URL_FILE";
      file = ping;
    };
  };
  set = lib.filterAttrs (_: secret: secret.file != null);

  job =
    {
      description,
      secrets,
      commands,
      hours,
      own ? { },
    }:
    {
      inherit description;
      inherit (cfg) onFailure;
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      environment =
        lib.mapAttrs' (name: secret: lib.nameValuePair secret.variable "%d/${name}") (set secrets)
        // {
          HOME = home;
          LC_ALL = "C.UTF-8";
        };
      serviceConfig = {
        Type = "oneshot";
        # One behind the other; a failure ends the job.
        ExecStart = map (
          arguments:
          utils.escapeSystemdExecArgs (
            [
              (lib.getExe cfg.package)
              "--config"
              configuration
              "--quiet"
            ]
            ++ arguments
          )
        ) commands;
        LoadCredential = lib.mapAttrsToList (name: secret: "${name}:${secret.file}") (set secrets);
        TimeoutStartSec = "${toString hours}h";
        User = "paycraft-dr";
        Group = "paycraft-dr";
        StateDirectory = "paycraft-dr";
        WorkingDirectory = home;
        UMask = "0022";
        Nice = 5;

        AmbientCapabilities = "";
        CapabilityBoundingSet = "";
        DevicePolicy = "closed";
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        PrivateUsers = true;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_UNIX"
        ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
        ];
      }
      // own;
    };

  timer = description: schedule: {
    inherit description;
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = schedule;
      # What a machine slept through is made up for.
      Persistent = true;
    };
  };

  schedule =
    default: what:
    mkOption {
      type = types.str;
      inherit default;
      description = "When ${what}, as systemd.time(7) describes it.";
    };

  secret =
    what:
    mkOption {
      type = types.path;
      description = "File that holds ${what}. Only root needs to read it.";
    };

  optionalSecret =
    what:
    mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "File that holds ${what}. Only root needs to read it.";
    };
  # A job that writes nothing may have a token of its own.
  readingSecret =
    whose: name:
    mkOption {
      type = types.path;
      default = cfg.${whose}.${name};
      defaultText = lib.literalExpression "config.services.paycraft-dr.${whose}.${name}";
      description = "Like that of ${whose}; a token that may only read is enough here.";
    };

  allSecrets = set (
    sourceSecret
    // told cfg.backup.pingUrlFile
    // lib.mapAttrs' (name: lib.nameValuePair "drill's ${name}") (
      storeSecrets cfg.drill // told cfg.drill.pingUrlFile
    )
    // lib.mapAttrs' (name: lib.nameValuePair "status's ${name}") (storeSecrets cfg.status)
    // storeSecrets cfg.store
  );
in
{
  options.services.paycraft-dr = {
    enable = mkEnableOption "backups and drills of a PostgreSQL database";

    package = mkOption {
      type = types.package;
      description = "The program.";
    };

    source.urlFile = secret "the connection string of the database to back up";

    store = {
      endpoint = mkOption {
        type = types.str;
        example = "https://ACCOUNT.r2.cloudflarestorage.com";
        description = "Address of the store.";
      };
      bucket = mkOption {
        type = types.str;
        default = "paycraft-backups";
        description = "Name of the bucket.";
      };
      prefix = mkOption {
        type = types.str;
        default = "";
        example = "product/production";
        description = "What every key in the bucket begins with; one for each source keeps their backups apart.";
      };
      accessKeyIdFile = secret "the store's access key id";
      secretAccessKeyFile = secret "the store's secret access key";
    };

    webhookUrlFile = optionalSecret "the address that is told how backups and drills end (Slack's form)";

    onFailure = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Units that are started when a job fails, a status that is not as promised included.";
    };

    settings = mkOption {
      inherit (toml) type;
      default = { };
      example.retention.days = 60;
      description = "Further settings, as fixtures/paycraft-dr.toml shows them. No secrets: this ends up in the store.";
    };

    backup = {
      enable = mkEnableOption "backups" // {
        default = true;
      };
      schedule = schedule "*-*-* 02:00:00 UTC" "a backup is made";
      prune = mkEnableOption "removing what is past its retention, after a backup that succeeded" // {
        default = true;
      };
      pingUrlFile = optionalSecret "the address that is pinged at each end of a backup";
    };

    status = {
      enable = mkEnableOption "looking whether backups, storage and drills are as promised" // {
        default = true;
      };
      # Not on the hour: at the moment when a backup begins, the newest one is as old as it may be.
      schedule = schedule "*-*-* *:30:00" "is looked";
      accessKeyIdFile = readingSecret "drill" "accessKeyIdFile";
      secretAccessKeyFile = readingSecret "drill" "secretAccessKeyFile";
      metrics = mkOption {
        type = types.str;
        default = "${home}/paycraft-dr.prom";
        description = "File of figures for Prometheus' node exporter (its directory of text files).";
      };
    };

    drill = {
      enable = mkEnableOption "drills with the newest real backup, on a private server of this machine" // {
        default = true;
      };
      # Both must fit: of the first seven days one is a Monday.
      schedule = schedule "Mon *-*-01..07 04:00:00 UTC" "a drill is held";
      accessKeyIdFile = readingSecret "store" "accessKeyIdFile";
      secretAccessKeyFile = readingSecret "store" "secretAccessKeyFile";
      pingUrlFile = optionalSecret "the address that is pinged at each end of a drill";
    };
  };

  config = mkIf cfg.enable {
    # A path that is not in quotes is copied into the store, where every user can read it.
    assertions = lib.mapAttrsToList (name: secret: {
      assertion = !builtins.isPath secret.file && !lib.hasPrefix builtins.storeDir (toString secret.file);
      message = "services.paycraft-dr: the secret ${name} would lie in the store for everybody to read; name a file outside of it, in quotes";
    }) allSecrets;

    # A restore is typed by an operator, who finds the program and its manual on the path.
    environment.systemPackages = [ cfg.package ];

    users.users.paycraft-dr = {
      isSystemUser = true;
      group = "paycraft-dr";
      inherit home;
    };
    users.groups.paycraft-dr = { };

    services.paycraft-dr.settings = {
      store = {
        endpoint = mkDefault cfg.store.endpoint;
        bucket = mkDefault cfg.store.bucket;
        prefix = mkDefault cfg.store.prefix;
      };
      status = {
        drill_log = mkDefault log;
        drill_evidence = mkDefault evidence;
        metrics = mkDefault cfg.status.metrics;
      };
    };

    systemd.services = {
      paycraft-dr-backup = mkIf cfg.backup.enable (job {
        description = "Back the database up";
        secrets = sourceSecret // storeSecrets cfg.store // told cfg.backup.pingUrlFile;
        # Nothing is removed on a night that added nothing.
        commands = [ [ "backup" ] ] ++ optional cfg.backup.prune [ "prune" ];
        hours = 2;
      });

      paycraft-dr-status = mkIf cfg.status.enable (job {
        description = "Look whether backups, storage and drills are as promised";
        secrets = storeSecrets cfg.status // told null;
        commands = [ ([ "status" ] ++ optional (!cfg.drill.enable) "--no-drill") ];
        hours = 1;
        own.ReadWritePaths = [ (dirOf cfg.status.metrics) ];
      });

      paycraft-dr-drill = mkIf cfg.drill.enable (job {
        description = "Rehearse with the newest backup";
        secrets = storeSecrets cfg.drill // told cfg.drill.pingUrlFile;
        commands = [
          [
            "drill"
            "--from-store"
            "--log"
            log
            "--report"
            evidence
            "--operator"
            config.networking.hostName
          ]
        ];
        # The objective is four hours; a drill that takes longer has failed.
        hours = 5;
        own = {
          # The private server may compile expressions.
          MemoryDenyWriteExecute = false;
          # Its connections are local ones, and its data must not fill a small /tmp in memory.
          CacheDirectory = "paycraft-dr";
          CacheDirectoryMode = "0700";
          Environment = [ "TMPDIR=%C/paycraft-dr" ];
        };
      });
    };

    systemd.timers = {
      paycraft-dr-backup = mkIf cfg.backup.enable (timer "Nightly backup" cfg.backup.schedule);
      paycraft-dr-status = mkIf cfg.status.enable (timer "Status of the backups" cfg.status.schedule);
      paycraft-dr-drill = mkIf cfg.drill.enable (timer "Monthly drill" cfg.drill.schedule);
    };
  };
}
