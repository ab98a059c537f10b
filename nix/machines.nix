# Three machines: production's database, the S3 server, and the operator's, which backs up, loses production, and restores it.
{ module }:

let
  secret = "a-secret-access-key-of-a-test";
  id = "test";
  identities = {
    identities = [
      {
        name = "paycraft";
        credentials = [
          {
            accessKey = id;
            secretKey = secret;
          }
        ];
        actions = [
          "Admin"
          "Read"
          "Write"
          "List"
        ];
      }
    ];
  };
in
{
  name = "paycraft-dr-machines";

  nodes = {
    database =
      { pkgs, ... }:
      {
        services.postgresql = {
          enable = true;
          package = pkgs.postgresql_17;
          enableTCPIP = true;
          authentication = ''
            host all paycraft all scram-sha-256
          '';
        };
        networking.firewall.allowedTCPPorts = [ 5432 ];
      };

    store =
      { pkgs, ... }:
      {
        virtualisation.diskSize = 4096;
        networking.firewall.allowedTCPPorts = [ 8333 ];
        systemd.services.seaweedfs = {
          wantedBy = [ "multi-user.target" ];
          wants = [ "network-online.target" ];
          after = [ "network-online.target" ];
          serviceConfig = {
            DynamicUser = true;
            StateDirectory = "seaweedfs";
            # Telemetry is on unless it is switched off.
            ExecStart = toString [
              "${pkgs.seaweedfs}/bin/weed server"
              "-dir=/var/lib/seaweedfs"
              "-ip=127.0.0.1"
              "-ip.bind=0.0.0.0"
              "-master.telemetry=false"
              "-master.volumeSizeLimitMB=64"
              "-volume.max=32"
              "-filer"
              "-s3"
              "-s3.port=8333"
              "-s3.allowDeleteBucketNotEmpty=false"
              "-s3.config=${pkgs.writeText "identities.json" (builtins.toJSON identities)}"
            ];
          };
        };
      };

    operator =
      { pkgs, ... }:
      {
        imports = [ module ];
        environment.systemPackages = [
          pkgs.awscli2
          pkgs.postgresql_17
        ];
        virtualisation = {
          diskSize = 4096;
          memorySize = 2048;
        };
        # Files in the store are public; a test's secrets may be.
        environment.etc =
          builtins.mapAttrs
            (_: text: {
              inherit text;
              mode = "0400";
            })
            {
              "paycraft/source" = "postgresql://paycraft:paycraft@database/paycraft";
              "paycraft/target" = "postgresql://paycraft:paycraft@database/restored";
              "paycraft/id" = id;
              "paycraft/secret" = secret;
            };
        services.paycraft-dr = {
          enable = true;
          source.urlFile = "/etc/paycraft/source";
          store = {
            endpoint = "http://store:8333";
            accessKeyIdFile = "/etc/paycraft/id";
            secretAccessKeyFile = "/etc/paycraft/secret";
          };
        };
      };
  };

  testScript = ''
    import json

    settings = " ".join([
        "SUPABASE_DB_URL_FILE=/etc/paycraft/source",
        "TARGET_DB_URL_FILE=/etc/paycraft/target",
        "R2_ENDPOINT_URL=http://store:8333",
        "R2_ACCESS_KEY_ID_FILE=/etc/paycraft/id",
        "R2_SECRET_ACCESS_KEY_FILE=/etc/paycraft/secret",
    ])

    def program(arguments):
        return f"{settings} paycraft-dr {arguments}"

    start_all()
    database.wait_for_unit("postgresql.target")
    store.wait_for_open_port(8333)
    operator.wait_for_unit("multi-user.target")

    with subtest("a product is in production"):
        database.succeed("sudo -u postgres psql -c \"CREATE ROLE paycraft LOGIN PASSWORD 'paycraft'\"")
        database.succeed("sudo -u postgres createdb --owner paycraft paycraft")
        operator.succeed(
            "psql --set ON_ERROR_STOP=1 -f ${./machines.sql} postgresql://paycraft:paycraft@database/paycraft"
        )
        # The store takes no object before its volumes are there.
        operator.wait_until_succeeds(
            "AWS_ACCESS_KEY_ID=${id} AWS_SECRET_ACCESS_KEY=${secret} AWS_REGION=auto"
            " aws --endpoint-url http://store:8333 s3 mb s3://paycraft-backups"
        )

    with subtest("the timers are set"):
        timers = operator.succeed("systemctl list-timers --all")
        for job in ["backup", "status", "drill"]:
            assert f"paycraft-dr-{job}.timer" in timers, timers

    with subtest("the nightly job backs up, and the status is as promised"):
        operator.succeed("systemctl start paycraft-dr-backup.service")
        backups = json.loads(operator.succeed(program("list --json")))["backups"]
        assert [backup["state"] for backup in backups] == ["attested"], backups
        operator.succeed(program("status --no-drill"))

    with subtest("the monthly job proves the backup on a private server, and leaves its evidence"):
        operator.succeed("systemctl start paycraft-dr-drill.service")
        operator.succeed("grep proven /var/lib/paycraft-dr/drill-log.md")
        operator.succeed("systemctl start paycraft-dr-status.service")
        operator.succeed("grep paycraft /var/lib/paycraft-dr/paycraft-dr.prom")

    with subtest("production is lost"):
        database.succeed("sudo -u postgres dropdb --force paycraft")
        operator.fail("systemctl start paycraft-dr-backup.service")
        database.succeed("sudo -u postgres createdb --owner paycraft restored")

    with subtest("it is restored and proven"):
        restored = json.loads(operator.succeed(program("restore --json")))
        assert restored["verdict"] == "proven", restored
        assert restored["canonical_counts"]["tier_definitions"] == 3, restored
        operator.succeed(program("verify"))

    with subtest("a changed row is not proven"):
        operator.succeed(
            "psql -c \"UPDATE tenants SET name = 'another' WHERE id = 1\" postgresql://paycraft:paycraft@database/restored"
        )
        code, said = operator.execute(program("verify"))
        assert code == 3, said
  '';
}
