# An OCI image of the program. It runs as an ordinary user with numbers that no host gives away, and needs one writable
# directory: /tmp.
{
  lib,
  dockerTools,
  cacert,
  fakeNss,
  paycraft-dr,
}:

dockerTools.buildLayeredImage {
  name = "paycraft-dr";
  tag = paycraft-dr.version;

  # A drill's private server asks for its user's name, so there has to be one.
  contents = [
    (fakeNss.override {
      extraPasswdLines = [ "paycraft:x:65532:65532:paycraft-dr:/tmp:/noshell" ];
      extraGroupLines = [ "paycraft:x:65532:" ];
    })
    # initdb starts the server it sets up through a shell.
    dockerTools.binSh
  ];
  extraCommands = "mkdir -m 1777 tmp";

  config = {
    Entrypoint = [ (lib.getExe paycraft-dr) ];
    User = "65532:65532";
    WorkingDir = "/tmp";
    Env = [
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
      "HOME=/tmp"
      "LC_ALL=C.UTF-8"
    ];
    Labels = {
      "org.opencontainers.image.title" = "paycraft-dr";
      "org.opencontainers.image.version" = paycraft-dr.version;
      "org.opencontainers.image.licenses" = "MIT";
    };
  };
}
